/** `agent ctl` as a process: its terminal, and its end once everything is written. */
import { ctlCommand } from "./ctl/main.ts";
import { Terminal } from "./ctl/terminal.ts";

export async function runCtl(words: readonly string[]): Promise<void> {
  // The reader of this output may have closed it (`| head -1`).
  process.stdout.on("error", () => process.exit(0));
  const code = await ctlCommand(words, new Terminal());
  // Requests that were overtaken by a faster answer may still be open: nothing waits for them.
  process.stdout.write("", () => process.exit(code));
}

/** Names for the completion of a shell. Whatever goes wrong, the line that is being typed stays as it is. */
export async function runComplete(words: readonly string[]): Promise<void> {
  const { completeCommand } = await import("./complete.ts");
  await completeCommand(words, new Terminal());
  process.stdout.write("", () => process.exit(0));
}
