/** Why a change of the membership is refused, in sentences for operators. Pure. */
import { MAX_MEMBERS } from "../core/configuration.ts";
import type { DropReason } from "../core/outcome.ts";

/** Reasons that pass by themselves: the change is tried again. */
const PASSING: readonly DropReason[] = [
  "noLeader",
  "notLeader",
  "noOwnTermCommit",
  "configPending",
  "transferPending",
  "tooMuchUncommitted",
];

export function passes(reason: DropReason): boolean {
  return PASSING.includes(reason);
}

const SENTENCES: Partial<Record<DropReason, string>> = {
  noLeader: "no leader is known: a majority of the voters must be running",
  notLeader: "leadership has just changed",
  noOwnTermCommit:
    "the leader has not yet committed anything in its term: a majority of the voters must be running",
  configPending:
    "the previous change of the membership is not committed yet: a majority of the voters must be running",
  transferPending: "leadership is being handed over",
  tooMuchUncommitted: "too much waits to be committed: a majority of the voters must be running",
  notCaughtUp: "it must be in contact and have the log, and has not caught up yet",
  wouldLoseQuorum:
    "of the voters that would be left, those in contact would be no majority: nothing could be " +
    "committed any more. First bring members back, or remove those that are gone for good",
  lastVoter: "it is the last voter: the cluster would end with it",
  notMember: "there is no such member",
  alreadyMember: "it is a member already",
  tooManyMembers: `a cluster has ${MAX_MEMBERS} members at most: remove those that are gone first`,
};

export function refusalText(reason: DropReason): string {
  return SENTENCES[reason] ?? reason;
}
