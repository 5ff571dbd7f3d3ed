/** Whether the holder of the lock does the work that the lock is for. */
import type { DynamicConfig } from "../../model/config.ts";
import type { MemberStatus } from "../../model/member_status.ts";
import type { DcsState } from "../../model/records.ts";

/**
 * The holder's PostgreSQL runs under the present epoch, and takes writes. In a standby cluster it must not
 * take any: there the holder serves as the standby that the other members follow, and it is not a holder
 * that has yet to be promoted.
 */
export function serves(
  status: MemberStatus,
  { dcs: { lock }, dynamic }: {
    readonly dcs: Pick<DcsState, "lock">;
    readonly dynamic: Pick<DynamicConfig, "standbyCluster">;
  },
): boolean {
  if (status.name !== lock.holder || !status.running || status.epochSeen !== lock.epoch) return false;
  if (dynamic.standbyCluster === null) return status.writable;
  // Only a server out of recovery has a position of its own WAL.
  return status.role === "standby_leader" && status.walLsn === null;
}
