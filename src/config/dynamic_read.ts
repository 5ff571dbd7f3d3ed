/**
 * The root keys of the dynamic configuration. A value that cannot be used is an error (a PATCH with it is refused),
 * and the default stands in for it where the configuration is in force already; one out of range is a warning.
 */
import type { DynamicConfig } from "../model/config.ts";
import { describeValue } from "./issues.ts";
import type { Issues, Path } from "./issues.ts";
import { readIgnoreSlots, readSlots } from "./slots.ts";
import { readStandbyCluster } from "./standby_cluster.ts";
import type { Json, JsonObject } from "../model/json.ts";
import { MAX_AGE_S, MAX_COUNT, MAX_TIMEOUT_S, MAX_TTL_S } from "../model/limits.ts";
import { isSet } from "../model/merge.ts";
import { parseBool } from "../model/parse_bool.ts";
import { parseQuantity } from "../model/time_units.ts";
import type { MemoryUnit, TimeUnit } from "../model/time_units.ts";

export type RootConfig = Omit<DynamicConfig, "postgresql">;

interface IntegerKey {
  readonly fallback: number;
  readonly min: number;
  readonly max: number;
  readonly unit: TimeUnit | MemoryUnit;
  readonly alias?: string;
}

const DEFAULT_TTL_S = 5;
const MAX_LAG_BYTES = Number.MAX_SAFE_INTEGER;
const MAX_MEMBERS = 1000;

/** "proposed": what is above its largest value is an error. "in force": the largest value stands in for it. */
export type Standing = "proposed" | "in force";

/** `fallbacks`: ttl, loop_wait and retry_timeout of the local file, for what the cluster's configuration leaves out. */
export function readRoot(
  dcs: JsonObject,
  fallbacks: JsonObject,
  path: Path,
  issues: Issues,
  standing: Standing,
): RootConfig {
  const read = new Reader(dcs, path, issues, standing);
  const standbyCluster = readStandbyCluster(dcs["standby_cluster"], [...path, "standby_cluster"], issues);
  const mode = readSynchronousMode(dcs["synchronous_mode"], [...path, "synchronous_mode"], issues);
  return {
    ...readTiming(dcs, fallbacks, path, issues, standing),
    maximumLagOnFailoverBytes: read.integer("maximum_lag_on_failover", {
      fallback: 1_048_576,
      min: 0,
      max: MAX_LAG_BYTES,
      unit: "B",
    }),
    maximumLagOnSyncnodeBytes: read.integer("maximum_lag_on_syncnode", {
      fallback: -1,
      min: -1,
      max: MAX_LAG_BYTES,
      unit: "B",
    }),
    checkTimeline: read.bool("check_timeline", false),
    maxTimelinesHistory: read.integer("max_timelines_history", {
      fallback: 0,
      min: 0,
      max: MAX_COUNT,
      unit: "B",
    }),
    primaryStartTimeoutS: read.integer("primary_start_timeout", {
      fallback: 300,
      min: 0,
      max: MAX_TIMEOUT_S,
      unit: "s",
      alias: "master_start_timeout",
    }),
    primaryStopTimeoutS: read.integer("primary_stop_timeout", {
      fallback: 0,
      min: 0,
      max: MAX_TIMEOUT_S,
      unit: "s",
      alias: "master_stop_timeout",
    }),
    // A standby cluster receives its transactions: there is no commit of its own to wait for.
    synchronousMode: standbyCluster === null ? mode : "off",
    synchronousModeStrict: read.bool("synchronous_mode_strict", false),
    synchronousNodeCount: read.integer("synchronous_node_count", {
      fallback: 1,
      min: 1,
      max: MAX_MEMBERS,
      unit: "B",
    }),
    failsafeMode: read.bool("failsafe_mode", false),
    pause: read.bool("pause", false),
    memberSlotsTtlS: read.integer("member_slots_ttl", {
      fallback: 1800,
      min: 0,
      max: MAX_AGE_S,
      unit: "s",
    }),
    slots: readSlots(dcs, path, issues),
    ignoreSlots: readIgnoreSlots(dcs["ignore_slots"], [...path, "ignore_slots"], issues),
    standbyCluster,
  };
}

