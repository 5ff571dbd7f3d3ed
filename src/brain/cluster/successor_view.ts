/** The view by which a successor is chosen. */
import type { DynamicConfig } from "../../model/config.ts";
import type { Lsn } from "../../model/lsn.ts";
import type { MemberStatus } from "../../model/member_status.ts";
import type { DcsState } from "../../model/records.ts";

/** A status older than this does not count as reachable: broadcasts come every 500 ms. */
export const FRESH_MS = 1200;

export interface SeenStatus {
  readonly status: MemberStatus;
  readonly ageMs: number;
}

export interface SuccessorView {
  readonly dcs: DcsState;
  readonly dynamic: DynamicConfig;
  readonly statuses: readonly SeenStatus[];
  /**
   * Members that are not in the newest configuration of this leader's log: a removal counts before it is
   * committed.
   */
  readonly removed: readonly string[];
  /** Members that were reachable when the lock became free (or when this leader took over, if later). */
  readonly reachableAtFree: readonly string[];
  readonly freeForMs: number;
  /** A member or a witness has seen a living holder of the last epoch since its own start: no cold start. */
  readonly warm: boolean;
  /** Last WAL position broadcast by a primary, for the lag limit; null when unknown. */
  readonly primaryLsn: Lsn | null;
  /** How long this leader has known the lock to be free in a cold start. */
  readonly coldForMs: number;
  /** Simulator only: the choice does not know of the promise of synchronous modes. */
  readonly syncByName?: boolean;
}
