/** The commands beside `agent ctl` as a process: its terminal, and its end once everything is written. */
import type { HeldSignals } from "../src/lib/held_signals.ts";
import { runCommandLine } from "./commands.ts";
import { Terminal } from "./ctl/terminal.ts";

/** `signals`: held since the process began, of those that go on until a signal ends them. */
export async function runProgram(argv: readonly string[], signals?: HeldSignals): Promise<void> {
  // The reader of this output may have closed it (`| head -1`). A service does not end with its reader.
  if (signals === undefined) process.stdout.on("error", () => process.exit(0));
  const code = await runCommandLine(argv, new Terminal(), signals);
  if (code !== null) process.stdout.write("", () => process.exit(code));
}