/** What is not given follows from what is: a ttl of 30 brings a loop_wait of 6 and a retry_timeout of 12. */
function readTiming(
  dcs: JsonObject,
  fallbacks: JsonObject,
  path: Path,
  issues: Issues,
  standing: Standing,
): Pick<DynamicConfig, "ttlS" | "loopWaitS" | "retryTimeoutS"> {
  const own = new Reader(dcs, path, issues, standing);
  const local = new Reader(fallbacks, [], issues, standing);
  const seconds = (key: string, min: number, otherwise: number) => {
    const fallback = local.integer(key, { fallback: otherwise, min, max: MAX_TTL_S, unit: "s" });
    return own.integer(key, { fallback, min, max: MAX_TTL_S, unit: "s" });
  };
  const ttlS = seconds("ttl", 2, DEFAULT_TTL_S);
  const loopWaitS = seconds("loop_wait", 1, Math.max(1, Math.floor(ttlS / 5)));
  const retryTimeoutS = seconds("retry_timeout", 1, Math.max(1, Math.floor((ttlS - loopWaitS) / 2)));
  const given = ["loop_wait", "retry_timeout"].some((key) => isSet(dcs[key]) || isSet(fallbacks[key]));
  if (given && loopWaitS + 2 * retryTimeoutS > ttlS) {
    issues.warning(
      [...path, "ttl"],
      `loop_wait + 2 * retry_timeout (${loopWaitS} + 2 * ${retryTimeoutS} s) should not exceed ttl (${ttlS} s); the values are used as they are`,
    );
  }
  return { ttlS, loopWaitS, retryTimeoutS };
}

function readSynchronousMode(
  value: Json | undefined,
  path: Path,
  issues: Issues,
): DynamicConfig["synchronousMode"] {
  if (!isSet(value)) return "off";
  if (typeof value === "string" && value.toLowerCase() === "quorum") return "quorum";
  const flag = parseBool(value);
  if (flag === null) issues.error(path, `expected one of off, on, quorum, got ${describeValue(path, value)}`);
  return flag === true ? "on" : "off";
}

class Reader {
  constructor(
    private readonly section: JsonObject,
    private readonly path: Path,
    private readonly issues: Issues,
    private readonly standing: Standing,
  ) {}

  integer(key: string, { fallback, min, max, unit, alias }: IntegerKey): number {
    const [name, value] = this.#find(key, alias);
    if (!isSet(value)) return fallback;
    const path = [...this.path, name];
    const number = parseQuantity(value, unit);
    if (number === null) {
      const units = unit === "s" ? "seconds (30, or 30s, 5min)" : "an integer";
      this.issues.error(path, `expected ${units}, got ${describeValue(path, value)}`);
      return fallback;
    }
    if (number > max) {
      const text = `${number} is above the largest value`;
      if (this.standing === "proposed") this.issues.error(path, `${text}, ${max}`);
      else this.issues.warning(path, `${text}: ${max} is used`);
      return max;
    }
    if (number >= min) return number;
    this.issues.warning(path, `${number} is below the minimum: ${min} is used`);
    return min;
  }

  bool(key: string, fallback: boolean): boolean {
    const value = this.section[key];
    if (!isSet(value)) return fallback;
    const flag = parseBool(value);
    if (flag !== null) return flag;
    const path = [...this.path, key];
    this.issues.error(path, `expected a boolean, got ${describeValue(path, value)}`);
    return fallback;
  }

  #find(key: string, alias: string | undefined): [string, Json | undefined] {
    if (alias === undefined || isSet(this.section[key]) || !isSet(this.section[alias])) {
      return [key, this.section[key]];
    }
    this.issues.warning([...this.path, alias], `is the old name of ${key}`);
    return [alias, this.section[alias]];
  }
}
