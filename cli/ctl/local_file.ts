/** A file of the user, named on the command line. */
import { readdirSync, readFileSync, renameSync, statSync } from "node:fs";
import { join } from "node:path";
import { CtlError } from "./errors.ts";

export function readLocalFile(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new CtlError(`cannot read ${file}: ${why}`, { cause: error });
  }
}

/** When the file of this directory that was written last was written, ISO 8601; null: there is none. */
export function newestFile(directory: string): string | null {
  const times = readdirSync(directory).map((name) => statSync(join(directory, name)).mtimeMs);
  return times.length === 0 ? null : new Date(Math.max(...times)).toISOString();
}

/** Throws CtlError. */
export function renameDirectory(from: string, to: string): void {
  try {
    renameSync(from, to);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new CtlError(`cannot rename ${from}: ${why}`, { cause: error });
  }
}
