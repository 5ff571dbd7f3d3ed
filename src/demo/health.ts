/** Whether a cluster is healthy as one of its members sees it. Pure. */
import type { ClusterMember, ClusterView } from "./rest.ts";

/** How far a standby of a healthy cluster may be behind. */
export const MAX_LAG_BYTES = 1024 * 1024;

export function isHealthy(
  view: ClusterView,
  primary: string,
  names: readonly string[],
  maxLagBytes = MAX_LAG_BYTES,
): boolean {
  const members = names.map((name) => view.members.find((member) => member.name === name));
  const leader = members.find((member) => member?.name === primary);
  if (!leader || leader.role !== "leader" || leader.state !== "running") return false;
  return members.every((member) =>
    member !== undefined &&
    (member === leader ||
      (member.state === "streaming" && member.timeline === leader.timeline && lagOf(member) <= maxLagBytes))
  );
}

function lagOf(member: ClusterMember): number {
  return typeof member.lag === "number" ? member.lag : Infinity;
}

export function describeView(view: ClusterView): string {
  const one = ({ name, role, state, timeline, lag }: ClusterMember) =>
    `${name} ${role} ${state} TL ${timeline ?? "-"} lag ${lag ?? "-"}`;
  return view.members.map(one).join(", ");
}
