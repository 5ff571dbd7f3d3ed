/**
 * Where `bootstrap.dcs` differs from the dynamic configuration in force. It is read only when a cluster is
 * initialised, and is often edited later in the belief that this changes the cluster.
 */
import type { Json, JsonObject } from "../model/json.ts";
import { isJsonObject, isSet } from "../model/merge.ts";
import { PAUSE_KEYS } from "../model/pause_end.ts";
import { dottedPath, type Path, withoutSecrets } from "./issues.ts";

const MAX_KEYS = 20;
const MAX_VALUE = 60;

/** A sentence for the log; null: it says what is in force. */
export function bootstrapDifference(dcs: JsonObject, inForce: JsonObject): string | null {
  const found = differences(dcs, inForce, []).filter(({ path }) =>
    !PAUSE_KEYS.some((key) => key === path[0])
  );
  if (found.length === 0) return null;
  const shown = found.slice(0, MAX_KEYS).map(({ path, wanted, present }) =>
    `${dottedPath(path)} (${shownValue(wanted, path)} in the file, ${shownValue(present, path)} in force)`
  );
  const more = found.length > MAX_KEYS ? `, and ${found.length - MAX_KEYS} more` : "";
  return `bootstrap.dcs was read when the cluster was initialised, and differs from what is in force: ${
    shown.join(", ")
  }${more}. What is in force is changed by: agent ctl edit-config`;
}

interface Difference {
  readonly path: Path;
  readonly wanted: Json;
  readonly present: Json | undefined;
}

/** By the keys of `wanted`: what is in force beside them was never in the file. */
export function differences(wanted: JsonObject, present: JsonObject, path: Path): Difference[] {
  return Object.entries(wanted).flatMap(([key, item]): Difference[] => {
    const inner = [...path, key];
    const other = Object.hasOwn(present, key) ? present[key] : undefined;
    if (isJsonObject(item) && (isJsonObject(other) || !isSet(other))) {
      const rest = differences(item, isJsonObject(other) ? other : {}, inner);
      return rest;
    }
    return (isSet(item) || isSet(other)) && !sameJson(item, other ?? null)
      ? [{ path: inner, wanted: item, present: other }]
      : [];
  });
}

export function sameJson(a: Json, b: Json): boolean {
  if (Array.isArray(a) && Array.isArray(b)) {
    return a.length === b.length && a.every((item, i) => sameJson(item, b[i]!));
  }
  if (!isJsonObject(a) || !isJsonObject(b)) return a === b;
  const keys = new Set([...Object.keys(a), ...Object.keys(b)]);
  return [...keys].every((key) => sameJson(a[key] ?? null, b[key] ?? null));
}

function shownValue(value: Json | undefined, path: Path): string {
  if (!isSet(value)) return "nothing";
  const text = JSON.stringify(withoutSecrets(value, path));
  return text.length <= MAX_VALUE ? text : `${text.slice(0, MAX_VALUE - 4)} ...`;
}
