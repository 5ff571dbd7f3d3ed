/** A file of the user, named on the command line. */
import { readdirSync, readFileSync, renameSync, statSync } from "node:fs";
import { join } from "node:path";
import { oneLine } from "../../src/lib/plain_text.ts";
import { CtlError, UsageError } from "./errors.ts";

/** As the kernel has it. */
const MAX_PATH = 4096;

export function readLocalFile(file: string): string {
  try {
    return readText(file);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new CtlError(`cannot read ${file}: ${why}`, { cause: error });
  }
}

/**
 * The file that an option names, as patronictl takes it: one that cannot be opened is a wrong command line.
 * `option`: as it is named in the message. Throws UsageError.
 */
export function readFileOfOption(option: string, file: string): string {
  try {
    return readText(file);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const why = code === undefined ? message : REASONS[code] ?? code;
    throw new UsageError(`Invalid value for ${option}: '${oneLine(file, MAX_PATH)}': ${why}`);
  }
}

/** As strerror(3) says it. */
const REASONS: { readonly [code: string]: string } = {
  ENOENT: "No such file or directory",
  EACCES: "Permission denied",
  EISDIR: "Is a directory",
  ENOTDIR: "Not a directory",
  ELOOP: "Too many levels of symbolic links",
  ENAMETOOLONG: "File name too long",
  EIO: "Input/output error",
};

/** Nothing else than what is written there may be sent: bytes that are no UTF-8 are not replaced. */
function readText(file: string): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(readFileSync(file));
  } catch (error) {
    if (error instanceof TypeError) throw new Error("it is not UTF-8", { cause: error });
    throw error;
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
