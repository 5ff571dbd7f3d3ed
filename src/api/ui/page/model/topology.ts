/** The members as a tree, by the member that each follows, and each as it is shown. */
import type { ClusterMemberJson } from "../../../shapes.ts";
import type { UiDataJson } from "../../shape.ts";
import { bytesText } from "./format.ts";

export interface MemberView {
  readonly name: string;
  readonly role: string;
  readonly leads: boolean;
  /** The member that answers. */
  readonly here: boolean;
  readonly state: string;
  readonly level: "ok" | "warn" | "bad";
  readonly lag: { readonly text: string; readonly level: "ok" | "warn" | "bad" } | null;
  readonly facts: readonly (readonly [name: string, value: string])[];
  readonly marks: readonly string[];
  /** Its own page; null: its address is none that a browser may be sent to. */
  readonly page: string | null;
  readonly followers: readonly MemberView[];
}

const ROLES: { readonly [role: string]: string } = {
  leader: "primary",
  standby_leader: "standby leader",
  sync_standby: "synchronous standby",
  quorum_standby: "quorum standby",
  replica: "replica",
};

/** "running": of a standby that streams from nobody. */
const ON_ITS_WAY: ReadonlySet<string> = new Set([
  "running",
  "in archive recovery",
  "starting",
  "restarting",
  "stopping",
  "creating replica",
  "initializing new cluster",
]);
/** The member is of no use for a failover at the default of maximum_lag_on_failover. */
const MUCH_LAG = 1024 * 1024;

export function topology({ cluster, name: here }: UiDataJson): readonly MemberView[] {
  const { members } = cluster;
  const leader = members.find(({ role }) => isLeader(role)) ?? null;
  const names = new Set(members.map(({ name }) => name));
  const parentOf = (member: ClusterMemberJson): string | null => {
    if (member === leader) return null;
    const follows = member.agent?.follows;
    return follows !== undefined && names.has(follows) ? follows : leader?.name ?? null;
  };
  const shown = new Set<string>();
  const below = (parent: string | null): MemberView[] =>
    members.filter((member) => !shown.has(member.name) && parentOf(member) === parent).map((member) => {
      shown.add(member.name);
      return memberView(member, here, () => below(member.name));
    });
  const roots = below(null);
  // Two that follow each other have no root, and must be seen all the same.
  const rest = members.filter(({ name }) => !shown.has(name)).map((one) => memberView(one, here, () => []));
  return [...roots, ...rest];
}

function isLeader(role: string): boolean {
  return role === "leader" || role === "standby_leader";
}

function memberView(
  member: ClusterMemberJson,
  here: string,
  followers: () => readonly MemberView[],
): MemberView {
  const { name, role, state } = member;
  return {
    name,
    role: ROLES[role] ?? role,
    leads: isLeader(role),
    here: name === here,
    state,
    level: state === (isLeader(role) ? "running" : "streaming")
      ? "ok"
      : ON_ITS_WAY.has(state)
      ? "warn"
      : "bad",
    lag: lagOf(member),
    facts: factsOf(member),
    marks: marksOf(member),
    page: pageOf(member.api_url),
    followers: followers(),
  };
}

function lagOf({ lag }: ClusterMemberJson): MemberView["lag"] {
  if (lag === undefined) return null;
  if (lag === "unknown") return { text: "lag unknown", level: "bad" };
  if (lag === 0) return { text: "no lag", level: "ok" };
  return { text: `${bytesText(lag)} behind`, level: lag > MUCH_LAG ? "warn" : "ok" };
}

function factsOf(member: ClusterMemberJson): MemberView["facts"] {
  const { host, port, timeline, lsn, receive_lag, replay_lag, agent } = member;
  const { copy, watchdog, follows } = agent ?? {};
  const bytes = (lag: number | "unknown") => lag === "unknown" ? lag : bytesText(lag);
  const facts: (readonly [string, string] | null)[] = [
    host === undefined ? null : ["address", port === undefined ? host : `${host}:${port}`],
    timeline === undefined ? null : ["timeline", String(timeline)],
    lsn === undefined ? null : ["position", lsn],
    receive_lag === undefined ? null : ["received", `${bytes(receive_lag)} behind`],
    replay_lag === undefined ? null : ["replayed", `${bytes(replay_lag)} behind`],
    follows === undefined ? null : ["follows", follows],
    watchdog === undefined ? null : ["watchdog", `${watchdog.mode}, ${watchdog.active ? "active" : "off"}`],
    copy === undefined ? null : ["copy", copyText(copy)],
  ];
  return facts.filter((fact) => fact !== null);
}

function copyText(
  { from, done_bytes, total_bytes }: NonNullable<ClusterMemberJson["agent"]>["copy"] & object,
) {
  return `${bytesText(done_bytes)}${
    total_bytes === null ? "" : ` of ${bytesText(total_bytes)}`
  } from ${from}`;
}

function marksOf({ tags = {}, pending_restart, scheduled_restart }: ClusterMemberJson): readonly string[] {
  return [
    ...Object.entries(tags).map(([name, value]) => value === true ? name : `${name}: ${textOf(value)}`),
    ...(pending_restart ? ["restart pending"] : []),
    ...(scheduled_restart === undefined ? [] : ["restart scheduled"]),
  ];
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}

/** Members publish their addresses themselves: only one of HTTP may become a link. */
export function pageOf(apiUrl: string): string | null {
  const found = /^https?:\/\/[^/?#@\s\\]+(?=[/?#]|$)/i.exec(apiUrl);
  return found === null ? null : `${found[0]}/ui`;
}
