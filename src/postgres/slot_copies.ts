/**
 * Copies of the primary's logical slots, for a standby of PostgreSQL 13 to 16, which makes none itself. A
 * slot is one file, `pg_replslot/NAME/state`; a server reads it when it starts. So the file is fetched while
 * both servers run, and put in its place between the end of the standby and its next start.
 *
 * A copy is safe to put there: it asks for WAL and catalog rows from a position that the primary's slot had,
 * and later ones are in the standby's WAL. The primary keeps the catalog rows for it as well, as soon as the
 * standby has told it of them by hot_standby_feedback.
 */
import type { Lsn } from "../model/lsn.ts";
import type { Connection } from "./connection.ts";
import {
  join,
  list,
  makeDirectory,
  modeIn,
  move,
  removeSmallDirectory,
  syncPath,
  writeSmall,
} from "./disk.ts";
import { quoteLiteral } from "./quote.ts";
import type { WantedSlot } from "./slot_state.ts";
import { segmentName } from "./source_wal.ts";

export interface SlotCopy {
  readonly name: string;
  /** Where the WAL begins that it needs. */
  readonly restartLsn: Lsn;
  readonly state: Uint8Array;
}

/** Those of the wanted slots that the primary has, usable and of the wanted kind. */
export async function fetchSlots(primary: Connection, wanted: readonly WantedSlot[]): Promise<SlotCopy[]> {
  const copies: SlotCopy[] = [];
  for (const { name, plugin, database } of wanted) {
    const [row] = await primary.query(
      `SELECT pg_wal_lsn_diff(restart_lsn, '0/0') AS restart,
        encode(pg_read_binary_file('pg_replslot/' || slot_name || '/state'), 'hex') AS state
      FROM pg_replication_slots
      WHERE slot_name = ${quoteLiteral(name)} AND plugin = ${quoteLiteral(plugin ?? "")}
        AND database = ${quoteLiteral(database ?? "")} AND NOT temporary AND wal_status <> 'lost'`,
    );
    if (!row?.restart || !row.state) continue;
    copies.push({ name, restartLsn: Number(row.restart), state: Buffer.from(row.state, "hex") });
  }
  return copies;
}

/** Whether a file of `pg_wal`, of any timeline, holds the WAL at that position. */
export function holdsWal(dataDir: string, lsn: Lsn, segmentBytes: number): boolean {
  const suffix = segmentName(lsn, segmentBytes);
  return (list(join(dataDir, "pg_wal")) ?? []).some((name) =>
    /^[0-9A-F]{24}$/.test(name) && name.endsWith(suffix)
  );
}

/** Puts a copy where no server runs. On disk when it resolves. A slot of that name is left as it is. */
export async function installSlot(dataDir: string, { name, state }: SlotCopy): Promise<boolean> {
  const slots = join(dataDir, "pg_replslot");
  const directory = join(slots, name);
  if (list(slots)?.includes(name) !== false) return false;
  // A name that ends so is removed by the server when it starts: half a slot never counts.
  const half = `${directory}.tmp`;
  removeSmallDirectory(half);
  makeDirectory(half, modeIn(dataDir, 0o700));
  const file = join(half, "state");
  writeSmall(file, state, modeIn(dataDir, 0o600));
  await syncPath(file);
  await syncPath(half);
  move(half, directory);
  await syncPath(slots);
  return true;
}
