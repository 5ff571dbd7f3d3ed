/** Changes to the cluster's configuration as the command line names them. */
import type { Json, JsonObject } from "../../src/model/json.ts";
import { applyPatch, isJsonObject } from "../../src/model/merge.ts";
import { CtlError } from "./errors.ts";
import type { Io } from "./io.ts";
import { readLocalFile } from "./local_file.ts";
import { parseYamlValue } from "./yaml_text.ts";

/** `key.of.many=value`: the value is YAML, null removes. Below postgresql.parameters the rest is one name. */
export function setValue(config: JsonObject, pair: string): JsonObject {
  const at = pair.indexOf("=");
  if (at < 0) throw new CtlError(`Invalid parameter setting ${pair}`);
  const path = pair.slice(0, at).trim().split(".");
  if (path.includes("")) throw new CtlError(`Invalid parameter setting ${pair}: a name is missing before =`);
  const parameters = path[0] === "postgresql" && path[1] === "parameters" && path.length > 2;
  const keys = parameters ? ["postgresql", "parameters", path.slice(2).join(".")] : path;
  return withValue(config, keys, parseYamlValue(pair.slice(at + 1), pair));
}

/** Objects that become empty go with their last key. */
function withValue(config: JsonObject, [key, ...rest]: readonly string[], value: Json): JsonObject {
  const { [key!]: present, ...others } = config;
  if (rest.length === 0) return value === null ? others : { ...config, [key!]: value };
  const inner = withValue(isJsonObject(present) ? present : {}, rest, value);
  return Object.keys(inner).length === 0 ? others : { ...config, [key!]: inner };
}

/** The file is a patch: objects merge, null removes. `-` is standard input. */
export async function applyFile(io: Io, config: JsonObject, file: string): Promise<JsonObject> {
  const text = file === "-" ? await io.readAll() : readLocalFile(file);
  const what = file === "-" ? "standard input" : file;
  const value = parseYamlValue(text, what);
  if (!isJsonObject(value)) throw new CtlError(`${what} must hold a map of keys`);
  return applyPatch(config, value);
}
