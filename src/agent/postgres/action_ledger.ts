/**
 * Keeps which action is at work, and how the last of each kind ended, with its failures in a row: one long
 * action at a time, and a stop before everything. Synchronous, and the same class in production and in the
 * simulator.
 */
import type { LongAction, PostgresState, QuietAction } from "../../model/postgres_view.ts";
import type { PostgresMemory } from "./memory.ts";

/** The state that is shown after a failure, as long as nothing runs. */
const FAILURES: { readonly [kind in LongAction]?: PostgresState } = {
  bootstrap: "initdb failed",
  start: "start failed",
  restart: "restart failed",
  stop: "stop failed",
};

export type StopHow = "fast" | "immediate" | "kill";

/** An action that has begun; what it says counts until another one has taken its place. */
export interface Begun {
  readonly kind: LongAction;
  readonly detail: string;
  readonly sinceMs: number;
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

  isCurrent(begun: Begun): boolean {
    return this.#current === begun;
  }

  /** null: another one is at work. The keeper sees that one, and decides again. */
  begin(kind: LongAction, detail: string): Begun | null {
    return this.#current !== null || this.#quiet === "set-aside" ? null : this.#enter(kind, detail);
  }

  /** Begins a stop in place of the action at work; null: a stop that is as hard is at work. */
  beginStop(how: StopHow): Begun | null {
    const { action } = this.#memory;
    if (action?.kind === "stop" && (action.detail === how || action.detail === "kill")) return null;
    // What it still has to say is not heard any more, and it has not succeeded.
    if (this.running === "promote") {
      this.#memory.note("promote", `cancelled (${how} stop)`, "", this.#nowMs());
    }
    return this.#enter("stop", how);
  }

  progress(begun: Begun, detail: string): void {
    const memory = this.#memory;
    if (this.isCurrent(begun) && memory.action !== null) memory.action = { ...memory.action, detail };
  }

  /**
   * `failed`: what went wrong; null: nothing. False: another one has taken its place, and nothing is noted.
   */
  finish(begun: Begun, failed: string | null): boolean {
    if (!this.isCurrent(begun)) return false;
    const memory = this.#memory;
    this.#current = null;
    memory.action = null;
    memory.note(begun.kind, failed, begun.detail, this.#nowMs());
    if (failed !== null) memory.failure = FAILURES[begun.kind] ?? memory.failure;
    return true;
  }

  /** Short of a long action: not shown as one, but never beside one that changes the directory. */
  beginQuiet(kind: QuietAction): boolean {
    if (this.#quiet !== null || (kind === "set-aside" && this.#current !== null)) return false;
    this.#quiet = kind;
    return true;
  }

  finishQuiet(kind: QuietAction, failed: string | null): void {
    this.#quiet = null;
    this.#memory.note(kind, failed, "", this.#nowMs());
  }

  #enter(kind: LongAction, detail: string): Begun {
    const sinceMs = this.#nowMs();
    const begun = { kind, detail, sinceMs };
    this.#current = begun;
    this.#memory.action = { ...begun, movedMs: sinceMs };
    return begun;
  }
}
