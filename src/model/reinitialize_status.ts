/** The outcome of an operator's request to reinitialize a member. */

export interface ReinitializeStatus {
  /** "failed": given up, the member goes on with its old directory as far as that can be used. */
  readonly state: "running" | "done" | "failed";
  /** The present step, or the reason of the failure. */
  readonly detail: string;
}
