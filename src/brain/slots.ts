/**
 * Which replication slots a member keeps, and how far each may move on: a duty for as long as PostgreSQL
 * runs. Pure.
 *
 * Every member that may be promoted keeps a physical slot for every other member, not the primary alone: the
 * others find the WAL that they need on whichever of them is promoted. On a standby nothing else moves such a
 * slot on, so the agent does, up to the position that the member itself has reported. The permanent slots of
 * the configuration are kept on the same members; they move on with those of the primary.
 */
import type { Lsn } from "../model/lsn.ts";
import type { MemberStatus } from "../model/member_status.ts";
import type { PermanentSlot } from "../model/permanent_slot.ts";
import { slotName } from "../model/slot_name.ts";
import { serves } from "./cluster/serves.ts";
import { statusOf } from "./cluster/view.ts";
import type { DutyView } from "./duty_view.ts";
import { isArchiveOnly, replicateFrom } from "./keep/follow_source.ts";

export interface SlotsDuty {
  readonly kind: "slots";
  /** Members that have a slot here. */
  readonly members: readonly string[];
  /** Members whose slots go at once: they have been missing for too long, or need none here. */
  readonly gone: readonly string[];
  /**
   * Members that stream from another member. What their slots here say of their oldest transaction is of an
   * earlier time, and would hold back VACUUM for ever after a promotion.
   */
  readonly elsewhere: readonly string[];
  /** Slots of the configuration. One with the name of a member's slot is that one, and is kept for ever. */
  readonly permanent: readonly PermanentSlot[];
  /**
   * How far each slot may move on while nobody uses it: to the end of the WAL that its member has on its
   * disk, of this member's timeline; a permanent one to the position of the primary's. Missing: not known.
   */
  readonly positions: { readonly [slot: string]: Lsn };
}

/**
 * The holder owes them as soon as it has the lock, not after the promotion: the others follow at once, and
 * one that finds no slot comes back only after wal_retrieve_retry_interval.
 *
 * A member that is missing keeps its slot for `member_slots_ttl` after a lease's time: without an end, the
 * WAL that it holds fills the disk. The time begins anew with each primary.
 */
export function slots(view: DutyView): SlotsDuty | null {
  const { tenure, postgres: { process, writable }, dcs, name, nowMs, dynamic, heardMs, heldSinceMs } = view;
  const holds = tenure === "holding";
  // A primary that has lost the lock changes nothing any more.
  if (process !== "running" || (writable && !holds)) return null;
  const isKeeper = holds || mayBePromoted(view);
  const permanent = isKeeper ? permanentSlots(view) : [];
  const keptMs = dynamic.memberSlotsTtlS * 1000 + dcs.waitTtlMs;
  const isGone = (member: string) =>
    nowMs - Math.max(heardMs.get(member) ?? nowMs, heldSinceMs) > keptMs &&
    !permanent.some(({ type, name }) => type === "physical" && name === slotName(member));
  const others = Object.keys(dcs.members).filter((member) => member !== name).sort();
  const keeps = (member: string) =>
    !isArchiveOnly(member, view) && (isKeeper || replicateFrom(member, view) === name);
  const members = others.filter((member) => keeps(member) && !isGone(member));
  const heard = members.map((member) => statusOf(view, member)?.status).filter((status) =>
    status !== undefined
  );
  return {
    kind: "slots",
    members,
    gone: others.filter((member) => !members.includes(member)),
    elsewhere: heard.filter((status) => status.running && streamsElsewhere(status, name)).map(({ name }) =>
      name
    ),
    permanent,
    positions: {
      ...permanentPositions(view, permanent),
      ...Object.fromEntries(heard.flatMap((status) => {
        const position = positionOf(status, view);
        return position === null ? [] : [[slotName(status.name), position]];
      })),
    },
  };
}

/** A member needs no slot of its own name on itself. */
function permanentSlots(view: DutyView): readonly PermanentSlot[] {
  const { name, dynamic, tenure } = view;
  const isStandbyCluster = dynamic.standbyCluster !== null;
  const getsNoCopies = tenure !== "holding" && isArchiveOnly(name, view);
  const type = isStandbyCluster ? "standby" : "primary";
  return dynamic.slots.filter((slot) =>
    // A logical slot is made where transactions are, and copied to members that stream from there.
    !(slot.type === "logical" && (isStandbyCluster || getsNoCopies)) &&
    (slot.clusterType === null || slot.clusterType === type) &&
    !(slot.type === "physical" && slot.name === slotName(name))
  );
}

/** What the holder of the lock says of its own, as long as both are on one timeline. */
function permanentPositions(view: DutyView, permanent: readonly PermanentSlot[]): SlotsDuty["positions"] {
  const { dcs: { lock }, postgres } = view;
  const holder = lock.holder === null || lock.holder === view.name
    ? undefined
    : statusOf(view, lock.holder)?.status;
  if (holder === undefined || !serves(holder, view) || holder.timeline !== postgres.timeline) return {};
  const known = holder.slots ?? {};
  return Object.fromEntries(
    permanent.filter(({ name }) => Object.hasOwn(known, name)).map(({ name }) => [name, known[name]!]),
  );
}

function mayBePromoted(view: DutyView): boolean {
  return statusOf(view, view.name)?.status.nofailover !== true;
}

/** One that follows nobody at present may come back to its slot here. */
function streamsElsewhere({ writable, following }: MemberStatus, name: string): boolean {
  return writable || (following !== null && following !== name);
}

/**
 * A member of another timeline may have WAL that is no part of this member's, and needs what lies before the
 * fork. A copy that is being made reports no position.
 */
function positionOf(status: MemberStatus, { postgres, dcs: { lock } }: DutyView): Lsn | null {
  if (!status.running || status.timeline === null || status.timeline !== postgres.timeline) return null;
  if (status.writable) return status.name === lock.holder && !postgres.writable ? status.walLsn : null;
  return status.receivedLsn;
}
