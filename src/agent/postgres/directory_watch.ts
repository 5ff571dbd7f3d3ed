/**
 * Finds out whether the directory in which PostgreSQL works is still the one at its place, and whether the
 * server in it still takes connections. PostgreSQL does not notice when its directory is moved away: it goes
 * on in its working directory, and its writes are not found at the old place. A server that was told by
 * others to end when its clients have left (SIGTERM, `pg_ctl stop -m smart`) answers on the open connections,
 * the agent's own among them, for as long as these last, and refuses every new one; its lock file says so.
 * Reads the disk off the loop, one reading at a time; a file that cannot be read proves nothing.
 */
import type { Stats } from "node:fs";
import { readFile, readlink, stat } from "node:fs/promises";
import { join } from "node:path";
import type { Displaced } from "../../model/postgres_view.ts";
import { parsePostmasterPid } from "../../postgres/postmaster_pid.ts";

/** Seen so often in a row, it is neither a server that is just ending nor a rename that is half done. */
const LOOKS = 2;

/** The listener to the readings. It is not called while an earlier reading is under way. */
export interface DirectoryListener {
  /** The problem of the directory; null: none. */
  displaced(displaced: Displaced | null): void;
  /** The server of this pid says that it shuts down. */
  toldToEnd(pid: number): void;
}

export class DirectoryWatch {
  #reading: Promise<void> | null = null;
  #seen: { readonly pid: number; readonly why: string; readonly times: number } | null = null;

  readonly #dataDir: string;
  readonly #listener: DirectoryListener;

  constructor(dataDir: string, listener: DirectoryListener) {
    this.#dataDir = dataDir;
    this.#listener = listener;
  }

  /** `pid`: of a postmaster that accepts connections. Resolves when the reading has ended; never rejects. */
  look(pid: number): Promise<void> {
    this.#reading ??= inspect(this.#dataDir, pid).then(
      ({ displaced, ending }) => {
        this.#note(pid, displaced);
        if (ending) this.#listener.toldToEnd(pid);
      },
      () => this.#note(pid, null),
    ).finally(() => this.#reading = null);
    return this.#reading;
  }

  #note(pid: number, displaced: Displaced | null): void {
    const again = displaced !== null && this.#seen?.pid === pid && this.#seen.why === displaced.why;
    const times = again ? this.#seen!.times + 1 : 1;
    this.#seen = displaced === null ? null : { pid, why: displaced.why, times };
    if (displaced === null || times >= LOOKS) this.#listener.displaced(displaced);
  }
}

interface Inspection {
  /** null: in its place, or unknown. */
  readonly displaced: Displaced | null;
  /** It was told to shut down. */
  readonly ending: boolean;
}

const IN_PLACE: Inspection = { displaced: null, ending: false };

/**
 * Rejects when something cannot be read. The readings are begun together: their answers wake the agent once,
 * not once each.
 */
export async function inspect(dataDir: string, pid: number): Promise<Inspection> {
  const cwd = `/proc/${pid}/cwd`;
  const is = (why: string, removed = false): Inspection => ({ displaced: { why, removed }, ending: false });
  const [working, placed, controlled, locked] = await Promise.allSettled([
    ifThere(stat(cwd)),
    ifThere(stat(dataDir)),
    ifThere(stat(join(dataDir, "global", "pg_control"))),
    ifThere(readFile(join(dataDir, "postmaster.pid"), "latin1")),
  ]);
  const works = valueOf(working);
  if (works === null) return IN_PLACE;
  const place = valueOf(placed);
  if (place === null || !isSame(place, works)) {
    const where = await readlink(cwd);
    const removed = where.endsWith(" (deleted)");
    const what = removed
      ? "was removed"
      : where === dataDir
      ? "is covered by another one"
      : `is at ${where} now`;
    return is(`the data directory that PostgreSQL (pid ${pid}) works in ${what}`, removed);
  }
  const missing = (name: string) =>
    is(`${name} is missing from the data directory of PostgreSQL (pid ${pid})`);
  if (valueOf(controlled) === null) return missing("global/pg_control");
  const lock = valueOf(locked);
  if (lock === null) return missing("postmaster.pid");
  const named = Number.parseInt(lock, 10);
  if (named === pid) return { displaced: null, ending: parsePostmasterPid(lock)?.status === "stopping" };
  if (Number.isNaN(named)) return IN_PLACE;
  return is(`postmaster.pid names process ${named} instead of PostgreSQL (pid ${pid})`);
}

/** Whether the process is known to work in another directory than the one at this place. */
export async function worksElsewhere(dataDir: string, pid: number): Promise<boolean> {
  const [works, place] = await Promise.allSettled([stat(`/proc/${pid}/cwd`), stat(dataDir)]);
  if (works.status === "rejected") return false;
  return place.status === "rejected" || !isSame(place.value, works.value);
}

function isSame(one: Stats, other: Stats): boolean {
  return one.dev === other.dev && one.ino === other.ino;
}

/** Throws what the reading was refused with. */
function valueOf<T>(reading: PromiseSettledResult<T>): T {
  if (reading.status === "rejected") throw reading.reason;
  return reading.value;
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
