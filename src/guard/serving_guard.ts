/** The guard that serves a socket, where no file of the data directory names it. */
import { existsSync, readFileSync } from "node:fs";
import { effectiveUser, isAlive, listPids, mountNamespace } from "../lib/process_table.ts";
import { parseGuardArguments } from "./guard_arguments.ts";
import { identify, type ProcessId } from "./process_id.ts";

/**
 * By its command line. `dataDir`: of that directory alone; null: of any. null: none is seen. Only a process
 * of this user that sees the same files counts: the same path leads elsewhere in another container.
 */
export function servingGuard(socketPath: string, dataDir: string | null = null): ProcessId | null {
  const user = effectiveUser(process.pid);
  const mounts = mountNamespace(process.pid);
  const pid = listPids().find((one) =>
    one !== process.pid && serves(one, socketPath, dataDir) && isAlive(one) && effectiveUser(one) === user &&
    mountNamespace(one) === mounts
  );
  return pid === undefined ? null : identify(pid);
}

export function isGone(socketPath: string): boolean {
  return !existsSync(socketPath);
}

function serves(pid: number, socketPath: string, dataDir: string | null): boolean {
  const words = commandLine(pid);
  const at = words.indexOf("guard");
  const given = at < 0 ? null : parseGuardArguments(words.slice(at + 1));
  return given?.socketPath === socketPath && (dataDir === null || given.dataDir === dataDir);
}

function commandLine(pid: number): readonly string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
  } catch (error) {
    if ((error as { code?: unknown }).code === undefined) throw error;
    return []; // gone
  }
}
