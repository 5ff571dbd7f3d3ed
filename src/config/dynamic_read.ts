/**
 * The root keys of the dynamic configuration. A value that cannot be used is an error (a PATCH with it is
 * refused), and the default stands in for it where the configuration is in force already; one out of range is
 * a warning.
 */
import type { Issues, Path } from "./issues.ts";
import { DYNAMIC_KEYS } from "./keys/dynamic.ts";
import type { DynamicKey, RootConfig } from "./keys/dynamic.ts";
import type { Standing, Timing } from "./keys/dynamic_types.ts";
import type { Json, JsonObject } from "../model/json.ts";
import { isSet } from "../model/merge.ts";
import { idleSyncKeys } from "../model/sync_fit.ts";

/** `local`: the root of the local file, for the keys that it may have too. */
export function readRoot(
  dcs: JsonObject,
  local: JsonObject,
  path: Path,
  issues: Issues,
  standing: Standing,
): RootConfig {
  const result: { [field: string]: unknown } = {};
  for (const [field, row] of Object.entries<DynamicKey<unknown>>(DYNAMIC_KEYS)) {
    // Rows stand in such an order that ttl and loop_wait are read when a default follows from them.
    const fallback = row.type.fallback(result as unknown as Timing);
    const below = row.alsoLocal ? readKey(row, local, fallback, [], issues, standing) : fallback;
    result[field] = readKey(row, dcs, below, path, issues, standing);
  }
  // Each field of RootConfig has a row, and no other (the type of DYNAMIC_KEYS).
  const root = result as unknown as RootConfig;
  warnOfTiming(root, [dcs, local], path, issues);
  warnOfSpace(root, path, issues);
  for (const { key, message } of idleSyncKeys(root)) issues.warning([...path, key], message);
  // A standby cluster receives its transactions: there is no commit of its own to wait for.
  return root.standbyCluster === null ? root : { ...root, synchronousMode: "off" };
}

function readKey(
  { key, was = [], type }: DynamicKey<unknown>,
  section: JsonObject,
  fallback: unknown,
  path: Path,
  issues: Issues,
  standing: Standing,
): unknown {
  const [name, ...others] = [key, ...was].filter((each) => isSet(section[each]));
  if (name === undefined) return fallback;
  if (name !== key) issues.warning([...path, name], `is the old name of ${key}`);
  for (const other of others) issues.warning([...path, other], `has no effect beside ${name}`);
  const value: Json = section[name]!;
  if (value === null) return fallback;
  return type.read(value, [...path, name], issues, standing) ?? fallback;
}

function warnOfSpace(
  { diskWarningPercent, diskCriticalPercent }: RootConfig,
  path: Path,
  issues: Issues,
): void {
  if (diskWarningPercent === 0 || diskCriticalPercent < diskWarningPercent) return;
  issues.warning(
    [...path, "disk_space_warning"],
    `has no effect: disk_space_critical (${diskCriticalPercent} %) is not below it (${diskWarningPercent} %)`,
  );
}

/** Times that have to fit into a ttl. */
const TIMES = ["loop_wait", "retry_timeout"] as const;

function warnOfTiming(
  { ttlS, loopWaitS, retryTimeoutS }: RootConfig,
  sections: readonly JsonObject[],
  path: Path,
  issues: Issues,
): void {
  const given = TIMES.some((key) => sections.some((section) => isSet(section[key])));
  if (!given || loopWaitS + 2 * retryTimeoutS <= ttlS) return;
  issues.warning(
    [...path, "ttl"],
    `loop_wait + 2 * retry_timeout (${loopWaitS} + 2 * ${retryTimeoutS} s) should not exceed ttl (${ttlS} s); the values are used as they are`,
  );
}
