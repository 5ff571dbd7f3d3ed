/** Majorities: the entries that they have stored, and the elections that they decide. Pure. */
import type { Index, NodeId } from "./types.ts";

export type VoteResult = "won" | "lost" | "pending";

/** Number of servers that are a majority of `voters`. */
export function majority(voters: number): number {
  return Math.floor(voters / 2) + 1;
}

/**
 * Highest index that a majority has reached; 0 without voters, so that an empty configuration commits
 * nothing.
 */
export function majorityIndex(voters: readonly NodeId[], reached: (id: NodeId) => Index): Index {
  if (voters.length === 0) return 0;
  const descending = voters.map(reached).sort((a, b) => b - a);
  return descending[majority(voters.length) - 1]!;
}

/** Counts votes. Those of servers that are not among the voters do not count; without voters nobody wins. */
export function tally(voters: readonly NodeId[], votes: ReadonlyMap<NodeId, boolean>): VoteResult {
  const needed = majority(voters.length);
  const granted = voters.filter((id) => votes.get(id) === true).length;
  if (granted >= needed) return "won";
  const missing = voters.filter((id) => !votes.has(id)).length;
  return granted + missing >= needed ? "pending" : "lost";
}
