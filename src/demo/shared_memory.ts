/**
 * Shared memory of PostgreSQL servers that are killed: it outlives them, until a server is started again in
 * the same data directory, which never happens where the directory is removed.
 */
import { spawnSync } from "node:child_process";
import { readFileSync, rmSync } from "node:fs";

export class SharedMemory {
  #files = new Set<string>();
  #segments = new Set<string>();

  /** Notes the shared memory of these processes, while they live. */
  note(pids: readonly number[]): void {
    for (const pid of pids) {
      const { files, segments } = parseMaps(mapsOf(pid));
      for (const file of files) this.#files.add(file);
      for (const segment of segments) this.#segments.add(segment);
    }
  }

  /** A server was started again, which has cleared up itself. */
  forget(): void {
    this.#files.clear();
    this.#segments.clear();
  }

  remove(): void {
    for (const file of this.#files) rmSync(file, { force: true });
    // ipcrm fails for a segment that is gone already, which is as good.
    if (this.#segments.size > 0) {
      spawnSync("ipcrm", [...this.#segments].flatMap((id) => ["--shmem-id", id]), { stdio: "ignore" });
    }
    this.forget();
  }
}

/**
 * Shared memory in /proc/PID/maps: POSIX segments by file, System V ones by id, which stands where a file
 * has its inode.
 */
export function parseMaps(text: string): { readonly files: string[]; readonly segments: string[] } {
  const files: string[] = [];
  const segments: string[] = [];
  for (const line of text.split("\n")) {
    const match = /^\S+ \S+ \S+ \S+ (\d+)\s+(\/.*)$/.exec(line);
    if (match === null) continue;
    const [, inode, path] = match;
    if (/^\/dev\/shm\/PostgreSQL\.\d+$/.test(path!)) files.push(path!);
    else if (/^\/SYSV[0-9a-f]+/.test(path!)) segments.push(inode!);
  }
  return { files, segments };
}

function mapsOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/maps`, "utf8");
  } catch {
    return ""; // gone, or another user's
  }
}
