/** Two machines of one name: whether the one that has it lives, and what the other one is told. Pure. */
import type { MemberInfo } from "../../raft/mod.ts";
import type { SeenStatus } from "../brain/successor.ts";
import { type DcsState, knownMember } from "../model/records.ts";

/** A machine that was heard within this time lives. Longer ago, nothing is known of it. */
export const NAMESAKE_MS = 5000;

/** As Patroni says it. */
export function nameTaken(name: string): string {
  return `Can't start; there is already a node named '${name}' running`;
}

/** Why a node that asks for a place cannot have its name: a member of that name lives at another address. null: it can. */
export function whyNameTaken(
  { name, addr }: Omit<MemberInfo, "id">,
  dcs: DcsState,
  statuses: readonly SeenStatus[],
): string | null {
  const known = name === null ? undefined : knownMember(dcs, name);
  if (name === null || known === undefined || known.raftAddr === addr) return null;
  const lives = statuses.some((seen) => seen.status.name === name && seen.ageMs < NAMESAKE_MS);
  return lives ? nameTaken(name) : null;
}
