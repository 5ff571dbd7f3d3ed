/**
 * How much a member may say that costs others work. What is beyond it is dropped unread: nothing that is said
 * there has to arrive, and reading it is work for the loop that renews the lease. A member in good order
 * needs a tenth of it. Pure.
 *
 * Raft's own replies and appends have no such budget: who sends them, and how often, follows from what was
 * asked of it, a snapshot's pieces and large appends are many bytes, and what they cost is bounded by
 * transport/loop_share.ts, which delays and drops nothing. But some messages cost others far more than to
 * read them, and are sent without being asked for (`costOf`).
 */
import type { Message, MessageType, NodeId } from "../core/types.ts";

/** Messages; one of more than 4 kB counts as several. */
const PER_SECOND = 250;
const BURST = 500;
const UNIT_BYTES = 4096;

/**
 * What a message of channel 0, `bytes` long, takes from its sender's budget. It is known before the message
 * is read. Null: it is of no known type. A proposal becomes an entry of every log; what is dropped is
 * proposed again, or ends as unknown, as after a lost connection. A read costs a round of heartbeats to all;
 * members of this program forward none. A whole snapshot is parsed before it is believed; a leader sends one
 * when a member needs it.
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
 * What it takes besides, now that it is read. Each entry of a proposal is one for every log, however small it
 * is. The wish that another member lead is a person's, and while the leader carries it out, nothing is
 * proposed or read: for an election timeout, where the other one does not take over.
 */
export function costOnceRead({ type, entries }: Message, leads: boolean): number {
  if (type === "propose") return entries.length - 1;
  return type === "transferLeader" && leads ? BURST - BURST / 4 : 0;
}

/** As how many messages so many bytes count. */
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

  /** False: this one is too much. Only members are asked about, so that what is remembered is bounded. */
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
