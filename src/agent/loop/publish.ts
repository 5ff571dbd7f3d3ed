/**
 * Broadcasts this member's status to the others: twice a second, and at once when more than its positions
 * changed.
 */
import type { Raft } from "../../../raft/mod.ts";
import type { MemberStatus } from "../../model/member_status.ts";
import { encodeMessage, STATUS_CHANNEL } from "../peers/messages.ts";
import { differs, ownStatus, type OwnStatusInput } from "./own_status.ts";

const PERIOD_MS = 500;

export interface PublisherOptions {
  readonly raft: Pick<Raft, "id" | "send">;
  /** Raft ids of all members. */
  readonly peers: () => readonly number[];
}

export class Publisher {
  readonly #options: PublisherOptions;
  #last: MemberStatus | null = null;
  #sentMs = -Infinity;
  #seq = 0;

  constructor(options: PublisherOptions) {
    this.#options = options;
  }

  get last(): MemberStatus | null {
    return this.#last;
  }

  /** When the next one is due, whether or not anything changes. */
  get dueMs(): number {
    return this.#sentMs + PERIOD_MS;
  }

  /**
   * The status that was sent; null: none was due, not even `earlyMs` from now. Early is no harm: nothing
   * counts how many there are.
   */
  publish(input: Omit<OwnStatusInput, "seq">, earlyMs = 0): MemberStatus | null {
    const { nowMs } = input;
    const status = ownStatus({ ...input, seq: this.#seq + 1 });
    if (nowMs < this.dueMs - earlyMs && this.#last !== null && !differs(this.#last, status)) return null;
    this.#seq++;
    this.#last = status;
    this.#sentMs = nowMs;
    const { raft, peers } = this.#options;
    const bytes = encodeMessage(status);
    for (const peer of peers()) if (peer !== raft.id) raft.send(peer, STATUS_CHANNEL, bytes);
    return status;
  }
}
