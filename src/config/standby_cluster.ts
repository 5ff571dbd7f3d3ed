/**
 * The dynamic configuration's standby_cluster: where a cluster that follows another one gets its
 * transactions.
 */
import { describeValue } from "./issues.ts";
import type { Issues, Path } from "./issues.ts";
import { readText, textList } from "./fields.ts";
import { checkText } from "./names.ts";
import { isHostName } from "../model/host_port.ts";
import type { Json, JsonObject } from "../model/json.ts";
import { MAX_COMMAND_BYTES, MAX_DELAY_MS, MAX_ENTRIES } from "../model/limits.ts";
import { isJsonObject, isSet } from "../model/merge.ts";
import { parseQuantity } from "../model/time_units.ts";

/** Why the value cannot be used, or null. */
type Judge = (value: Exclude<Json, null>, path: Path, issues: Issues) => boolean;

const KEYS: { readonly [key: string]: Judge } = {
  host: expecting("an address or name, or several with commas", (value) => {
    const hosts = typeof value === "string" ? value.split(",") : [];
    return hosts.length > 0 && hosts.length <= MAX_ENTRIES && hosts.every((host) => isHostName(host.trim()));
  }),
  port: expecting("a port from 1 to 65535", (value) => {
    const port = parseQuantity(value);
    return port !== null && port >= 1 && port <= 65535;
  }),
  primary_slot_name: expecting(
    "a slot's name: 1 to 63 lower case letters, digits and underscores",
    (value) => typeof value === "string" && /^[a-z0-9_]{1,63}$/.test(value),
  ),
  create_replica_methods: expecting(
    "a list of names",
    (value) => textList.safeParse(value).data?.every((name) => /^[\w.-]{1,63}$/.test(name)) ?? false,
  ),
  restore_command: command,
  archive_cleanup_command: command,
  recovery_min_apply_delay: expecting(`a time up to ${MAX_DELAY_MS} ms (5000, or 5s, 10min)`, (value) => {
    const delayMs = parseQuantity(value, "ms");
    return delayMs !== null && delayMs >= 0 && delayMs <= MAX_DELAY_MS;
  }),
};
/** One of them says where the transactions come from. */
const SOURCES = ["host", "port", "restore_command"];

/** null unless it is active, by one of SOURCES. A value that cannot be used is an error, and left out. */
export function readStandbyCluster(
  value: Exclude<Json, null>,
  path: Path,
  issues: Issues,
): JsonObject | null {
  if (!isJsonObject(value)) {
    issues.error(path, `expected a map, got ${describeValue(path, value)}`);
    return null;
  }
  const result: JsonObject = {};
  for (const [key, item] of Object.entries(value)) {
    if (!Object.hasOwn(KEYS, key)) {
      issues.warning([...path, key], "this key is not known and has no effect");
    } // Empty is as good as left out, as for Patroni.
    else if (isSet(item) && item !== "" && KEYS[key]!(item, [...path, key], issues)) result[key] = item;
  }
  if (SOURCES.some((key) => Object.hasOwn(result, key))) return result;
  if (Object.keys(result).length > 0) {
    issues.warning(path, `has no effect without one of ${SOURCES.join(", ")}`);
  }
  return null;
}

function expecting(expected: string, fits: (value: Exclude<Json, null>) => boolean): Judge {
  return (value, path, issues) => {
    if (fits(value)) return true;
    issues.error(path, `expected ${expected}, got ${describeValue(path, value)}`);
    return false;
  };
}

/** Run by PostgreSQL through a shell, which takes lines. */
function command(value: Exclude<Json, null>, path: Path, issues: Issues): boolean {
  return checkText(readText(value) ?? value, MAX_COMMAND_BYTES, path, issues);
}
