/** What `synchronous_standby_names` says: `count` of `names` acknowledge. No names: nobody is waited for. */
export interface SyncSetting {
  /** With as many names as `count` both mean the same. */
  readonly method: "FIRST" | "ANY";
  readonly count: number;
  /** `*` is every standby that is connected, also one of another cluster. */
  readonly names: readonly string[];
}

export const NO_SYNC: SyncSetting = { method: "FIRST", count: 0, names: [] };

/**
 * Stands for a standby that is not there, in strict mode: commits wait, and nobody may acknowledge them. No
 * member has this name, which is Patroni's.
 */
export const MISSING_STANDBY = "__patroni_strict_sync_replica_placeholder__";

/** Values of synchronous_commit by which a commit waits for no standby. */
export const WAITS_FOR_NOBODY: readonly string[] = ["off", "false", "no", "0", "local"];
