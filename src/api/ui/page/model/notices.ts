/** What is not well, and what an operator should know: the worst first. */
import type { ClusterMemberJson } from "../../../shapes.ts";
import type { UiDataJson } from "../../shape.ts";
import { bytesText } from "./format.ts";

export type Level = "bad" | "warn" | "info";

export interface Notice {
  readonly level: Level;
  readonly text: string;
}

const ORDER: readonly Level[] = ["bad", "warn", "info"];
const SYNC_WAITS = "writes-blocked";

export function notices(data: UiDataJson): readonly Notice[] {
  const all = [...ofCluster(data), ...data.cluster.members.flatMap(ofMember)];
  return ORDER.flatMap((level) => all.filter((notice) => notice.level === level));
}

function ofCluster({ cluster, raft, reinitialize, name }: UiDataJson): Notice[] {
  const { agent, scheduled_switchover: scheduled } = cluster;
  const isLeaderless = raft !== null && raft.leader === null;
  const { from, to } = scheduled ?? {};
  const moved = `${from === undefined ? "" : ` from ${from}`}${to === undefined ? "" : ` to ${to}`}`;
  return [
    ...one("bad", agent.operator_needed, (text) => `Operator needed: ${text}`),
    ...one("bad", raft?.disk_full ?? undefined, (text) => text),
    ...one("warn", agent.failsafe_lacks, (text) => `Failsafe mode: ${text}`),
    ...one(
      "warn",
      cluster.failsafe_mode_is_active,
      () => "Failsafe mode is active: the primary goes on by the word of all members, without a majority",
    ),
    ...one(
      "bad",
      isLeaderless || undefined,
      () => "No raft leader is known: without a majority of the voters no lease is renewed",
    ),
    ...one(
      "warn",
      (!isLeaderless && agent.can_lose === 0) || undefined,
      () => "No further voter may fail: with one less there is no majority",
    ),
    ...one(
      "info",
      agent.failover_waits_s,
      (seconds) => `A failover waits ${seconds} s until the primary has followed the lower ttl`,
    ),
    ...one("info", scheduled?.at, (at) => `Switchover${moved} is scheduled for ${at}`),
    ...one(
      "info",
      reinitialize?.state === "failed" ? reinitialize : undefined,
      ({ detail }) => `${name}: the last reinitialize failed: ${detail}`,
    ),
    ...agent.unreachable.map(({ name, last_seen_s }): Notice => ({
      level: "bad",
      text: `${name} is not heard${last_seen_s === null ? "" : `, last seen ${last_seen_s} s ago`}`,
    })),
  ];
}

function one<Value>(
  level: Level,
  value: Value | undefined | null,
  text: (value: Value) => string,
): Notice[] {
  return value === undefined || value === null ? [] : [{ level, text: text(value) }];
}

function ofMember({ name, agent, pending_restart, scheduled_restart }: ClusterMemberJson): Notice[] {
  const own = agent ?? {};
  const named = (text: string) => `${name}: ${text}`;
  const say = (level: Level, text: string): Notice => ({ level, text: named(text) });
  return [
    ...one(
      "bad",
      own.last_state,
      (state) => named(`does not answer; it was ${state} ${own.last_state_s} s ago`),
    ),
    ...one("bad", own.needs_reinit, (why) => named(`needs a reinit: ${why}`)),
    ...one("bad", own.copy_failed, (why) => named(`its copy failed: ${why}`)),
    ...one(
      "bad",
      own.last_stop?.over === false ? own.last_stop : undefined,
      ({ why, at }) => named(`PostgreSQL was stopped at ${at}: ${why}`),
    ),
    ...one("warn", own.lead_failure, ({ why }) => named(`could not become the primary: ${why}`)),
    ...one("warn", own.reload_refused, ({ why }) => named(`its last reload was refused: ${why}`)),
    ...(own.ailments ?? []).map(({ cause, severity, detail }) =>
      say(severity === "critical" ? "bad" : "warn", `${cause}: ${detail}`)
    ),
    ...(own.sync_troubles ?? []).map(({ kind, detail }) =>
      say(kind === SYNC_WAITS ? "bad" : "warn", `${kind}: ${detail}`)
    ),
    ...(own.slots_at_risk ?? []).map(({ name: slot, held_bytes, safe_bytes }) =>
      say(
        safe_bytes === null ? "bad" : "warn",
        safe_bytes === null
          ? `slot ${slot} has lost the WAL that it needs`
          : `slot ${slot} holds ${bytesText(held_bytes)} of WAL`,
      )
    ),
    ...(own.certificates_ending ?? []).map(({ key, ends }) => say("warn", `${key} ends at ${ends}`)),
    ...one("info", pending_restart, () => named("a restart is pending")),
    ...one(
      "info",
      scheduled_restart,
      ({ schedule }) => named(`a restart is scheduled for ${schedule}`),
    ),
  ];
}
