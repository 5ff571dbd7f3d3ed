/** Who could be granted the lock after a holder, while acknowledged transactions are promised to survive. */
import type { MemberStatus } from "../../model/member_status.ts";
import type { PostgresView } from "../../model/postgres_view.ts";
import type { DcsState } from "../../model/records.ts";
import { isPromised, isVoter } from "../../sync/record.ts";
import { FRESH_MS, type SeenStatus } from "../cluster/successor_view.ts";

/**
 * While acknowledged transactions are promised to survive, a holder that does not end in order is followed
 * only by members that can prove to have them (src/sync/DESIGN.md): a lock let go for another would lie free,
 * and this member sits out.
 */
export function mayFollow(
  { name, dataToken }: MemberStatus,
  view: { readonly dcs: Pick<DcsState, "sync">; readonly statuses: readonly SeenStatus[] },
  inOrder: boolean,
): boolean {
  const { sync } = view.dcs;
  if (inOrder || !isPromised(sync)) return true;
  if (sync.unknown === true || !isVoter(sync, name, dataToken)) return false;
  const present = view.statuses.filter(({ status: each, ageMs }) =>
    isVoter(sync, each.name, each.dataToken) && ageMs < FRESH_MS
  );
  return present.length > sync.quorum;
}

/** A primary's shutdown checkpoint is the end of its WAL. A standby that shuts down leaves no such end. */
export function endedInOrder({ directory, shutdown }: Pick<PostgresView, "directory" | "shutdown">): boolean {
  return shutdown?.stage === "closed" ||
    (directory.kind === "valid" && directory.control.clusterState === "shut down");
}
