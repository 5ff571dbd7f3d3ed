/** What became of an operator's request to reinitialize a member. */

export interface ReinitializeStatus {
  /** "failed": given up, the member goes on with its old directory as far as that can be used. */
  readonly state: "running" | "done" | "failed";
  /** What it is at, or why it failed. */
  readonly detail: string;
}
