/**
 * Broadcasts this member's status to the others: twice a second, and at once when more than its positions
 * changed. Those that take short ones (src/agent/peers/short_status.ts) get a full one when it says more than
 * a short one can, and when one of them lacks it.
 */
import type { Raft } from "../../../raft/mod.ts";
import type { MemberStatus } from "../../model/member_status.ts";
import { encodeMessage, SHORT_CHANNEL, STATUS_CHANNEL } from "../peers/messages.ts";
import { encodeShort, isShort } from "../peers/short_status.ts";
import { differs, ownStatus, type OwnStatusInput } from "./own_status.ts";

const PERIOD_MS = 500;
/** The same while a member lacks a full one. However often it asks for one, there are no more than these. */
const ASKED_PERIOD_MS = 50;

export interface PublisherOptions {
  readonly raft: Pick<Raft, "id" | "send">;
  /** Raft ids of all members. */
  readonly peers: () => readonly number[];
}

export class Publisher {
  readonly #options: PublisherOptions;
  #last: MemberStatus | null = null;
  /** The last full one that was sent to those that take short ones; null: one of them lacks it. */
  #base: MemberStatus | null = null;
  readonly #takeShort = new Set<number>();
  #wanted = false;
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
    return this.#sentMs + (this.#wanted ? ASKED_PERIOD_MS : PERIOD_MS);
  }

  /** That member takes short statuses, and lacks the full one. True: the next one is due sooner. */
  asked(by: number): boolean {
    const isNew = !this.#wanted;
    this.#takeShort.add(by);
    this.#base = null;
    this.#wanted = true;
    return isNew;
  }

  /** A connection with that member begins or ends: another program may be there, which has heard nothing. */
  peer(id: number, connected: boolean): void {
    this.#takeShort.delete(id);
    if (connected) this.#wanted = true;
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
    this.#wanted = false;
    this.#send(status);
    return status;
  }

  #send(status: MemberStatus): void {
    const { raft, peers } = this.#options;
    const base = this.#base !== null && isShort(this.#base, status) ? this.#base : null;
    if (base === null) this.#base = status;
    let full: Uint8Array | null = null;
    let short: Uint8Array | null = null;
    for (const peer of peers()) {
      if (peer === raft.id) continue;
      if (base !== null && this.#takeShort.has(peer)) {
        raft.send(peer, SHORT_CHANNEL, short ??= encodeShort(base, status));
      } else raft.send(peer, STATUS_CHANNEL, full ??= encodeMessage(status));
    }
  }
}
