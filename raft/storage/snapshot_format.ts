/** Format of a snapshot file. Pure. One checksum covers everything: a snapshot is whole or it is refused. */
import { crc32c } from "./crc32c.ts";
import { getUint32, getUint53, putUint32, putUint53 } from "../core/integers.ts";
import type { NodeId, Snapshot } from "../core/types.ts";

const MAGIC = 0x504e5352; // "RSNP"
const VERSION = 1;
const FIXED_BYTES = 12 + 6 * 8;

/** Encodes a snapshot file: magic, version, crc, cluster, node, index, term, configuration, data. */
export function encodeSnapshotFile(snapshot: Snapshot, clusterId: number, nodeId: NodeId): Uint8Array {
  const { voters, learners } = snapshot.configuration;
  const ids = [...voters, ...learners];
  const bytes = new Uint8Array(FIXED_BYTES + ids.length * 8 + snapshot.data.length);
  putUint32(bytes, 0, MAGIC);
  putUint32(bytes, 4, VERSION);
  const counts = voters.length + learners.length * 0x10000;
  const head = [clusterId, nodeId, snapshot.index, snapshot.term, counts, snapshot.data.length];
  [...head, ...ids].forEach((value, i) => putUint53(bytes, 12 + i * 8, value));
  bytes.set(snapshot.data, FIXED_BYTES + ids.length * 8);
  putUint32(bytes, 8, crc32c(bytes, 0, 12));
  return bytes;
}

/** Says why a later version of the program must have written this; null: none has. */
export function laterSnapshot(bytes: Uint8Array): string | null {
  if (bytes.length < 8 || getUint32(bytes, 0) !== MAGIC || getUint32(bytes, 4) === VERSION) return null;
  return `format ${getUint32(bytes, 4)}, and this program knows ${VERSION}`;
}

/** Decodes a snapshot; null when the bytes are damaged or of another version. */
export function decodeSnapshotFile(bytes: Uint8Array): { snapshot: Snapshot; clusterId: number } | null {
  if (bytes.length < FIXED_BYTES) return null;
  if (getUint32(bytes, 0) !== MAGIC || getUint32(bytes, 4) !== VERSION) return null;
  if (getUint32(bytes, 8) !== crc32c(bytes, 0, 12)) return null;
  const at = (i: number) => getUint53(bytes, 12 + i * 8);
  const voterCount = at(4) % 0x10000;
  const learnerCount = Math.floor(at(4) / 0x10000);
  const dataAt = FIXED_BYTES + (voterCount + learnerCount) * 8;
  if (bytes.length !== dataAt + at(5)) return null;
  const ids = Array.from({ length: voterCount + learnerCount }, (_, i) => at(6 + i));
  const snapshot: Snapshot = {
    index: at(2),
    term: at(3),
    configuration: { voters: ids.slice(0, voterCount), learners: ids.slice(voterCount) },
    data: bytes.slice(dataAt),
  };
  return { snapshot, clusterId: at(0) };
}

/** Name of the snapshot file of an index; sorts by index. */
export function snapshotName(index: number): string {
  return `snap-${String(index).padStart(16, "0")}`;
}

/** Index in a snapshot file's name; null for other files. */
export function snapshotIndexOf(name: string): number | null {
  const match = /^snap-(\d{16})$/.exec(name);
  return match ? Number(match[1]) : null;
}
