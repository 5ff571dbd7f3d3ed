/** What a member may be told, and must not believe. Pure. */
import type { RawNode } from "../core/raw_node.ts";
import { type Message, NONE } from "../core/types.ts";

/**
 * The term is a number below 2^53, and once it stands at its end nobody can be elected ever again: so one
 * message must not bring it there. A member that was away while others elected a leader each second for half
 * a year is not as far behind.
 */
const MAX_TERM_JUMP = 2 ** 24;

/**
 * What no member in good order can say to this one, for people; null: it may be true. The core would end this
 * process, rightly if it were true: a second leader of a term, or an acknowledgement of what no leader sent.
 * But one member that is at fault must not end the others. Dropping it is safe: the network may drop any
 * message, and nothing here counts on one that is dropped.
 */
export function lieOf({ type, from, term, index, reject }: Message, core: RawNode): string | null {
  if (term - core.term > MAX_TERM_JUMP) return "it claims a term that no election can have led to";
  // The leader alone tells who is to take over, and only one that has all of its entries, which knows it.
  if (type === "timeoutNow" && term >= core.term && (term !== core.term || from !== core.leader)) {
    return "it hands over leadership that it does not have";
  }
  if (term !== core.term) return null;
  const ofLeader = type === "append" || type === "heartbeat" || type === "snapshot";
  if (ofLeader && core.leader !== NONE && core.leader !== from) {
    return "it speaks as the leader of a term in which another member leads";
  }
  if (type === "appendResponse" && !reject && core.role === "leader" && index > core.lastIndex) {
    return "it acknowledges an entry that this leader does not have";
  }
  return null;
}
