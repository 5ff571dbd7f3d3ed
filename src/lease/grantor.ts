/**
 * The lease as the raft leader Q counts it, on Q's own clock. Q acknowledges only what it received at t0 >= s
 * and has then confirmed by a ReadIndex round, and expires no earlier than t0 + wait_ttl. The argument is in
 * DESIGN.md.
 */
import { type BrokenRules, NOTHING_BROKEN } from "../dcs/broken_rules.ts";
import { claimOn } from "../model/life.ts";
import type { DcsState } from "../model/records.ts";
import { longestWaitMs, type Renewal, type RenewalAck } from "./renewal.ts";

/** A renewal that waits for its ReadIndex round. */
export interface PendingRenewal {
  readonly renewal: Renewal;
  readonly receivedMs: number;
  readonly term: number;
}

export class Grantor {
  readonly #broken: BrokenRules;
  #term: number | null = null;
  #leaderSinceMs = 0;
  #epoch = 0;
  /**
   * The lease counts from here on this node's clock: t0 of the last renewal that was confirmed, or the
   * grant.
   */
  #countedFromMs = -Infinity;
  #expiring: number | null = null;
  /**
   * The holders named by grants of this epoch that were proposed in this node's term and may still be
   * applied.
   */
  #granting: { readonly epoch: number; readonly holders: readonly string[] } | null = null;
  /** First acknowledgement this leader gave under the present grant ttl: lowering waits for it. */
  #grantTtlMs = 0;
  /**
   * Revision of records that had the present grant ttl, with no other one since; null: none is known in this
   * term. Commands of earlier leaders are not seen one by one: between two looks the grant ttl may have been
   * raised, and lowered again.
   */
  #grantRevision: number | null = null;
  #firstAckUnderGrantMs: number | null = null;
  /** The holder has promised to this leader that it counts on no more than the present grant ttl. */
  #promised = false;

  constructor(broken: BrokenRules = NOTHING_BROKEN) {
    this.#broken = broken;
  }

  get leading(): boolean {
    return this.#term !== null;
  }

  get leaderSinceMs(): number {
    return this.#leaderSinceMs;
  }

