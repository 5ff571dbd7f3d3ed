/**
 * What the holder waits for before the synchronous standbys are those that are wanted: said once, and looked
 * at again soon. Until the wait is over, fewer members may take over than could.
 */
import type { Log } from "../../lib/log.ts";
import type { SyncStep } from "../../sync/plan.ts";

const FIRST_LOOK_MS = 50;
const LAST_LOOK_MS = 1000;

export class SyncWait {
  #why = "";
  #sinceMs = 0;
  #lookMs = Infinity;
  readonly #log: Pick<Log, "info">;

  constructor(log: Pick<Log, "info">) {
    this.#log = log;
  }

  note(step: SyncStep | null, nowMs: number): void {
    const why = step?.kind === "wait" ? step.why : "";
    if (why === this.#why) return;
    this.#why = why;
    this.#sinceMs = nowMs;
    this.#lookMs = why === "" ? Infinity : nowMs + FIRST_LOOK_MS;
    if (why !== "") this.#log.info("sync_wait", `synchronous replication waits until ${why}`);
  }

  /** When PostgreSQL is to be asked again, more and more seldom; Infinity: nothing is waited for. */
  get dueMs(): number {
    return this.#lookMs;
  }

  /** True: it is to be asked now. */
  isDue(nowMs: number): boolean {
    if (nowMs < this.#lookMs) return false;
    const pauseMs = Math.min(LAST_LOOK_MS, Math.max(FIRST_LOOK_MS, (nowMs - this.#sinceMs) / 2));
    this.#lookMs = nowMs + pauseMs;
    return true;
  }
}
