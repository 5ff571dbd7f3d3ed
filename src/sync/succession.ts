/**
 * Who may get the lock after its last holder, so that nothing is lost that was acknowledged. The proof is in
 * DESIGN.md. Pure.
 */
import type { Cut } from "../model/cut.ts";
import type { SyncRecord } from "../model/records.ts";
import { type DataToken, isVoter } from "./record.ts";

export interface CutMember {
  readonly name: string;
  readonly token: DataToken | undefined;
  readonly cut: Cut | undefined;
}

/**
 * The members of V that have been cut off from the holder of `epoch` and have no more WAL than the candidate,
 * itself included. A timeline begins with all WAL of the server that began it, so that it counts before the
 * position.
 */
export function votesFor(
  candidate: CutMember,
  members: readonly CutMember[],
  sync: SyncRecord,
  epoch: number,
): readonly string[] {
  const own = cutIn(candidate, sync, epoch);
  if (own === null) return [];
  return members.filter((member) => {
    const cut = cutIn(member, sync, epoch);
    return cut !== null &&
      (cut.timeline < own.timeline || (cut.timeline === own.timeline && cut.lsn <= own.lsn));
  }).map(({ name }) => name).sort();
}

/** Its own vote is one of Q + 1. */
export function isElected(sync: SyncRecord, candidate: string, votes: readonly string[]): boolean {
  const voters = new Set(votes.filter((name) => sync.syncStandby.includes(name)));
  return voters.has(candidate) && voters.size > sync.quorum;
}

function cutIn({ name, token, cut }: CutMember, sync: SyncRecord, epoch: number): Cut | null {
  return isVoter(sync, name, token) && cut?.epoch === epoch ? cut : null;
}
