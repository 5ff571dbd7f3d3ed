/**
 * Every process whose working directory is one data directory: PostgreSQL, however it is parented (backends
 * of a dead postmaster belong to init, and each is a session of its own). Freeze, thaw and kill for guard and
 * agent alike. Looks at nothing but /proc once resolve() has been called: a hung disk must not delay a
 * freeze.
 */
import { existsSync, realpathSync, rmSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import { kill as sendSignal } from "../lib/ffi.ts";
import {
  effectiveUser,
  executable,
  isDead,
  isDoomed,
  isStoppedOrWill,
  listChildren,
  listPids,
  mountNamespace,
  type ProcessStat,
  readProcess,
  workingDirectory,
} from "../lib/process_table.ts";
import { isSame, living, type ProcessId, signalProcess } from "./process_id.ts";
import { isFile, readLines, type StaleLock } from "./stale_lock.ts";
import { SIGCONT, SIGKILL, SIGQUIT, SIGSTOP } from "./signals.ts";

/**
 * The processes that look after PostgreSQL here; 0: not there. Never members, even when started in that
 * directory.
 */
export interface Keepers {
  readonly guard: number;
  readonly agent: number;
}

/**
 * Scans until one shows no new process. More scans mean that processes fork faster than they can be stopped.
 */
const MAX_ROUNDS = 100;
const MAX_DESCENT = 16;
const NOBODY: ReadonlySet<number> = new Set();

/** The marks of a data directory that is not at its place: each "device:inode", and its other path. */
export type SeenPlaces = { readonly inodes: readonly string[]; readonly movedTo: string | null };

export class ProcessGroup {
  readonly dataDir: string;
  /**
   * Where dataDir led whenever it was resolved: a symbolic link may be turned while processes of the old
   * place live.
   */
  readonly #places = new Set<string>();
  /** Device and inode of these places: a directory that is moved keeps them. */
  readonly #inodes = new Set<string>();
  /**
   * Under which other path the running postmaster works: it was moved, or is mounted twice; null: under none
   * that is known.
   */
  #movedTo: string | null = null;
  readonly #keepers: () => Keepers;
  readonly #namespace = mountNamespace(process.pid);

  readonly #send: typeof sendSignal;

  /** `send`: @default kill(2) */
  constructor(dataDir: string, keepers: () => Keepers, send = sendSignal) {
    this.dataDir = dataDir;
    this.#keepers = keepers;
    this.#send = send;
    this.resolve();
  }

  /** Looks (on disk) where the data directory is now. A missing one is no error. */
  resolve(): void {
    this.#places.add(this.dataDir);
    try {
      const place = realpathSync(this.dataDir);
      this.#places.add(place);
      this.#inodes.add(inodeAt(place));
      this.#findOtherPath();
    } catch (error) {
      // Not there yet, or moved away.
      if ((error as { code?: unknown }).code === undefined) throw error;
    }
  }

  /**
   * PostgreSQL may have been started under another path of the same directory (a bind mount): the kernel
   * names its working directory by that path, and no process would be seen to work here. The lock file names
   * that path.
   */
  #findOtherPath(): void {
    const named = readLines(this.#lockPath())?.[1] ?? "";
    if (!named.startsWith("/") || !existsSync(named)) return;
    const place = realpathSync(named);
    if (!this.#places.has(place) && this.#inodes.has(inodeAt(place))) this.#movedTo = place;
  }

  /**
   * Where the postmaster works now: its data directory may have been moved, and its children with it. Looks
   * on disk only when that is a new place. null: it is gone, with its children, and a later process at that
   * place belongs to another server.
   */
  follow(postmaster: ProcessId | null): void {
    if (postmaster === null) {
      this.#movedTo = null;
      return;
    }
    const link = workingDirectory(postmaster.pid);
    if (link === null || this.#isPlace(link) || !isSame(postmaster)) return;
    // Before it has become PostgreSQL, it works in a directory in which others do.
    if (this.#isSameDirectory(postmaster.pid)) this.#movedTo = withoutMark(link);
  }

  /** For the program that this process becomes: it may not find the directory at its place any more. */
  get seen(): SeenPlaces {
    return { inodes: [...this.#inodes], movedTo: this.#movedTo };
  }

  recall({ inodes, movedTo }: SeenPlaces, postmaster: ProcessId | null): void {
    for (const inode of inodes) this.#inodes.add(inode);
    this.#movedTo = movedTo;
    if (postmaster !== null) this.follow(postmaster);
  }

  members(): ProcessStat[] {
    return [...this.#scan()];
  }

  /** Whether a member runs PostgreSQL's server. */
  hasServer(): boolean {
    return this.members().some(({ pid }) => runsServer(pid) === true);
  }

  /**
   * One by one, so that a signal need not wait for the end of the scan. `known`: not looked at, it costs the
   * most.
   */
  *#scan(known: ReadonlySet<number> = NOBODY): Generator<ProcessStat> {
    const keepers = this.#keepers();
    for (const pid of listPids()) {
      if (known.has(pid) || pid === keepers.guard || pid === keepers.agent || !this.#livesHere(pid)) continue;
      const process = readProcess(pid);
      if (process === null || isDead(process) || isOperators(process) || isTool(process, keepers)) continue;
      yield process;
    }
  }

  /** The running postmaster that `postmaster.pid` names; null when there is none. Reads the disk. */
  findPostmaster(): ProcessId | null {
    const pid = this.#lockHolder();
    if (pid === null) return null;
    const members = this.members();
    const named = members.find((member) => member.pid === pid);
    // A backend that has inherited the number of a postmaster that died has a parent of the same directory.
    if (named === undefined || members.some((member) => member.pid === named.parentPid)) return null;
    return { pid, startTicks: named.startTicks };
  }

  /**
   * Whether `postmaster.pid` keeps PostgreSQL from starting although no process works here. PostgreSQL takes
   * any living process with that number for its predecessor, and a zombie too: after a crash of the host the
   * number belongs to another process, for as long as that process lives. Reads the disk.
   *
   * "stranger" is said only with the proof that no PostgreSQL of this directory lives: no process works in
   * it, and the one that is named acts as another user (the postmaster has the owner's, which is the guard's)
   * or is seen to work in another directory. A process that cannot be looked at proves nothing. Processes of
   * a server in another container do not show here: the lock of the directory guards against that
   * (directory_owner.ts), and PostgreSQL itself looks for its shared memory.
   */
  staleLock(): StaleLock | null {
    const pid = this.#lockHolder();
    if (pid === null) {
      return isFile(this.#lockPath()) && this.members().length === 0 ? { kind: "nameless" } : null;
    }
    const holder = readProcess(Math.abs(pid));
    if (holder === null) return null;
    if (isDead(holder)) return { kind: "zombie", pid: holder.pid, name: holder.name };
    if (this.members().length > 0 || this.#mayWorkHere(holder.pid)) return null;
    return { kind: "stranger", pid: holder.pid, name: holder.name };
  }

  /**
   * Unless another process has taken it meanwhile. With it goes the lock of its socket, where the same server
   * made that.
   */
  removeLock(stale: StaleLock): void {
    if (stale.kind === "nameless") {
      if (this.#lockHolder() === null) rmSync(this.#lockPath(), { force: true });
      return;
    }
    const { pid } = stale;
    const lock = readLines(this.#lockPath());
    if (lock === null || Math.abs(Number(lock[0])) !== pid) return;
    const [, directory, , port, socketDirectory] = lock;
    rmSync(this.#lockPath(), { force: true });
    if (!socketDirectory) return;
    const socketLock = join(socketDirectory, `.s.PGSQL.${port}.lock`);
    const other = readLines(socketLock);
    if (Math.abs(Number(other?.[0])) === pid && other?.[1] === directory) rmSync(socketLock, { force: true });
  }

  /** True while `postgres --single` runs here: it locks with its pid negated. Reads the disk. */
  isSingleUser(): boolean {
    const pid = this.#lockHolder();
    return pid !== null && pid < 0 && this.#livesHere(-pid);
  }

  #lockPath(): string {
    return join(this.dataDir, "postmaster.pid");
  }

  #lockHolder(): number | null {
    const pid = Number.parseInt(readLines(this.#lockPath())?.[0] ?? "", 10);
    return Number.isNaN(pid) || pid === 0 ? null : pid;
  }

  #mayWorkHere(pid: number): boolean {
    const user = effectiveUser(pid);
    if (user === null || user !== process.geteuid?.()) return user === null;
    const link = workingDirectory(pid);
    if (link === null || this.#isPlace(link)) return true;
    const inode = this.#inodeOf(pid);
    return inode === null || this.#inodes.has(inode);
  }

  /**
   * Sends SIGSTOP to every process, until a scan that began when every forking process was stopped shows no
   * new one. A process with SIGSTOP queued runs no instruction of its own, but a fork that had begun goes on
   * to its end, and its child has no SIGSTOP. May be repeated.
   *
   * The postmaster comes after the others, here and in kill(), and before them in thaw(): the signalling
   * process may be killed at any point. Then the postmaster, which the kernel or this process told to end,
   * has to end the rest. A stopped postmaster could not, and backends that were not reached yet would go on
   * acknowledging.
   *
   * Returns the number of processes that it was sent to.
   */
  freeze(named: ProcessId | null): number {
    const postmaster = living(named);
    // The directory may have been moved since the last look: the processes that work in it now count.
    if (postmaster !== null) this.follow(postmaster);
    const signalled = new Set<number>();
    if (postmaster !== null) {
      // All backends in a moment: a scan takes milliseconds of processor time, and a busy host gives few at a
      // time.
      for (const pid of childrenOf(postmaster)) if (this.#send(pid, SIGSTOP).ok) signalled.add(pid);
      this.#signalOnce(SIGSTOP, signalled, postmaster.pid);
      signalProcess(postmaster, SIGSTOP, this.#send);
      signalled.add(postmaster.pid);
    }
    for (let round = 0; round < MAX_ROUNDS; round++) {
      // Of PostgreSQL's processes only the postmaster forks others that acknowledge.
      const forkers = postmaster === null ? [...signalled] : [postmaster.pid];
      const settled = !forkers.some(mayBeForking);
      if (this.#signalOnce(SIGSTOP, signalled) === 0 && settled) break;
    }
    return signalled.size;
  }

  /** Returns the number of processes that it was sent to. */
  thaw(named: ProcessId | null): number {
    const postmaster = living(named);
    // Looked for while no process runs yet: thawed processes compete with this one for the processor.
    const pids = new Set(this.members().map(({ pid }) => pid));
    if (postmaster !== null) { for (const pid of childrenOf(postmaster)) pids.add(pid); }
    let sent = postmaster !== null && signalProcess(postmaster, SIGCONT, this.#send) ? 1 : 0;
    for (const pid of pids) if (pid !== postmaster?.pid && this.#send(pid, SIGCONT).ok) sent++;
    return sent;
  }

  /**
   * One pass; true when nothing was left at its end. To be repeated until then: dying takes time. SIGQUIT
   * keeps the postmaster from forking, and makes it end the processes that this one may not reach.
   */
  kill(named: ProcessId | null): boolean {
    const postmaster = living(named);
    // As in freeze(). Before it is signalled: a dead one leads nowhere.
    if (postmaster !== null) this.follow(postmaster);
    if (postmaster !== null) signalProcess(postmaster, SIGQUIT, this.#send);
    this.#signalAll(SIGKILL, new Set(), postmaster?.pid);
    if (postmaster !== null) signalProcess(postmaster, SIGKILL, this.#send);
    return this.members().length === 0 && (postmaster === null || !isSame(postmaster));
  }

  /** True when no process here can run an instruction: all are stopped, or will be before their next one. */
  allStopped(named: ProcessId | null): boolean {
    const members = this.members();
    const postmaster = living(named);
    // Where the postmaster lives and is not found, others of its directory are not found either.
    if (postmaster !== null && !members.some(({ pid }) => pid === postmaster.pid)) return false;
    return members.every(isStoppedOrWill);
  }

  /** After kill(): a process that is left can run no instruction any more. `named`: wherever it works. */
  allDoomed(named: ProcessId | null): boolean {
    const postmaster = named !== null && isSame(named) ? readProcess(named.pid) : null;
    return this.members().every(isDoomed) && (postmaster === null || isDoomed(postmaster));
  }

  /** Rounds until one shows no new process. */
  #signalAll(signal: number, signalled: Set<number>, except?: number): void {
    for (let round = 0; round < MAX_ROUNDS; round++) {
      if (this.#signalOnce(signal, signalled, except) === 0) return;
    }
  }

  /** Returns the number of processes that it was sent to. */
  #signalOnce(signal: number, signalled: Set<number>, except?: number): number {
    const before = signalled.size;
    for (const { pid } of this.#scan(signalled)) {
      if (pid === except) continue;
      this.#send(pid, signal);
      signalled.add(pid);
    }
    return signalled.size - before;
  }

  #livesHere(pid: number): boolean {
    const link = workingDirectory(pid);
    if (link === null) return false;
    if (!this.#isPlace(link)) return false;
    // In a container the same path is another directory.
    return mountNamespace(pid) === this.#namespace || this.#isSameDirectory(pid);
  }

  #isPlace(link: string): boolean {
    const place = withoutMark(link);
    return this.#places.has(place) || place === this.#movedTo;
  }

  #isSameDirectory(pid: number): boolean {
    const inode = this.#inodeOf(pid);
    return inode !== null && this.#inodes.has(inode);
  }

  /** Device and inode of its working directory; null when that cannot be looked at. */
  #inodeOf(pid: number): string | null {
    try {
      return inodeAt(`/proc/${pid}/cwd/`);
    } catch {
      return null; // gone, or this user may not see it
    }
  }
}

/** "device:inode" */
function inodeAt(path: string): string {
  const { dev, ino } = statSync(path);
  return `${dev}:${ino}`;
}

/** The link without the kernel's mark of a working directory that was removed. */
function withoutMark(link: string): string {
  return link.endsWith(" (deleted)") ? link.slice(0, -" (deleted)".length) : link;
}

/** SIGSTOP has been sent to it, and has not stopped it yet. One that waits for a disk is not forking. */
function mayBeForking(pid: number): boolean {
  const state = readProcess(pid)?.state;
  return state === "R" || state === "S";
}

/** Perhaps not all of them: the kernel may be built without the list, or one may end while it is read. */
function childrenOf(parent: ProcessId): number[] {
  return isSame(parent) ? listChildren(parent.pid) : [];
}

/** A shell (or pager, or editor) of an operator in the directory; PostgreSQL has no terminal. */
function isOperators(process: ProcessStat): boolean {
  if (process.terminal === 0) return false;
  return runsServer(process.pid) === false;
}

/**
 * Programs that the agent itself runs in the directory, while no server does: pg_rewind, initdb, with
 * children of theirs. Told by descent, not by name: they run `postgres` too. A server descends from the
 * guard, or has lost its parents; an agent that is the init of a container gets those, so its immediate child
 * must be something else.
 */
function isTool(process: ProcessStat, keepers: Keepers): boolean {
  if (keepers.agent === 0) return false;
  let current: ProcessStat | null = process;
  for (let depth = 0; current !== null && depth < MAX_DESCENT; depth++) {
    if (current.pid === keepers.guard || current.parentPid <= 0) return false;
    if (current.parentPid === keepers.agent) {
      return current.pid !== keepers.guard && runsServer(current.pid) === false;
    }
    current = readProcess(current.parentPid);
  }
  return false;
}

/** null when the kernel does not say. */
function runsServer(pid: number): boolean | null {
  const program = executable(pid);
  if (program === null) return null;
  return ["postgres", "postmaster"].includes(basename(program.replace(/ \(deleted\)$/, "")));
}
