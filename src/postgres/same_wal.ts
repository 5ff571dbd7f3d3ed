/**
 * Whether two servers on one timeline have the same WAL up to a position, by some of its bytes: timelines and
 * positions do not show that a primary was restored to an earlier state of its timeline and wrote on. A
 * standby's WAL is a copy of its primary's, byte by byte, up to the end of the last record that it has.
 */
import { open } from "node:fs/promises";
import type { Credentials } from "../model/config.ts";
import type { Lsn } from "../model/lsn.ts";
import { errorCode, join } from "./disk.ts";
import { askByUrl } from "./replication_source.ts";
import { walFileName } from "./source_wal.ts";

/** A page of WAL, which is as good as certain to hold a checksum, a time or a transaction of its own. */
const WINDOW_BYTES = 8192;

export interface WalPlace {
  readonly dataDir: string;
  readonly timeline: number;
  /** The timeline whose file of that segment is read on the other server. */
  readonly timelineOfOther: number;
  /** The end of the last record that this server has. */
  readonly end: Lsn;
  readonly segmentBytes: number;
}

interface Window {
  readonly offset: number;
  readonly bytes: number;
}

/** The first bytes of the segment in which WAL ends, and the last ones before that end. */
export function windowsBefore(
  { end, segmentBytes }: Pick<WalPlace, "end" | "segmentBytes">,
): readonly Window[] {
  const used = end - Math.floor((end - 1) / segmentBytes) * segmentBytes;
  const first = { offset: 0, bytes: Math.min(WINDOW_BYTES, used) };
  return used <= WINDOW_BYTES ? [first] : [first, { offset: used - WINDOW_BYTES, bytes: WINDOW_BYTES }];
}

/**
 * "unknown": one of them does not have that segment any more. With the rights of a rewind user, who may read
 * files. Rejects where the server does not let it.
 */
export async function compareWal(
  place: WalPlace,
  connUrl: string,
  credentials: Credentials,
  applicationName: string,
): Promise<"same" | "different" | "unknown"> {
  if (place.end <= 0) return "unknown";
  const fileOf = (timeline: number) => walFileName(timeline, place.end - 1, place.segmentBytes);
  const [file, theirs] = [fileOf(place.timeline), fileOf(place.timelineOfOther)];
  const windows = windowsBefore(place);
  const own = await Promise.all(
    windows.map((window) => readOwn(join(place.dataDir, "pg_wal", file), window)),
  );
  const others = await askByUrl(connUrl, credentials, applicationName, async (connection) => {
    const read: (string | null)[] = [];
    for (const { offset, bytes } of windows) {
      const [row] = await connection.query(
        `SELECT pg_catalog.encode(pg_catalog.pg_read_binary_file('pg_wal/${theirs}', ${offset}, ${bytes}, true), 'hex') AS wal`,
      );
      read.push(typeof row?.wal === "string" ? row.wal : null);
    }
    return read;
  });
  const pairs = windows.map((_, at) => [own[at] ?? null, others[at] ?? null] as const);
  if (pairs.some(([one, other]) => one === null || other === null)) return "unknown";
  return pairs.every(([one, other]) => one === other) ? "same" : "different";
}

/** As hexadecimal digits; null: there is no such file, or it ends before. */
async function readOwn(path: string, { offset, bytes }: Window): Promise<string | null> {
  const file = await open(path).catch((error: unknown) => {
    if (errorCode(error) === "ENOENT") return null;
    throw error;
  });
  if (file === null) return null;
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(bytes), 0, bytes, offset);
    return bytesRead === bytes ? buffer.toString("hex") : null;
  } finally {
    await file.close();
  }
}
