/** The last time that a member's PostgreSQL was stopped by its agent or guard, as users see it. */

/** freeze: by SIGSTOP, nothing is lost by it. The others: SIGINT, SIGQUIT, SIGKILL. */
export type StopStep = "freeze" | "fast" | "immediate" | "kill";

export interface LastStop {
  /** Wall clock of the first step, ISO 8601. */
  readonly at: string;
  readonly steps: readonly StopStep[];
  /** Why it was stopped, and the reason for each further step. */
  readonly why: string;
  /** PostgreSQL runs again. */
  readonly over: boolean;
}
