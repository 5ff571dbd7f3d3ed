/**
 * Explains one key: the value in force on this member, each place that has one, and which of them counts and
 * why (docs/compatibility.md section 3.1). For people: no secret is part of it.
 */
import type { Json } from "../model/json.ts";
import { isSet } from "../model/merge.ts";
import { effectiveDynamic } from "./dynamic.ts";
import { explainParameter } from "./explain_parameter.ts";
import type { ExplainInput, Explanation } from "./explanation.ts";
import { dottedPath, withoutSecrets } from "./issues.ts";
import { LOCAL_ROWS } from "./key_rows.ts";
import { DYNAMIC_KEYS, DYNAMIC_ROWS } from "./keys/dynamic.ts";
import type { DynamicKey } from "./keys/dynamic.ts";
import { LOCAL_ONLY_POSTGRESQL_KEYS } from "./keys/postgresql.ts";
import { localSchema } from "./keys/root.ts";
import { type Layer, layerOf, placeIn, valueAt } from "./written.ts";

/** null: there is no such key, and nothing is written under this name. */
export function explainKey(key: string, input: ExplainInput): Explanation | null {
  const path = pathOf(key);
  const row = path.length === 1 ? rowOf(path[0]!) : undefined;
  if (row !== undefined) return explainRoot(row, input);
  const parameter = path[0] === "postgresql" && path[1] === "parameters" ? path[2] : undefined;
  return parameter === undefined ? explainOther(path, input) : explainParameter(parameter, input);
}

const SECTIONS: readonly string[] = [...Object.keys(localSchema.shape), "postgresql", "watchdog"];

/** A name that is no key of the file is a parameter of PostgreSQL. */
function pathOf(key: string): string[] {
  const parts = key.split(".");
  if (parts[0] === "parameters") return ["postgresql", "parameters", parts.slice(1).join(".")];
  if (rowOf(key) === undefined && !SECTIONS.includes(parts[0]!)) return ["postgresql", "parameters", key];
  const isParameter = parts[0] === "postgresql" && parts[1]?.startsWith("parameters") && parts.length > 2;
  return isParameter ? ["postgresql", parts[1]!, parts.slice(2).join(".")] : parts;
}

function rowOf(name: string): DynamicKey<unknown> | undefined {
  return DYNAMIC_ROWS.find(({ key, was = [] }) => key === name || was.includes(name));
}

function explainRoot(row: DynamicKey<unknown>, { dcs, local, written }: ExplainInput): Explanation {
  const { key, was = [], alsoLocal } = row;
  const { config, issues } = effectiveDynamic(dcs ?? {}, local);
  const [field] = Object.entries<DynamicKey<unknown>>(DYNAMIC_KEYS).find(([, one]) => one === row)!;
  const value = config[field as keyof typeof DYNAMIC_KEYS] as Json;
  const name = [key, ...was].find((one) => isSet(dcs?.[one]));
  const fileName = [key, ...was].find((one) => isSet(written.value[one]));
  const inFile = fileName !== undefined && alsoLocal === true && name === undefined;
  const layers: Layer[] = [
    {
      source: "default",
      place: null,
      value: row.type.fallback(config) as Json,
      counts: name === undefined && !inFile,
    },
    ...(fileName === undefined ? [] : [{ ...layerOf(written, [fileName])!, counts: inFile }]),
    ...(name === undefined
      ? []
      : [{ source: "dynamic" as const, place: name, value: dcs![name]!, counts: true }]),
  ];
  const why = name !== undefined
    ? "the dynamic configuration has it, and comes before the file"
    : inFile
    ? "the dynamic configuration does not have it"
    : "neither the dynamic configuration nor the file has a value that counts";
  const notes = issues.filter((issue) => [key, ...was].includes(issue.path)).map((issue) => issue.message);
  const vain = fileName === undefined || inFile ? [] : [
    alsoLocal ? "the value in the file counts only while the dynamic configuration has none" : NOT_IN_FILE,
  ];
  return { key, value, layers, why, afterRestart: null, notes: [...notes, ...vain] };
}

const NOT_IN_FILE = "it belongs to the dynamic configuration: the value in the file has no effect";

function explainOther(path: readonly string[], { dcs, written }: ExplainInput): Explanation | null {
  const [root, key] = path;
  const text = LOCAL_ROWS.get(path.join("."));
  const local = layerOf(written, path);
  const dynamic = valueAt(dcs ?? {}, path);
  if (text === undefined && local === null && !isSet(dynamic)) return null;
  const localOnly: readonly string[] = LOCAL_ONLY_POSTGRESQL_KEYS;
  const mayBeDynamic = root === "postgresql" && key !== undefined && !localOnly.includes(key);
  const isClusters = root === "postgresql" && key === "use_slots";
  // A key of the section replaces that of the cluster whole, maps too.
  const inFile = !isClusters && isSet(valueAt(written.value, mayBeDynamic ? path.slice(0, 2) : path));
  const fileCounts = inFile && local !== null;
  const dynamicCounts = mayBeDynamic && isSet(dynamic) && !inFile;
  const standard = text?.default?.replaceAll("`", "") ?? null;
  const layers: Layer[] = [
    ...(standard === null ? [] : [{
      source: "default" as const,
      place: null,
      value: standard,
      counts: !fileCounts && !dynamicCounts,
    }]),
    ...(isSet(dynamic)
      ? [{
        source: "dynamic" as const,
        place: dottedPath(path),
        value: withoutSecrets(dynamic, path),
        counts: dynamicCounts,
      }]
      : []),
    ...(local === null ? [] : [{ ...local, counts: fileCounts }]),
  ];
  const why = fileCounts
    ? mayBeDynamic
      ? "the file comes before the dynamic configuration"
      : "it is a key of each member's own file"
    : dynamicCounts
    ? "the dynamic configuration has it, and the file does not"
    : "nothing that counts has a value";
  const value = layers.find(({ counts }) => counts)?.value ?? null;
  const notes = [
    ...(isSet(dynamic) && !mayBeDynamic ? ["what the dynamic configuration says of it is not used"] : []),
    ...(isSet(dynamic) && mayBeDynamic && inFile && local === null
      ? [`${placeIn(written, path.slice(0, 2)) ?? "the file"} replaces ${dottedPath(path.slice(0, 2))} whole`]
      : []),
    ...(isClusters && local !== null ? [NOT_IN_FILE] : []),
    ...(text?.noEffect ? ["it has no effect in this version"] : []),
    ...(text?.effect === undefined
      ? []
      : [`a change in the file counts by: ${text.effect.replaceAll("`", "")}`]),
  ];
  return { key: dottedPath(path), value, layers, why, afterRestart: null, notes };
}
