/** Judges a dynamic configuration before it becomes the cluster's: rules of keys, and of times. */
import { effectiveDynamic } from "../../config/dynamic.ts";
import { describeIssue } from "../../config/issues.ts";
import { newProblems } from "../../config/dynamic_validate.ts";
import { configFlaw } from "../../dcs/command_schema.ts";
import type { ConfigCheck } from "../../model/config_check.ts";
import type { DynamicConfig, LocalConfig } from "../../model/config.ts";
import type { JsonObject } from "../../model/json.ts";
import { isSet } from "../../model/merge.ts";
import type { MemberStatus } from "../../model/member_status.ts";
import { type DcsState, isInitialized } from "../../model/records.ts";
import { remoteOf } from "../../model/standby_cluster.ts";
import { otherMembers, syncCheck } from "../../model/sync_fit.ts";
import { serversOf } from "../../postgres/upstream.ts";
import { timingProblems } from "../compose/dynamic_reader.ts";

/**
 * Why a configuration cannot be taken: a broken rule of the keys, or of the timing inequalities, with the
 * numbers. Empty: it can. `present`: the one in force, whose problems keep no other key from being changed.
 */
export function configRefusals(
  value: JsonObject,
  present: JsonObject | null,
  config: LocalConfig,
): readonly string[] {
  const flaw = configFlaw(value);
  if (flaw !== null) return [`the configuration has ${flaw}`];
  const errors = newProblems(value, present).filter((issue) => issue.severity === "error");
  if (errors.length > 0) return errors.map((issue) => `${issue.path}: ${issue.message}`);
  const dynamic = effectiveDynamic(value, config).config;
  const before = present === null ? null : effectiveDynamic(present, config).config;
  // Its end promotes a server, beside the primary of the other site in the worst case.
  if (endsStandbyCluster(dynamic, before) && isSet(value["standby_cluster"])) {
    return [
      "standby_cluster: is empty, and this is a standby cluster: it would be promoted. To do that, remove the key " +
      "(null), as `agent ctl promote-cluster` does",
    ];
  }
  return timingProblems(dynamic, config);
}

/** What is accepted, and not used as it is written: the new ones only. */
export function configWarnings(value: JsonObject, present: JsonObject | null): readonly string[] {
  return newProblems(value, present).filter((issue) => issue.severity === "warning").map(describeIssue);
}

/** What the members of the cluster cannot fulfil of it, by the records. */
export function membersCheck(
  value: JsonObject,
  present: JsonObject | null,
  config: LocalConfig,
  state: Pick<DcsState, "members" | "lock" | "initialize">,
  heard: readonly HeardData[],
): ConfigCheck {
  const keys = (one: JsonObject) => effectiveDynamic(one, config).config;
  const [wanted, before] = [keys(value), present === null ? null : keys(present)];
  const { refusals, warnings } = syncCheck(wanted, before, otherMembers(state));
  const withoutData = endsStandbyCluster(wanted, before) ? whyNotPromoted(state, heard) : null;
  const found = withoutData === null ? [] : [withoutData];
  return {
    refusals: [...refusals, ...found, ...ownMembers(wanted, before, state)],
    warnings,
  };
}

/**
 * The servers to follow that are members of this cluster, by their recorded addresses. They have its system
 * identifier, so nothing else would tell that all of them stop taking writes, and none has a primary.
 */
function ownMembers(
  wanted: DynamicConfig,
  before: DynamicConfig | null,
  { members }: Pick<DcsState, "members">,
): string[] {
  const urlOf = (keys: DynamicConfig | null) =>
    keys?.standbyCluster ? remoteOf(keys.standbyCluster).connUrl : "";
  if (urlOf(wanted) === urlOf(before)) return [];
  const followed = addressesOf(urlOf(wanted));
  return Object.values(members).flatMap(({ name, connUrl }) =>
    addressesOf(connUrl).filter((address) => followed.includes(address)).map((address) =>
      `standby_cluster: the server at ${address} is ${name}, a member of this very cluster: no member would ` +
      "take writes, and there would be no primary to follow"
    )
  );
}

function addressesOf(connUrl: string): readonly string[] {
  return serversOf(connUrl).map(({ host, port }) => `${host}:${port}`);
}

function endsStandbyCluster(wanted: DynamicConfig, before: DynamicConfig | null): boolean {
  return before !== null && before.standbyCluster !== null && wanted.standbyCluster === null;
}

/** What a member that is heard said last. */
export type HeardData = Pick<MemberStatus, "name" | "directoryUsable" | "running">;

/**
 * Why a standby cluster should not end now; null: it may. After a `demote-cluster` its members may have moved
 * their data aside for a copy of the remote primary that is not made yet, and that nobody makes without the
 * key. And a leader that was rewound has no consistent data before it has had WAL of the remote primary,
 * which it does not get without the key.
 */
export function whyNotPromoted(
  state: Pick<DcsState, "initialize" | "lock">,
  heard: readonly HeardData[],
): string | null {
  if (!isInitialized(state)) return NO_DATA_YET;
  if (!heard.some(({ directoryUsable }) => directoryUsable)) return DATA_IS_COPIED;
  const leader = heard.find(({ name }) => name === state.lock.holder);
  if (leader === undefined || leader.running) return null;
  return `standby_cluster: PostgreSQL of the leader, ${leader.name}, does not run at the moment, and what it has may need ` +
    "WAL of the remote primary, which it does not get without the key. Wait until it runs (agent ctl list)";
}

const DATA_IS_COPIED =
  "standby_cluster: no member that is heard has data at the moment, and without the key " +
  "none would copy the remote primary's: there would be no primary. Wait until the leader runs (agent ctl list)";
/** A copy that is under way, or that a member has which is not heard just now, would be left over. */
const NO_DATA_YET = "standby_cluster: this standby cluster has no data yet, and without the key its " +
  "members would make an empty database of their own. Wait until its leader runs (agent ctl list)";
