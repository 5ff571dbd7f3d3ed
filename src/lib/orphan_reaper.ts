/**
 * Reaps orphans for an agent that is the first process of a container: the kernel gives it every process
 * whose parent has ended, and nobody else takes note of their end. The runtime waits only for children that
 * it has started.
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
 * reaps its own at once: who lies there from one look to the next is nobody's.
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
