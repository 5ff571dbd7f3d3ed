/**
 * Which replication slots are made, dropped and moved on. A slot dropped too early costs a standby, one kept
 * for ever the disk. So on a primary only those go that the agent made, that nobody uses and that no member
 * has needed for a while. On a standby nothing moves another slot on but a client of its own, so that
 * whatever nobody has used there for a while goes too (docs/compatibility.md section 5.2), unless the
 * configuration names it. Pure.
 */
import type { Json, JsonObject } from "../model/json.ts";
import type { Lsn } from "../model/lsn.ts";
import type { Maker } from "./made_slots.ts";
import type { SlotState, WantedSlot } from "./slot_state.ts";

export interface SlotPlan {
  /** Also those of `drop` that are wanted, which are made again. */
  readonly create: readonly WantedSlot[];
  readonly drop: readonly string[];
  readonly copy: readonly WantedSlot[];
  readonly advance: readonly {
    readonly name: string;
    readonly to: Lsn;
    /** Database of a logical slot; null: a physical one. */
    readonly database: string | null;
  }[];
}

export interface SlotPlanInput {
  readonly existing: readonly SlotState[];
  readonly wanted: readonly WantedSlot[];
  /** Names of wanted slots whose user streams elsewhere: what they say of transactions is out of date. */
  readonly elsewhere: readonly string[];
  /** How far a slot may move on while nobody uses it. */
  readonly positions: ReadonlyMap<string, Lsn>;
  /** Made by the agent, on this directory. */
  readonly made: ReadonlyMap<string, Maker>;
  /** Never touched. */
  readonly kept: (slot: SlotState) => boolean;
  /** When each made slot was last wanted. */
  readonly wantedAtMs: ReadonlyMap<string, number>;
  readonly nowMs: number;
  /** How long the slot of a member stays that no longer is one. */
  readonly ttlMs: number;
  /** Since when each slot has been seen without a user. */
  readonly idleSinceMs: ReadonlyMap<string, number>;
  /** How long somebody else's slot may be idle; null: for ever. */
  readonly strangerTtlMs: number | null;
}

export function planSlots(input: SlotPlanInput): SlotPlan {
  const { existing, wanted } = input;
  const wantedOf = (name: string) => wanted.find((one) => one.name === name);
  const drop = existing.filter((slot) => {
    if (slot.temporary || slot.active || input.kept(slot)) return false;
    const asked = wantedOf(slot.name);
    return asked === undefined ? isOver(slot, input) : mustBeMadeAnew(slot, asked, input);
  }).map((slot) => slot.name);
  const left = existing.filter(({ name }) => !drop.includes(name));
  const missing = wanted.filter(({ name }) => !left.some((slot) => slot.name === name));
  return {
    create: missing.filter(({ copied }) => !copied),
    copy: missing.filter(({ copied }) => copied),
    drop,
    advance: left.flatMap((slot) => advance(slot, wantedOf(slot.name), input)),
  };
}

function advance(slot: SlotState, asked: WantedSlot | undefined, input: SlotPlanInput): SlotPlan["advance"] {
  const { name, plugin, database, active, restartLsn, confirmedLsn, heldBytes } = slot;
  // The user of a logical slot moves it where it was made.
  if (active || restartLsn === null || asked === undefined || (plugin !== null && !asked.copied)) return [];
  // The member, or the primary, may have more than this server has written or replayed.
  const to = Math.min(input.positions.get(name) ?? 0, restartLsn + heldBytes);
  return to > (plugin === null ? restartLsn : confirmedLsn ?? Infinity) ? [{ name, to, database }] : [];
}

/** One that nobody wants, and that may go. */
function isOver(slot: SlotState, input: SlotPlanInput): boolean {
  const { made, nowMs } = input;
  const isPast = (sinceMs: number | undefined, ttlMs: number | null) =>
    sinceMs !== undefined && ttlMs !== null && nowMs - sinceMs >= ttlMs;
  if (slot.synced) return false;
  const maker = made.get(slot.name);
  // An operator has taken it out of the configuration.
  if (maker === "permanent") return true;
  return maker === "member" && slot.plugin === null
    ? isPast(input.wantedAtMs.get(slot.name), input.ttlMs)
    : isPast(input.idleSinceMs.get(slot.name), input.strangerTtlMs);
}

/** Whether it is not what it should be, or of no use to anybody. */
function mustBeMadeAnew(slot: SlotState, asked: WantedSlot, { elsewhere }: SlotPlanInput): boolean {
  const { useless, holdsXmin, name } = slot;
  return isOfAnotherKind(slot, asked) || useless || (holdsXmin && elsewhere.includes(name));
}

export function isOfAnotherKind(slot: SlotState, { plugin, database }: WantedSlot): boolean {
  return slot.plugin !== plugin || slot.database !== database;
}

/** Whether `ignore_slots` names it: one of its maps in which everything that is given agrees. */
export function isIgnored(
  { name, plugin, database }: SlotState,
  ignored: readonly JsonObject[],
): boolean {
  const type = plugin === null ? "physical" : "logical";
  const of: { readonly [key: string]: Json } = { name, type, database, plugin };
  return ignored.some((one) => {
    const keys = Object.keys(one).filter((key) => key in of);
    return keys.length > 0 && keys.every((key) => one[key] === of[key]);
  });
}
