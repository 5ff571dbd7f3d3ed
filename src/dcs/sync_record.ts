/**
 * The rules of the record of synchronous replication (src/sync/DESIGN.md): who may change it to what, and who
 * may be granted the lock by it.
 */
import { claimOn } from "../model/life.ts";
import { cleanEnd, type DcsState } from "../model/records.ts";
import { afterGrant, ASYNCHRONOUS, isPromised, isSound, isVoter, recordOf } from "../sync/record.ts";
import { isElected } from "../sync/succession.ts";
import type { BrokenRules } from "./broken_rules.ts";
import type { Command } from "./command.ts";
import type { Outcome } from "./outcome.ts";

/** The holder under its epoch alone: an isolated primary cannot make anybody's vote unnecessary. */
export function setSync(
  { lock, sync }: DcsState,
  command: Extract<Command, { op: "setSync" }>,
  index: number,
  broken: BrokenRules,
): Outcome {
  const { by, epoch, life, leader, syncStandby, quorum, data, flushed, expectRevision } = command;
  if (lock.epoch !== epoch || claimOn(lock, by, life) !== "own") {
    return { refuse: `epoch ${epoch} is not held`, code: "not-held" };
  }
  if (sync.revision !== expectRevision) {
    return { refuse: "the synchronous standbys have changed", code: "sync-changed" };
  }
  if (leader === null) {
    return { change: { sync: { ...ASYNCHRONOUS, revision: index } } };
  }
  const isWhole = leader === by && !syncStandby.includes(by) &&
    new Set(syncStandby).size === syncStandby.length &&
    syncStandby.every((name) => Object.hasOwn(data, name));
  if (!isWhole) {
    return { refuse: "a record names its leader and the data of each standby", code: "sync-unsound" };
  }
  const { [by]: own = null, ...voters } = data;
  const after = recordOf(by, own, voters, quorum);
  const isOwn = after.syncStandby.length === syncStandby.length;
  if (!isOwn || (!isSound(sync, after, flushed) && !broken.has("sync-log-first"))) {
    return { refuse: "too few standbys have what was acknowledged so far", code: "sync-unsound" };
  }
  return { change: { sync: { ...after, revision: index } } };
}

/**
 * Why this grant could lose what was acknowledged; null: it cannot, or nothing is promised, or an operator
 * has asked for it. Positions and cuts are the raft leader's to judge: they are in no record.
 */
export function unprovenGrant(
  { lock, sync, failover }: DcsState,
  { holder, sync: grounds }: Extract<Command, { op: "grant" }>,
  broken: BrokenRules,
): string | null {
  if (!isPromised(sync) || broken.has("sync-grant-by-name")) return null;
  if (grounds === undefined) return "it does not say how what was acknowledged survives";
  switch (grounds.by) {
    case "holder":
      return holder === lock.lastHolder && sync.unknown !== true ? null : `${holder} was not the last holder`;
    case "clean":
      return cleanEnd(lock) !== null ? null : "the last epoch did not end in order";
    case "operator": {
      const isAsked = failover?.accepted === true && failover.kind === "failover" &&
        failover.candidate === holder;
      return isAsked ? null : `no operator has named ${holder}`;
    }
    case "votes": {
      if (sync.unknown === true) return "who may vote is not known since the recovery of the cluster";
      const isOne = isVoter(sync, holder, grounds.token) || broken.has("sync-data-forgotten");
      const enough = isElected(sync, holder, grounds.votes) || broken.has("sync-one-vote");
      return isOne && enough ? null : `${holder} has too few votes (${grounds.votes.join(", ") || "none"})`;
    }
  }
}

/** The new holder leads, and its vote is none of the others' any more. */
export function syncAfterGrant(
  { sync }: DcsState,
  { holder, sync: grounds }: Extract<Command, { op: "grant" }>,
  index: number,
): Pick<DcsState, "sync"> | Record<string, never> {
  if (!isPromised(sync)) return {};
  return { sync: { ...afterGrant(sync, holder, grounds?.token ?? null), revision: index } };
}
