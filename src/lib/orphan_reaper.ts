/**
 * Reaps orphans for an agent that is the first process of a container: the kernel gives it every process
 * whose parent has ended, and no other process waits for them. The runtime waits only for children that it
 * has started.
 */
import { reapChild } from "./ffi.ts";
import { listPids, readProcess } from "./process_table.ts";

const LOOK_MS = 1000;

/** Reaps orphans from now on, when this process is the first one of its namespace. */
export function reapOrphans(): void {
  if (process.pid !== 1) return;
  let before: ReadonlySet<string> = new Set();
  setInterval(() => before = reapThoseOf(process.pid, before), LOOK_MS).unref();
}

/**
 * Reaps the dead children that were dead at the look before; returns those that are dead now. The runtime
 * reaps its own children at once: a child that is dead at two looks is an orphan.
 */
export function reapThoseOf(parentPid: number, before: ReadonlySet<string>): ReadonlySet<string> {
  const dead = new Set<string>();
  for (const pid of listPids()) {
    const found = readProcess(pid);
    if (found === null || found.parentPid !== parentPid || found.state !== "Z") continue;
    const key = `${pid} ${found.startTicks}`;
    if (before.has(key)) reapChild(pid);
    else dead.add(key);
  }
  return dead;
}
