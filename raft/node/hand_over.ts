/**
 * The announced successor of the leader. Votes with the mark of a transfer are granted in spite of a living
 * leader (thesis 4.2.3), because that leader wants the transfer. Only the leader itself can say so: it tells
 * the other voters too, and they grant such a vote to the announced member alone. Otherwise a mad member
 * could depose one leader after another.
 *
 * Safety: a vote that is not granted is no different from one that was lost on the way. Liveness: the mark
 * only saves the wait for the leader's silence. The leader itself grants the vote, which with the candidate's
 * own is a majority of three. Where the announcement is late or lost and more votes are needed, an ordinary
 * election follows.
 *
 * The announcement is the message by which a member asks for a transfer; no member but a leader has ever
 * acted on it. Pure.
 */
import { contextNumber, isTransferCampaign, makeMessage, numberContext } from "../core/message.ts";
import type { RawNode } from "../core/raw_node.ts";
import { type Message, type NodeId, NONE, type Term } from "../core/types.ts";

/**
 * Announcements that go with the message by which a leader tells a member to take over; none for other
 * messages.
 */
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
   * False: the message asks for a vote with the mark of a transfer that, as far as this member knows, the
   * leader has not begun.
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

  /** Member to which the leader hands over; NONE: the leader wants to go on. */
  #successorOf({ role, term, transferee }: RawNode): NodeId {
    if (role === "leader") return transferee;
    return this.#announced.term === term ? this.#announced.to : NONE;
  }
}
