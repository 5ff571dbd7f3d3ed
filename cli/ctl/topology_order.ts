/** Members as a tree, by the member that each follows. */
import type { ClusterMemberJson } from "../../src/api/client.ts";

export interface TopologyMember {
  readonly member: ClusterMemberJson;
  /** Indented by its depth: "+ node2", "  + node3". */
  readonly shownName: string;
}

/** The leader first, each member below the one that it streams from, else below the leader. */
export function topologyOrder(members: readonly ClusterMemberJson[]): TopologyMember[] {
  const leader = members.find(({ role }) => role.endsWith("leader")) ?? null;
  const standbys = members.filter(({ role }) => !role.endsWith("leader"));
  const names = new Set(standbys.map(({ name }) => name));
  const parentOf = (member: ClusterMemberJson): string | null => {
    const { follows } = member.agent ?? {};
    return follows !== undefined && names.has(follows) ? follows : leader?.name ?? null;
  };
  const shown: TopologyMember[] = [];
  const place = (parent: string | null, depth: number) => {
    for (const member of standbys.filter((standby) => parentOf(standby) === parent)) {
      shown.push({ member, shownName: `${" ".repeat((depth - 1) * 2)}+ ${member.name}` });
      place(member.name, depth + 1);
    }
  };
  if (leader) shown.push({ member: leader, shownName: leader.name });
  place(leader?.name ?? null, 1);
  // Two members that follow each other have no root; they must be shown all the same.
  const placed = new Set(shown.map(({ member }) => member));
  for (const member of standbys) {
    if (!placed.has(member)) shown.push({ member, shownName: `+ ${member.name}` });
  }
  return shown;
}
