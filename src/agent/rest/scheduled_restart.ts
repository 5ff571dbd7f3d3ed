/** The restart that was asked for at a time of day. Kept in memory only, one at a time, as in Patroni. */
import type { ApiView, ScheduledRestart } from "../../api/port.ts";
import { restartConditionsMet } from "../../api/restart.ts";

/**
 * The time is looked at again at least this often: a timer of the runtime fires at once when it is asked for
 * more than 25 days, and wall clocks are set.
 */
const LOOK_AGAIN_MS = 30_000;

export interface RestartScheduleOptions {
  readonly wallMs: () => number;
  /** Called once, when the time has come. */
  readonly due: (restart: ScheduledRestart) => void;
  /** For tests. @default 30 s */
  readonly lookAgainMs?: number;
}

export class RestartSchedule {
  readonly #options: RestartScheduleOptions;
  #restart: ScheduledRestart | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(options: RestartScheduleOptions) {
    this.#options = options;
  }

  /** null: none is scheduled. */
  get restart(): ScheduledRestart | null {
    return this.#restart;
  }

  /** False when there is one already. */
  set(restart: ScheduledRestart): boolean {
    if (this.#restart !== null) return false;
    this.#restart = restart;
    this.#wait(restart);
    return true;
  }

  /** False when there is none. */
  cancel(): boolean {
    clearTimeout(this.#timer);
    const scheduled = this.#restart !== null;
    this.#restart = null;
    return scheduled;
  }

  #wait(restart: ScheduledRestart): void {
    const { wallMs, due, lookAgainMs = LOOK_AGAIN_MS } = this.#options;
    const leftMs = Math.max(0, Date.parse(restart.schedule) - wallMs());
    this.#timer = setTimeout(() => {
      if (wallMs() < Date.parse(restart.schedule)) return this.#wait(restart);
      this.#restart = null;
      due(restart);
    }, Math.min(leftMs, lookAgainMs));
  }
}

/** Whether one whose time has come takes place: nothing that is scheduled does so in maintenance mode. */
export function takesPlace(restart: ScheduledRestart, view: ApiView): boolean {
  return !view.dynamic.pause && restartConditionsMet(restart, view);
}
