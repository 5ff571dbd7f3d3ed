/**
 * The processes of a host as /proc shows them: their identity and their cost. Only reads, and signals by pid.
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

/** Proportional set size: the true cost of a process that shares pages. */
export function pssBytes(pid: number): number {
  const match = /^Pss:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, "utf8"));
  return Number(match?.[1] ?? 0) * 1024;
}

/** CPU time used so far by all threads, in ms. The kernel counts in hundredths of a second. */
export function cpuMs(pid: number): number {
  const { utime, stime } = cpuTicks(pid);
  return (utime + stime) * 10;
}

/** CPU time of the children that have ended and were waited for, in ms. */
export function endedChildrenCpuMs(pid: number): number {
  const { cutime, cstime } = cpuTicks(pid);
  return (cutime + cstime) * 10;
}

function cpuTicks(pid: number) {
  const text = readFileSync(`/proc/${pid}/stat`, "latin1");
  // The fields after the program's name, which may contain anything; utime is the 14th of all.
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ").slice(11, 15).map(Number);
  const [utime, stime, cutime, cstime] = fields as [number, number, number, number];
  return { utime, stime, cutime, cstime };
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
