/** Checks log.dir before anything is written there: a line that cannot be written is lost without notice. */
import { accessSync, constants, statSync } from "node:fs";

/** null: log files can be made there, or none are configured (null). */
export function logDirectoryProblem(directory: string | null): string | null {
  if (directory === null) return null;
  try {
    if (!statSync(directory).isDirectory()) return `${directory} is not a directory`;
    accessSync(directory, constants.W_OK | constants.X_OK);
    return null;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === undefined) throw error;
    return code === "ENOENT"
      ? `${directory} does not exist: make it, and give it to the user of the agent`
      : `${directory} cannot be written by this user (${code})`;
  }
}
