/** What a member may be told, and must not believe. Pure. */
import type { RawNode } from "../core/raw_node.ts";
import { type Message, NONE } from "../core/types.ts";

/**
 * What no member in good order can say to this one, for people; null: it may be true. The core would end this process, rightly
 * if it were true: a second leader of a term, or an acknowledgement of what no leader sent. But one member that is at fault must
 * not end the others. Dropping it is safe: the network may drop any message, and nothing here counts on one that is dropped.
 */
export function lieOf({ type, from, term, index, reject }: Message, core: RawNode): string | null {
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
