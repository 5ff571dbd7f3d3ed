/**
 * Whom the leader hands over to. Votes with the mark of a transfer are granted in spite of a living leader
 * (thesis 4.2.3), because that leader wants it so. Whether it does, nobody but itself can tell: so it tells
 * the other voters too, and such a vote counts for the member alone that was named to them. A member that has
 * gone mad would otherwise depose one leader after another.
 *
 * Safety: a vote that is not granted is as good as one that was lost on the way. Liveness: the mark only
 * saves the wait for the leader's silence. The leader itself grants the vote that it has asked for, which
 * with the candidate's own is a majority of three; where the announcement is late or lost and more votes are
 * needed, an ordinary election follows.
 *
 * The announcement is the message by which a member wishes a transfer; no member but a leader has ever done
 * anything by it. Pure.
 */
import { contextNumber, isTransferCampaign, makeMessage, numberContext } from "../core/message.ts";
import type { RawNode } from "../core/raw_node.ts";
import { type Message, type NodeId, NONE, type Term } from "../core/types.ts";

/** What goes with the message by which a leader tells a member to take over; for other messages nothing. */
export function announcements({ type, from, to, term }: Message, voters: readonly NodeId[]): Message[] {
  if (type !== "timeoutNow") return [];
  const context = numberContext(to);
  return voters.filter((id) => id !== from && id !== to).map((id) =>
    makeMessage({ type: "transferLeader", from, to: id, term, context })
  );
}

export class HandOver {
  #announced: { readonly term: Term; readonly to: NodeId } = { term: 0, to: NONE };

  /**
   * False: it asks for votes by the mark of a transfer that the leader, as far as this member knows it, has
   * not begun.
   */
  believes(message: Message, core: RawNode): boolean {
    const { type, from, term, context } = message;
    if (type === "transferLeader" && term === core.term && from === core.leader) {
      this.#announced = { term, to: contextNumber(context) ?? NONE };
    }
    const mustBeWanted = type === "vote" && term > core.term && core.leader !== NONE &&
      isTransferCampaign(message);
    return !mustBeWanted || from === this.#successorOf(core);
  }

  /** NONE: the leader wants to go on. */
  #successorOf({ role, term, transferee }: RawNode): NodeId {
    if (role === "leader") return transferee;
    return this.#announced.term === term ? this.#announced.to : NONE;
  }
}
