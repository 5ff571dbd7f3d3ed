/**
 * The log of a member whose cluster has lost its majority for good, and its replacement by the first log of a
 * new cluster. For a stopped member only: the directory stays locked from `open` to `close`.
 *
 * Invariant: only identity.json says which log counts. The new log is complete and durable in a directory of
 * its own before a rename makes identity.json name it. So a crash at any point leaves either the old member
 * or the new one, whole. Nothing is deleted: the old log and identity stay beside the new ones.
 */
import * as fs from "node:fs";
import { join } from "node:path";
import { lockFile } from "./directory_lock.ts";
import { type DirectoryIdentity, directoryIdentity, LOG_DIRECTORY, writeIdentity } from "./identity.ts";
import { inlineBackend } from "./inline_backend.ts";
import { openLog, readLogFiles, recoverOrThrow } from "./open_wal.ts";
import { realDisk, syncDirectory } from "./real_disk.ts";
import { refusePoisoned, VOLATILE_DIRECTORY } from "./poison.ts";
import { StorageError } from "./storage_error.ts";
import { WalStorage } from "./wal_storage.ts";
import type { LogIdentity } from "./replay.ts";
import type { Index, Snapshot } from "../core/types.ts";
import type { StoredLog } from "../node/ports.ts";

/** Called before each step, so that tests can end the process there. */
export type OnStep = (step: "log" | "keep identity" | "identity") => void;

export interface ReplacedLog {
  /** Log that was in force before: its directory, and a copy of its identity. */
  readonly oldLog: string;
  readonly oldIdentity: string;
}

/** Log as it was found; see `readLog`. */
export interface ReadLog {
  readonly identity: DirectoryIdentity;
  readonly stored: StoredLog;
  readonly lastIndex: Index;
}

/**
 * Reads a log, committed or not, from the directory of a member that does not run; it may be that of another
 * host, mounted or copied here. Only reads. Throws StorageError: "damaged", "version", "identity" without a
 * log.
 */
export function readLog(directory: string): ReadLog {
  const identity = directoryIdentity(directory);
  if (identity === null) throw noLog(directory);
  const path = join(directory, identity.log);
  const { stored, lastIndex } = recoverOrThrow(readLogFiles(realDisk(path)), identity, true, path);
  return { identity, stored, lastIndex };
}

/**
 * Locked log of a stopped member, to be replaced by the first log of a new cluster; see the head of this
 * file.
 */
export class SurvivingLog {
  readonly identity: DirectoryIdentity;
  readonly stored: StoredLog;
  readonly lastIndex: Index;
  #directory: string;
  #unlock: () => void;

  private constructor(directory: string, { identity, stored, lastIndex }: ReadLog, unlock: () => void) {
    this.#directory = directory;
    this.identity = identity;
    this.stored = stored;
    this.lastIndex = lastIndex;
    this.#unlock = unlock;
  }

  /**
   * Locks and reads a log. Throws StorageError: "locked" while the member runs, "damaged", "poisoned" after a
   * failed write, "identity" without a log.
   */
  static open(directory: string, volatile = VOLATILE_DIRECTORY): SurvivingLog {
    if (!fs.existsSync(directory)) throw noLog(directory);
    const unlock = lockFile(join(directory, "lock"));
    try {
      const read = readLog(directory);
      refusePoisoned(directory, read.identity.instance, volatile);
      return new SurvivingLog(directory, read, unlock);
    } catch (error) {
      unlock();
      throw error;
    }
  }

  /**
   * Turns the directory into that of a member of another cluster, whose log begins with `snapshot`. `stamp`
   * distinguishes this replacement from others; it becomes part of file names.
   */
  replace(identity: LogIdentity, snapshot: Snapshot, stamp: string, onStep: OnStep = () => {}): ReplacedLog {
    onStep("log");
    const log = `${LOG_DIRECTORY}.after-recover-${stamp}`;
    const path = join(this.#directory, log);
    fs.mkdirSync(path, { mode: 0o700 });
    syncDirectory(this.#directory);
    const { stored, writer } = openLog(realDisk(path), identity);
    let failure: Error | null = null;
    const storage = new WalStorage(stored, { identity, backend: inlineBackend(writer), now: () => 0 });
    const { term, index } = snapshot;
    const hardState = { term, vote: 0, commit: index };
    storage.append({ hardState, entries: [], snapshot, sync: true }, (error) => failure = error);
    storage.close();
    if (failure !== null) throw failure;
    onStep("keep identity");
    const oldIdentity = join(this.#directory, `identity.json.before-recover-${stamp}`);
    fs.copyFileSync(join(this.#directory, "identity.json"), oldIdentity);
    onStep("identity");
    const founded = this.identity.founded ?? this.identity.clusterId;
    const { cluster, addr } = this.identity;
    const members = addr === null ? [] : [{ id: identity.nodeId, name: null, addr }];
    writeIdentity(this.#directory, identity, { cluster, addr, joined: false, members, founded }, log);
    return { oldLog: join(this.#directory, this.identity.log), oldIdentity };
  }

  close(): void {
    this.#unlock();
  }
}

function noLog(directory: string): StorageError {
  return new StorageError("identity", `${directory} holds no raft log: there is nothing to recover from`);
}
