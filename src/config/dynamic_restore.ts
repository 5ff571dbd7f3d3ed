/**
 * The usable part of a dynamic configuration that was kept in a data directory (patroni.dynamic.json), for a
 * cluster that is made of that directory. It is judged like a change of the configuration: what a PATCH would
 * be refused for is left out, key by key, so that one bad value does not cost the others their effect.
 */
import type { JsonObject } from "../model/json.ts";
import { isJsonObject } from "../model/merge.ts";
import { type JsonBounds, parseBounded } from "../model/bounded_json.ts";
import { dottedPath, type Path } from "./issues.ts";
import { withoutPause } from "../model/pause_end.ts";

export interface Restored {
  readonly value: JsonObject;
  /** A sentence for each key that was left out. */
  readonly dropped: readonly string[];
}

/** `text`: of the file. `refusals`: why a PATCH would refuse this configuration; none: it would not. */
export function restoreConfig(
  text: string,
  bounds: JsonBounds,
  refusals: (value: JsonObject) => readonly string[],
): Restored | { readonly problem: string } {
  const read = parseBounded(text, bounds);
  if (!read.ok) return { problem: read.problem };
  if (!isJsonObject(read.value)) return { problem: "no map of keys" };
  const dropped: string[] = [];
  const given = withoutPause(read.value);
  if (read.value["pause"] === true) dropped.push("pause: a new cluster does not begin in maintenance mode");
  const judge = (value: JsonObject, path: Path): JsonObject => {
    const kept: JsonObject = {};
    for (const [key, item] of Object.entries(value)) {
      if (key === "__proto__") continue;
      const inner = [...path, key];
      if (refusals(nested(inner, item)).length === 0) kept[key] = item;
      else if (isJsonObject(item) && maySplit(inner)) {
        const rest = judge(item, inner);
        if (Object.keys(rest).length > 0) kept[key] = rest;
      } else {
        dropped.push(`${dottedPath(inner)}: ${refusals(nested(inner, item)).join("; ")}`);
      }
    }
    return kept;
  };
  return { value: together(judge(given, []), refusals, dropped), dropped };
}

/** Maps whose keys stand for themselves; half of another one may mean something else than all of it. */
function maySplit([root, key, ...rest]: Path): boolean {
  if (root === "slots") return key === undefined;
  return root === "postgresql" && rest.length === 0 &&
    (key === undefined || String(key).startsWith("parameters"));
}

const TIMES = ["ttl", "loop_wait", "retry_timeout"];

/** Each value may be right alone, and wrong together with others: the times of the lease. */
function together(
  value: JsonObject,
  refusals: (value: JsonObject) => readonly string[],
  dropped: string[],
): JsonObject {
  const problems = refusals(value);
  if (problems.length === 0) return value;
  const rest = Object.fromEntries(Object.entries(value).filter(([key]) => !TIMES.includes(key)));
  dropped.push(`${TIMES.join(", ")}: ${problems.join("; ")}`);
  return refusals(rest).length === 0 ? rest : {};
}

function nested(path: Path, item: JsonObject[string]): JsonObject {
  return path.reduceRight<JsonObject[string]>((inner, key) => ({ [key]: inner }), item) as JsonObject;
}
