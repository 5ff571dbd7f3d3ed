/**
 * The holder's side of the lock: renew, arm the guard with each acknowledged renewal, and release, in the
 * order that src/lease/DESIGN.md demands. Owns this invariant: an epoch that release() was called for is
 * never renewed again.
 */
import type { Clock, Raft } from "../../../raft/mod.ts";
import { type Tenure, tenureOf } from "../../lease/tenure.ts";
import { leaseFromTtl, timingOf } from "../../lease/timing.ts";
import { FENCING_REVISION_SINCE } from "../../dcs/commands.ts";
import type { BrokenRules } from "../../dcs/broken_rules.ts";
import { Holder } from "../../lease/holder.ts";
import type { Renewal, RenewalAck } from "../../lease/renewal.ts";
import type { GuardPort } from "../../guard/port.ts";
import { claimOn, type Life } from "../../model/life.ts";
import type { DcsState } from "../../model/records.ts";
import type { Proposer } from "./proposer.ts";
import { SignOfLife } from "./sign_of_life.ts";
import type { Watchdog } from "./watchdog.ts";

/** The guard must be armed with at least this much left before a server is started as primary or promoted. */
const ARMED_MARGIN_MS = 300;

export interface TenancyOptions {
  readonly name: string;
  /** The life of this machine; the raft id is known once the member has a place. */
  readonly life: () => Life;
  readonly incarnation: number;
  readonly clock: Clock;
  readonly raft: Raft;
  readonly guard: GuardPort;
  readonly proposer: Proposer;
  /** @default none */
  readonly watchdog?: Watchdog;
  readonly state: () => DcsState;
  /** Maintenance mode is asked for. */
  readonly paused: () => boolean;
  /** PostgreSQL runs, and is (still) a standby. */
  readonly inRecovery: () => boolean;
  readonly send: (renewal: Renewal) => void;
  /** How long a renewal took until it was acknowledged. */
  readonly tookMs: (roundTripMs: number) => void;
  readonly wake: () => void;
  readonly broken: BrokenRules;
}

export class Tenancy {
  readonly #options: TenancyOptions;
  readonly #holder: Holder;
  #epochAtJoin: number | null = null;
  #givenUpEpoch = 0;
  #guardIncarnation: number | null = null;
  readonly #sign: SignOfLife;
  #releasing = false;
  #liftAsked = false;
  /** Epoch whose fenced(e) may yet take effect: proposed, and not known to have failed; 0: none. */
  #fencingEpoch = 0;
  /** Proposals of fenced(e) so far, and whether the last one is under way. */
  #fencings = 0;
  #fencingUnderWay = false;
  /**
   * Number of the last arming sent to the guard, and of the last that it has confirmed. It takes them in
   * order.
   */
  #armings = 0;
  #armingsConfirmed = 0;
  #heldSinceMs = -Infinity;
  /** The last look found the lease usable. */
  #usableAtLook = false;
  /** A renewal is due, and the guard has not answered. */
  #awaitsGuard = false;

  constructor(options: TenancyOptions) {
    this.#options = options;
    this.#holder = new Holder(options.incarnation, leaseFromTtl, options.broken);
    this.#sign = new SignOfLife(options.guard, options.clock);
  }

  /**
   * This member's own record of this start is applied: from here on the records are not older than the
   * start.
   */
  joined(): void {
    this.#epochAtJoin ??= this.#options.state().lock.epoch;
  }

  get isJoined(): boolean {
    return this.#epochAtJoin !== null;
  }

  /** The machine that this member runs on. */
  life(): Life {
    return this.#options.life();
  }

