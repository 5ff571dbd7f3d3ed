/**
 * Opens the log: takes the directory's lock, recovers, repairs what a crash may leave, and starts the writer.
 * `openLog` does it on any Disk; `openWal` is the one for production, on a directory and with a Worker.
 */
import * as fs from "node:fs";
import { join } from "node:path";
import { lockFile } from "./directory_lock.ts";
import type { Disk } from "./disk.ts";
import { type DirectoryOrigin, LOG_DIRECTORY, readIdentity, writeIdentity } from "./identity.ts";
import { markPoisoned, refusePoisoned, VOLATILE_DIRECTORY } from "./poison.ts";
import { realDisk, syncDirectory } from "./real_disk.ts";
import { type Damage, recover, type RecoveredLog } from "./recover.ts";
import type { LogIdentity } from "./replay.ts";
import { StorageError } from "./storage_error.ts";
import { type BrokenStorage, WalStorage } from "./wal_storage.ts";
import { BALLAST_NAME, DEFAULT_BALLAST_BYTES, OutOfSpaceError } from "./space.ts";
import { segmentName } from "./wal_format.ts";
import { WalWriter } from "./wal_writer.ts";
import { inlineBackend } from "./inline_backend.ts";
import { workerBackend } from "./worker_backend.ts";
import type { StoredLog } from "../node/ports.ts";

const REJOIN =
  "; or, while a majority of the other members is healthy, move the directory aside and start again, to be added anew";
export const DEFAULT_SEGMENT_BYTES = 1024 * 1024;

export interface OpenedLog {
  readonly stored: StoredLog;
  readonly writer: WalWriter;
  /** Place at which a torn last write was cut off, for the log; null when there was none. */
  readonly cut: { readonly file: string; readonly offset: number } | null;
}

export interface OpenLogOptions {
  /** @default 1 MiB */
  readonly segmentBytes?: number;
  /** Whether an empty disk is damage. @default false */
  readonly logExpected?: boolean;
  /** Name of the disk, for messages. */
  readonly where?: string;
  /** Space kept back for a full disk, see space.ts. @default 0 */
  readonly ballastBytes?: number;
  /**
   * Called before an error is thrown because the log found could not be repaired or made durable: from now on
   * it may be read without being on the disk.
   */
  readonly onFailure?: (error: Error) => void;
}

/** Reads the files that recovery needs. */
export function readLogFiles(disk: Disk): Map<string, Uint8Array> {
  return new Map(disk.list().filter((name) => name !== BALLAST_NAME).map((name) => [name, disk.read(name)]));
}

/**
 * Recovers the log on a disk and makes it ready for writing. Throws StorageError "damaged" or "full", or the
 * disk's own errors.
 */
export function openLog(
  disk: Disk,
  identity: LogIdentity,
  options: OpenLogOptions = {},
): OpenedLog {
  const { where = "the log" } = options;
  const files = readLogFiles(disk);
  const log = recoverOrThrow(files, identity, options.logExpected ?? false, where);
  const { stored, lastIndex, tail, segments } = log;
  const writer = new WalWriter(disk, {
    identity,
    segmentBytes: options.segmentBytes ?? DEFAULT_SEGMENT_BYTES,
    tail,
    segments,
    hardState: stored.hardState,
    snapshot: { index: stored.snapshot?.index ?? 0, term: stored.snapshot?.term ?? 0 },
    lastIndex,
    prepared: 0,
    ballastBytes: options.ballastBytes ?? 0,
  });
  try {
    repair(disk, files, log);
    writer.open();
  } catch (cause) {
    if (!(cause instanceof OutOfSpaceError)) {
      // A file that cannot be opened, for lack of a permission perhaps, is unchanged.
      if ((cause as { syscall?: unknown }).syscall !== "open") options.onFailure?.(cause as Error);
      throw cause;
    }
    throw new StorageError(
      "full",
      `the disk of the raft log in ${where} is full: it cannot be opened before there is room`,
    );
  }
  return { stored, writer, cut: log.cut };
}

/**
 * Makes the log found durable, overwrites a torn tail with zeros, so that it cannot be mistaken for anything
 * later, and removes leftovers. What was found may be only in the page cache, and with it the mark of the
 * snapshot that makes an older one a leftover. So nothing is removed, and nothing built on it, before it is
 * on the disk. Segments before the last one are on the disk.
 */
