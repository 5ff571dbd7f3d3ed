/**
 * What comes from the other members as their status, full or short, and what this member has to tell them so
 * that they may be short: that it takes such, and that it lacks the full one.
 */
import type { Raft } from "../../../raft/mod.ts";
import type { MemberStatus } from "../../model/member_status.ts";
import { decodeStatus, encodeMessage, SHORT_CHANNEL, STATUS_CHANNEL } from "./messages.ts";
import { ASKS_FOR_ALL, decodeShort, lengthen } from "./short_status.ts";
import { StatusRelay } from "./status_relay.ts";

export interface HeardStatusesOptions {
  readonly raft: Pick<Raft, "id" | "status" | "send" | "onChannel">;
  /** `before`: nothing but positions and counters differs from this one; null: that is not known. */
  readonly heard: (status: MemberStatus, from: number, before: MemberStatus | null) => void;
  /** A member takes short statuses, and lacks the full one. */
  readonly asked: (from: number) => void;
}

export class HeardStatuses {
  readonly #options: HeardStatusesOptions;
  readonly #relay: StatusRelay;
  /** The last full status of each member, by raft id, and the last one that was made of it. */
  readonly #bases = new Map<number, { readonly base: MemberStatus; readonly last: MemberStatus }>();

  constructor(options: HeardStatusesOptions) {
    this.#options = options;
    const { raft } = options;
    this.#relay = new StatusRelay(raft, (from, bytes) => void this.#full(from, bytes));
    raft.onChannel(STATUS_CHANNEL, (from, bytes) => {
      const status = this.#full(from, bytes);
      if (status === null) return;
      this.#bases.set(from, { base: status, last: status });
      this.#relay.pass(from, () => bytes);
    });
    raft.onChannel(SHORT_CHANNEL, (from, bytes) => {
      if (bytes.length === 0) options.asked(from);
      else this.#short(from, bytes);
    });
  }

  /** A connection with that member begins, or has ended. */
  peer(id: number, connected: boolean): void {
    this.#bases.delete(id);
    if (connected) this.#options.raft.send(id, SHORT_CHANNEL, ASKS_FOR_ALL);
  }

  #full(from: number, bytes: Uint8Array): MemberStatus | null {
    const status = decodeStatus(bytes);
    if (status !== null && from !== this.#options.raft.id) this.#options.heard(status, from, null);
    return status;
  }

  #short(from: number, bytes: Uint8Array): void {
    const short = decodeShort(bytes);
    if (short === null || from === this.#options.raft.id) return;
    const known = this.#bases.get(from);
    const status = known === undefined ? null : lengthen(known.base, short);
    if (known === undefined || status === null) {
      return this.#options.raft.send(from, SHORT_CHANNEL, ASKS_FOR_ALL);
    }
    this.#bases.set(from, { base: known.base, last: status });
    this.#options.heard(status, from, known.last);
    this.#relay.pass(from, () => encodeMessage(status));
  }
}
