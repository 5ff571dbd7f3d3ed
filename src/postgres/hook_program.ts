/** Whether the program of a user's command is there, before the command is needed. */
import { shellSplit } from "../model/shell_split.ts";
import { isExecutable } from "./disk.ts";

/**
 * The program that is not there, or that this user cannot run; null: it is. One without a slash is looked for
 * in these directories; null: where it will be looked for is not known.
 */
export function missingProgram(command: string | null, path: readonly string[] | null): string | null {
  const program = shellSplit(command ?? "")?.[0];
  if (program === undefined || program === "") return null;
  if (program.startsWith("/")) return isExecutable(program) ? null : program;
  // Relative to the directory in which the agent works.
  if (program.includes("/") || path === null) return null;
  return path.some((directory) => isExecutable(`${directory}/${program}`)) ? null : program;
}
