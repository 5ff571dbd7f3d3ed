/** A postmaster.pid that keeps PostgreSQL from starting, although no process works in its directory. */
import { lstatSync, readFileSync } from "node:fs";

/** A lock file that keeps PostgreSQL from starting, and the process that it names. */
export type StaleLock =
  | { readonly kind: "zombie" | "stranger"; readonly pid: number; readonly name: string }
  /** It names no process: a remnant after a loss of power, or another user's file that cannot be read. */
  | { readonly kind: "nameless" };

/** Why it is removed, for people. */
export function staleReason(stale: StaleLock): string {
  if (stale.kind === "nameless") return "it names no process, and no process works in this directory";
  const whose = stale.kind === "zombie"
    ? "is dead"
    : "does not work in this directory, and no other process does";
  return `process ${stale.pid} (${stale.name}), which it names, ${whose}`;
}

/** null: there is none, or it cannot be read. */
export function readLines(path: string): string[] | null {
  try {
    return readFileSync(path, "latin1").split("\n").map((line) => line.trim());
  } catch {
    return null;
  }
}

export function isFile(path: string): boolean {
  try {
    return lstatSync(path).isFile();
  } catch {
    return false; // there is none, or it cannot be seen
  }
}
