/** The layers of the local configuration, merged: the files in order, then the environment over them. */
import { besideWholeConfiguration, readEnvironment, WHOLE_CONFIGURATION } from "./env.ts";
import type { LocatedIssue, Locations } from "./issues.ts";
import { parseYaml } from "./yaml.ts";
import type { Json, JsonObject } from "../model/json.ts";
import { applyPatch, isJsonObject } from "../model/merge.ts";

export interface ConfigSource {
  readonly file: string;
  readonly text: string;
}

export type Environment = { readonly [name: string]: string | undefined };

/** PATRONI_CONFIGURATION counts only without files, and then no other variable does. */
export function mergeSources(
  sources: readonly ConfigSource[],
  environment: Environment,
): { merged: JsonObject; locations: Locations; found: LocatedIssue[] } {
  const whole = sources.length === 0 ? environment[WHOLE_CONFIGURATION] : undefined;
  const layers = whole
    ? [
      parseYaml(`environment ${WHOLE_CONFIGURATION}`, whole),
      { value: {}, locations: new Map(), issues: besideWholeConfiguration(environment) },
    ]
    : [...sources.map(({ file, text }) => parseYaml(file, text)), readEnvironment(environment)];
  let merged: JsonObject = {};
  const locations: Locations = new Map();
  const found: LocatedIssue[] = [];
  for (const layer of layers) {
    merged = applyPatch(merged, layer.value ?? {});
    for (const [key, location] of layer.locations) locations.set(key, location);
    found.push(...layer.issues.list);
  }
  return { merged, locations, found };
}

/** A key without a value is a key left out, but in the dynamic configuration, where null has a meaning. */
export function withoutNulls(section: JsonObject): JsonObject {
  const keep = (value: JsonObject, path: string): JsonObject =>
    Object.fromEntries(
      Object.entries(value).flatMap(([key, item]): [string, Json][] => {
        const inner = path === "" ? key : `${path}.${key}`;
        if (item === null) return [];
        return [[key, isJsonObject(item) && inner !== "bootstrap.dcs" ? keep(item, inner) : item]];
      }),
    );
  return keep(section, "");
}
