/**
 * Tracks the running server, as the guard reports it, and whether its end was asked for; derives what that
 * end means for the view and the decisions. Synchronous, and the same class in production and in the
 * simulator.
 */
import {
  type ExitReport,
  type GuardView,
  isPrimary,
  isUndeclared,
  type Postmaster,
} from "../../model/guard_view.ts";
import type { PostgresMemory } from "./memory.ts";

export interface ServerEnd {
  readonly server: Postmaster;
  /**
   * This agent had asked for the end before it began, or the guard's fence had brought it about: the server
   * did not crash.
   */
  readonly asked: boolean;
  /** The guard's report of the end; null: none. */
  readonly report: ExitReport | null;
}

export interface ServerWatchHooks {
  /**
   * A server has ended. Its last answers are still in the memory; its directory is still to be read:
   * memory.settling.
   */
  readonly ended: (end: ServerEnd) => void;
  /** A server runs that this agent did not start. One that is undeclared may be another cluster's. */
  readonly appeared: (server: Postmaster) => void;
  /** The guard was told the role of a server that had appeared undeclared: it is taken over. */
  readonly declared: (server: Postmaster) => void;
}

export class ServerWatch {
  #known: Postmaster | null = null;
  #endAsked = false;
  /** The server whose end had begun before this agent asked for one. */
  #endsByItself: number | null = null;

  readonly #memory: PostgresMemory;
  readonly #nowMs: () => number;
  readonly #hooks: ServerWatchHooks;

  constructor(
    memory: PostgresMemory,
    nowMs: () => number,
    hooks: ServerWatchHooks,
  ) {
    this.#memory = memory;
    this.#nowMs = nowMs;
    this.#hooks = hooks;
  }

  /** The server of the last look. */
  get known(): Postmaster | null {
    return this.#known;
  }

  /**
   * From now on the end of a server is this agent's doing. One that has begun already stays what it is: the
   * agent also asks a server to end that others have killed or told to shut down, to see to its end.
   */
  askEnd(): void {
    const { server } = this.#memory;
    const isEnding = server !== null && server.pid === this.#known?.pid && server.shutdown !== null;
    if (isEnding && !this.#endAsked) this.#endsByItself = server.pid;
    this.#endAsked = true;
  }

  /** From now on the end of a server would be a crash. */
  expectNoEnd(): void {
    this.#endAsked = false;
  }

  /** `busy`: an action runs, so that a server which appears is its work. */
  look(guard: GuardView, busy: boolean): void {
    const { postmaster } = guard;
    const before = this.#known;
    this.#known = postmaster;
    if (before !== null && before.pid !== postmaster?.pid) this.#ended(before, guard.lastExit);
    this.#memory.track(postmaster?.pid ?? null);
    if (postmaster === null) return;
    if (before?.pid === postmaster.pid) {
      const endsNow = before.phase !== "ending" && postmaster.phase === "ending";
      if (endsNow && !this.#endAsked) this.#endsByItself = postmaster.pid;
      if (isUndeclared(before) && !isUndeclared(postmaster)) {
        // It serves: the end of the server before it is no crash that lasts.
        this.#memory.crashedAtMs = null;
        this.#hooks.declared(postmaster);
      }
      return;
    }
    if (busy) return;
    // One that is ending already was told to by an earlier start of the agent.
    this.#endAsked = postmaster.phase === "ending";
    this.#hooks.appeared(postmaster);
  }

  #ended(server: Postmaster, lastExit: ExitReport | null): void {
    const memory = this.#memory;
    const report = lastExit?.pid === server.pid ? lastExit : null;
    const byItself = this.#endsByItself === server.pid;
    this.#endsByItself = null;
    const asked = (this.#endAsked && !byItself) || report?.fenced === true;
    const atMs = report?.atMs ?? this.#nowMs();
    if (asked) memory.failure = null;
    else memory.endedByItself(atMs, report?.code ?? null);
    // The first of several: a server that ends while it is being started again has not recovered in between.
    if (!asked && isPrimary(server)) memory.crashedAtMs ??= atMs;
    memory.settling = true;
    memory.diskEnd = null;
    this.#hooks.ended({ server, asked, report });
  }
}
