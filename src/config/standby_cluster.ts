/**
 * The dynamic configuration's standby_cluster: where a cluster that follows another one gets its
 * transactions.
 */
import { describeValue } from "./issues.ts";
import type { Issues, Path } from "./issues.ts";
import { readText, textList } from "./fields.ts";
import { checkText } from "./names.ts";
import { isHostName } from "../model/host_port.ts";
import type { Json } from "../model/json.ts";
import { MAX_COMMAND_BYTES, MAX_DELAY_MS, MAX_ENTRIES } from "../model/limits.ts";
import { isJsonObject, isSet } from "../model/merge.ts";
import type { StandbyCluster } from "../model/standby_cluster.ts";
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
    // A fraction would be rounded to the port of another server.
    return port !== null && port >= 1 && port <= 65535 && Number.isInteger(Number(value));
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

/**
 * null unless it is active, by one of SOURCES. A value that cannot be used is an error, and left out. One of
 * SOURCES that is in force and cannot be used leaves a standby cluster without that source: null would
 * promote a server that is to take no writes.
 */
export function readStandbyCluster(
  value: Exclude<Json, null>,
  path: Path,
  issues: Issues,
): StandbyCluster | null {
  if (!isJsonObject(value)) {
    issues.error(path, `expected a map, got ${describeValue(path, value)}`);
    return null;
  }
  const given: { [key: string]: Json } = {};
  for (const [key, item] of Object.entries(value)) {
    if (!Object.hasOwn(KEYS, key)) {
      issues.warning([...path, key], "this key is not known and has no effect");
    } else if (isGiven(item) && KEYS[key]!(item, [...path, key], issues)) given[key] = item;
  }
  // The port alone would stand for a server of this host.
  if (isGiven(value["host"]) && given["host"] === undefined) delete given["port"];
  if (SOURCES.some((key) => isGiven(value[key]))) return standbyCluster(given);
  if (Object.keys(value).length === 0) {
    issues.warning(path, "is empty: the cluster has a primary of its own");
  } else {
    // An empty cluster that takes writes would be made, or the standby leader promoted, for a misspelt key.
    issues.error(path, `names no server to follow: one of ${SOURCES.join(", ")} is needed`);
  }
  return null;
}

/** Empty is as good as left out, as for Patroni. */
function isGiven(item: Json | undefined): item is Exclude<Json, null> {
  return isSet(item) && item !== "";
}

/** All values were judged by KEYS. */
function standbyCluster(given: { readonly [key: string]: Json }): StandbyCluster {
  const text = (key: string) => readText(given[key]);
  const host = text("host")?.split(",").map((one) => one.trim()).join(",");
  const port = parseQuantity(given["port"] ?? null);
  const delayMs = parseQuantity(given["recovery_min_apply_delay"] ?? null, "ms");
  const methods = textList.safeParse(given["create_replica_methods"]).data;
  const found: { -readonly [Key in keyof StandbyCluster]: StandbyCluster[Key] | null } = {
    host,
    port,
    primarySlotName: text("primary_slot_name"),
    restoreCommand: text("restore_command"),
    archiveCleanupCommand: text("archive_cleanup_command"),
    recoveryMinApplyDelayMs: delayMs,
    createReplicaMethods: methods?.length ? methods : null,
  };
  return Object.fromEntries(
    Object.entries(found).filter(([, value]) => value !== null && value !== undefined),
  );
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
