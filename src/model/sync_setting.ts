/** What `synchronous_standby_names` says: `count` of `names` acknowledge. No names: nobody is waited for. */
export interface SyncSetting {
  /** With as many names as `count` both mean the same. */
  readonly method: "FIRST" | "ANY";
  readonly count: number;
  /** `*` is every standby that is connected, also one of another cluster. */
  readonly names: readonly string[];
}

export const NO_SYNC: SyncSetting = { method: "FIRST", count: 0, names: [] };

/** Patroni's name for a standby that is not there. No member has it. */
export const RESERVED_STANDBY = "__patroni_strict_sync_replica_placeholder__";

/**
 * Stands for a standby that is not there, in strict mode: commits wait, and nobody may acknowledge them. By
 * Patroni's name alone anybody could who gives it as its application_name. PostgreSQL cuts that off at 63
 * bytes (GUC_IS_NAME, NAMEDATALEN), keeps the names of synchronous_standby_names whole, and compares both to
 * their ends (SyncRepGetStandbyPriority): no connection has a name that is longer.
 */
export const MISSING_STANDBY = `${RESERVED_STANDBY}:longer_than_any_application_name`;

/** Values of synchronous_commit by which a commit waits for no standby. */
export const WAITS_FOR_NOBODY: readonly string[] = ["off", "false", "no", "0", "local"];
