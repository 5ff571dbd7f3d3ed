/**
 * Whether the directory in which PostgreSQL works is still the one at its place. PostgreSQL does not notice when that is
 * moved away: it works on by its working directory, and what it writes there is found by nobody who looks at the place.
 * Reads the disk off the loop, one reading at a time; what cannot be read proves nothing.
 */
import { readFile, readlink, stat } from "node:fs/promises";
import { join } from "node:path";
import type { Displaced } from "../model/postgres_view.ts";

/** Seen so often in a row, it is no server that is just ending, nor a rename that is half done. */
const LOOKS = 2;

export class DirectoryWatch {
  private reading: Promise<void> | null = null;
  private seen: { readonly pid: number; readonly why: string; readonly times: number } | null = null;

  /** `found` is called with what is wrong, or null; not at all when an earlier reading has not ended. */
  constructor(
    private readonly dataDir: string,
    private readonly found: (displaced: Displaced | null) => void,
  ) {}

  /** `pid`: of a postmaster that accepts connections. Resolves when the reading has ended; never rejects. */
  look(pid: number): Promise<void> {
    this.reading ??= whyDisplaced(this.dataDir, pid).then(
      (displaced) => this.note(pid, displaced),
      () => this.note(pid, null),
    ).finally(() => this.reading = null);
    return this.reading;
  }

  private note(pid: number, displaced: Displaced | null): void {
    const again = displaced !== null && this.seen?.pid === pid && this.seen.why === displaced.why;
    const times = again ? this.seen!.times + 1 : 1;
    this.seen = displaced === null ? null : { pid, why: displaced.why, times };
    if (displaced === null || times >= LOOKS) this.found(displaced);
  }
}

/** null: in its place, or not to be told. Rejects when something cannot be read. */
export async function whyDisplaced(dataDir: string, pid: number): Promise<Displaced | null> {
  const cwd = `/proc/${pid}/cwd`;
  const works = await ifThere(stat(cwd));
  if (works === null) return null;
  const place = await ifThere(stat(dataDir));
  if (place === null || place.dev !== works.dev || place.ino !== works.ino) {
    const where = await readlink(cwd);
    const removed = where.endsWith(" (deleted)");
    const what = removed
      ? "was removed"
      : where === dataDir
      ? "is covered by another one"
      : `is at ${where} now`;
    return { why: `the data directory that PostgreSQL (pid ${pid}) works in ${what}`, removed };
  }
  const missing = (name: string) => ({
    why: `${name} is missing from the data directory of PostgreSQL (pid ${pid})`,
    removed: false,
  });
  if (await ifThere(stat(join(dataDir, "global", "pg_control"))) === null) {
    return missing("global/pg_control");
  }
  const lock = await ifThere(readFile(join(dataDir, "postmaster.pid"), "latin1"));
  if (lock === null) return missing("postmaster.pid");
  const named = Number.parseInt(lock, 10);
  if (named === pid || Number.isNaN(named)) return null;
  return { why: `postmaster.pid names process ${named} instead of PostgreSQL (pid ${pid})`, removed: false };
}

async function ifThere<T>(reading: Promise<T>): Promise<T | null> {
  try {
    return await reading;
  } catch (error) {
    const { code } = error as { code?: unknown };
    if (code === "ENOENT" || code === "ENOTDIR" || code === "ESRCH") return null;
    throw error;
  }
}
