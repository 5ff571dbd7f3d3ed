/** Reasons for refusing a membership change, in sentences for operators. Pure. */
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
  "writesUnproven",
];

export function passes(reason: DropReason): boolean {
  return PASSING.includes(reason);
}

/** Refusals because of disks that complete no write. */
const ABOUT_DISKS: readonly DropReason[] = ["diskHangs", "wouldLoseQuorum"];

const SENTENCES: Partial<Record<DropReason, string>> = {
  noLeader: "no leader is known: a majority of the voters must be running",
  notLeader: "leadership has just changed",
  noOwnTermCommit:
    "the leader has not yet committed anything in its term: a majority of the voters must be running",
  configPending:
    "the previous change of the membership is not committed yet: a majority of the voters must be running",
  transferPending: "leadership is being handed over",
  tooMuchUncommitted: "too much waits to be committed: a majority of the voters must be running",
  writesUnproven: "too few members have completed a write since they were asked for one",
  notCaughtUp: "it must be in contact and have the log, and has not caught up yet",
  diskHangs: "it must write the log to its disk, and has not done so for an election timeout",
  wouldLoseQuorum:
    "after this, the voters in contact whose disks complete writes would be no majority: nothing " +
    "could be committed any more. First bring members back, or remove those that are gone for good",
  lastVoter: "it is the last voter: the cluster would end with it",
  notMember: "there is no such member",
  alreadyMember: "it is a member already",
  tooManyMembers: `a cluster has ${MAX_MEMBERS} members at most: remove those that are gone first`,
};

/** `hanging`: names of members that are in contact and whose disks complete no write. */
export function refusalText(reason: DropReason, hanging: readonly string[] = []): string {
  const sentence = SENTENCES[reason] ?? reason;
  if (hanging.length === 0 || !ABOUT_DISKS.includes(reason)) return sentence;
  const whose = hanging.length === 1 ? "The disk of" : "The disks of";
  const does = hanging.length === 1 ? "completes" : "complete";
  return `${sentence}. ${whose} ${
    hanging.join(", ")
  } ${does} no write: look there at the disk of the raft directory ` +
    "(raft.data_dir), and try again, or remove that member first";
}
