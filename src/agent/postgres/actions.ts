/**
 * Runs the work of actions in the order of the ledger. An action that a stop has cancelled must have come to
 * its end before another one touches the directory; its result is not heard any more.
 */
import type { LongAction, QuietAction } from "../../model/postgres_view.ts";
import { errorText } from "../../postgres/error_text.ts";
import { ActionLedger, type Begun, type StopHow } from "./action_ledger.ts";
import type { ContextParts } from "./context.ts";
import type { Progress } from "./join.ts";
import { CANCELLED } from "./stop.ts";
import { atMost, WorkQueue } from "./wait.ts";

/** A stop does not wait longer than this for what it cancelled. */
const CANCEL_WAIT_MS = 2_000;

/** Resolves to null, or to what went wrong. */
type Work = (signal: AbortSignal, progress: Progress) => Promise<string | null>;

export class PostgresActions {
  /** Work of actions, the cancelled ones included. */
  readonly #turns = new WorkQueue();
  readonly #ledger: ActionLedger;
  #controller = new AbortController();
  #lastQuietFailure = "";

  readonly #parts: Pick<ContextParts, "clock" | "log" | "memory" | "changed">;

  constructor(parts: Pick<ContextParts, "clock" | "log" | "memory" | "changed">) {
    this.#parts = parts;
    this.#ledger = new ActionLedger(parts.memory, () => parts.clock.now());
  }

  get running(): LongAction | null {
    return this.#ledger.running;
  }

  /** Ignored while another action is at work. */
  begin(kind: LongAction, detail: string, work: Work): void {
    const begun = this.#ledger.begin(kind, detail);
    if (begun === null) return;
    const { signal } = this.#entered();
    const turn = this.#turns.take(() =>
      signal.aborted ? Promise.resolve(CANCELLED) : work(signal, this.#progressOf(begun))
    );
    this.#finishWith(begun, turn);
  }

  /** `work` is told when what was cancelled has ended, or may be waited for no longer. */
  beginStop(
    how: StopHow,
    work: (signal: AbortSignal, cancelled: () => Promise<unknown>) => Promise<string | null>,
  ): void {
    const before = this.#controller;
    const begun = this.#ledger.beginStop(how);
    if (begun === null) return;
    before.abort();
    const { signal } = this.#entered();
    const ended = this.#turns.take(() => Promise.resolve());
    const done = work(signal, () => atMost(this.#parts.clock, CANCEL_WAIT_MS, ended));
    this.#finishWith(begun, this.#turns.take(() => done), done);
  }

  beginQuiet(kind: QuietAction, work: () => Promise<string | null>): void {
    if (!this.#ledger.beginQuiet(kind)) return;
    const run = kind === "set-aside" ? this.#turns.take(work) : work();
    run.catch((error: unknown) => errorText(error)).then((failed) => {
      this.#ledger.finishQuiet(kind, failed);
      if (failed !== null && failed !== this.#lastQuietFailure) {
        this.#parts.log.error("action_failed", `${kind} failed: ${failed}`);
      }
      this.#lastQuietFailure = failed ?? "";
      this.#parts.changed();
    });
  }

  cancel(kinds: readonly LongAction[], why: string): void {
    const { running } = this.#ledger;
    if (running === null || !kinds.includes(running)) return;
    this.#parts.log.info("cancel", `cancelling the ${running}: ${why}`);
    this.#controller.abort();
  }

  #entered(): AbortController {
    this.#controller = new AbortController();
    this.#parts.changed();
    return this.#controller;
  }

  #progressOf(begun: Begun): Progress {
    return (detail) => {
      this.#ledger.progress(begun, detail);
      this.#parts.changed();
    };
  }

  /** `result` when the turn, which waits for others first, is not to be waited for. */
  #finishWith(begun: Begun, turn: Promise<string | null>, result = turn): void {
    turn.catch(() => undefined);
    result.catch((error: unknown) => errorText(error)).then((failed) => this.#finish(begun, failed));
  }

  #finish(begun: Begun, failed: string | null): void {
    const { clock, log, changed } = this.#parts;
    const { kind, sinceMs } = begun;
    if (!this.#ledger.finish(begun, failed)) return;
    if (failed === null) {
      const seconds = (clock.now() - sinceMs) / 1000;
      log.info("action_done", `PostgreSQL: ${kind} is done after ${seconds.toFixed(2)} s`);
    } else log.error("action_failed", `${kind} failed: ${failed}`);
    changed();
  }
}
