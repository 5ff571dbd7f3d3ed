/**
 * The processes of a host as /proc shows them: who they are, what they cost. Only reads, and signals by pid.
 */
import { readFileSync } from "node:fs";
import { isAlive, listPids, workingDirectory } from "../lib/process_table.ts";

/** Processes, zombies excluded, whose working directory lies in `directory`. */
export function processesIn(directory: string): number[] {
  return listPids().filter((pid) => {
    const path = workingDirectory(pid)?.replace(/ \(deleted\)$/, "") ?? "";
    return (path === directory || path.startsWith(`${directory}/`)) && isAlive(pid);
  });
}

/** Empty when the process is gone. */
export function commandLine(pid: number): string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0").filter((one) => one !== "");
  } catch {
    return []; // gone
  }
}

/** Proportional set size: what a process really costs when pages are shared. */
export function pssBytes(pid: number): number {
  const match = /^Pss:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, "utf8"));
  return Number(match?.[1] ?? 0) * 1024;
}

/** CPU time used so far by all threads, in ms. The kernel counts in hundredths of a second. */
export function cpuMs(pid: number): number {
  const text = readFileSync(`/proc/${pid}/stat`, "latin1");
  // The fields after the program's name, which may contain anything; utime and stime are the 14th and 15th of
  // all.
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

/** Bytes this process has caused to be written to storage. */
export function writtenBytes(pid: number): number {
  const match = /^write_bytes: (\d+)/m.exec(readFileSync(`/proc/${pid}/io`, "utf8"));
  return Number(match?.[1] ?? 0);
}

/** True when the signal was sent; false when there is no such process any more. */
export function signal(pid: number, name: NodeJS.Signals): boolean {
  try {
    process.kill(pid, name);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ESRCH") return false;
    throw error;
  }
}
