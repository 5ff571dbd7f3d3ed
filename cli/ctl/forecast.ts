/**
 * What a switchover or failover would do now, for --dry-run: a member has answered whether it would take the
 * request, and why members could not take over. Nothing is asked for and nothing is reserved: a moment later
 * it may be otherwise. Pure.
 */
import type { ClusterJson, ClusterMemberJson, WhyJson } from "../../src/api/client.ts";
import { parseLsn } from "../../src/model/lsn.ts";

export interface Asked {
  readonly action: "switchover" | "failover";
  readonly leader: ClusterMemberJson | null;
  /** null: the best one. */
  readonly candidate: string | null;
  readonly scheduledAt: string | null;
  /** Why a member would refuse the request, in its words; null: it would take it. */
  readonly refusal: string | null;
}

export interface Forecast {
  readonly isPossible: boolean;
  readonly lines: readonly string[];
}

interface Judged {
  readonly member: ClusterMemberJson;
  /** Why not; null: it could. */
  readonly why: string | null;
}

export function forecast(
  asked: Asked,
  cluster: ClusterJson,
  { unfit }: Pick<WhyJson, "unfit">,
): Forecast {
  const judged = cluster.members.filter((member) =>
    member.name !== asked.leader?.name && (asked.candidate === null || member.name === asked.candidate)
  ).map((member): Judged => ({ member, why: unfitFor(asked, cluster, member, unfit) }));
  const able = judged.filter(({ why }) => why === null).map(({ member }) => member);
  const next = asked.candidate === null ? furthest(able) : able[0] ?? null;
  const to = next === null ? asked.candidate ?? "another member" : next.name;
  const from = asked.leader === null ? "" : ` from ${asked.leader.name}`;
  const what = `${asked.action} of ${cluster.scope}${from} to ${to}`;
  const reasons = judged.filter(({ why }) => why !== null).map(({ member, why }) =>
    `  ${member.name}: ${why}`
  );
  // A request that it would take can wait in vain for a member that streams.
  if (asked.refusal !== null || next === null) {
    const why = asked.refusal ?? "no member could take over";
    return { isPossible: false, lines: [`Not possible now: ${what}: ${why}`, ...reasons] };
  }
  const when = asked.scheduledAt === null
    ? ""
    : ` It would be carried out at ${asked.scheduledAt}, if it is then.`;
  return {
    isPossible: true,
    lines: [
      `Possible now: ${what}.${when}`,
      ...(asked.candidate === null && able.length > 1
        ? ["  The raft leader chooses then; at present this member has most of the WAL."]
        : []),
      ...stepsOf(asked, cluster, next),
      `Loss to expect: ${lossOf(asked, next)}`,
      ...(reasons.length === 0 ? [] : ["Could not take over:", ...reasons]),
    ],
  };
}

function unfitFor(
  { action, leader }: Asked,
  { members }: ClusterJson,
  member: ClusterMemberJson,
  unfit: WhyJson["unfit"],
): string | null {
  // An operator who names a member for a failover has seen how far it is behind.
  const found = unfit.find((one) =>
    one.member === member.name && (action === "switchover" || one.code !== "lag")
  );
  if (found !== undefined) return found.why;
  if (action === "failover") return null;
  if (member.state !== "streaming") {
    return `does not stream from ${leader?.name ?? "the leader"} (${member.state})`;
  }
  // In quorum mode the raft leader finds out who has everything.
  const isStrict = members.some(({ role }) => role === "sync_standby");
  return isStrict && member.role !== "sync_standby" ? "is no synchronous standby" : null;
}

function furthest(members: readonly ClusterMemberJson[]): ClusterMemberJson | null {
  const at = ({ lsn }: ClusterMemberJson) => (lsn === undefined ? null : parseLsn(lsn)) ?? 0;
  return members.reduce<ClusterMemberJson | null>(
    (best, member) => best !== null && at(best) >= at(member) ? best : member,
    null,
  );
}

function stepsOf(
  { action, leader }: Asked,
  { members }: ClusterJson,
  next: ClusterMemberJson,
): readonly string[] {
  if (leader?.role === "standby_leader") {
    return [`  1. The lock passes to ${next.name}, which follows the remote primary. PostgreSQL runs on.`];
  }
  const others = members.filter(({ name }) => name !== next.name && name !== leader?.name).map(({ name }) =>
    name
  );
  const timeline = next.timeline === undefined ? "the next timeline" : `timeline ${next.timeline + 1}`;
  const steps = [
    ...(leader === null ? [] : [
      `${leader.name} writes a checkpoint and stops PostgreSQL: its sessions end, and nothing is written any more.`,
      ...(action === "switchover" ? [`${next.name} receives the end of the WAL (${behind(next)}).`] : []),
    ]),
    `${next.name} gets the lock and is promoted, to ${timeline}.`,
    ...(others.length === 0
      ? []
      : [`${others.join(", ")} ${others.length === 1 ? "follows" : "follow"} ${next.name}.`]),
    ...(leader === null ? [] : [`${leader.name} comes back as a standby.`]),
  ];
  return steps.map((step, index) => `  ${index + 1}. ${step}`);
}

function behind({ lag }: ClusterMemberJson): string {
  return typeof lag === "number" ? `${lag} bytes behind now` : "how far it is behind is not known";
}

function lossOf({ action, leader }: Asked, next: ClusterMemberJson): string {
  if (leader?.role === "standby_leader") return "none: nothing is written in a standby cluster.";
  if (action === "switchover") {
    return `none. ${next.name} gets the lock only when it has all that ${
      leader?.name ?? "the leader"
    } wrote.`;
  }
  const most = typeof next.lag === "number"
    ? `${next.lag} bytes of WAL, by the last position of the primary that is known`
    : "an amount that is not known: no member says how far the primary was";
  return leader === null
    ? `up to ${most}.`
    : `none if ${leader.name} stops in order and ${next.name} streams from it; else up to ${most}.`;
}
