/**
 * The guard becomes the program that its agent runs, by execv: the pid, the children with their parent-death
 * signal, the lock and the state stay; sockets, threads and memory go. So PostgreSQL and its clients notice
 * nothing.
 *
 * Must be called on the main thread, which has started PostgreSQL: the parent-death signal comes when the
 * thread ends that started the child, and execv ends all threads but the one that calls it. A failure leaves
 * this program as it is.
 */
import { closeSync, constants, fstatSync, openSync, readFileSync, writeSync } from "node:fs";
import { blockSignals, execv, keepOverExec, memoryFile, readLink } from "../lib/ffi.ts";
import { type HandedOver, readState, writeState } from "./hand_over.ts";
import type { UpgradeOperation } from "./protocol.ts";
import { SIGHUP, SIGINT, SIGTERM } from "./signals.ts";

/** Come before the new program has handlers, they would end it: they wait. */
const HELD_BACK = [SIGTERM, SIGINT, SIGHUP];

/**
 * Opens the very file that the agent runs; null when it cannot be had. By the pid that the kernel names, so
 * that no path is trusted and a file that was replaced meanwhile is not taken; by its path only where /proc
 * does not show it (an agent that was root when it started).
 */
export function openProgram({ program, file }: UpgradeOperation, agentPid: number): number | null {
  const fd = openIfThere(`/proc/${agentPid}/exe`) ?? openIfThere(program);
  if (fd === null) return null;
  const { dev, ino } = fstatSync(fd);
  if (`${dev}:${ino}` === file) return fd;
  closeSync(fd);
  return null;
}

function openIfThere(path: string): number | null {
  try {
    return openSync(path, constants.O_RDONLY);
  } catch {
    return null; // gone, or this user may not look at it
  }
}

/** Returns only when it has failed, with the reason. */
export function becomeProgram(programFd: number, argv: readonly string[], state: HandedOver): string {
  if (readLink("/proc/thread-self") !== `${process.pid}/task/${process.pid}`) {
    return "this is not the main thread";
  }
  const memory = memoryFile("guard-state");
  if (!memory.ok) return `no memory file: ${memory.name}`;
  writeSync(memory.value, writeState(state), 0);
  keepOverExec(memory.value, true);
  const locks = [state.lockFd, ...(state.directory ? [state.directory.fd] : [])];
  for (const fd of locks) keepOverExec(fd, true);
  blockSignals(HELD_BACK, true);
  const failed = execv(`/proc/self/fd/${programFd}`, [...argv, "--state-fd", String(memory.value)]);
  blockSignals(HELD_BACK, false);
  for (const fd of locks) keepOverExec(fd, false);
  closeSync(memory.value);
  return failed.ok ? "it returned" : failed.name;
}

/** Takes the state that this process's former program has left. */
export function takeState(stateFd: number): HandedOver {
  // By name: the offset of the descriptor is where the writer left it.
  const state = readState(readFileSync(`/proc/self/fd/${stateFd}`, "utf8"));
  closeSync(stateFd);
  keepOverExec(state.lockFd, false);
  if (state.directory) keepOverExec(state.directory.fd, false);
  return state;
}

/** Once there are handlers. */
export function letSignalsIn(): void {
  blockSignals(HELD_BACK, false);
}
