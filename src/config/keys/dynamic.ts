/**
 * The root keys of the dynamic configuration, one row each. The reader, the names, the defaults, the
 * messages, the features that are not available, and the table in docs/configuration.md all follow from here.
 */
import type { DynamicConfig } from "../../model/config.ts";
import type { Json } from "../../model/json.ts";
import { MAX_AGE_S, MAX_COUNT, MAX_ENTRIES, MAX_TIMEOUT_S, MAX_TTL_S } from "../../model/limits.ts";
import { boolean, integer, time } from "./dynamic_types.ts";
import type { DynamicType } from "./dynamic_types.ts";
import { readIgnoreSlots, readSlots } from "../slots.ts";
import { readStandbyCluster } from "../standby_cluster.ts";
import { readSynchronousMode } from "../synchronous_mode.ts";

export type RootConfig = Omit<DynamicConfig, "postgresql">;

export interface DynamicKey<Value> {
  readonly key: string;
  /** Names of earlier versions of Patroni, the newest first. */
  readonly was?: readonly string[];
  /** Read in the root of the local file too, while the dynamic configuration does not have it. */
  readonly alsoLocal?: true;
  readonly type: DynamicType<Value>;
  /** Markdown. */
  readonly meaning: string;
  /** A value that is not the default. */
  readonly example: Json;
}

const MAX_LAG_BYTES = Number.MAX_SAFE_INTEGER;
const MAX_MEMBERS = 1000;
const MAX_PERCENT = 100;

