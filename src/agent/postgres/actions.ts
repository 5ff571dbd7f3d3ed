/**
 * Runs the work of actions in the order of the ledger. An action that a stop has cancelled must have come to
 * its end before another one touches the directory; its result is not heard any more.
 */
import { beginCopy, type CopyStatus } from "../../model/copy_status.ts";
import type { LongAction, QuietAction } from "../../model/postgres_view.ts";
import { errorText } from "../../postgres/error_text.ts";
import { ActionLedger, type Begun, type StopHow } from "./action_ledger.ts";
import type { ContextParts } from "./context.ts";
import type { Clone, PostgresCopy, Progress, Restore } from "./copy.ts";
import { CANCELLED } from "./stop.ts";
import { WorkQueue } from "../../lib/work_queue.ts";
import { atMost } from "./wait.ts";

/** A stop does not wait longer than this for the action that it cancelled. */
const CANCEL_WAIT_MS = 2_000;

/** The reason of an abort for which the member that is copied is at fault. */
class SourceFailure extends Error {}

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

  /** See ActionLedger. */
  get changesDirectory(): boolean {
    return this.#ledger.changesDirectory;
  }

  /** Ignored while another action is at work. */
  begin(kind: LongAction, detail: string, work: Work, copy?: CopyStatus): void {
    const begun = this.#ledger.begin(kind, detail, copy);
    if (begun === null) return;
    const { signal } = this.#entered();
    const turn = this.#turns.take(() =>
      signal.aborted ? Promise.resolve(CANCELLED) : work(signal, this.#progressOf(begun))
    );
    this.#finishWith(begun, signal, turn);
  }

  beginCopy(action: Clone | Restore, copying: Pick<PostgresCopy, "clone" | "restore">): void {
    if (action.kind === "restore") {
      return this.begin("clone", "without leader", (...how) => copying.restore(action, ...how));
    }
    const { from, leader } = action;
    const copy = beginCopy(from.name, from.name !== leader.name);
    this.begin("clone", `from ${from.name}`, (...how) => copying.clone(action, ...how), copy);
  }

  /** `work` is called when the cancelled action has ended, or the wait for it is over. */
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
    this.#finishWith(begun, signal, this.#turns.take(() => done), done);
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

  /** `sourceFails`: the member that is copied is at fault. */
  cancel(kinds: readonly LongAction[], why: string, sourceFails: boolean): void {
    const { running } = this.#ledger;
    if (running === null || !kinds.includes(running)) return;
    this.#parts.log.info("cancel", `cancelling the ${running}: ${why}`);
    this.#controller.abort(sourceFails ? new SourceFailure(why) : undefined);
  }

  #entered(): AbortController {
    this.#controller = new AbortController();
    this.#parts.changed();
    return this.#controller;
  }

  #progressOf(begun: Begun): Progress {
    return (detail, copy) => {
      this.#ledger.progress(begun, detail, copy);
      this.#parts.changed();
    };
  }

  /** Returns `result` without waiting for the turn, which comes after others. */
  #finishWith(begun: Begun, signal: AbortSignal, turn: Promise<string | null>, result = turn): void {
    turn.catch(() => undefined);
    result.catch((error: unknown) => errorText(error))
      .then((failed) => {
        const { aborted, reason } = signal;
        if (failed === null || !(reason instanceof SourceFailure)) {
          return this.#finish(begun, failed, aborted);
        }
        this.#finish(begun, reason.message, false);
      });
  }

  #finish(begun: Begun, failed: string | null, cancelled: boolean): void {
    const { clock, log, changed } = this.#parts;
    const { kind, sinceMs } = begun;
    if (!this.#ledger.finish(begun, failed, cancelled)) return;
    if (failed === null) {
      const seconds = (clock.now() - sinceMs) / 1000;
      log.info("action_done", `PostgreSQL: ${kind} is done after ${seconds.toFixed(2)} s`);
    } else log.error("action_failed", `${kind} failed: ${failed}`);
    changed();
  }
}
