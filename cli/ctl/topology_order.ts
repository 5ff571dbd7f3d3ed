/** Members as a tree: who follows whom. */
import type { ClusterMemberJson } from "../../src/api/client.ts";

export interface TopologyMember {
  readonly member: ClusterMemberJson;
  /** Indented by its depth: "+ node2", "  + node3". */
  readonly shownName: string;
}

/** The leader first, each member below the one that its tag replicatefrom names, else below the leader. */
export function topologyOrder(members: readonly ClusterMemberJson[]): TopologyMember[] {
  const leader = members.find(({ role }) => role.endsWith("leader")) ?? null;
  const standbys = members.filter(({ role }) => !role.endsWith("leader"));
  const names = new Set(standbys.map(({ name }) => name));
  const parentOf = (member: ClusterMemberJson): string | null => {
    const wanted = member.tags?.replicatefrom;
    if (typeof wanted === "string" && wanted !== member.name && names.has(wanted)) return wanted;
    return leader?.name ?? null;
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
  // Two that follow each other hang on nobody; they must not disappear from the picture.
  const placed = new Set(shown.map(({ member }) => member));
  for (const member of standbys) {
    if (!placed.has(member)) shown.push({ member, shownName: `+ ${member.name}` });
  }
  return shown;
}
