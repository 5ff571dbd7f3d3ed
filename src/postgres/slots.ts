/**
 * Physical replication slots for the other members. Drops only what it made itself, what nobody uses, and what no member
 * has needed for a while: a slot dropped too early costs a standby, one kept for ever the disk.
 */
import { type Connection, sqlState } from "./connection.ts";
import { join, readText, removeFile, writeAtomically } from "./disk.ts";
import { quoteLiteral } from "./quote.ts";

export interface SlotState {
  readonly name: string;
  readonly active: boolean;
  readonly physical: boolean;
  readonly temporary: boolean;
}

export interface SlotPlan {
  readonly create: readonly string[];
  readonly drop: readonly string[];
}

export interface SlotPlanInput {
  readonly existing: readonly SlotState[];
  readonly wanted: readonly string[];
  /** Made by us, on this directory. */
  readonly made: readonly string[];
  /** Permanent slots and the like: never touched. */
  readonly kept: readonly string[];
  /** When each made slot was last wanted. */
  readonly wantedAtMs: ReadonlyMap<string, number>;
  readonly nowMs: number;
  readonly ttlMs: number;
}

export function planSlots(input: SlotPlanInput): SlotPlan {
  const names = new Set(input.existing.map((slot) => slot.name));
  const create = input.wanted.filter((name) => !names.has(name));
  const drop = input.existing.filter((slot) => {
    if (!slot.physical || slot.temporary || slot.active) return false;
    if (
      !input.made.includes(slot.name) || input.kept.includes(slot.name) || input.wanted.includes(slot.name)
    ) return false;
    const last = input.wantedAtMs.get(slot.name);
    return last !== undefined && input.nowMs - last >= input.ttlMs;
  }).map((slot) => slot.name);
  return { create, drop };
}

const SLOTS_QUERY =
  "SELECT slot_name, active, slot_type = 'physical' AS physical, temporary FROM pg_replication_slots";

export async function readSlots(connection: Connection): Promise<SlotState[]> {
  return (await connection.query(SLOTS_QUERY)).map((row) => ({
    name: row.slot_name ?? "",
    active: row.active === "t",
    physical: row.physical === "t",
    temporary: row.temporary === "t",
  }));
}

const DUPLICATE_OBJECT = "42710";

/** Holds the WAL from now on. False when somebody else, a member that copies from us, has made it meanwhile. */
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

/** Names of the slots that we made on this directory: an agent started later knows which are its own. */
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
