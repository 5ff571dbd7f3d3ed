/**
 * Two machines with one name: decides whether the present owner lives, and the answer to the other one. Pure.
 */
import type { MemberInfo } from "../../../raft/mod.ts";
import type { SeenStatus } from "../../brain/cluster/successor_view.ts";
import { type DcsState, knownMember } from "../../model/records.ts";
import { slotName, slotTakenBy } from "../../model/slot_name.ts";

/** A machine that was heard within this time lives. Longer ago, nothing is known of it. */
export const NAMESAKE_MS = 5000;

/** The message, as Patroni says it. */
export function nameTaken(name: string): string {
  return `Can't start; there is already a node named '${name}' running`;
}

/** Two names with one replication slot: only one of the two could stream. */
export function slotTaken(name: string, other: string): string {
  return `Can't start: the names ${other} and ${name} give the same replication slot, ${
    slotName(name)
  }, and only one ` +
    "of the two could stream";
}

/**
 * Why a node that asks for a place cannot have its name: a member of that name lives at another address, or
 * one of another name has its slot. Before it is a member: a voter that ends at once would cost the cluster a
 * failure. null: it can.
 */
export function whyNameTaken(
  { name, addr }: Omit<MemberInfo, "id">,
  dcs: DcsState,
  statuses: readonly SeenStatus[],
): string | null {
  if (name === null) return null;
  const known = knownMember(dcs, name);
  if (known === undefined) {
    const other = slotTakenBy(name, Object.keys(dcs.members));
    // At the member's own address it takes the member's place.
    return other === null || knownMember(dcs, other)?.raftAddr === addr
      ? null
      : `${slotTaken(name, other)}: give this one another name`;
  }
  if (known.raftAddr === addr) return null;
  const lives = statuses.some((seen) => seen.status.name === name && seen.ageMs < NAMESAKE_MS);
  return lives ? nameTaken(name) : null;
}
