/**
 * The cluster's dynamic configuration in the data directory, where Patroni keeps it, too: a cluster that is
 * made of this directory begins with it.
 */
import type { JsonObject } from "../model/json.ts";
import { exists, fileBytes, join, modeIn, readText, writeAtomically } from "./disk.ts";
import { errorText } from "./error_text.ts";

export const RECORDED_CONFIG = "patroni.dynamic.json";

/** Twice what a configuration may have (src/dcs/command_schema.ts): somebody may have spaced it. */
const MAX_BYTES = 1024 * 1024;

export type RecordedText =
  | { readonly kind: "absent" }
  | { readonly kind: "unreadable"; readonly problem: string }
  | { readonly kind: "text"; readonly text: string };

/** Never throws. */
export function readRecordedConfig(dataDir: string): RecordedText {
  const file = join(dataDir, RECORDED_CONFIG);
  try {
    const bytes = fileBytes(file);
    if (bytes === null) return { kind: "absent" };
    if (bytes > MAX_BYTES) return { kind: "unreadable", problem: `it has ${bytes} bytes` };
    const text = readText(file);
    return text === null ? { kind: "absent" } : { kind: "text", text };
  } catch (error) {
    return { kind: "unreadable", problem: errorText(error) };
  }
}

/** True when the file was changed. Only in a directory of PostgreSQL: in an empty one it is in the way. */
export function writeRecordedConfig(dataDir: string, value: JsonObject): boolean {
  if (!exists(join(dataDir, "global", "pg_control"))) return false;
  return writeAtomically(join(dataDir, RECORDED_CONFIG), JSON.stringify(value), modeIn(dataDir, 0o600));
}
