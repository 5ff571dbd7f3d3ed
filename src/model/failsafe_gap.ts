/**
 * Finds what failsafe mode would lack if raft were lost now. Pure; said in the log of the lock's holder and
 * in `agent ctl list`.
 */
import type { DcsState } from "./records.ts";

export interface FailsafeGapView {
  /** failsafe_mode. */
  readonly enabled: boolean;
  readonly state: Pick<DcsState, "lock" | "members"> | null;
  /** The voters of the raft group. */
  readonly voters: readonly {
    readonly addr: string;
    /** Since this agent was started. */
    readonly heard: boolean;
  }[];
}

/** null: no gap, or the lock is free. */
export function failsafeGap({ enabled, state, voters }: FailsafeGapView): string | null {
  if (!enabled || state === null || state.lock.holder === null) return null;
  const members = Object.values(state.members);
  const never = voters
    .filter(({ addr, heard }) => !heard && !members.some(({ raftAddr }) => raftAddr === addr))
    .map(({ addr }) => addr).sort();
  const neverUp = never.length === 0 ? "" : `never seen so far: ${never.join(", ")}`;
  if (members.length < 2) {
    return "no other member with PostgreSQL has joined, so that no member can be asked: without a majority of raft the primary " +
      `stops${neverUp === "" ? "" : ` (${neverUp})`}`;
  }
  if (neverUp === "") return null;
  return `${neverUp}. It counts for raft's majority of ${voters.length} voters and cannot be asked: start it, or remove it ` +
    "(agent ctl raft remove)";
}

/** The voters of raft's status, which says of every peer when it was last heard. */
export function votersHeard(
  { members }: {
    readonly members: readonly { addr: string; voter: boolean; lastContactMs: number | null }[];
  },
): FailsafeGapView["voters"] {
  return members.filter(({ voter }) => voter).map(({ addr, lastContactMs }) => ({
    addr,
    heard: lastContactMs !== null,
  }));
}
