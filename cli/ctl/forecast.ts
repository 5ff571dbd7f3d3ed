/**
 * What a switchover or failover would do now, for --dry-run: by the members' own answers, which come from the
 * rules that decide. Nothing is asked for and nothing is reserved: a moment later it may be otherwise. Pure.
 */
import type { ClusterJson, ClusterMemberJson, WhyJson } from "../../src/api/client.ts";
import { parseLsn } from "../../src/model/lsn.ts";
import type { JsonObject } from "../../src/model/json.ts";

export interface Asked {
  readonly action: "switchover" | "failover";
  readonly leader: ClusterMemberJson | null;
  /** null: the best one. */
  readonly candidate: string | null;
  readonly scheduledAt: string | null;
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
  { unfit, fresh }: Pick<WhyJson, "unfit" | "fresh">,
  config: JsonObject,
): Forecast {
  const judged = cluster.members.filter((member) =>
    member.name !== asked.leader?.name && (asked.candidate === null || member.name === asked.candidate)
  ).map((member): Judged => ({ member, why: unfitFor(asked, member, unfit, config) }));
  const able = judged.filter(({ why }) => why === null).map(({ member }) => member);
  const next = asked.candidate === null ? furthest(able) : able[0] ?? null;
  const obstacle = obstacleTo(asked, cluster, fresh, next);
  const to = next === null ? asked.candidate ?? "another member" : next.name;
  const from = asked.leader === null ? "" : ` from ${asked.leader.name}`;
  const what = `${asked.action} of ${cluster.scope}${from} to ${to}`;
  const reasons = judged.filter(({ why }) => why !== null).map(({ member, why }) =>
    `  ${member.name}: ${why}`
  );
  if (obstacle !== null || next === null) {
    const why = obstacle ?? "no member could take over";
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

function obstacleTo(
  { action, leader, candidate }: Asked,
  cluster: ClusterJson,
  fresh: boolean,
  next: ClusterMemberJson | null,
): string | null {
  if (!fresh || cluster.agent?.fresh === false) {
    return "no majority of the voters is in contact, and nothing can be changed without one";
  }
  if (cluster.pause && candidate === null) return "in pause a candidate must be named";
  if (action === "switchover" && leader === null) return "there is no leader that could hand over";
  return next === null ? "no member could take over" : null;
}

function unfitFor(
  { action, leader }: Asked,
  member: ClusterMemberJson,
  unfit: WhyJson["unfit"],
  config: JsonObject,
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
  const strict = isSynchronous(config) && member.role !== "sync_standby";
  return strict ? "is no synchronous standby" : null;
}

/** In quorum mode the raft leader finds out who has everything. */
function isSynchronous({ synchronous_mode: mode, standby_cluster: followed }: JsonObject): boolean {
  return (followed ?? null) === null && (mode === true || /^(on|true|yes)$/i.test(String(mode ?? "")));
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
