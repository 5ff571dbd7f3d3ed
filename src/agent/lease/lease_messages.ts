/**
 * Renewals of the lease and their acknowledgements, between this node and the others: decides which sender
 * counts for which message.
 */
import type { Raft } from "../../../raft/mod.ts";
import type { Renewal, RenewalAck } from "../../lease/renewal.ts";
import { decodeLeaseMessage, encodeMessage, LEASE_CHANNEL } from "../peers/messages.ts";

export interface LeaseMessagesOptions {
  readonly raft: Pick<Raft, "status" | "send" | "onChannel">;
  /** A renewal arrived, also this member's own. `reply` is called when it is confirmed, or never. */
  readonly renewal: (renewal: Renewal, reply: (ack: RenewalAck) => void) => void;
  /** The leader that was asked has confirmed it. */
  readonly acknowledged: (ack: RenewalAck) => void;
}

export class LeaseMessages {
  readonly #options: LeaseMessagesOptions;
  /** Raft id of the leader that the last renewal went to. */
  #asked: number | null = null;
  #ended = false;

  constructor(options: LeaseMessagesOptions) {
    this.#options = options;
    options.raft.onChannel(LEASE_CHANNEL, (from, bytes) => this.#received(from, bytes));
  }

  /** No more messages are heard. */
  end(): void {
    this.#ended = true;
  }

  /** Sends it to the raft leader, which may be this node. Without a leader it is dropped. */
  renew(renewal: Renewal): void {
    const { raft, acknowledged } = this.#options;
    const { leader, id } = raft.status();
    if (leader === null) return;
    if (leader === id) return this.#options.renewal(renewal, acknowledged);
    this.#asked = leader;
    raft.send(leader, LEASE_CHANNEL, encodeMessage({ kind: "renew", renewal }));
  }

  #received(from: number, bytes: Uint8Array): void {
    const message = this.#ended ? null : decodeLeaseMessage(bytes);
    if (message === null) return;
    const { raft, renewal, acknowledged } = this.#options;
    if (message.kind === "ack") {
      // A lease is as good as its acknowledgements: only the member that was asked as the leader gives one.
      if (from === this.#asked) acknowledged(message.ack);
      return;
    }
    // No machine renews for another one.
    if (message.renewal.life.node !== from) return;
    renewal(message.renewal, (ack) => raft.send(from, LEASE_CHANNEL, encodeMessage({ kind: "ack", ack })));
  }
}
