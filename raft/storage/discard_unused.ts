/**
 * Empties a directory that was prepared for founding a cluster and never took part. It has promised nothing,
 * so the next node that starts on it may look for its cluster again. A directory that got its identity from a
 * running cluster is kept, and so is every directory that holds even a term.
 */
import * as fs from "node:fs";
import { join } from "node:path";
import { lockFile } from "./directory_lock.ts";
import { directoryIdentity, identityFile, LOG_DIRECTORY } from "./identity.ts";
import { realDisk, syncDirectory } from "./real_disk.ts";
import { recover } from "./recover.ts";
import type { LogIdentity } from "./replay.ts";
import { decodeRecord, readRaw, segmentSequence } from "./wal_format.ts";

/**
 * Empties the directory if it is unused. Throws StorageError: "locked" while a member runs on it, "damaged"
 * or "version" when it cannot be read.
 */
export function discardUnused(directory: string): void {
  if (!fs.existsSync(directory)) return;
  const unlock = lockFile(join(directory, "lock"));
  try {
    const known = directoryIdentity(directory);
    const where = join(directory, known?.log ?? LOG_DIRECTORY);
    if (known?.joined || !fs.existsSync(where)) return;
    const disk = realDisk(where);
    const files = new Map(disk.list().map((name) => [name, disk.read(name)]));
    const identity = known ?? ownerOf(files);
    if (identity === null) return;
    const recovery = recover(files, identity, known !== null);
    // The program that opens the log refuses damage.
    if (!recovery.ok || !recovery.log.stored.empty) return;
    // The order matters: an identity says that a log must be there.
    if (known) {
      fs.unlinkSync(identityFile(directory));
      syncDirectory(directory);
    }
    fs.rmSync(where, { recursive: true });
    syncDirectory(directory);
  } finally {
    unlock();
  }
}

/** Owner of the log, from its first segment; null: there is none that can be read. */
function ownerOf(files: ReadonlyMap<string, Uint8Array>): LogIdentity | null {
  const [first] = [...files.keys()].filter((name) => segmentSequence(name) !== null).sort();
  const bytes = first === undefined ? null : files.get(first)!;
  const raw = bytes && readRaw(bytes, 0);
  const record = raw && decodeRecord(raw.type, raw.payload);
  if (record?.kind !== "segmentHeader") return null;
  const { clusterId, nodeId } = record.header;
  return { clusterId, nodeId };
}
