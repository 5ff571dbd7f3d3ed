/** Repeats the output of a command, for -w and -W. */
import type { Context } from "./command.ts";
import { MAX_TIMEOUT_S } from "../../src/model/limits.ts";
import { UsageError } from "./errors.ts";

/** Shows once, or again and again on a cleared screen until the user ends it. */
export async function watching(
  { io, arguments: given }: Context,
  show: () => Promise<void>,
): Promise<number> {
  const value = given.value("watch");
  const seconds = value !== null ? Number(value) : given.flag("W") ? 2 : null;
  if (seconds !== null && !(seconds > 0 && seconds <= MAX_TIMEOUT_S)) {
    throw new UsageError(`Invalid value for '-w' / '--watch': '${value}' is not a valid number of seconds.`);
  }
  for (;;) {
    if (seconds !== null && io.isTerminal) io.ask("\x1b[2J\x1b[1;1H");
    const startedMs = performance.now();
    await show();
    if (seconds === null) return 0;
    const restMs = Math.max(0, seconds * 1000 - (performance.now() - startedMs));
    await new Promise((resolve) => setTimeout(resolve, restMs));
  }
}
