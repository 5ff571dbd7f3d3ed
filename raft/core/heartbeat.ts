/** A leader's heartbeats, and which of them need no answer. */
import { makeMessage } from "./message.ts";
import type { RaftOptions } from "./options.ts";
import type { Progress } from "./progress.ts";
import type { Index, Message } from "./types.ts";

/**
 * The heartbeat to a member, which is noted as sent. `lastIndex` and `tick`: of the leader's log and time.
 */
export function heartbeat(
  progress: Progress,
  { context, commit, ...fields }: Pick<Message, "from" | "to" | "commit" | "context">,
  lastIndex: Index,
  tick: number,
  options: RaftOptions,
): Message {
  const reject = options.quietHeartbeats && context.length === 0 &&
    needsNoAnswer(progress, lastIndex, tick, options.electionTicks);
  if (!reject) progress.askedAtTick = tick;
  progress.sentCommit(commit);
  return makeMessage({ ...fields, type: "heartbeat", commit, context, reject });
}

/**
 * Whether a heartbeat without a read may go without an answer: an answer would change nothing, and another
 * one is asked for in time. No bound moves:
 * - CheckQuorum looks once for each election timeout whether a member has answered since its last look. From
 *   then on every heartbeat asks until one is answered. So a member has as many tries as without this rule.
 * - A change of members wants an answer within the last election timeout, to the tick (`heardAtTick`). A
 *   heartbeat asks when the one that asked last was not answered, or is half of that time ago. The heartbeat
 *   before it came within that half, and this one comes no later after it than it came: so within the whole.
 * - A read always asks. So the leases that members renew by reads know nothing of this rule.
 * - A member that lacks entries, is probed or is sent a snapshot is always asked, since its answer lets the
 *   leader send.
 * Followers count the time since any heartbeat, quiet or not.
 */
function needsNoAnswer(
  { state, paused, match, recentActive, heardAtTick, askedAtTick }: Progress,
  lastIndex: Index,
  tick: number,
  electionTicks: number,
): boolean {
  if (state !== "replicate" || paused || match < lastIndex || !recentActive) return false;
  return heardAtTick >= askedAtTick && tick - askedAtTick < electionTicks / 2;
}
