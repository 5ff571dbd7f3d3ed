/** Which members' WAL is known to be a part of the last holder's history. */
import { wasLastHolder } from "./candidate.ts";
import type { SuccessorView } from "./successor_view.ts";

/**
 * Members whose WAL is known to be a part of the last holder's history; null: its last status is not known
 * here. The positions of others cannot be compared with its own: they may count WAL of another history, on a
 * timeline of the same number even.
 */
export function streamedFromHolder(
  view: Pick<SuccessorView, "dcs" | "statuses">,
): readonly string[] | null {
  const { lock } = view.dcs;
  const holder = view.statuses.find((seen) => wasLastHolder(seen.status, view))?.status;
  return holder === undefined || holder.epochSeen !== lock.epoch ? null : holder.streamedTo ?? null;
}