export const DYNAMIC_KEYS: { readonly [Field in keyof RootConfig]: DynamicKey<RootConfig[Field]> } = {
  ttlS: {
    key: "ttl",
    alsoLocal: true,
    // Why 3: docs/adr/0011-default-ttl.md. A log begins with another one (INITIAL_TTL_MS of src/dcs).
    type: integer({ fallback: 3, min: 2, max: MAX_TTL_S, unit: "s" }),
    meaning:
      "how long the primary's lock outlives its last renewal: a failover after the death of a host begins after this",
    example: 10,
  },
  loopWaitS: {
    key: "loop_wait",
    alsoLocal: true,
    type: integer({
      fallback: ({ ttlS }) => Math.max(1, Math.floor(ttlS / 5)),
      shown: "`max(1, ttl div 5)` s",
      min: 1,
      max: MAX_TTL_S,
      unit: "s",
    }),
    meaning: "longest time between two looks; events are acted upon at once",
    example: 2,
  },
  retryTimeoutS: {
    key: "retry_timeout",
    alsoLocal: true,
    type: integer({
      fallback: ({ ttlS, loopWaitS }) => Math.max(1, Math.floor((ttlS - loopWaitS) / 2)),
      shown: "`max(1, (ttl - loop_wait) div 2)` s",
      min: 1,
      max: MAX_TTL_S,
      unit: "s",
    }),
    meaning: "no limit of any operation here; `loop_wait + 2 * retry_timeout` is compared with `ttl`",
    example: 2,
  },
  maximumLagOnFailoverBytes: {
    key: "maximum_lag_on_failover",
    type: integer({ fallback: 1_048_576, min: 0, max: MAX_LAG_BYTES, unit: "B" }),
    meaning: "a member further behind is not promoted",
    example: "16MB",
  },
  maximumLagOnSyncnodeBytes: {
    key: "maximum_lag_on_syncnode",
    type: integer({ fallback: -1, min: -1, max: MAX_LAG_BYTES, unit: "B" }),
    meaning:
      "a synchronous standby further behind is replaced; 0 or less: never. No effect without `synchronous_mode`",
    example: "8MB",
  },
  checkTimeline: {
    key: "check_timeline",
    type: boolean(false),
    meaning: "only members of the cluster's timeline are promoted",
    example: true,
  },
  maxTimelinesHistory: {
    key: "max_timelines_history",
    type: integer({ fallback: 0, min: 0, max: MAX_COUNT, unit: null }),
    meaning: "lines of history kept; 0: all",
    example: 100,
  },
  primaryStartTimeoutS: {
    key: "primary_start_timeout",
    was: ["master_start_timeout"],
    type: integer({ fallback: 300, min: 0, max: MAX_TIMEOUT_S, unit: "s" }),
    meaning: "how long a crashed primary may take to start before another takes over; 0: at once",
    example: "1min",
  },
  primaryStopTimeoutS: {
    key: "primary_stop_timeout",
    was: ["master_stop_timeout"],
    type: integer({ fallback: 0, min: 0, max: MAX_TIMEOUT_S, unit: "s" }),
    meaning: "how long the primary may take to its shutdown checkpoint before it is killed; 0: see " +
      "[operations.md](operations.md#stopping-the-primary)",
    example: 30,
  },
  synchronousMode: {
    key: "synchronous_mode",
    type: {
      fallback: () => "off",
      shown: "`off`",
      range: "`off`, `on`, `quorum`",
      read: readSynchronousMode,
    },
    meaning: "no acknowledged transaction is lost at a failover",
    example: "quorum",
  },
  synchronousModeStrict: {
    key: "synchronous_mode_strict",
    type: boolean(false),
    meaning: "no commits without a synchronous standby. No effect without `synchronous_mode`",
    example: true,
  },
  synchronousNodeCount: {
    key: "synchronous_node_count",
    type: integer({ fallback: 1, min: 1, max: MAX_MEMBERS, unit: null }),
    meaning: "how many; lowered while there are fewer. No effect without `synchronous_mode`",
    example: 2,
  },
  failsafeMode: {
    key: "failsafe_mode",
    type: boolean(false),
    meaning: "a primary without a majority goes on while every member agrees ([failsafe.md](failsafe.md))",
    example: true,
  },
  pause: {
    key: "pause",
    type: boolean(false),
    meaning: "set and removed by `agent ctl pause` and `resume`",
    example: true,
  },
  pauseUntil: {
    key: "pause_until",
    type: time(),
    meaning: "set by `agent ctl pause --for`: `pause` ends by itself then",
    example: "2030-01-31T03:00:00+00:00",
  },
  memberSlotsTtlS: {
    key: "member_slots_ttl",
    type: integer({ fallback: 1800, shown: "`30min` (s)", min: 0, max: MAX_AGE_S, unit: "s" }),
    meaning:
      "how long the slot of a member is kept that is not heard any more, or was removed; 0: not at all",
    example: "2h",
  },
  healthIntervalS: {
    key: "health_interval",
    alsoLocal: true,
    type: integer({ fallback: 10, min: 0, max: MAX_TIMEOUT_S, unit: "s" }),
    meaning:
      "how often a member looks after its disks and its PostgreSQL ([operations.md](operations.md#a-sick-host)); 0: never",
    example: "1min",
  },
  diskWarningPercent: {
    key: "disk_space_warning",
    alsoLocal: true,
    type: integer({ fallback: 10, shown: "`10` (%)", min: 0, max: MAX_PERCENT, unit: null }),
    meaning: "free share of a file system of PostgreSQL's below which a member warns; 0: it does not",
    example: 20,
  },
  diskCriticalPercent: {
    key: "disk_space_critical",
    alsoLocal: true,
    type: integer({ fallback: 3, shown: "`3` (%)", min: 0, max: MAX_PERCENT, unit: null }),
    meaning: "the same below which the primary hands over to a member that is better off; 0: it does not",
    example: 5,
  },
  diskCapBytes: {
    key: "disk_space_cap",
    alsoLocal: true,
    type: integer({ fallback: 200 * 2 ** 30, shown: "`200GB` (B)", min: 1, max: MAX_LAG_BYTES, unit: "B" }),
    meaning: "a larger file system counts as one of this size for both: 10 % of it are 20 GB, on 20 TB too",
    example: "1TB",
  },
  diskTimeoutS: {
    key: "disk_timeout",
    alsoLocal: true,
    type: integer({ fallback: 30, min: 1, max: MAX_TIMEOUT_S, unit: "s" }),
    meaning: "a small file that was not written and read for so long: the disk hangs. Seen at the next look",
    example: "1min",
  },
  sickHandOver: {
    key: "sick_hand_over",
    alsoLocal: true,
    type: boolean(true),
    meaning: "a sick primary hands over to a member that is better off; `false`: it only says what ails it",
    example: false,
  },
  slots: {
    key: "slots",
    was: ["permanent_slots", "permanent_replication_slots"],
    type: {
      fallback: () => [],
      shown: "`{}`",
      range: `at most ${MAX_ENTRIES}`,
      read: readSlots,
    },
    meaning:
      "permanent slots: name to `type` (`physical`, `logical`), `database`, `plugin`, `cluster_type`; nothing at all is " +
      "a physical slot",
    example: { analytics: { type: "physical" } },
  },
  ignoreSlots: {
    key: "ignore_slots",
    type: {
      fallback: () => [],
      shown: "`[]`",
      range: `at most ${MAX_ENTRIES}`,
      read: readIgnoreSlots,
    },
    meaning:
      "slots to leave alone: maps of `name`, `type`, `database`, `plugin`, which must all match. Others are dropped from a " +
      "standby, once they are unused for 10 s",
    example: [{ type: "logical", plugin: "pgoutput" }],
  },
  standbyCluster: {
    key: "standby_cluster",
    type: { fallback: () => null, shown: "", range: "", read: readStandbyCluster },
    meaning:
      "the cluster follows another one: `host`, `port`, `primary_slot_name`, `create_replica_methods`, `restore_command`, " +
      "`archive_cleanup_command`, `recovery_min_apply_delay` (ms); active with a host, a port or a restore_command " +
      "([standby-cluster.md](standby-cluster.md))",
    example: { host: "10.0.1.5", port: 5432 },
  },
};

export const DYNAMIC_ROWS: readonly DynamicKey<unknown>[] = Object.values(DYNAMIC_KEYS);

/** Keys of Patroni that are not known here. */
export const UNSUPPORTED = ["primary_race_backoff"] as const;

/** Every name that the root of the dynamic configuration may have, but `postgresql`. */
export const DYNAMIC_ROOT_KEYS: readonly string[] = [
  ...DYNAMIC_ROWS.flatMap(({ key, was = [] }) => [key, ...was]),
  ...UNSUPPORTED,
];

/** Dynamic keys that the local file may give as well, as long as the cluster does not set them. */
export const FALLBACKS: readonly string[] = DYNAMIC_ROWS.filter(({ alsoLocal }) => alsoLocal).map(({ key }) =>
  key
);
