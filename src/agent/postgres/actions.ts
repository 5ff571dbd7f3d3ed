/**
 * The order of actions: one long one at a time, and a stop before everything. What a stop has cancelled must have come
 * to its end before another action touches the directory; what it still has to say is not heard any more.
 */
import type { LongAction, PostgresState, QuietAction } from "../../model/postgres_view.ts";
import { errorText } from "../../postgres/error_text.ts";
import type { ContextParts } from "./context.ts";
import type { Progress } from "./join.ts";
import { CANCELLED } from "./stop.ts";
import { atMost, Turns } from "./wait.ts";

/** A stop does not wait longer than this for what it cancelled. */
const CANCEL_WAIT_MS = 2_000;

/** What the state says after a failure, as long as nothing runs. */
const FAILURES: { readonly [kind in LongAction]?: PostgresState } = {
  bootstrap: "initdb failed",
  start: "start failed",
  restart: "restart failed",
  stop: "stop failed",
};

export type StopHow = "fast" | "immediate" | "kill";
/** Resolves to null, or to what went wrong. */
type Work = (signal: AbortSignal, progress: Progress) => Promise<string | null>;

interface Current {
  readonly kind: LongAction;
  readonly detail: string;
  readonly sinceMs: number;
  readonly controller: AbortController;
}

export class PostgresActions {
  /** Work of actions, the cancelled ones included. */
  private readonly turns = new Turns();
  private current: Current | null = null;
  private quiet: QuietAction | null = null;
  private lastQuietFailure = "";

  constructor(private readonly parts: Pick<ContextParts, "clock" | "log" | "memory" | "changed">) {}

  get running(): LongAction | null {
    return this.current?.kind ?? null;
  }

  /** Ignored while another action is at work: the keeper sees that one, and decides again. */
  begin(kind: LongAction, detail: string, work: Work): void {
    if (this.current !== null || this.quiet === "set-aside") return;
    const current = this.enter(kind, detail);
    const { signal } = current.controller;
    const turn = this.turns.take(() =>
      signal.aborted ? Promise.resolve(CANCELLED) : work(signal, this.progressOf(current))
    );
    this.finishWith(current, turn);
  }

  /** `work` is told when what was cancelled has ended, or may be waited for no longer. */
  beginStop(
    how: StopHow,
    work: (signal: AbortSignal, cancelled: () => Promise<unknown>) => Promise<string | null>,
  ): void {
    if (this.current?.kind === "stop" && (this.current.detail === how || this.current.detail === "kill")) {
      return;
    }
    this.current?.controller.abort();
    // What it still has to say is not heard any more, and it has not succeeded.
    if (this.current?.kind === "promote") this.note("promote", `${CANCELLED} (${how} stop)`, "");
    const current = this.enter("stop", how);
    const ended = this.turns.take(() => Promise.resolve());
    const done = work(current.controller.signal, () => atMost(this.parts.clock, CANCEL_WAIT_MS, ended));
    this.finishWith(current, this.turns.take(() => done), done);
  }

  /** Short of a long action: not shown as one, but never beside one that changes the directory. */
  beginQuiet(kind: QuietAction, work: () => Promise<string | null>): void {
    if (this.quiet !== null || (kind === "set-aside" && this.current !== null)) return;
    this.quiet = kind;
    const run = kind === "set-aside" ? this.turns.take(work) : work();
    run.catch((error: unknown) => errorText(error)).then((failed) => {
      this.quiet = null;
      this.note(kind, failed, "");
      if (failed !== null && failed !== this.lastQuietFailure) {
        this.parts.log.error("action_failed", `${kind} failed: ${failed}`);
      }
      this.lastQuietFailure = failed ?? "";
      this.parts.changed();
    });
  }

  cancel(kinds: readonly LongAction[], why: string): void {
    if (this.current === null || !kinds.includes(this.current.kind)) return;
    this.parts.log.info("cancel", `cancelling the ${this.current.kind}: ${why}`);
    this.current.controller.abort();
  }

  private note(kind: LongAction | QuietAction, failed: string | null, detail: string): void {
    this.parts.memory.note(kind, failed, detail, this.parts.clock.now());
  }

  private enter(kind: LongAction, detail: string): Current {
    const { clock, memory, changed } = this.parts;
    const sinceMs = clock.now();
    const current = { kind, detail, sinceMs, controller: new AbortController() };
    this.current = current;
    memory.action = { kind, detail, sinceMs };
    changed();
    return current;
  }

  private progressOf(current: Current): Progress {
    return (detail) => {
      const { memory, changed } = this.parts;
      if (this.current !== current || memory.action === null) return;
      memory.action = { ...memory.action, detail };
      changed();
    };
  }

  /** `result` when the turn, which waits for others first, is not to be waited for. */
  private finishWith(current: Current, turn: Promise<string | null>, result = turn): void {
    turn.catch(() => undefined);
    result.catch((error: unknown) => errorText(error)).then((failed) => this.finish(current, failed));
  }

  private finish(current: Current, failed: string | null): void {
    if (this.current !== current) return;
    const { clock, log, memory, changed } = this.parts;
    const { kind, detail } = current;
    this.current = null;
    memory.action = null;
    this.note(kind, failed, detail);
    if (failed === null) {
      const seconds = (clock.now() - current.sinceMs) / 1000;
      log.info("action_done", `PostgreSQL: ${kind} is done after ${seconds.toFixed(2)} s`);
    } else {
      memory.failure = FAILURES[kind] ?? memory.failure;
      log.error("action_failed", `${kind} failed: ${failed}`);
    }
    changed();
  }
}
