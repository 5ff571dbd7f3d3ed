/**
 * The errors that end a command. They are caught in one place, which prints the message and picks the exit
 * code.
 */

/** Something that the user must know: `Error: ...` on standard error, exit code 1. */
export class CtlError extends Error {
  override readonly name = "CtlError";
}

/** The command line is wrong: usage and the message, exit code 2. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}