  /**
   * This node leads `term` since `nowMs`. A new leader knows no renewals, so it waits a full ttl from this
   * moment: each node that confirmed P's last renewal did so before voting for this one, hence before now
   * (intersection of majorities).
   */
  lead(term: number, nowMs: number): void {
    if (this.#term === term) return;
    this.#term = term;
    this.#expiring = null;
    this.#granting = null;
    this.#firstAckUnderGrantMs = null;
    this.#grantRevision = null;
    this.#promised = false;
    if (this.#broken.has("no-reset")) return;
    this.#leaderSinceMs = nowMs;
    this.#countedFromMs = -Infinity;
  }

  follow(): void {
    this.#term = null;
    this.#expiring = null;
    this.#granting = null;
  }

  /** The records changed by an apply at `nowMs`: a grant starts a full ttl. */
  applied(state: DcsState, nowMs: number): void {
    if (state.lock.holder !== null && state.lock.epoch !== this.#epoch) {
      this.#epoch = state.lock.epoch;
      this.#countedFromMs = nowMs;
      this.#expiring = null;
      this.#promised = false;
    }
    if (state.grantTtlMs !== this.#grantTtlMs) {
      this.#grantTtlMs = state.grantTtlMs;
      this.#grantRevision = null;
      this.#firstAckUnderGrantMs = null;
      this.#promised = false;
    }
  }

  /** Notes t0. null: not acceptable now (not leading, or that epoch is about to end). */
  receive(renewal: Renewal, nowMs: number): PendingRenewal | null {
    if (this.#term === null || this.#expiring === renewal.epoch) return null;
    return { renewal, receivedMs: nowMs, term: this.#term };
  }

  /**
   * After the ReadIndex round that began after `receive` and with everything up to the read index applied:
   * the acknowledgement, or null when the epoch is not current any more.
   */
  confirm(pending: PendingRenewal, state: DcsState, nowMs: number): RenewalAck | null {
    const { renewal } = pending;
    if (this.#term !== pending.term) return null;
    if (state.lock.epoch !== renewal.epoch) return null;
    if (claimOn(state.lock, renewal.holder, renewal.life) !== "own") return null;
    // From the moment expire(e) is proposed it may take effect: no acknowledgement may outlive it.
    if (this.#expiring === renewal.epoch) return null;
    this.#countedFromMs = Math.max(this.#countedFromMs, pending.receivedMs);
    // Everything of earlier leaders is applied by now, and in this node's term nobody else changes the grant
    // ttl.
    this.#grantRevision ??= state.revision;
    const { countsOnMs = Infinity } = renewal;
    // The sender knew the present grant ttl: an older promise may have been broken by a longer ttl since.
    if (countsOnMs <= state.grantTtlMs && (renewal.revision ?? -1) >= this.#grantRevision) {
      this.#promised = true;
    }
    if (this.#firstAckUnderGrantMs === null) this.#firstAckUnderGrantMs = nowMs;
    return {
      epoch: renewal.epoch,
      incarnation: renewal.incarnation,
      seq: renewal.seq,
      grantTtlMs: state.grantTtlMs,
    };
  }

  /**
   * This node's own loop was `lateMs` late. Messages of the holder from that time are unread, so the time
   * does not count against it: the wait goes on with the rest that was left before, and no more than a ttl.
   * The deadline only moves later, so I1 holds.
   */
  stalled(state: DcsState, lateMs: number, nowMs: number): void {
    if (this.#term === null || state.lock.holder === null || this.#expiring === state.lock.epoch) return;
    const countedFromMs = Math.max(this.#leaderSinceMs, this.#countedFromMs);
    this.#countedFromMs = Math.max(this.#countedFromMs, Math.min(countedFromMs + lateMs, nowMs));
  }

  /**
   * The end of the lock's lease on this node's clock; Infinity when the lock is free. Meaningful only while
   * leading.
   */
  deadlineMs(state: DcsState): number {
    if (state.lock.holder === null) return Infinity;
    return Math.max(this.#leaderSinceMs, this.#countedFromMs) + longestWaitMs(state);
  }

  /** Whether expire(e) is to be proposed now, in this node's own term only. */
  expiryDue(state: DcsState, nowMs: number): boolean {
    return !state.lock.unfenced && this.leaseOver(state, nowMs);
  }

  /**
   * The lease has run out and expire(e) has not been proposed. An unfenced epoch does not end by that alone.
   */
  leaseOver(state: DcsState, nowMs: number): boolean {
    if (this.#term === null || state.lock.holder === null) return false;
    return this.#expiring !== state.lock.epoch && nowMs >= this.deadlineMs(state);
  }

  /**
   * expire(e) is being proposed: no renewal of e is acknowledged from now on, whatever becomes of the
   * proposal.
   */
  expiring(epoch: number): void {
    this.#expiring = epoch;
  }

  /**
   * expire(e), proposed in `term`, failed for certain: it may be proposed again. One of an earlier term says
   * nothing.
   */
  expireFailed(epoch: number, term: number): void {
    if (this.#term === term && this.#expiring === epoch) this.#expiring = null;
  }

  /** grant(e) to `holder` is being proposed: it may be applied at any moment from now on. */
  granting(epoch: number, holder: string): void {
    const others = this.#granting?.epoch === epoch ? this.#granting.holders : [];
    this.#granting = { epoch, holders: [...others, holder] };
  }

  /** That proposal, in `term`, failed for certain. */
  grantFailed(epoch: number, holder: string, term: number): void {
    if (this.#term !== term || this.#granting?.epoch !== epoch) return;
    this.#granting = { epoch, holders: this.#granting.holders.filter((name) => name !== holder) };
  }

  /**
   * The members that the lock may pass to by this leader's proposals, without another decision. Only one of
   * the grants of an epoch takes effect, so that none is left when one was applied. A grant by an earlier
   * leader is applied, or gone, before an entry of this leader's own term is applied; before that no member
   * is removed.
   */
  mayBeHolder(state: DcsState): readonly string[] {
    const { holder, epoch } = state.lock;
    const granting = this.#granting !== null && this.#granting.epoch > epoch ? this.#granting.holders : [];
    return holder === null ? granting : [holder, ...granting];
  }

  /**
   * The next step of a change of ttl, as values for setTtl, or null. Raising: wait first, then grant.
   * Lowering: grant first; wait only when no lease counted under the old grant is left: the holder has
   * promised so (Renewal.countsOnMs), or this leader has acknowledged under the new grant and one old ttl has
   * passed.
   *
   * Why the promise is enough, however long the old ttl was: at the send s every deadline of the epoch, the
   * guard's too, was at most s + L(new), and s is before this leader's t0. Acknowledgements to earlier
   * renewals count no more. This renewal and later ones were sent when the new grant was committed, as its
   * sender knew of it: they are confirmed under that, or a later one, which is never above wait_ttl. A new
   * start of the agent adopts the guard's deadline, which is one of these. A later leader counts from its
   * election, which is after s.
   */
  nextTtl(state: DcsState, wantedMs: number, nowMs: number): { grantMs: number; waitMs: number } | null {
    const { grantTtlMs, waitTtlMs } = state;
    if (grantTtlMs === wantedMs && waitTtlMs === wantedMs) return null;
    // Only the holder knows how long a lease by failsafe mode runs: its set is removed first (failsafe.ts).
    if (state.failsafe !== null && wantedMs < waitTtlMs) return null;
    if (state.lock.holder === null) return { grantMs: wantedMs, waitMs: wantedMs };
    if (waitTtlMs < wantedMs) return { grantMs: grantTtlMs, waitMs: wantedMs };
    if (grantTtlMs !== wantedMs) return { grantMs: wantedMs, waitMs: waitTtlMs };
    if (this.#promised) return { grantMs: grantTtlMs, waitMs: wantedMs };
    if (this.#firstAckUnderGrantMs === null || nowMs < this.#firstAckUnderGrantMs + longestWaitMs(state)) {
      return null;
    }
    return { grantMs: grantTtlMs, waitMs: wantedMs };
  }
}
