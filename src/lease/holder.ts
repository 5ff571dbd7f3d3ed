/**
 * The lease as its holder P counts it, on P's own clock: from the SEND of a renewal that was acknowledged
 * (s + L, L < TTL). The argument is in DESIGN.md.
 */
import { type BrokenRules, NOTHING_BROKEN } from "../dcs/broken_rules.ts";
import type { Life } from "../model/life.ts";
import { LONGEST_LEASE_MS } from "../model/limits.ts";
import type { Renewal, RenewalAck } from "./renewal.ts";

export class Holder {
  readonly #incarnation: number;
  readonly #leaseFromTtl: (ttlMs: number) => number;
  readonly #broken: BrokenRules;
  #epoch: number | null = null;
  #validUntilMs: number | null = null;
  #seq = 0;
  /**
   * Sent renewals by number: s, and the largest ttl that the acknowledgement may count on (a promise was
   * given after it).
   */
  #sent = new Map<number, { readonly sentMs: number; readonly mostMs: number }>();
  #lastSentMs = -Infinity;
  #acknowledged = false;
  #provenMs: number | null = null;
  /** s of the last extension by failsafe mode under this epoch. */
  #extendedMs = -Infinity;
  #roundTripMs: number | null = null;
  /** Ttl that the present deadline may count on; Infinity: that of an earlier start of the agent, unknown. */
  #countsOnMs = 0;

  constructor(
    incarnation: number,
    leaseFromTtl: (ttlMs: number) => number,
    broken: BrokenRules = NOTHING_BROKEN,
  ) {
    this.#incarnation = incarnation;
    this.#leaseFromTtl = leaseFromTtl;
    this.#broken = broken;
  }

  /** The epoch that this node renews; null when it holds nothing. */
  get epoch(): number | null {
    return this.#epoch;
  }

  /** s + L of the last acknowledged renewal; null before the first. */
  get validUntilMs(): number | null {
    return this.#validUntilMs;
  }

  /** True after the first acknowledgement in this epoch: only then may PostgreSQL be promoted. */
  get acknowledged(): boolean {
    return this.#acknowledged;
  }

  /** s of the latest renewal of this epoch that was acknowledged to this node; null: none yet. */
  get provenMs(): number | null {
    return this.#provenMs;
  }

  /**
   * Time from the send to the arrival of the last acknowledgement; null when none has come since this was
   * asked.
   */
  takeRoundTripMs(): number | null {
    const taken = this.#roundTripMs;
    this.#roundTripMs = null;
    return taken;
  }

  get lastSentMs(): number {
    return this.#lastSentMs;
  }

