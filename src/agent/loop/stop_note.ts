/**
 * Notes why this member's PostgreSQL was stopped last, by which steps, and what kept it from its end, for
 * `agent ctl list` and GET /patroni. The log says the same in many lines; the note is for a later look. Pure
 * but for its memory.
 */
import type { ExitReport } from "../../model/guard_view.ts";
import type { LastStop, StopStep } from "../../model/last_stop.ts";
import type { PostgresView } from "../../model/postgres_view.ts";

const MAX_REASON = 300;
const MAX_STEPS = 6;

export class StopNote {
  #last: LastStop | null = null;
  #exitPid: number | null = null;

  /** null: PostgreSQL was not stopped since this agent was started. */
  get last(): LastStop | null {
    return this.#last;
  }

  /** A stop was decided. The same step again says nothing new. `at`: wall clock, for people. */
  asked(step: StopStep, why: string, at: string): void {
    const known = this.#last;
    if (known === null || known.over) {
      this.#last = { at, steps: [step], why: shortened(why), over: false };
    } else if (known.steps.at(-1) !== step && known.steps.length < MAX_STEPS) {
      this.#last = { ...known, steps: [...known.steps, step], why: shortened(`${known.why}; ${why}`) };
    }
  }

  /**
   * Before each decision: the guard's own kills, the stop inside a restart, and whether PostgreSQL serves
   * again.
   */
  look(view: PostgresView, exit: ExitReport | null, at: string): void {
    const { process, action } = view;
    if (process === "frozen") this.asked("freeze", "its lease was not renewed in time", at);
    if (exit !== null && exit.pid !== this.#exitPid) {
      this.#exitPid = exit.pid;
      if (exit.fenced) this.asked("kill", "the guard ended it, as its lease has ended", at);
    }
    const detail = action?.kind === "restart" ? RESTART_STEP.exec(action.detail) : null;
    if (detail !== null) this.asked(detail[1] as StopStep, detail[2]!, at);
    const stopping = action?.kind === "stop" || action?.kind === "restart" || view.shutdown !== null;
    const serves = process === "running" && !stopping;
    if (serves && this.#last?.over === false) this.#last = { ...this.#last, over: true };
  }
}

/** How the detail of a restart names a step of its stop that time has ended. */
export function restartStep(step: "immediate" | "kill", why: string): string {
  return `${step}: ${why}`;
}

const RESTART_STEP = /^(immediate|kill): (.*)$/s;

function shortened(why: string): string {
  return why.length <= MAX_REASON ? why : `${why.slice(0, MAX_REASON - 4)} ...`;
}
