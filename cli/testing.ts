/** Runs a command line in the test's own process, with a terminal made of lists. */
import { runCommandLine } from "./commands.ts";
import { type Outcome, withLists } from "./ctl/testing.ts";

/** For commands that end: `run` and `witness` go on when their file can be used. */
export function runProgram(words: readonly string[], environment = {}): Promise<Outcome> {
  return withLists([], environment, async (io) => await runCommandLine(words, io) ?? -1);
}
