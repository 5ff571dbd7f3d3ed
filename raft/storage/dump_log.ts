/**
 * Dumps a log directory, record by record, for people. Only reads, and takes no lock: the member may be
 * running, and half of its last write may be seen.
 */
import { join } from "node:path";
import { decodeConfiguration } from "../core/configuration.ts";
import { DecodeError } from "../core/bytes.ts";
import { decodeEnvelope, type Envelope } from "../node/envelope.ts";
import { UpgradeNeededError } from "../node/upgrade_needed.ts";
import { type DirectoryIdentity, directoryIdentity } from "./identity.ts";
import { readLogFiles } from "./open_wal.ts";
import { realDisk } from "./real_disk.ts";
import { type Damage, recover } from "./recover.ts";
import { StorageError } from "./storage_error.ts";
import { decodeRecord, readRaw, segmentSequence, type WalRecord } from "./wal_format.ts";
import type { Configuration, HardState, Snapshot } from "../core/types.ts";

/** Record of a log, for people. */
export interface DumpedRecord {
  readonly file: string;
  readonly offset: number;
  /** Decoded record; null: its checksum holds, but it is none of this version. */
  readonly record: WalRecord | null;
  /** Meaning of an entry; null for other records, a leader's first entry, and unknown ones. */
  readonly meaning:
    | Envelope
    | { readonly kind: "configuration"; readonly configuration: Configuration }
    | null;
}

/** Contents of a log directory; see `dumpLog`. */
export interface LogDump {
  readonly identity: DirectoryIdentity;
  readonly where: string;
  readonly records: readonly DumpedRecord[];
  readonly hardState: HardState | null;
  readonly snapshot: Snapshot | null;
  /** Damage for which a member would refuse this log; null: it would not. */
  readonly damage: Damage | null;
  /** Beginning of the unfinished last write that a crash (or a running member) left. */
  readonly cut: { readonly file: string; readonly offset: number } | null;
}

/** Reads the log of a directory. Throws StorageError when there is none. */
export function dumpLog(directory: string): LogDump {
  const identity = directoryIdentity(directory);
  if (identity === null) throw new StorageError("identity", `${directory} holds no raft log`);
  const where = join(directory, identity.log);
  const disk = realDisk(where);
  const files = readLogFiles(disk);
  const names = [...files.keys()].filter((name) => segmentSequence(name) !== null).sort();
  const records = names.flatMap((file) => recordsOf(file, files.get(file)!));
  const recovery = recover(files, identity, true);
  const log = recovery.ok ? recovery.log : null;
  return {
    identity,
    where,
    records,
    hardState: log?.stored.hardState ?? null,
    snapshot: log?.stored.snapshot ?? null,
    damage: recovery.ok ? null : recovery.damage,
    cut: log?.cut ?? null,
  };
}

function recordsOf(file: string, bytes: Uint8Array): DumpedRecord[] {
  const found: DumpedRecord[] = [];
  for (let offset = 0;;) {
    const raw = readRaw(bytes, offset);
    if (raw === null) return found;
    const record = decodeRecord(raw.type, raw.payload);
    found.push({ file, offset, record, meaning: meaningOf(record) });
    offset += raw.totalBytes;
  }
}

function meaningOf(record: WalRecord | null): DumpedRecord["meaning"] {
  if (record?.kind !== "entry") return null;
  const { kind, data } = record.entry;
  try {
    if (kind === "normal") return data.length > 0 ? decodeEnvelope(data) : null;
    return { kind: "configuration", configuration: decodeConfiguration(data) };
  } catch (error) {
    if (!(error instanceof DecodeError || error instanceof UpgradeNeededError)) throw error;
    return null;
  }
}
