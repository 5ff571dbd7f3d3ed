/** Identifies one process, and tells it from another one that has its number later. */
import { kill as sendSignal } from "../lib/ffi.ts";
import { executable, isDead, readProcess, takesSignal } from "../lib/process_table.ts";

/** A process for good: pids are reused, start times of the same pid are not. */
export interface ProcessId {
  readonly pid: number;
  readonly startTicks: number;
}

/** null when there is no such process. */
export function identify(pid: number): ProcessId | null {
  const process = readProcess(pid);
  return process === null ? null : { pid, startTicks: process.startTicks };
}

/** True while that very process lives (a zombie does not). */
export function isSame(id: ProcessId): boolean {
  const process = readProcess(id.pid);
  return process !== null && !isDead(process) && process.startTicks === id.startTicks;
}

/** Null also when another process has its number by now, which is treated like any other. */
export function living(id: ProcessId | null): ProcessId | null {
  return id !== null && isSame(id) ? id : null;
}

/** Between fork and execv: it runs this program still. */
export function isStillShim(id: ProcessId | null): boolean {
  const program = id === null ? null : executable(id.pid);
  return program !== null && program === executable(process.pid);
}

/** The signal would end it instead of doing what PostgreSQL does with it: no handler is there yet. */
export function isTooYoungFor(id: ProcessId | null, signal: number): boolean {
  if (id === null) return false;
  return isStillShim(id) || (isSame(id) && takesSignal(id.pid, signal) === false);
}

/** False when it is gone, or this user may not signal it. */
export function signalProcess(id: ProcessId, signal: number, send = sendSignal): boolean {
  return isSame(id) && send(id.pid, signal).ok;
}
