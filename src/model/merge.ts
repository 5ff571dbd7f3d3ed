/**
 * How one configuration is laid over another: PATCH of the dynamic configuration, the files of a directory,
 * the environment over the file. Never changes its arguments. `__proto__` is no key: it is dropped wherever
 * it occurs.
 */
import type { Json, JsonObject } from "./json.ts";

export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function isSet(value: Json | undefined): value is Exclude<Json, null> {
  return value !== undefined && value !== null;
}

/**
 * Objects merge, scalars and lists replace, null deletes. A sub-object whose key did not exist (or held
 * something that is no object) is stored as it is, nulls included: `{"slots":{"s1":null}}` defines the slot
 * s1 the first time and removes it the second time.
 */
export function applyPatch(config: JsonObject, patch: JsonObject): JsonObject {
  const result: JsonObject = {};
  // Each value is copied once, at its own level: copying all of it at every level would be quadratic in the
  // depth.
  for (const [key, current] of entriesOf(config)) {
    const value = Object.hasOwn(patch, key) ? patch[key] : undefined;
    if (value === undefined) result[key] = copyJson(current);
    else if (isJsonObject(value) && isJsonObject(current)) result[key] = applyPatch(current, value);
    else if (value !== null) result[key] = copyJson(value);
  }
  for (const [key, value] of entriesOf(patch)) {
    if (value !== null && !Object.hasOwn(config, key)) result[key] = copyJson(value);
  }
  return result;
}

/** Several files of a directory, in order: each is a patch of what came before. */
export function deepMerge(layers: readonly JsonObject[]): JsonObject {
  return layers.reduce<JsonObject>((merged, layer) => applyPatch(merged, layer), {});
}

/** A deep copy without `__proto__` keys. */
export function copyJson(value: Json): Json {
  if (Array.isArray(value)) return value.map(copyJson);
  return isJsonObject(value) ? copyObject(value) : value;
}

function copyObject(value: JsonObject): JsonObject {
  const copy: JsonObject = {};
  for (const [key, item] of entriesOf(value)) copy[key] = copyJson(item);
  return copy;
}

function entriesOf(value: JsonObject): [string, Json][] {
  return Object.entries(value).filter(([key, item]) => key !== "__proto__" && item !== undefined);
}
