/**
 * Whether the keys of synchronous replication fit each other and the members. One rule for every place that
 * says so: `validate-config`, a change of the configuration, the log, and the running primary. Pure.
 */
import type { DynamicConfig } from "./config.ts";
import type { ConfigCheck } from "./config_check.ts";
import type { DcsState } from "./records.ts";
import { mayBeSynchronous } from "./sync_tags.ts";

export type SyncKeys = Pick<
  DynamicConfig,
  | "standbyCluster"
  | "synchronousMode"
  | "synchronousModeStrict"
  | "synchronousNodeCount"
  | "maximumLagOnSyncnodeBytes"
>;

export interface SyncMisfit {
  readonly key: string;
  readonly message: string;
  /** No commit would be acknowledged as long as the members are these. */
  readonly hopeless?: true;
}

/** Members beside the primary. */
export interface OtherMembers {
  /** Those that may be synchronous standbys. */
  readonly able: number;
  /** The names of those that their tags keep from it. */
  readonly barred: readonly string[];
}

/** Keys that say nothing without a synchronous mode. */
export function idleSyncKeys(keys: Omit<SyncKeys, "standbyCluster">): readonly SyncMisfit[] {
  if (keys.synchronousMode !== "off") return [];
  const without = (key: string): SyncMisfit => ({ key, message: "has no effect without synchronous_mode" });
  return [
    ...(keys.synchronousModeStrict ? [without("synchronous_mode_strict")] : []),
    ...(keys.synchronousNodeCount > 1 ? [without("synchronous_node_count")] : []),
    ...(keys.maximumLagOnSyncnodeBytes > 0 ? [without("maximum_lag_on_syncnode")] : []),
  ];
}

/** What these members cannot fulfil. A standby cluster, which has no commits of its own, fulfils all. */
export function syncMisfits(keys: SyncKeys, { able, barred }: OtherMembers): readonly SyncMisfit[] {
  const { synchronousMode, synchronousModeStrict: strict, synchronousNodeCount: count, standbyCluster } =
    keys;
  if (synchronousMode === "off" || standbyCluster !== null) return [];
  if (able === 0) {
    const nobody = barred.length === 0
      ? "there is no other member"
      : `every other member (${barred.join(", ")}) has a tag that keeps it from being synchronous (nosync, ` +
        "sync_priority, replicatefrom, nostream)";
    return [
      strict
        ? { key: "synchronous_mode_strict", message: `${nobody}: no commit is acknowledged`, hopeless: true }
        : { key: "synchronous_mode", message: `${nobody}: commits wait for nobody, and one host has them` },
    ];
  }
  const beside = barred.length === 0 ? "" : `, beside ${barred.join(", ")} with a tag against it`;
  return [
    ...(count > able
      ? [{
        key: "synchronous_node_count",
        message: `asks for ${count}, and ${able} other ${
          able === 1 ? "member" : "members"
        } may be synchronous${beside}: commits wait for ${able}`,
      }]
      : []),
    // In strict mode the last standby stays, however far behind it is.
    ...(keys.maximumLagOnSyncnodeBytes > 0 && able === 1 && strict
      ? [{
        key: "maximum_lag_on_syncnode",
        message: "has no effect with one standby in strict mode: no other could take its place",
      }]
      : []),
  ];
}

/** By the records: all that have joined and were not removed, whether they run or not. */
export function otherMembers({ members, lock }: Pick<DcsState, "members" | "lock">): OtherMembers {
  const primary = lock.holder ?? lock.lastHolder;
  const others = Object.values(members).filter(({ name }) => name !== primary);
  const barred = others.filter(({ tags }) => !mayBeSynchronous(tags)).map(({ name }) => name).sort();
  return { able: others.length - barred.length, barred };
}

/** The misfits of a configuration that is proposed, without those that the present one has already. */
export function syncCheck(proposed: SyncKeys, present: SyncKeys | null, others: OtherMembers): ConfigCheck {
  const text = ({ key, message }: SyncMisfit) => `${key}: ${message}`;
  const known = new Set(present === null ? [] : syncMisfits(present, others).map(text));
  const found = syncMisfits(proposed, others).filter((one) => !known.has(text(one)));
  return {
    refusals: found.filter(({ hopeless }) => hopeless).map(text),
    warnings: found.filter(({ hopeless }) => !hopeless).map(text),
  };
}
