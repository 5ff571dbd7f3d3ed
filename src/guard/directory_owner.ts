/**
 * A data directory has one owner: one agent with its guard. The guard holds flock(2) on the directory itself,
 * so that symbolic links, bind mounts and mount namespaces lead to the same lock, and nothing that rewrites
 * the content (pg_rewind, a copy) can replace it. A file inside names the owner.
 *
 * Every agent but the owner is refused: while the lock is held, while the owner's agent lives (its guard may
 * have died a moment ago), and while any process works in the directory that the named owner started. The
 * owner is known by its raft directory: an agent that is started again on it finds its guard, and with it the
 * lock.
 *
 * A directory with content that is not PostgreSQL's (a wrong `data_dir`), or with a whole data directory that
 * was not this agent's before (perhaps one of another cluster), is locked, and nothing is written into it,
 * until the agent asks to use it: it asks only after it has judged the content itself. A server that was
 * started there by hand is adopted under the lock alone: nothing is written while PostgreSQL runs, as the
 * guard must not wait for a disk then.
 *
 * While a command of the user's own works in the directory, the file is out of it (lent_directory.ts).
 *
 * A directory that is not there has no lock. An agent that makes one, moves one or finds another in its place
 * claims it before anything is done in it.
 */
import { chmodSync, closeSync, fstatSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { lockFile } from "../lib/ffi.ts";
import { bootId } from "../lib/process_table.ts";
import { OWNER_FILE } from "../model/owner_file.ts";
import { guardSocketOf } from "./guard_arguments.ts";
import { type HeldDirectory, identityOf, openDirectory } from "./held_directory.ts";
import { isLentByAnother } from "./lent_directory.ts";
import { ProcessGroup } from "./process_group.ts";
import { identify, isSame, type ProcessId } from "./process_id.ts";
import { servingGuard } from "./serving_guard.ts";

/** A process that only looks holds the lock for less than a millisecond. */
const TRIES = 10;
const PAUSE_MS = 5;
const EAGAIN = 11;

export type Purpose = "look" | "use" | "lend";

export type Claim =
  /** Locked, or there is no such directory. */
  | { readonly kind: "ours" }
  /** Locked, and left as it was: its content is not PostgreSQL's. */
  | { readonly kind: "foreign" }
  /** `why` names the owner and the remedy. */
  | { readonly kind: "taken"; readonly why: string }
  /** The kernel refuses: the owner is not known. */
  | { readonly kind: "failed"; readonly why: string };

/** The content of the file. Processes are those of one boot. */
interface Owner {
  readonly boot: string;
  /**
   * Identity of the data directory, "dev:ino": a copy of the file in a copy of the directory says nothing.
   */
  readonly directory: string;
  readonly raftDir: string;
  /** Identity of the `run` directory in the raft directory, "dev:ino": the same path may lead elsewhere. */
  readonly identity: string;
  readonly guard: ProcessId | null;
  readonly agent: ProcessId | null;
}

export class DirectoryOwner {
  #held: HeldDirectory | null;
  /**
   * The directory that this guard has signed last: it goes on to be its own after a release. A guard that is
   * alone lets go when PostgreSQL has ended, and looks again while its epoch is in force: a lock without a
   * name would keep out the very agent that comes back.
   */
  #signed: string | null = null;
  /** The agent whose command works in the directory: nothing is written there meanwhile. 0: none. */
  #lentTo = 0;
  readonly #group: ProcessGroup;
  readonly #dataDir: string;
  readonly #raftDir: string;
  readonly #keepers: () => { readonly guard: number; readonly agent: number };

  /** `raftDir`: raft.data_dir; its directory `run` must be there. */
  constructor(
    dataDir: string,
    raftDir: string,
    keepers: () => { readonly guard: number; readonly agent: number },
    held: HeldDirectory | null = null,
  ) {
    this.#dataDir = dataDir;
    this.#raftDir = raftDir;
    this.#keepers = keepers;
    this.#held = held;
    this.#group = new ProcessGroup(dataDir, keepers);
  }

  /** Descriptor and place, for the program that this process becomes. */
  get handOver(): HeldDirectory | null {
    return this.#held;
  }

  /**
   * Takes the lock of the directory that is there now. Reads and writes the disk: not while PostgreSQL runs.
   * "look": a directory that is not PostgreSQL's is not written to. "use": the agent is about to change the
   * content. "lend": a command of the agent's is about to, and wants the directory empty. It ends with the
   * next "use".
   */
  claim(purpose: Purpose): Claim {
    if (purpose !== "look") this.#lentTo = purpose === "lend" ? this.#keepers().agent : 0;
    const found = openDirectory(this.#dataDir);
    if (found === null) {
      this.release();
      return { kind: "ours" };
    }
    if ("error" in found) return { kind: "failed", why: `${this.#dataDir} cannot be opened: ${found.error}` };
    if (this.#held?.inode === found.inode) {
      closeSync(found.fd);
      return this.#sign(this.#held, purpose);
    }
    this.release();
    const refused = this.#lock(found);
    if (refused !== null) {
      closeSync(found.fd);
      return refused;
    }
    this.#held = found;
    return this.#sign(found, purpose);
  }

  /** Gives the directory up: this guard does not look after it any more. */
  release(): void {
    if (this.#held === null) return;
    // By descriptor: the directory may have been moved, and another one may be in its place.
    removeOwnerFile(this.#held);
    closeSync(this.#held.fd);
    this.#held = null;
  }

  #lock(directory: HeldDirectory): Claim | null {
    let owner = readOwner(directory);
    for (let tries = 1;; tries++) {
      const locked = lockFile(directory.fd);
      owner = readOwner(directory);
      // A file system without such locks is no reason not to run: the processes that the file names still
      // count.
      if (locked.ok || locked.errno !== EAGAIN) break;
      if (tries === TRIES) return { kind: "taken", why: describe(this.#dataDir, this.#raftDir, owner, "") };
      Bun.sleepSync(PAUSE_MS);
    }
    const why = isLentByAnother(directory.fd, this.#raftDir)
      ? COMMAND_WORKS
      : owner === null || isOwn(owner, this.#raftDir)
      ? null
      : whyStillOwned(owner, this.#group);
    return why === null ? null : { kind: "taken", why: describe(this.#dataDir, this.#raftDir, owner, why) };
  }

  /** Names this owner in the file; a rewind may have taken it away. */
  #sign(directory: HeldDirectory, purpose: Purpose): Claim {
    const { guard, agent } = this.#keepers();
    if (this.#lentTo !== 0 && this.#lentTo === agent) {
      removeOwnerFile(directory);
      return { kind: "ours" };
    }
    if (purpose === "look" && isForeign(directory)) return { kind: "foreign" };
    const isNew = this.#signed !== directory.inode;
    if (purpose === "look" && isNew && isStrange(directory, this.#raftDir)) return { kind: "ours" };
    this.#signed = directory.inode;
    const text = `${
      JSON.stringify(
        {
          boot: bootId(),
          directory: directory.inode,
          raftDir: this.#raftDir,
          identity: identityOf(this.#raftDir) ?? "",
          guard: identify(guard),
          agent: agent === 0 ? null : identify(agent),
        } satisfies Owner,
      )
    }\n`;
    const file = ownerFile(directory);
    try {
      if (readText(file) !== text) {
        writeFileSync(file, text, { mode: 0o600 });
        // As PostgreSQL's own files: a backup by a member of the group reads all of them.
        const isGroups = (fstatSync(directory.fd).mode & 0o070) === 0o050;
        chmodSync(file, isGroups ? 0o640 : 0o600);
      }
    } catch (error) {
      // A full disk, or one that may only be read: the lock holds without the file.
      if ((error as { code?: unknown }).code === undefined) throw error;
    }
    return { kind: "ours" };
  }
}

/**
 * Why the owner of that raft directory may not use the data directory: the sentence names the owner. null:
 * there is no other owner, or no such directory. Changes nothing; holds the lock for a moment where it is
 * free.
 */
export function ownedByAnother(dataDir: string, raftDir: string): string | null {
  const found = openDirectory(dataDir);
  if (found === null || "error" in found) return null;
  try {
    const owner = readOwner(found);
    if (owner !== null && isOwn(owner, raftDir)) return null;
    const locked = lockFile(found.fd);
    if (!locked.ok && locked.errno === EAGAIN) {
      // A full disk, or somebody, has taken the file: the guard of this very agent is no other owner.
      const isOwnGuard = owner === null && servingGuard(guardSocketOf(raftDir), dataDir) !== null;
      return isOwnGuard ? null : describe(dataDir, raftDir, owner, "");
    }
    if (isLentByAnother(found.fd, raftDir)) return describe(dataDir, raftDir, owner, COMMAND_WORKS);
    if (owner === null) return null;
    const why = whyStillOwned(owner, new ProcessGroup(dataDir, () => ({ guard: process.pid, agent: 0 })));
    return why === null ? null : describe(dataDir, raftDir, owner, why);
  } finally {
    closeSync(found.fd);
  }
}

/**
 * The living guard that the data directory's owner of that raft directory has; null: it has none, or another
 * is the owner.
 */
export function guardOf(dataDir: string, raftDir: string): ProcessId | null {
  const found = openDirectory(dataDir);
  if (found === null || "error" in found) return null;
  try {
    const owner = readOwner(found);
    return owner !== null && isOwn(owner, raftDir) && lives(owner.guard) ? owner.guard : null;
  } finally {
    closeSync(found.fd);
  }
}

/**
 * One of these names is enough: half a data directory still counts. `lost+found`: in an empty file system.
 */
const OF_POSTGRES =
  /^(PG_VERSION|global|base|pg_.*|postgresql\..*|postmaster\..*|.*\.signal|agent\..*|patroni\..*)$/;

/** It has content, and none that PostgreSQL or an agent has made. */
function isForeign({ fd }: HeldDirectory): boolean {
  try {
    const names = readdirSync(`/proc/self/fd/${fd}`).filter((name) => name !== "lost+found");
    return names.length > 0 && !names.some((name) => OF_POSTGRES.test(name));
  } catch (error) {
    if ((error as { code?: unknown }).code === undefined) throw error;
    return true; // What cannot be read is not written to either.
  }
}

/**
 * Whole, and no file in it says that the owner of that raft directory has used it since this host was booted.
 */
function isStrange(directory: HeldDirectory, raftDir: string): boolean {
  const owner = readOwner(directory);
  return readText(`/proc/self/fd/${directory.fd}/PG_VERSION`) !== null &&
    !(owner !== null && isOwn(owner, raftDir));
}

const COMMAND_WORKS = "a command of its agent works there";

function whyStillOwned(owner: Owner, group: ProcessGroup): string | null {
  if (lives(owner.agent)) return "that agent runs";
  if (lives(owner.guard)) return "its guard runs";
  return group.members().length > 0 ? "its PostgreSQL runs" : null;
}

function lives(process: ProcessId | null): boolean {
  return process !== null && isSame(process);
}

function isOwn(owner: Owner, raftDir: string): boolean {
  return owner.identity !== "" && owner.identity === identityOf(raftDir);
}

function describe(dataDir: string, raftDir: string, owner: Owner | null, why: string): string {
  const pids = [["agent", owner?.agent?.pid], ["guard", owner?.guard?.pid]]
    .flatMap(([what, pid]) => pid === undefined ? [] : [`${what} ${pid}`]);
  const who = owner === null
    ? why === COMMAND_WORKS
      ? "a command of another agent (create_replica_methods, bootstrap.method) works in it"
      : "another process holds its lock, and does not say which agent it belongs to"
    : `the agent of the raft directory ${owner.raftDir}${
      owner.raftDir === raftDir ? " (as it was before this one)" : ""
    } owns it (${[...pids, ...(why === "" ? [] : [why])].join(", ")})`;
  return `${dataDir} is in use: ${who}. A data directory has one owner: stop that agent and its PostgreSQL first, or ` +
    "name another directory";
}

function ownerFile({ fd }: HeldDirectory): string {
  return `/proc/self/fd/${fd}/${OWNER_FILE}`;
}

/**
 * A disk that may only be read, or fails, is no end of the guard: the file that stays names processes, and
 * once they have ended it keeps nobody out.
 */
function removeOwnerFile(directory: HeldDirectory): void {
  try {
    rmSync(ownerFile(directory), { force: true });
  } catch (error) {
    if ((error as { code?: unknown }).code === undefined) throw error;
  }
}

/** null when there is none of this boot about this very directory. */
function readOwner(directory: HeldDirectory): Owner | null {
  try {
    const owner = JSON.parse(readText(ownerFile(directory)) ?? "null") as Owner | null;
    return owner?.directory === directory.inode && owner.boot === bootId() ? owner : null;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return null; // half-written by one that was killed
  }
}

function readText(path: string): string | null {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return null; // there is none, or this user may not read it
  }
}
