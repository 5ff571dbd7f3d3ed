/**
 * Keeps which action is at work, and how the last of each kind ended, with its failures in a row: one long
 * action at a time, and a stop before everything. Synchronous, and the same class in production and in the
 * simulator.
 */
import type { CopyStatus } from "../../model/copy_status.ts";
import type { LongAction, PostgresState, QuietAction } from "../../model/postgres_view.ts";
import type { PostgresMemory } from "./memory.ts";

/** The state that is shown after a failure, as long as nothing runs. */
const FAILURES: { readonly [kind in LongAction]?: PostgresState } = {
  bootstrap: "initdb failed",
  start: "start failed",
  restart: "restart failed",
  stop: "stop failed",
};

/** They make or change the data. */
export const DIRECTORY_ACTIONS: readonly LongAction[] = ["bootstrap", "clone", "rewind"];

export type StopHow = "fast" | "immediate" | "kill";

/** An action that has begun. Its reports count until another one has taken its place. */
export interface Begun {
  readonly kind: LongAction;
  readonly detail: string;
  readonly sinceMs: number;
  /** Only of a clone: as it is at its beginning. */
  readonly copy?: CopyStatus;
}

export class ActionLedger {
  #current: Begun | null = null;
  #quiet: QuietAction | null = null;

  readonly #memory: PostgresMemory;
  readonly #nowMs: () => number;

  constructor(memory: PostgresMemory, nowMs: () => number) {
    this.#memory = memory;
    this.#nowMs = nowMs;
  }

  get running(): LongAction | null {
    return this.#current?.kind ?? null;
  }

  /** The files of the data directory are being made, moved or replaced. */
  get changesDirectory(): boolean {
    const { running } = this;
    return this.#quiet === "set-aside" || (running !== null && DIRECTORY_ACTIONS.includes(running));
  }

  isCurrent(begun: Begun): boolean {
    return this.#current === begun;
  }

  /** null: another action is at work. The keeper sees it, and decides again. */
  begin(kind: LongAction, detail: string, copy?: CopyStatus): Begun | null {
    return this.#current !== null || this.#quiet === "set-aside" ? null : this.#enter(kind, detail, copy);
  }

  /** Begins a stop in place of the action at work; null: a stop that is as hard is at work. */
  beginStop(how: StopHow): Begun | null {
    const { action } = this.#memory;
    if (action?.kind === "stop" && (action.detail === how || action.detail === "kill")) return null;
    // Its later reports do not count, and it has not succeeded. A start is stopped in order for many reasons;
    // one that is killed hung.
    const { running } = this;
    const why = `cancelled (${how} stop)`;
    if (running === "promote" || running === "restart") this.#memory.note(running, why, "", this.#nowMs());
    if (how === "kill" && (running === "start" || running === "restart")) {
      this.#memory.note("start", why, "", this.#nowMs());
    }
    return this.#enter("stop", how);
  }

  progress(begun: Begun, detail: string, copy?: CopyStatus): void {
    const memory = this.#memory;
    if (!this.isCurrent(begun) || memory.action === null) return;
    const before = memory.action.copy?.doneBytes;
    memory.action = { ...memory.action, detail, ...(copy === undefined ? {} : { copy }) };
    if (copy !== undefined && copy.doneBytes !== before) memory.moved(begun.kind, this.#nowMs());
  }

  /**
   * `failed`: what went wrong; null: nothing. False: another one has taken its place, and nothing is noted.
   * `cancelled`: the failure was the agent's own doing, not that of the member copied from.
   */
  finish(begun: Begun, failed: string | null, cancelled = false): boolean {
    if (!this.isCurrent(begun)) return false;
    const memory = this.#memory;
    this.#current = null;
    memory.action = null;
    const from = cancelled ? undefined : begun.copy?.from;
    memory.note(begun.kind, failed, begun.detail, this.#nowMs(), from);
    if (failed !== null) memory.failure = this.#failureOf(begun.kind) ?? memory.failure;
    if (begun.kind === "bootstrap") memory.customBootstrap = false;
    return true;
  }

  /** A short action: not shown as a long one, but never beside one that changes the directory. */
  beginQuiet(kind: QuietAction): boolean {
    if (this.#quiet !== null || (kind === "set-aside" && this.#current !== null)) return false;
    this.#quiet = kind;
    return true;
  }

  finishQuiet(kind: QuietAction, failed: string | null): void {
    this.#quiet = null;
    this.#memory.note(kind, failed, "", this.#nowMs());
  }

  #failureOf(kind: LongAction): PostgresState | undefined {
    return kind === "bootstrap" && this.#memory.customBootstrap ? "custom bootstrap failed" : FAILURES[kind];
  }

  #enter(kind: LongAction, detail: string, copy?: CopyStatus): Begun {
    const sinceMs = this.#nowMs();
    const begun = { kind, detail, sinceMs, ...(copy === undefined ? {} : { copy }) };
    this.#current = begun;
    // A promotion is watched from the moment at which the server is told: a hook may precede it.
    this.#memory.action = copy === undefined ? begun : { ...begun, movedMs: sinceMs };
    return begun;
  }
}
