/** A file of the user, named on the command line. */
import { readFileSync } from "node:fs";
import { CtlError } from "./errors.ts";

export function readLocalFile(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new CtlError(`cannot read ${file}: ${why}`, { cause: error });
  }
}
