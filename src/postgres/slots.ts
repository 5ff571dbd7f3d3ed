/** Replication slots of a server: looked at, made, moved on and dropped. */
import { formatLsn, type Lsn } from "../model/lsn.ts";
import type { SlotView } from "../model/postgres_view.ts";
import { type Connection, sqlState } from "./connection.ts";
import { quoteLiteral } from "./quote.ts";
import type { SlotState, WantedSlot } from "./slot_state.ts";

// Columns of later versions are read from the row as JSON. A promoted server leaves "synced" as it was, and
// its slots are its own then.
const SLOTS_QUERY = `
SELECT slot_name, active, temporary, plugin, database, wal_status, safe_wal_size,
  coalesce(wal_status = 'lost', false) OR (slot_type = 'physical' AND restart_lsn IS NULL) AS useless,
  pg_is_in_recovery() AND coalesce((to_jsonb(slot)->>'synced')::boolean, false) AS synced,
  pg_wal_lsn_diff(restart_lsn, '0/0') AS restart, pg_wal_lsn_diff(confirmed_flush_lsn, '0/0') AS confirmed,
  (SELECT pg_wal_lsn_diff(substring(query FROM ' LOGICAL ([0-9A-F]+/[0-9A-F]+)')::pg_lsn, '0/0')
    FROM pg_stat_activity WHERE pid = active_pid AND plugin IS NOT NULL AND query LIKE 'START_REPLICATION %') AS read_from,
  (xmin IS NOT NULL) AS xmin,
  pg_wal_lsn_diff(
    CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_flush_lsn() END, restart_lsn) AS held
FROM pg_replication_slots AS slot`;

export async function readSlots(connection: Connection): Promise<SlotState[]> {
  return (await connection.query(SLOTS_QUERY)).map((row) => {
    const number = (column: string) =>
      Number.isFinite(parseFloat(row[column] ?? "")) ? Number(row[column]) : null;
    return {
      name: row.slot_name ?? "",
      active: row.active === "t",
      temporary: row.temporary === "t",
      plugin: row.plugin ?? null,
      database: row.database ?? null,
      useless: row.useless === "t",
      synced: row.synced === "t",
      restartLsn: number("restart"),
      confirmedLsn: number("confirmed"),
      readFrom: number("read_from"),
      holdsXmin: row.xmin === "t",
      heldBytes: Math.max(0, number("held") ?? 0),
      walStatus: row.wal_status ?? null,
      safeBytes: number("safe_wal_size"),
    };
  });
}

export async function isInRecovery(connection: Connection): Promise<boolean> {
  const [row] = await connection.query("SELECT pg_is_in_recovery() AS recovering");
  return row?.recovering === "t";
}

export function slotView(slot: SlotState, permanent: boolean): SlotView {
  const { name, plugin, active, heldBytes, walStatus, safeBytes } = slot;
  const type = plugin === null ? "physical" : "logical";
  const position = slot.confirmedLsn ?? slot.restartLsn;
  return { name, type, active, position, heldBytes, walStatus, safeBytes, permanent };
}

const DUPLICATE_OBJECT = "42710";

/** Whether PostgreSQL of this version keeps a logical slot alike on the standbys. */
export function keepsLogicalSlots(major: number): boolean {
  return major >= 17;
}

/**
 * Holds the WAL from now on. `connection` is one to the database of a logical slot. False when somebody else,
 * a member that copies from this one, has made it meanwhile.
 */
export async function createSlot(connection: Connection, slot: WantedSlot, major: number): Promise<boolean> {
  const name = quoteLiteral(slot.name);
  // Neither temporary nor with prepared transactions, as Patroni makes them.
  const logical = (plugin: string) =>
    `pg_create_logical_replication_slot(${name}, ${quoteLiteral(plugin)}, false` +
    `${keepsLogicalSlots(major) ? ", false, true" : ""})`;
  const call = slot.plugin === null
    ? `pg_create_physical_replication_slot(${name}, true)`
    : logical(slot.plugin);
  try {
    await connection.query(`SELECT ${call}`);
    return true;
  } catch (error) {
    if (sqlState(error) === DUPLICATE_OBJECT) return false;
    throw error;
  }
}

export async function dropSlot(connection: Connection, name: string): Promise<void> {
  await connection.query(`SELECT pg_drop_replication_slot(${quoteLiteral(name)})`);
}

/**
 * Lets go of the WAL before `to`. On a standby PostgreSQL remembers that with its next restart point: after a
 * crash the slot holds some more.
 */
export async function advanceSlot(connection: Connection, name: string, to: Lsn): Promise<void> {
  await connection.query(
    `SELECT pg_replication_slot_advance(${quoteLiteral(name)}, ${quoteLiteral(formatLsn(to))})`,
  );
}
