/**
 * Names the processes that keep a shutdown waiting, for the log: those that a postmaster still has, with
 * PostgreSQL's titles. The state comes from the kernel's memory. The title needs the memory map of the
 * process, which a process that hangs in the kernel may hold for ever: a program with a limit reads it, never
 * the agent itself.
 */
import { isDead, listChildren, type ProcessStat, readProcess } from "../lib/process_table.ts";
import { runProgram } from "./run_program.ts";

const TITLE_MS = 500;
const MAX_NAMED = 6;
const STATES: { readonly [letter: string]: string } = {
  T: "stopped by a signal",
  t: "stopped by a debugger",
  D: "waits in the kernel, for a disk or a network file system",
};

/** "pid 123 (postgres: demo: walwriter; stopped by a signal), ..."; those that cannot go on come first. */
export async function describeWaitedFor(postmasterPid: number): Promise<string> {
  const found = [postmasterPid, ...listChildren(postmasterPid)].map(readProcess)
    .filter((process): process is ProcessStat => process !== null && !isDead(process));
  // The postmaster is named only when it hangs itself, or has no process to wait for.
  const hung = found.filter(({ state }) => state in STATES);
  const waited = [
    ...hung,
    ...found.filter((process) =>
      !hung.includes(process) && (process.pid !== postmasterPid || found.length === 1)
    ),
  ];
  const named = await Promise.all(waited.slice(0, MAX_NAMED).map(describe));
  const more = waited.length - named.length;
  return named.join(", ") + (more > 0 ? ` and ${more} more` : "");
}

async function describe({ pid, name, state }: ProcessStat): Promise<string> {
  const { stdout } = await runProgram("cat", [`/proc/${pid}/cmdline`], { timeoutMs: TITLE_MS });
  const title = stdout.split("\0").join(" ").trim() || name;
  const why = STATES[state];
  return `pid ${pid} (${title}${why === undefined ? "" : `; ${why}`})`;
}
