/** The members whose status is heard, and that are not in the raft group (any more). */
import type { MemberInfo } from "../../../raft/mod.ts";
import type { SeenStatus } from "../../brain/cluster/successor_view.ts";

/** `nodeOf`: the raft id of a member by name; null: unknown. */
export function leftGroup(
  statuses: readonly SeenStatus[],
  members: readonly Pick<MemberInfo, "id">[],
  nodeOf: (name: string) => number | null,
): string[] {
  const present = members.map(({ id }): number | null => id);
  return statuses.map(({ status }) => status.name).filter((name) => !present.includes(nodeOf(name)));
}
