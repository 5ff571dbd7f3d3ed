/**
 * Budget of each member for messages that cost others work. Messages beyond it are dropped unread: none of
 * them has to arrive, and reading is work for the loop that renews the lease. A healthy member needs a tenth
 * of the budget. Pure.
 *
 * Raft's own replies and appends have no such budget. Their senders and their number follow from what was
 * asked for. A snapshot's pieces and large appends are many bytes; transport/loop_share.ts bounds their cost,
 * and delays without dropping. But some messages cost others far more than the reading, and are sent without
 * being asked for (`costOf`).
 */
import type { Message, MessageType, NodeId } from "../core/types.ts";

/** Number of messages; one of more than 4 kB counts as several. */
const PER_SECOND = 250;
const BURST = 500;
const UNIT_BYTES = 4096;

/**
 * Cost of a message of channel 0, `bytes` long, known before the message is read. `type` is null for an
 * unknown one. A proposal becomes an entry of every log; a dropped one is proposed again, or ends as unknown,
 * as after a lost connection. A read costs a round of heartbeats to all; members of this program forward
 * none. A whole snapshot is parsed before it is believed; a leader sends one when a member needs it.
 */
export function costOf(type: MessageType | null, bytes: number): number {
  switch (type) {
    case "propose":
      return messagesIn(bytes);
    case "readIndex":
      return 4;
    case "snapshot":
    case "transferLeader":
      return BURST / 4;
    default:
      return 0;
  }
}

/**
 * Further cost of a message, known once it is read. Each entry of a proposal is one for every log, however
 * small. A person asks for a leadership transfer; while the leader carries it out, nothing is proposed or
 * read, for an election timeout if the other member does not take over.
 */
export function costOnceRead({ type, entries }: Message, leads: boolean): number {
  if (type === "propose") return entries.length - 1;
  return type === "transferLeader" && leads ? BURST - BURST / 4 : 0;
}

/** Number of messages that so many bytes count as. */
export function messagesIn(bytes: number): number {
  return 1 + Math.floor(bytes / UNIT_BYTES);
}

export class ChannelBudget {
  readonly #now: () => number;
  readonly #left = new Map<NodeId, { messages: number; filledMs: number }>();

  /** `now`: ms of a clock that does not go back. */
  constructor(now: () => number) {
    this.#now = now;
  }

  /**
   * Takes `cost` from the member's budget; false: the message is too much. Called for members only, so the
   * memory is bounded.
   */
  take(from: NodeId, cost: number): boolean {
    const nowMs = this.#now();
    const left = this.#left.get(from) ?? { messages: BURST, filledMs: nowMs };
    this.#left.set(from, left);
    left.messages = Math.min(BURST, left.messages + (nowMs - left.filledMs) / 1000 * PER_SECOND);
    left.filledMs = nowMs;
    if (left.messages < cost) return false;
    left.messages -= cost;
    return true;
  }
}