function repair(disk: Disk, files: ReadonlyMap<string, Uint8Array>, log: RecoveredLog): void {
  const { tail, cut } = log;
  if (tail) {
    const last = segmentName(tail.sequence);
    const handle = disk.open(last);
    if (cut) handle.write(new Uint8Array(files.get(last)!.length - cut.offset), cut.offset);
    handle.datasync();
    handle.close();
  }
  // Removal begins with the last one, so that a crash in between leaves no gap.
  for (const name of [...log.leftovers].sort().reverse()) {
    disk.remove(name);
    disk.syncDirectory();
  }
}

/** Recovers as `recover` does. Throws StorageError "damaged" or "version". */
export function recoverOrThrow(
  files: ReadonlyMap<string, Uint8Array>,
  identity: LogIdentity,
  logExpected: boolean,
  where: string,
): RecoveredLog {
  const recovery = recover(files, identity, logExpected);
  if (!recovery.ok) throw new StorageError("damaged", describeDamage(recovery.damage, where));
  return recovery.log;
}

/** Describes damage for people, with the way out. */
function describeDamage(damage: Damage, where: string): string {
  return `raft log damaged: ${where}/${damage.file}, byte ${damage.offset}: ${damage.problem}. ` +
    "This member may have lost what it has acknowledged and must not vote. Way out: check the disk; while a " +
    "majority of the other members is healthy, move the raft directory of this member aside and start it again, " +
    "to be added anew";
}

/** Options of openWal; all but `now` may be left out. */
export interface OpenWalOptions {
  /** Origin that is recorded when the directory is made. @default nothing */
  readonly origin?: DirectoryOrigin;
  /** Monotonic clock in milliseconds, which measures how long a write has been pending. */
  readonly now: () => number;
  /** Told how long each write took that had to be durable. */
  readonly onSynced?: (tookMs: number) => void;
  /** Called with what an operator should know, e.g. that a torn write was cut off. */
  readonly onWarning?: (text: string) => void;
  /** @default 1 MiB */
  readonly segmentBytes?: number;
  /** Space kept back for a full disk. @default 4 MiB */
  readonly ballastBytes?: number;
  /** Whether to write on this thread instead of a Worker; for tests. @default false */
  readonly inline?: boolean;
  /** Directory in which a failed write is noted until the next boot. @default "/dev/shm" */
  readonly volatileDirectory?: string;
  readonly broken?: BrokenStorage;
}

/**
 * Opens the log in `directory`, creating it. Synchronous: call it before timers matter. The storage keeps the
 * directory locked until the `closed` callback of its `close`. Throws StorageError, or the system's errors.
 */
export function openWal(directory: string, identity: LogIdentity, options: OpenWalOptions): WalStorage {
  fs.mkdirSync(directory, { recursive: true, mode: 0o700 });
  const unlock = lockFile(join(directory, "lock"));
  try {
    const known = readIdentity(directory, identity);
    const files = join(directory, known?.log ?? LOG_DIRECTORY);
    fs.mkdirSync(files, { recursive: true, mode: 0o700 });
    syncDirectory(directory);
    const volatileDirectory = options.volatileDirectory ?? VOLATILE_DIRECTORY;
    if (known) refusePoisoned(directory, known.instance, volatileDirectory, REJOIN);
    const disk = realDisk(files);
    const { segmentBytes, ballastBytes = DEFAULT_BALLAST_BYTES, onWarning = () => {} } = options;
    const { stored, writer, cut } = openLog(disk, identity, {
      segmentBytes,
      logExpected: known !== null,
      where: files,
      ballastBytes,
      // Nothing was acknowledged in a directory without an identity.
      onFailure: (error) => known && markPoisoned(volatileDirectory, known.instance, error.message),
    });
    const { instance } = known ?? writeIdentity(directory, identity, options.origin);
    if (cut) {
      onWarning(`cut off a write that a crash left unfinished: ${files}/${cut.file}, byte ${cut.offset}`);
    }
    if (!options.inline) writer.close();
    const backend = options.inline ? inlineBackend(writer) : workerBackend(files, writer.state());
    return new WalStorage(stored, {
      identity,
      backend: { ...backend, close: (closed) => backend.close(() => (unlock(), closed())) },
      where: files,
      now: options.now,
      onSynced: options.onSynced,
      broken: options.broken,
      instance: parseInt(instance.slice(0, 12), 16),
      onFailure: (error) => markPoisoned(volatileDirectory, instance, error.message),
    });
  } catch (error) {
    unlock();
    throw error;
  }
}
