/** The raft leader's answer to the switchover or failover that is on record. Pure. */
import type { CommandBody } from "../../dcs/commands.ts";
import type { FailoverRecord } from "../../model/records.ts";
import { judgeRequest, type Obstacle, streams } from "./judge.ts";
import { serves } from "./serves.ts";
import { FRESH_MS } from "./successor_view.ts";
import { describeUnfit } from "./unfit.ts";
import { type ClusterView, freshStatus } from "./view.ts";

/**
 * An accepted switchover is over after this long when no member streams, so that the primary did not step
 * down.
 */
const ACCEPTED_LASTS_MS = 15_000;

/** Wait for another member, after the members that were granted the lock for a request have failed. */
const NOBODY_LASTS_MS = 15_000;

/** A request whose new primary has left recovery and completes no write is answered after this long. */
const WRITE_LASTS_MS = 60_000;

const title = ({ kind }: FailoverRecord) => kind === "switchover" ? "Switchover" : "Failover";

function end({ id }: FailoverRecord, ok: boolean, text: string): CommandBody {
  return { op: "endFailover", id, ok, text };
}

/** Accepts, refuses or completes it; null: there is no request, or no answer yet. */
export function answerRequest(view: ClusterView): CommandBody | null {
  const { failover } = view.dcs;
  if (failover === null) return null;
  if (failover.accepted) return outcomeOf(failover, view);
  // Its asker was told that it failed: it must not happen later, when the other hosts are back. A request that
  // waits for its time has lost nothing.
  if (failover.scheduledAt === null && failover.revision <= view.givenUpIndex) {
    return end(failover, false, `${title(failover)} failed: there was no majority for too long, ask again`);
  }
  const judged = judgeRequest(failover, view);
  if (judged.kind === "not-yet") return null;
  if (judged.kind === "possible") return { op: "acceptFailover", id: failover.id };
  if (view.requestForMs < judged.patienceMs) return null;
  return end(failover, false, `${title(failover)} ${describeObstacle(judged.obstacle)}`);
}

/** Follows "Switchover" or "Failover". The raft leader logs it, and `agent ctl` prints it. */
function describeObstacle(obstacle: Obstacle): string {
  const nobody = "failed: no good candidates have been found";
  switch (obstacle.code) {
    case "not-initialized":
      return "is not possible: the cluster is not initialized";
    case "bad-time":
      return `is dropped: "${obstacle.at}" is no time`;
    case "too-late": {
      const why = obstacle.paused ? "nothing that is scheduled takes place in pause" : "it is too late";
      return `was scheduled for ${obstacle.at} and is dropped: ${why}`;
    }
    case "other-leader":
      return `failed: leader name does not match, ${obstacle.holder} is the leader`;
    case "is-leader":
      return `failed: ${obstacle.candidate} is the leader already`;
    case "candidate-not-synchronous":
    case "nobody-synchronous":
    case "no-such-candidate":
    case "no-other-member":
      return nobody;
    case "nobody-fit": {
      const list = obstacle.unfit.map(({ name, why }) => `${name} ${describeUnfit(why)}`);
      return list.length > 0 ? `${nobody} (${list.join("; ")})` : nobody;
    }
  }
}

/** How an accepted request ended: some member holds the lock and can write under it. null: not yet. */
function outcomeOf(request: FailoverRecord, view: ClusterView): CommandBody | null {
  const { lock } = view.dcs;
  const { leader: from, candidate, kind } = request;
  const failed = (why: string) => end(request, false, `${title(request)} failed: ${why}`);
  // A member was granted the lock for it and has lost it again. The request stays on record until a member
  // writes, as long as that may come soon: in maintenance mode the lock is granted for a request only.
  if (lock.holder === null && lock.epoch > request.epoch) {
    if (view.freeForMs < NOBODY_LASTS_MS) return null;
    return failed(`${lock.lastHolder} could not take over (${lock.reason})`);
  }
  const holder = freshStatus(view, lock.holder);
  if (holder === null || !serves(holder, view)) return null;
  // False: the holder that was to step down has released the lock since the request was accepted.
  const isSameEpoch = lock.epoch === request.epoch;
  if (holder.name === from) {
    if (!isSameEpoch) return failed(`${from} is the leader again`);
    // The primary does not step down for a member that does not stream, and a stream that is gone for good is
    // not waited for.
    const some = view.statuses.some((seen) =>
      seen.ageMs < FRESH_MS && streams(seen.status, view) &&
      (candidate === null || candidate === seen.status.name)
    );
    if (kind === "failover" || some || view.requestForMs < ACCEPTED_LASTS_MS) return null;
    return failed(`${candidate ?? "no other member"} does not stream from ${from} any more`);
  }
  // Out of recovery, it may still fail with its first write. A member of an older version does not say.
  if (holder.wroteUnder !== undefined && holder.wroteUnder !== lock.epoch) {
    if (view.requestForMs < WRITE_LASTS_MS) return null;
    return failed(`${holder.name} was promoted, and has completed no write`);
  }
  // Members that had the lock in between did not take over. cleanStart covers all grants for this request.
  const isFirst = lock.epoch <= request.epoch + 1;
  if (!isFirst && candidate !== null && candidate !== holder.name) {
    return failed(`${candidate} could not take over, ${holder.name} did`);
  }
  // In a standby cluster nothing is written, so that nothing can be lost.
  if (kind === "switchover" && !lock.cleanStart && view.dynamic.standbyCluster === null) {
    return failed(
      isFirst
        ? `${from} ended before it had stopped cleanly, ${holder.name} took over`
        : `the first successor could not take over, ${holder.name} did, and may lack the last writes of ${from}`,
    );
  }
  const over = `${kind === "switchover" ? "switched" : "failed"} over to "${holder.name}"`;
  if (candidate === null || candidate === holder.name) return end(request, true, `Successfully ${over}`);
  if (from === null && isSameEpoch) return null;
  return end(request, true, `${over[0]!.toUpperCase()}${over.slice(1)} instead of "${candidate}"`);
}