  /**
   * Begins to hold an epoch. `adoptedUntilMs`: the deadline that the guard holds for it already, after a
   * restart of the agent; that lease was acknowledged to this agent's predecessor.
   */
  begin(epoch: number, adoptedUntilMs: number | null): void {
    if (this.#epoch === epoch) return;
    this.#epoch = epoch;
    this.#validUntilMs = adoptedUntilMs;
    this.#acknowledged = adoptedUntilMs !== null;
    this.#provenMs = null;
    this.#extendedMs = -Infinity;
    this.#countsOnMs = adoptedUntilMs === null ? 0 : Infinity;
    this.#sent.clear();
    this.#lastSentMs = -Infinity;
  }

  end(): void {
    this.#epoch = null;
    this.#validUntilMs = null;
    this.#acknowledged = false;
    this.#provenMs = null;
    this.#extendedMs = -Infinity;
    this.#sent.clear();
    this.#lastSentMs = -Infinity;
  }

  /** Makes the next renewal due now. */
  hurry(): void {
    this.#lastSentMs = -Infinity;
  }

  holds(nowMs: number): boolean {
    return this.#validUntilMs !== null && nowMs < this.#validUntilMs;
  }

  /**
   * The renewal to send now, with s noted before it leaves. Call only while holding an epoch. `known`: the
   * deadline that the guard has confirmed, with no later one on its way to it, and the revision of this
   * node's records; null: not known.
   */
  renew(
    holder: string,
    life: Life,
    nowMs: number,
    known: { readonly guardUntilMs: number; readonly revision: number } | null = null,
  ): Renewal {
    if (this.#epoch === null) throw new Error("renewal without an epoch");
    const shortened = known !== null && known.guardUntilMs <= this.#validUntilMs!;
    const countsOnMs = this.#countsOnMs;
    const promises = known !== null && this.#provenMs !== null &&
      (shortened || this.#broken.has("ttl-not-shortened"));
    if (promises) {
      for (const [seq, { sentMs, mostMs }] of this.#sent) {
        this.#sent.set(seq, { sentMs, mostMs: Math.min(mostMs, countsOnMs) });
      }
    }
    const seq = ++this.#seq;
    this.#sent.set(seq, { sentMs: nowMs, mostMs: LONGEST_LEASE_MS });
    this.#lastSentMs = nowMs;
    // Older unanswered renewals can only give an older deadline: keep a bounded number of them.
    if (this.#sent.size > 64) this.#sent.delete(this.#sent.keys().next().value!);
    const renewal = { holder, life, epoch: this.#epoch, incarnation: this.#incarnation, seq };
    return promises ? { ...renewal, countsOnMs, revision: known.revision } : renewal;
  }

  /** True when the acknowledgement moved this node's deadline. */
  acknowledge(ack: RenewalAck, nowMs: number): boolean {
    if (ack.epoch !== this.#epoch || ack.incarnation !== this.#incarnation) return false;
    const sent = this.#sent.get(ack.seq);
    if (sent === undefined) return false;
    const { sentMs, mostMs } = sent;
    this.#sent.delete(ack.seq);
    this.#roundTripMs = nowMs - sentMs;
    // From the SEND: Q's t0 is not before s, so Q waits at least until s + TTL. Counted from the receipt of
    // the acknowledgement, a delay of the answer would lengthen this node's lease beyond what Q waits.
    const from = this.#broken.has("lease-from-receipt") ? nowMs : sentMs;
    const grantMs = Math.min(ack.grantTtlMs, mostMs);
    const lease = this.#broken.has("no-jk-room") ? grantMs : this.#leaseFromTtl(grantMs);
    const until = from + lease;
    if (until <= nowMs) return false;
    this.#acknowledged = true;
    this.#provenMs = Math.max(sentMs, this.#provenMs ?? sentMs);
    const lowered = grantMs < this.#countsOnMs;
    this.#countsOnMs = grantMs;
    if (lowered && !this.#broken.has("ttl-not-shortened")) {
      this.#validUntilMs = until;
      return true;
    }
    if (this.#validUntilMs !== null && until <= this.#validUntilMs) return false;
    this.#validUntilMs = until;
    return true;
  }

  /**
   * Every member that failsafe mode asks has accepted; the first question left at `sentMs`. True when that
   * moved this node's deadline. Only a running lease is extended, and only one that raft has acknowledged to
   * this start of the agent: failsafe.ts says why that is needed, and enough.
   */
  extend(epoch: number, sentMs: number, grantTtlMs: number, nowMs: number): boolean {
    if (epoch !== this.#epoch || this.#provenMs === null) return false;
    if (!this.holds(nowMs) && !this.#broken.has("failsafe-lapsed")) return false;
    // From the SEND, as for a renewal: each member that accepted did so after it, and waits from then on.
    const from = this.#broken.has("failsafe-from-receipt") ? nowMs : sentMs;
    const until = from + this.#leaseFromTtl(Math.min(grantTtlMs, this.#countsOnMs));
    if (until <= nowMs || until <= this.#validUntilMs!) return false;
    this.#extendedMs = Math.max(from, this.#extendedMs);
    this.#validUntilMs = until;
    return true;
  }

  /**
   * The lease is longer by failsafe mode than by raft: no renewal that was sent after the extension is
   * acknowledged.
   */
  get extended(): boolean {
    return this.#extendedMs > (this.#provenMs ?? -Infinity);
  }

  /** s that the lease counts from; null: nothing was acknowledged to this start of the agent. */
  get countedFromMs(): number | null {
    return this.#provenMs === null ? null : Math.max(this.#provenMs, this.#extendedMs);
  }
}
