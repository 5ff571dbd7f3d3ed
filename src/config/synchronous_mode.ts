/** The dynamic configuration's synchronous_mode: a boolean, or a word. */
import type { DynamicConfig } from "../model/config.ts";
import { describeValue } from "./issues.ts";
import type { Issues, Path } from "./issues.ts";
import type { Json } from "../model/json.ts";
import { parseBool } from "../model/parse_bool.ts";

export function readSynchronousMode(
  value: Exclude<Json, null>,
  path: Path,
  issues: Issues,
): DynamicConfig["synchronousMode"] | undefined {
  if (typeof value === "string" && value.toLowerCase() === "quorum") return "quorum";
  const flag = parseBool(value);
  if (flag !== null) return flag ? "on" : "off";
  issues.error(path, `expected one of off, on, quorum, got ${describeValue(path, value)}`);
  return undefined;
}
