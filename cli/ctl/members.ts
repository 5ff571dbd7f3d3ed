/** Choosing members by name and role, and asking whether they are meant. */
import type { ClusterJson, ClusterMemberJson } from "../../src/api/client.ts";
import type { Context } from "./command.ts";
import { extraArguments } from "./arguments.ts";
import { CtlError } from "./errors.ts";
import { printMembers } from "./members_table.ts";
import { confirm, prompt } from "./prompt.ts";

export function leaderOf(cluster: ClusterJson): ClusterMemberJson | null {
  return cluster.members.find(({ role }) => role.endsWith("leader")) ?? null;
}

export function leaderFirst(cluster: ClusterJson): ClusterMemberJson[] {
  const leader = leaderOf(cluster);
  return [...(leader ? [leader] : []), ...cluster.members.filter((member) => member !== leader)];
}

export function membersOfRole(cluster: ClusterJson, role: string): ClusterMemberJson[] {
  const leader = leaderOf(cluster);
  switch (role) {
    case "any":
      return [...cluster.members];
    case "replica":
    case "standby":
      return cluster.members.filter((member) => member !== leader);
    case "primary":
      return leader?.role === "leader" ? [leader] : [];
    case "standby-leader":
      return leader?.role === "standby_leader" ? [leader] : [];
    default:
      return leader ? [leader] : [];
  }
}

/** The cluster's name may come first but need not. */
export function splitClusterName(
  words: readonly string[],
  cluster: Pick<ClusterJson, "scope">,
): { readonly members: readonly string[] } {
  return { members: words[0] === cluster.scope ? words.slice(1) : words };
}

/** For commands that take nothing but the name of the cluster. */
export function onlyClusterName({ arguments: { positionals } }: Context): string | null {
  if (positionals.length > 1) throw extraArguments(positionals.slice(1));
  return positionals[0] ?? null;
}

export interface Selection {
  readonly role: string;
  readonly force: boolean;
  /** reload, restart, reinitialize, flush: as the questions name it. */
  readonly action: string;
  /** Ask at the end whether these are meant. */
  readonly confirm: boolean;
}

/** Shows the cluster, then which members the words and the role mean. Throws CtlError when there are none. */
export async function selectMembers(
  context: Context,
  cluster: ClusterJson,
  words: readonly string[],
  { role, force, action, confirm: asks }: Selection,
): Promise<ClusterMemberJson[]> {
  const candidates = membersOfRole(cluster, role);
  let names = splitClusterName(words, cluster).members;
  if (names.length === 0 && candidates.length === 0) {
    throw new CtlError(`${cluster.scope} cluster doesn't have any members`);
  }
  printMembers(context.io, cluster, { format: "pretty", extended: false });
  const isCandidate = (name: string) => candidates.some((member) => member.name === name);
  for (const name of names) {
    if (!cluster.members.some((member) => member.name === name)) {
      throw new CtlError(`${name} is not a member of cluster`);
    }
  }
  if (names.length > 0 && !names.some(isCandidate)) throw new CtlError(`No ${role} among provided members`);
  names = names.filter(isCandidate);
  if (names.length === 0 && action !== "reinitialize") names = candidates.map(({ name }) => name);
  if (names.length === 0 && !force) {
    const list = candidates.map(({ name }) => name).join(", ");
    names = [await prompt(context.io, `Which member do you want to ${action} [${list}]?`, "")];
    if (!isCandidate(names[0]!)) throw new CtlError(`${names[0]} is not a member of cluster`);
  }
  if (names.length === 0) throw new CtlError(`Name the members to ${action}`);
  const chosen = candidates.filter(({ name }) => names.includes(name));
  if (asks) await confirmMembers(context, chosen, { force, action, scheduledAt: null, pending: false });
  return chosen;
}

export async function confirmMembers(
  { io }: Context,
  members: readonly ClusterMemberJson[],
  asked: { force: boolean; action: string; scheduledAt: string | null; pending: boolean },
): Promise<void> {
  if (asked.force) return;
  const names = members.map(({ name }) => name).join(", ");
  // Patroni prints the time with a space here, and with a T where a switchover is asked for.
  const at = asked.scheduledAt?.replace("T", " ");
  const question = asked.scheduledAt === null
    ? `Are you sure you want to ${asked.action} members ${names}?`
    : asked.pending
    ? "The nodes needing a restart will be identified at the scheduled time, and " +
      "might be different from the ones showing pending restart right now. Is this fine?"
    : `Are you sure you want to schedule ${asked.action} of members ${names} at ${at}?`;
  if (await confirm(io, question)) return;
  throw new CtlError(
    asked.scheduledAt === null ? `Aborted ${asked.action}` : `Aborted scheduled ${asked.action}`,
  );
}