  tenure(): Tenure {
    const guard = this.#options.guard.view();
    const { lock } = this.#options.state();
    return tenureOf({
      lock,
      claim: claimOn(lock, this.#options.name, this.life()),
      epochAtJoin: this.#epochAtJoin,
      givenUpEpoch: this.#givenUpEpoch,
      guardSpoke: guard.lastAnswerMs !== null,
      guardArmedEpoch: guard.armed?.epoch ?? null,
      guardEndedEpoch: guard.endedEpoch,
      heldEpoch: this.#holder.epoch,
    });
  }

  /**
   * When this member began to hold the present epoch; -Infinity when it was adopted from an earlier start,
   * or none is held.
   */
  get heldSinceMs(): number {
    return this.#heldSinceMs;
  }

  /** s + L of the last acknowledged renewal, while holding; null otherwise. */
  get validUntilMs(): number | null {
    return this.#holder.validUntilMs;
  }

  /** This member holds the lock, and s + L lies ahead. */
  get leaseRuns(): boolean {
    return this.tenure().kind === "holding" && this.#holder.holds(this.#options.clock.now());
  }

  /** The lease is longer by failsafe mode than by raft. */
  get extended(): boolean {
    return this.#holder.extended;
  }

  /** s that the lease counts from; null: nothing was acknowledged to this start of the agent. */
  get countedFromMs(): number | null {
    return this.#holder.countedFromMs;
  }

  /** The guard has answered since the last renewal. */
  get guardAnswers(): boolean {
    return this.#sign.answers;
  }

  /**
   * Acknowledged, running, the guard has confirmed that it holds this deadline, and a required watchdog is
   * started.
   */
  leaseUsable(): boolean {
    if (this.#options.watchdog?.permits === false) return false;
    const nowMs = this.#options.clock.now();
    const { armed } = this.#options.guard.view();
    return this.#holder.acknowledged && this.#holder.holds(nowMs) && armed !== null &&
      armed.epoch === this.#holder.epoch && armed.deadlineMs - nowMs > ARMED_MARGIN_MS;
  }

  /**
   * True while the lease runs as the last look found it, and nothing waits for it. Then an acknowledgement,
   * and the guard's answer to it, only move the deadline on, and no look is needed for that: no rule reads
   * how far away the deadline is before a third of the lease is over without an acknowledgement (failsafe
   * mode) or half of it (the last checkpoint). The next renewal brings a look in any case, so a look that is
   * left out is late by one renewal at most, as it may be on a busy host; no deadline is checked here.
   */
  get isQuiet(): boolean {
    const { clock, paused, state } = this.#options;
    const { lock, grantTtlMs } = state();
    const { countedFromMs } = this;
    if (!this.#usableAtLook || this.#awaitsGuard || this.#releasing || this.extended) return false;
    if (lock.unfenced || paused() || lock.epoch !== this.#holder.epoch || countedFromMs === null) {
      return false;
    }
    return clock.now() - countedFromMs < timingOf(grantTtlMs).leaseMs / 3;
  }

  /** When the last renewal was sent; -Infinity: none was, or the next one is due now. */
  get lastSentMs(): number {
    return this.#holder.lastSentMs;
  }

  /**
   * Renews when due, or up to `earlyMs` before that, but not before half of the time to the next renewal;
   * returns when to look again, as a time of this member's clock.
   */
  renewIfDue(earlyMs = 0): number {
    const { clock, guard, name, send, state, broken } = this.#options;
    const nowMs = clock.now();
    const tenure = this.tenure();
    const view = guard.view();
    if (tenure.kind !== "holding") {
      this.#heldSinceMs = -Infinity;
      this.#usableAtLook = this.#awaitsGuard = false;
      this.#holder.end();
      return Infinity;
    }
    if (this.#holder.epoch !== tenure.epoch) {
      const adopted = view.armed?.epoch === tenure.epoch ? view.armed.deadlineMs : null;
      this.#heldSinceMs = adopted === null ? nowMs : -Infinity;
      // Simulator only: a lease that no raft leader has acknowledged.
      const unearned = broken.has("promote-before-renewal") ? nowMs + leaseFromTtl(state().grantTtlMs) : null;
      this.#holder.begin(tenure.epoch, adopted ?? unearned);
      // An earlier start may have proposed fenced(e), as its guard was armed for it.
      if (adopted !== null && view.armed?.unfenced === false) this.#fencingEpoch = tenure.epoch;
      if (unearned !== null) this.#arm();
    }
    this.#rearmNewGuard();
    this.#logFencing();
    this.#liftFence();
    const { renewMs } = timingOf(state().grantTtlMs);
    const due = this.#holder.lastSentMs + renewMs;
    this.#usableAtLook = this.leaseUsable();
    this.#awaitsGuard = false;
    const fromMs = due - Math.min(earlyMs, renewMs / 2);
    if (nowMs < fromMs || (nowMs < due && !this.guardAnswers)) return due;
    // No lease without a fence: a renewal goes out only if the guard has answered since the last one.
    if (!this.guardAnswers) {
      this.#awaitsGuard = true;
      if (!this.#sign.wasAsked) this.#sign.ask();
      return nowMs + 50;
    }
    send(this.#holder.renew(name, this.life(), nowMs, this.#known()));
    this.#sign.ask();
    return nowMs + renewMs;
  }

  /** A new raft leader may be reachable at once: do not wait for the next turn. */
  renewSoon(): void {
    this.#holder.hurry();
  }

  acknowledged(ack: RenewalAck): void {
    const { clock, wake, watchdog, tookMs } = this.#options;
    const wasQuiet = this.isQuiet;
    const { provenMs: before, validUntilMs: untilBefore } = this.#holder;
    const moved = this.#holder.acknowledge(ack, clock.now());
    const { provenMs } = this.#holder;
    const roundTripMs = this.#holder.takeRoundTripMs();
    if (roundTripMs !== null) tookMs(roundTripMs);
    // Also when the ttl was lowered, and the deadline does not move for a while.
    const isNew = provenMs !== null && provenMs !== before;
    const mayArm = !isNew || watchdog === undefined || watchdog.renewed(provenMs, ack.grantTtlMs);
    if (!moved || !mayArm) return;
    this.#arm();
    // A ttl that was lowered is news.
    if (!wasQuiet || untilBefore === null || this.#holder.validUntilMs! < untilBefore) wake();
  }

  /**
   * Failsafe mode: all that could succeed this member have accepted what was asked from `sentMs` on. True:
   * the deadline moved.
   */
  extend(epoch: number, sentMs: number): boolean {
    const { clock, wake, watchdog, state } = this.#options;
    const { grantTtlMs } = state();
    if (!this.#holder.extend(epoch, sentMs, grantTtlMs, clock.now())) return false;
    if (watchdog !== undefined && !watchdog.renewed(sentMs, grantTtlMs)) return false;
    this.#arm();
    wake();
    return true;
  }

  /**
   * Gives the epoch up. The caller has proven that PostgreSQL cannot acknowledge any more. The guard is told
   * first, and never accepts the epoch again. Only then is the release proposed. It is final, whatever
   * becomes of the proposal.
   *
   * Without the guard's word nothing is released. A silent guard may be stopped, with a start in its socket
   * that it carries out when it goes on. A dead guard is replaced within a second, and the new one looks at
   * the processes of the data directory itself. Without any guard, the epoch expires.
   */
  release(epoch: number, reason: string, lsn: number | null, timeline: number | null): void {
    const { guard, proposer, wake } = this.#options;
    if (this.#releasing) return;
    this.#releasing = true;
    const finish = () => {
      this.#releasing = false;
      wake();
    };
    this.#givenUpEpoch = Math.max(this.#givenUpEpoch, epoch);
    this.#holder.end();
    guard.end(epoch, (reply) => {
      if (!reply.ok) return finish();
      const release = { op: "release", epoch, life: this.life(), reason, lsn, timeline } as const;
      if (!proposer.propose(release, finish)) finish();
    });
  }

  /**
   * The deadline that the guard holds for this member's epoch, with nothing else on its way to it, and the
   * revision of this member's records; null: not known.
   */
  #known(): { guardUntilMs: number; revision: number } | null {
    const { guard, state } = this.#options;
    const { armed } = guard.view();
    const known = armed !== null && !armed.unfenced && armed.epoch === this.#holder.epoch &&
      this.#armingsConfirmed === this.#armings;
    return known ? { guardUntilMs: armed.deadlineMs, revision: state().revision } : null;
  }

  #arm(): void {
    const { guard, wake } = this.#options;
    const epoch = this.#holder.epoch;
    const until = this.#holder.validUntilMs;
    if (epoch === null || until === null) return;
    this.#guardIncarnation = guard.view().incarnation;
    const arming = ++this.#armings;
    guard.arm(epoch, until, this.#unfenced(), (reply) => {
      if (reply.ok) {
        this.#armingsConfirmed = Math.max(arming, this.#armingsConfirmed);
        this.#sign.confirmed();
      }
      if (!reply.ok || !this.isQuiet) wake();
    });
  }

  /**
   * Whether the guard is to be armed without the fence. Only after unfenced(e) is committed, and no longer
   * than the pause is wished for. Before this member's own record is applied its records may be old: the
   * guard's state stays.
   *
   * Never while a fenced(e) may yet take effect. A pause that is asked for again overtakes one that is under
   * way: the records say "unfenced" here then, and a raft leader that this member does not hear may log
   * fenced(e) and expire the epoch, beside a primary without a fence.
   */
  #unfenced(): boolean {
    const { guard, state, paused, broken } = this.#options;
    if (this.#epochAtJoin === null) return guard.view().armed?.unfenced ?? false;
    const { lock } = state();
    const isCurrent = lock.unfenced && lock.epoch === this.#holder.epoch && paused();
    return isCurrent && (this.#fencingEpoch !== lock.epoch || broken.has("fence-lifted-early"));
  }

  /**
   * Pause: unfenced(e) is committed before the guard is disarmed, and the guard is armed again, with a lease
   * that runs, before fenced(e) is proposed. In between no leader expires the epoch.
   *
   * A fenced(e) that came to an unknown end is void once another setUnfenced is applied, as each names the
   * one that it follows: so unfenced(e) is logged once more, though the records say so already. The sessions
   * of raft void only what the same start of the agent has proposed; a frame of an earlier start may arrive
   * after everything that this one has logged.
   */
  #logFencing(): void {
    const { state, paused, proposer, wake, guard, raft } = this.#options;
    const { lock } = state();
    const { epoch } = lock;
    const unfenced = paused();
    if (!this.isJoined || epoch !== this.#holder.epoch || this.#fencingUnderWay) return;
    const inDoubt = unfenced && this.#fencingEpoch === epoch;
    if (unfenced === lock.unfenced && !inDoubt) return;
    const { armed } = guard.view();
    // Not before the promotion: if this agent ended before that, no member would write, and the epoch would
    // never expire.
    if (unfenced && !lock.unfenced && this.#options.inRecovery()) return;
    if (!unfenced && !(this.leaseUsable() && armed !== null && !armed.unfenced)) return;
    const fencings = this.#fencings;
    const follows = raft.status().agreedVersion < FENCING_REVISION_SINCE
      ? {}
      : { expectRevision: lock.fencingRevision ?? null };
    const command = { op: "setUnfenced", epoch, life: this.life(), unfenced, ...follows } as const;
    const begun = proposer.propose(command, ({ kind }) => {
      if (!unfenced) this.#fencingUnderWay = false;
      const isVoid = unfenced ? kind === "done" && fencings === this.#fencings : kind !== "unknown";
      if (isVoid && this.#fencingEpoch === epoch) this.#fencingEpoch = 0;
      wake();
    });
    if (!begun || unfenced) return;
    this.#fencings++;
    this.#fencingUnderWay = true;
    this.#fencingEpoch = epoch;
  }

  /**
   * The guard learns of unfenced(e) as soon as this member does. The next renewal may never come: cut off
   * before it, the guard would end a primary that no member may succeed. It is safe at once, since e is
   * committed not to expire. Should the guard not take it, the next renewal tells it again.
   */
  #liftFence(): void {
    const asked = this.#liftAsked;
    this.#liftAsked = this.#unfenced();
    if (this.#liftAsked && !asked) this.#arm();
  }

  /** A guard that replaced a dead one knows nothing: it gets the deadline that was acknowledged already. */
  #rearmNewGuard(): void {
    const view = this.#options.guard.view();
    if (
      view.state === "none" || this.#guardIncarnation === null || view.incarnation === this.#guardIncarnation
    ) return;
    if (this.#holder.holds(this.#options.clock.now())) this.#arm();
  }
}
