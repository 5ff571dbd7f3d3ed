/** The local configuration as it was written: files and environment merged, with the place of each value. */
import type { Json, JsonObject } from "../model/json.ts";
import { isJsonObject, isSet } from "../model/merge.ts";
import { type Locations, type Path, pathKey, withoutSecrets } from "./issues.ts";

export interface WrittenConfig {
  /** Passwords included. */
  readonly value: JsonObject;
  /** By pathKey: `agent.yml:12`, or `environment PATRONI_...`. */
  readonly places: { readonly [path: string]: string };
}

export const NOTHING_WRITTEN: WrittenConfig = { value: {}, places: {} };

/** One value of a key, and where it is. */
export interface Layer {
  readonly source: "default" | "file" | "environment" | "dynamic" | "agent";
  /** null: built in. */
  readonly place: string | null;
  readonly value: Json;
  readonly counts: boolean;
}

export function writtenConfig(value: JsonObject, locations: Locations): WrittenConfig {
  const places = Object.fromEntries(
    [...locations].map(([path, { file, line }]) => [path, line === null ? file : `${file}:${line}`]),
  );
  return { value, places };
}

/** The value at a path; undefined: there is none. */
export function valueAt(value: JsonObject, path: Path): Json | undefined {
  let current: Json | undefined = value;
  for (const part of path) {
    current = isJsonObject(current) && Object.hasOwn(current, part) ? current[part] : undefined;
  }
  return current;
}

/** The place of a value, or of the section around it; null: not known. */
export function placeIn({ places }: WrittenConfig, path: Path): string | null {
  for (let length = path.length; length > 0; length--) {
    const key = pathKey(path.slice(0, length));
    if (Object.hasOwn(places, key)) return places[key]!;
  }
  return null;
}

/** What the file or the environment says, without secrets; null: nothing. */
export function layerOf(written: WrittenConfig, path: Path): Layer | null {
  const value = valueAt(written.value, path);
  if (!isSet(value)) return null;
  const place = placeIn(written, path);
  const source = place?.startsWith("environment ") ? "environment" : "file";
  return { source, place, value: withoutSecrets(value, path), counts: true };
}
