/** The messages of holder and raft leader about a lease, and how long leases are waited for. */
import type { Life } from "../model/life.ts";
import { LONGEST_LEASE_MS } from "../model/limits.ts";
import type { DcsState } from "../model/records.ts";

export interface Renewal {
  readonly holder: string;
  /** The life of the machine that renews: a machine that merely has the holder's name is not acknowledged. */
  readonly life: Life;
  readonly epoch: number;
  /** Numbers the renewals of one incarnation of the holder's agent; the acknowledgement repeats both. */
  readonly incarnation: number;
  readonly seq: number;
  /**
   * A promise: no deadline of this epoch that the sender or its guard holds is later than the send plus the
   * lease of this ttl, and acknowledgements to earlier renewals count no more than it. Left out: none is
   * given.
   */
  readonly countsOnMs?: number;
  /** With a promise: revision of the records that the sender knew. */
  readonly revision?: number;
}

export interface RenewalAck {
  readonly epoch: number;
  readonly incarnation: number;
  readonly seq: number;
  readonly grantTtlMs: number;
}

/**
 * How long leaders and acceptors wait for a lease to end: wait_ttl, but never longer than the longest lease.
 * A ttl that was logged by mistake (136 years) would otherwise be waited for even after it was put right.
 * Safe, because no PostgreSQL writes on a longer one: the holder counts on LONGEST_LEASE_MS at most, from the
 * send, and a guard of any version refuses a deadline further ahead than that.
 */
export function longestWaitMs({ waitTtlMs }: Pick<DcsState, "waitTtlMs">): number {
  return Math.min(waitTtlMs, LONGEST_LEASE_MS);
}
