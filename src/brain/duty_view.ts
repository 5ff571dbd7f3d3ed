/** The view by which standing duties are decided. */
import type { NodeView } from "./keep/view.ts";

export interface DutyView extends NodeView {
  /** The time of day, ms since the epoch of Unix. */
  readonly wallMs: number;
  /** Deadline of the lease; null: none is acknowledged. */
  readonly leaseUntilMs: number | null;
  /** Deadline of the lease that a checkpoint was last made for. */
  readonly checkpointedForMs: number | null;
  /** When each member was last heard, or when this agent first knew of it. */
  readonly heardMs: ReadonlyMap<string, number>;
}
