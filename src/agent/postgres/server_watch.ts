/**
 * Keeps which server runs, by the guard's word, and whether its end was asked for; says what its end means
 * for the view and the decisions. Synchronous, and the same class in production and in the simulator.
 */
import { type ExitReport, type GuardView, isPrimary, type Postmaster } from "../../guard/port.ts";
import type { PostgresMemory } from "./memory.ts";

export interface ServerEnd {
  readonly server: Postmaster;
  /** The end was asked for by this agent, or by the guard's fence: the server did not crash. */
  readonly asked: boolean;
  /** The guard's report of the end; null: none. */
  readonly report: ExitReport | null;
}

export interface ServerWatchHooks {
  /**
   * A server has ended; what it said of itself is still in the memory. What it has left on disk is to be
   * read: memory.settling.
   */
  readonly ended: (end: ServerEnd) => void;
  /** A server runs that this agent did not start. */
  readonly appeared: (server: Postmaster) => void;
}

export class ServerWatch {
  #known: Postmaster | null = null;
  #endAsked = false;

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

  get endAsked(): boolean {
    return this.#endAsked;
  }

  /** From now on the end of a server is this agent's doing. */
  askEnd(): void {
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
    if (postmaster === null || before?.pid === postmaster.pid || busy) return;
    this.#endAsked = false;
    this.#hooks.appeared(postmaster);
  }

  #ended(server: Postmaster, lastExit: ExitReport | null): void {
    const memory = this.#memory;
    const report = lastExit?.pid === server.pid ? lastExit : null;
    const asked = this.#endAsked || report?.fenced === true;
    const atMs = report?.atMs ?? this.#nowMs();
    if (asked) memory.failure = null;
    else memory.endedByItself(atMs);
    // The first of several: a server that ends while it is being started again has not recovered in between.
    if (!asked && isPrimary(server)) memory.crashedAtMs ??= atMs;
    memory.settling = true;
    memory.diskEnd = null;
    this.#hooks.ended({ server, asked, report });
  }
}
