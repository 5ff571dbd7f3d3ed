/**
 * Whether another server still has the WAL of a position, as it would have to send it. A server sends only
 * what lies in its pg_wal, and removes what no slot and no setting keeps.
 */
import type { Credentials } from "../model/config.ts";
import type { Lsn } from "../model/lsn.ts";
import { askByUrl } from "./replication_source.ts";

/** The end of the names of segment files that hold `lsn`, after the timeline. */
export function segmentName(lsn: Lsn, segmentBytes: number): string {
  const perId = 2 ** 32 / segmentBytes;
  const segment = Math.floor(lsn / segmentBytes);
  const hex = (value: number) => value.toString(16).toUpperCase().padStart(8, "0");
  return hex(Math.floor(segment / perId)) + hex(segment % perId);
}

/** The segment file that holds `lsn`. */
export function walFileName(timeline: number, lsn: Lsn, segmentBytes: number): string {
  return timeline.toString(16).toUpperCase().padStart(8, "0") + segmentName(lsn, segmentBytes);
}

/** With the rights of a rewind user, who may list pg_wal. Rejects where the server does not say. */
export function holdsWal(
  connUrl: string,
  credentials: Credentials,
  applicationName: string,
  segment: string,
): Promise<boolean> {
  return askByUrl(connUrl, credentials, applicationName, async (connection) => {
    const [row] = await connection.query(
      "SELECT pg_catalog.count(*) AS found FROM pg_catalog.pg_ls_dir('pg_wal', true, false) AS name " +
        `WHERE name ~ '^[0-9A-F]{24}$' AND pg_catalog.substr(name, 9) = '${segment}'`,
    );
    return Number(row?.found) > 0;
  });
}
