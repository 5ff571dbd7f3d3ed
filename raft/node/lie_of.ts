/** Messages that a member may get, and must not believe. Pure. */
import type { RawNode } from "../core/raw_node.ts";
import { type Message, type NodeId, NONE, type Term } from "../core/types.ts";

/**
 * Largest jump of the term by one message. The term is a number below 2^53; once it is at the end, nobody can
 * be elected ever again, so one message must not bring it there. A member that was away while others elected
 * a leader each second for half a year is not as far behind.
 */
const MAX_TERM_JUMP = 2 ** 24;

/**
 * Says, for people, why no healthy member can have sent this message to this one; null: it may be true. If it
 * were true (a second leader of a term, an acknowledgement of what no leader sent), the core would rightly
 * end this process. But one member at fault must not end the others. Dropping the message is safe: the
 * network may drop any message, and nothing here counts on a dropped one.
 */
export function lieOf({ type, from, term, index, commit, reject }: Message, core: RawNode): string | null {
  if (term - core.term > MAX_TERM_JUMP) return "it claims a term that no election can have led to";
  // Only the leader tells a member to take over, and only a member that has all of its entries, which knows
  // the leader.
  if (type === "timeoutNow" && term >= core.term && (term !== core.term || from !== core.leader)) {
    return "it hands over leadership that it does not have";
  }
  // A leader tells a follower to commit what that follower has confirmed to it, and no more. Either the sender
  // is at fault, or this member: its log is an older one than it was. That member must not confirm anything on
  // the strength of what it has lost, and the operator has to know.
  if (
    type === "heartbeat" && term >= core.term && commit > core.lastIndex &&
    !speaksForAnother(from, term, core)
  ) {
    return `it says that this member has confirmed entry ${commit}, and the log here ends at ${core.lastIndex}. If this ` +
      "member's raft directory was put back from a backup or a snapshot, stop it, empty that directory and start " +
      "it: it joins as a new member";
  }
  if (term !== core.term) return null;
  const ofLeader = type === "append" || type === "heartbeat" || type === "snapshot";
  if (ofLeader && speaksForAnother(from, term, core)) {
    return "it speaks as the leader of a term in which another member leads";
  }
  if (type === "appendResponse" && !reject && core.role === "leader" && index > core.lastIndex) {
    return "it acknowledges an entry that this leader does not have";
  }
  return null;
}

/** Another member leads the term that it names. */
function speaksForAnother(from: NodeId, term: Term, core: RawNode): boolean {
  return term === core.term && core.leader !== NONE && core.leader !== from;
}
