/** Slots that the dynamic configuration names: permanent ones, and those that the agent leaves alone. */
import { describeValue } from "./issues.ts";
import type { Issues, Path } from "./issues.ts";
import { checkOneLine, MAX_NAME_BYTES } from "./names.ts";
import type { Json, JsonObject } from "../model/json.ts";
import { MAX_ENTRIES } from "../model/limits.ts";
import { isJsonObject, isSet } from "../model/merge.ts";
import type { PermanentSlot } from "../model/permanent_slot.ts";
import { textOf } from "../model/text_of.ts";

const SLOT_KEYS = ["type", "database", "plugin", "cluster_type"];
const IGNORE_KEYS = ["name", "type", "database", "plugin"];
const SLOT_NAME = /^[a-z0-9_]{1,63}$/;
const NAME_EXPECTED = "a slot's name has 1 to 63 lower case letters, digits and underscores";
const CLUSTER_TYPES = ["primary", "standby"] as const;

/** What cannot be a slot is an error, and left out. */
export function readSlots(
  value: Exclude<Json, null>,
  path: Path,
  issues: Issues,
): PermanentSlot[] | undefined {
  if (!isJsonObject(value)) {
    issues.error(path, `expected a map of slot names, got ${describeValue(path, value)}`);
    return undefined;
  }
  return atMost(Object.entries(value), "slots", path, issues)
    .map(([name, slot]) => readSlot(name, slot, [...path, name], issues)).filter((slot) => slot !== null);
}

/** Empty values (null, 0, "", false) mean a physical slot, as does a map without a type. */
function readSlot(name: string, slot: Json, path: Path, issues: Issues): PermanentSlot | null {
  const refuse = (message: string, key?: string): null => {
    issues.error(key === undefined ? path : [...path, key], message);
    return null;
  };
  const physical = { name, type: "physical", database: null, plugin: null, clusterType: null } as const;
  if (!SLOT_NAME.test(name)) return refuse(NAME_EXPECTED);
  if (!slot) return physical;
  if (!isJsonObject(slot)) {
    return refuse("expected a map with type, and database and plugin for a logical slot");
  }
  warnUnknown(slot, SLOT_KEYS, path, issues);
  const type = typeof slot["type"] === "string" ? slot["type"].toLowerCase() : slot["type"] ?? "physical";
  if (type !== "physical" && type !== "logical") return refuse("type is physical or logical", "type");
  if (type === "logical" && !(slot["database"] && slot["plugin"])) {
    return refuse("a logical slot needs database and plugin");
  }
  const wanted = slot["cluster_type"] ?? null;
  const clusterType = CLUSTER_TYPES.find((one) => one === wanted) ?? null;
  if (wanted !== null && clusterType === null) {
    return refuse("cluster_type is primary or standby", "cluster_type");
  }
  if (!isPlace(slot, path, issues)) return null;
  const place = type === "logical"
    ? { database: textOf(slot["database"]!), plugin: textOf(slot["plugin"]!) }
    : { database: null, plugin: null };
  return { ...physical, type, clusterType, ...place };
}

/**
 * Slots to leave alone: every field of a map has to agree. A map that no slot can agree with is an error, and
 * left out.
 */
export function readIgnoreSlots(
  value: Exclude<Json, null>,
  path: Path,
  issues: Issues,
): JsonObject[] | undefined {
  if (!Array.isArray(value)) {
    issues.error(path, `expected a list of maps, got ${describeValue(path, value)}`);
    return undefined;
  }
  return atMost([...value.entries()], "maps", path, issues).flatMap(([at, item]) =>
    isIgnoreRule(item, [...path, at], issues) ? [item] : []
  );
}

function isIgnoreRule(item: Json, path: Path, issues: Issues): item is JsonObject {
  const refuse = (message: string, key?: string): false => {
    issues.error(key === undefined ? path : [...path, key], message);
    return false;
  };
  if (!isJsonObject(item) || !IGNORE_KEYS.some((key) => isSet(item[key]))) {
    return refuse("expected a map with name, type, database or plugin");
  }
  warnUnknown(item, IGNORE_KEYS, path, issues);
  const { name = null, type = null } = item;
  if (name !== null && !(typeof name === "string" && SLOT_NAME.test(name))) {
    return refuse(NAME_EXPECTED, "name");
  }
  if (type !== null && type !== "physical" && type !== "logical") {
    return refuse("type is physical or logical", "type");
  }
  return isPlace(item, path, issues);
}

/** Database and plugin, where they are given. */
function isPlace(slot: JsonObject, path: Path, issues: Issues): boolean {
  return ["database", "plugin"].every((key) =>
    !isSet(slot[key]) || checkOneLine(slot[key], MAX_NAME_BYTES, [...path, key], issues)
  );
}

function warnUnknown(value: JsonObject, known: readonly string[], path: Path, issues: Issues): void {
  for (const key of Object.keys(value)) {
    if (!known.includes(key)) issues.warning([...path, key], "this key is not known and has no effect");
  }
}

function atMost<Item>(items: Item[], noun: string, path: Path, issues: Issues): Item[] {
  if (items.length > MAX_ENTRIES) {
    issues.error(path, `holds ${items.length} ${noun}: at most ${MAX_ENTRIES} are taken`);
  }
  return items.slice(0, MAX_ENTRIES);
}
