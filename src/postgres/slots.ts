/**
 * Physical replication slots for the other members, and what may stay beside them. A slot dropped too early
 * costs a standby, one kept for ever the disk. So on a primary only those go that the agent made, that
 * nobody uses and that no member has needed for a while. On a standby nothing moves a slot on but a client of
 * its own, so that whatever nobody has used there for a while goes too (docs/compatibility.md section 5.2),
 * unless the configuration names it.
 */
import type { Json, JsonObject } from "../model/json.ts";
import { type Connection, sqlState } from "./connection.ts";
import { join, readText, removeFile, writeAtomically } from "./disk.ts";
import { quoteLiteral } from "./quote.ts";

export interface SlotState {
  readonly name: string;
  readonly active: boolean;
  readonly physical: boolean;
  readonly temporary: boolean;
  /** The plugin of a logical slot; null: physical. */
  readonly plugin: string | null;
  readonly database: string | null;
  /** It can serve nobody any more: the WAL that it needs is gone, or it was never told what it needs. */
  readonly useless: boolean;
  /** PostgreSQL keeps it alike on all members (17 and later). */
  readonly synced: boolean;
  /** WAL that is kept because of it. */
  readonly heldBytes: number;
}

export interface SlotPlan {
  /** Also the names of `drop` that a member needs, which are made again. */
  readonly create: readonly string[];
  readonly drop: readonly string[];
}

export interface SlotPlanInput {
  readonly existing: readonly SlotState[];
  readonly wanted: readonly string[];
  /** Made by the agent, on this directory. */
  readonly made: readonly string[];
  /** Permanent slots and the like: never touched. */
  readonly kept: (slot: SlotState) => boolean;
  /** When each made slot was last wanted. */
  readonly wantedAtMs: ReadonlyMap<string, number>;
  readonly nowMs: number;
  readonly ttlMs: number;
  /** Since when each slot has been seen without a user. */
  readonly idleSinceMs: ReadonlyMap<string, number>;
  /** How long somebody else's slot may be idle; null: for ever. */
  readonly strangerTtlMs: number | null;
}

export function planSlots(input: SlotPlanInput): SlotPlan {
  const { existing, wanted, made, nowMs } = input;
  const isOver = (sinceMs: number | undefined, ttlMs: number | null) =>
    sinceMs !== undefined && ttlMs !== null && nowMs - sinceMs >= ttlMs;
  const drop = existing.filter((slot) => {
    if (slot.temporary || slot.active || input.kept(slot)) return false;
    if (wanted.includes(slot.name)) return slot.physical && slot.useless;
    if (slot.physical && made.includes(slot.name)) {
      return isOver(input.wantedAtMs.get(slot.name), input.ttlMs);
    }
    return !slot.synced && isOver(input.idleSinceMs.get(slot.name), input.strangerTtlMs);
  }).map((slot) => slot.name);
  const left = new Set(existing.map((slot) => slot.name).filter((name) => !drop.includes(name)));
  return { create: wanted.filter((name) => !left.has(name)), drop };
}

/** Whether `ignore_slots` names it: one of its maps in which everything that is given agrees. */
export function isIgnored(slot: SlotState, ignored: readonly JsonObject[]): boolean {
  const type = slot.physical ? "physical" : "logical";
  const of: { readonly [key: string]: Json } = { name: slot.name, type, ...slotPlace(slot) };
  return ignored.some((one) => {
    const keys = Object.keys(one).filter((key) => key in of);
    return keys.length > 0 && keys.every((key) => one[key] === of[key]);
  });
}

function slotPlace({ database, plugin }: SlotState): { readonly [key: string]: Json } {
  return { database, plugin };
}

// Columns of later versions are read from the row as JSON.
const SLOTS_QUERY = `
SELECT slot_name, active, slot_type = 'physical' AS physical, temporary, plugin, database,
  coalesce(wal_status = 'lost', false) OR (slot_type = 'physical' AND restart_lsn IS NULL) AS useless,
  coalesce((to_jsonb(slot)->>'synced')::boolean, false) AS synced,
  pg_wal_lsn_diff(CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END, restart_lsn)
    AS held
FROM pg_replication_slots AS slot`;

export async function readSlots(connection: Connection): Promise<SlotState[]> {
  return (await connection.query(SLOTS_QUERY)).map((row) => ({
    name: row.slot_name ?? "",
    active: row.active === "t",
    physical: row.physical === "t",
    temporary: row.temporary === "t",
    plugin: row.plugin ?? null,
    database: row.database ?? null,
    useless: row.useless === "t",
    synced: row.synced === "t",
    heldBytes: Math.max(0, Number(row.held ?? 0)),
  }));
}

const DUPLICATE_OBJECT = "42710";

/**
 * Holds the WAL from now on. False when somebody else, a member that copies from this one, has made it
 * meanwhile.
 */
export async function createSlot(connection: Connection, name: string): Promise<boolean> {
  try {
    await connection.query(`SELECT pg_create_physical_replication_slot(${quoteLiteral(name)}, true)`);
    return true;
  } catch (error) {
    if (sqlState(error) === DUPLICATE_OBJECT) return false;
    throw error;
  }
}

export async function dropSlot(connection: Connection, name: string): Promise<void> {
  await connection.query(`SELECT pg_drop_replication_slot(${quoteLiteral(name)})`);
}

const FILE = "agent.slots";

/**
 * Names of the slots that the agent made on this directory: an agent started later knows which are its own.
 */
export function readMadeSlots(dataDir: string): string[] {
  return (readText(join(dataDir, FILE)) ?? "").split("\n").filter((name) => name !== "");
}

export function writeMadeSlots(dataDir: string, names: readonly string[]): void {
  writeAtomically(join(dataDir, FILE), names.map((name) => `${name}\n`).join(""), 0o600);
}

/** A directory copied from another member has that one's list, and none of its slots. */
export function forgetMadeSlots(dataDir: string): void {
  removeFile(join(dataDir, FILE));
}
