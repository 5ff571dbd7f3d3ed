/**
 * Failsafe mode of a member (the argument: src/lease/failsafe.ts). As the holder: keeps the set in the
 * records up to date while raft works, and asks all its members for a lease while raft does not. As any other
 * member: answers such questions, and says how long it must wait before it may write. Never extends a lease
 * without the answer of every member asked.
 */
import type { Clock } from "../../../raft/mod.ts";
import { timingOf } from "../../lease/timing.ts";
import type { SeenStatus } from "../../brain/cluster/successor_view.ts";
import {
  type FailsafeAnswer,
  type FailsafeMembers,
  FailsafePromise,
  type FailsafeQuestion,
  FailsafeSets,
} from "../../lease/failsafe.ts";
import type { BrokenRules } from "../../dcs/broken_rules.ts";
import { mayEndFailsafe } from "../../dcs/failsafe_set.ts";
import { longestWaitMs } from "../../lease/renewal.ts";
import type { GuardPort } from "../../guard/port.ts";
import type { Log } from "../../lib/log.ts";
import type { DynamicConfig } from "../../model/config.ts";
import type { PostgresView } from "../../model/postgres_view.ts";
import type { DcsState } from "../../model/records.ts";
import type { Proposer } from "./proposer.ts";
import type { Tenancy } from "./tenancy.ts";

/**
 * A member that has been silent for this long leaves the set, so that a host that is off does not forbid
 * failsafe mode.
 */
const GONE_MS = 10_000;
const MAX_ANSWER_MS = 2000;
/**
 * A set that could not be logged (no raft leader, a member of an older version) is tried again after this.
 */
const AGAIN_MS = 1000;

/** Sends a question; `done` is told null when it was accepted, else why not, and is called once. */
export type AskFailsafe = (
  apiUrl: string,
  question: FailsafeQuestion,
  timeoutMs: number,
  done: (refusal: string | null) => void,
) => void;

export interface FailsafeOptions {
  readonly name: string;
  readonly clock: Clock;
  readonly state: () => DcsState;
  readonly dynamic: () => DynamicConfig;
  readonly tenancy: Tenancy;
  readonly proposer: Proposer;
  readonly guard: GuardPort;
  readonly postgres: { view(): PostgresView };
  readonly ask: AskFailsafe;
  /** This member agreed to the lease of this epoch: its holder lives. */
  readonly holderSeen: (epoch: number) => void;
  readonly log: Log;
  readonly wake: () => void;
  readonly broken: BrokenRules;
}

export class Failsafe {
  readonly #options: FailsafeOptions;
  readonly #sets = new FailsafeSets();
  readonly #promise: FailsafePromise;
  /** The epoch that this member keeps a set for, and since when. */
  #keeping: { readonly epoch: number; readonly sinceMs: number } | null = null;
  /** Identifies the questions under way. Answers to earlier ones do not count. */
  #round = 0;
  #asking = false;
  #askedMs = -Infinity;
  #againAtMs = -Infinity;
  #wasActive = false;
  #saidRefusal = "";

  constructor(options: FailsafeOptions) {
    this.#options = options;
    this.#promise = new FailsafePromise(options.clock.now(), options.broken);
  }

  /**
   * This member's lease stands on what the others accepted, or it has accepted that of the primary lately.
   */
  active(): boolean {
    const { tenancy, state, clock } = this.#options;
    if (tenancy.tenure().kind === "holding") return tenancy.leaseRuns && tenancy.extended;
    const { acceptedMs } = this.#promise;
    return acceptedMs !== null && clock.now() < acceptedMs + longestWaitMs(state());
  }

  /** A member asks for this one's agreement to its lease. */
  answer(question: FailsafeQuestion): FailsafeAnswer {
    const { name, state, postgres, tenancy, guard, clock, dynamic, holderSeen, log } = this.#options;
    if (!dynamic().failsafeMode) return { kind: "refused", reason: "failsafe_mode is not enabled" };
    const view = postgres.view();
    const { state: guardState, armed, endedEpoch } = guard.view();
    const wasActive = this.active();
    const answer = this.#promise.answer(question, {
      name,
      node: tenancy.life().node,
      state: state(),
      leads: (view.process !== "none" && view.writable) || tenancy.tenure().kind === "holding",
      guardEpoch: guardState === "none" ? null : Math.max(armed?.epoch ?? 0, endedEpoch),
    }, clock.now());
    if (answer.kind === "accepted") {
      holderSeen(question.epoch);
      if (!wasActive) {
        log.warning(
          "failsafe",
          `${question.holder} cannot reach raft: accepted as the primary in failsafe mode`,
        );
      }
    }
    return answer;
  }

  /**
   * Until when this member must not begin to write under an epoch that it is granted; -Infinity: no need to
   * wait.
   */
  waitUntilMs(): number {
    return this.#promise.waitUntilMs(this.#options.name, this.#options.state());
  }

  /** Logs the set and asks its members, when either is due; returns when to look again. */
  askIfDue(statuses: readonly SeenStatus[]): number {
    const { tenancy, clock, guard, log } = this.#options;
    const tenure = tenancy.tenure();
    if (tenancy.isJoined) this.#endSet();
    if (tenure.kind !== "holding" || !tenancy.isJoined) {
      this.#keeping = null;
      this.#round++;
      this.#asking = false;
      this.#wasActive = false;
      return Infinity;
    }
    const nowMs = clock.now();
    this.#keepSet(tenure.epoch, statuses, nowMs);
    if (this.#wasActive && !tenancy.extended) {
      log.info("failsafe", "raft is back: failsafe mode is over");
      this.#wasActive = false;
      this.#saidRefusal = "";
    }
    // In pause nothing is fenced: there is no lease to extend.
    if (guard.view().armed?.unfenced === true) return Infinity;
    return this.#askWhenDue(tenure.epoch, nowMs);
  }

  /**
   * A set whose holder's lease cannot run any more, as this member knows: with it, others than its members
   * may succeed.
   */
  #endSet(): void {
    const { state, name, tenancy, clock, proposer, wake, broken } = this.#options;
    const { failsafe } = state();
    const life = tenancy.life();
    if (failsafe === null || !mayEndFailsafe(state(), name, life)) return;
    if (clock.now() < this.waitUntilMs() && !broken.has("failsafe-ended-early")) return;
    proposer.repeat({ op: "endFailsafe", revision: failsafe.revision, life }, () => wake());
  }

  /**
   * Only while PostgreSQL writes under this epoch: this member's own wait is over then, and with it the
   * lease of the member that logged the set before. And only while the lease stands on raft: no extension
   * outlives a set that it needs.
   */
  #keepSet(epoch: number, statuses: readonly SeenStatus[], nowMs: number): void {
    const { postgres, state, tenancy, proposer, clock, wake } = this.#options;
    const { process, writable, inRecovery, epoch: runs } = postgres.view();
    const { lock, initialize } = state();
    const writes = process === "running" && writable && inRecovery === false && runs === epoch;
    if (!writes || lock.epoch !== epoch || !initialize?.systemId) return;
    if (this.#keeping?.epoch !== epoch) this.#keeping = { epoch, sinceMs: nowMs };
    if (tenancy.extended || !tenancy.leaseRuns || nowMs < this.#againAtMs) return;
    const wanted = this.#wanted(statuses, nowMs);
    if (wanted === undefined) return;
    const command = this.#sets.propose(epoch, tenancy.life(), wanted, state());
    if (command === null) return;
    this.#round++;
    this.#asking = false;
    const begun = proposer.propose(command, (outcome) => {
      this.#sets.outcome(command, outcome.kind === "done" ? outcome : outcome.kind);
      if (outcome.kind !== "done") this.#againAtMs = clock.now() + AGAIN_MS;
      wake();
    });
    // The same command of an earlier try is under way, and may yet be applied.
    if (!begun) this.#sets.outcome(command, "unknown");
  }

  /** undefined: the logged set may stay. */
  #wanted(statuses: readonly SeenStatus[], nowMs: number): FailsafeMembers | null | undefined {
    const { dynamic, state, name } = this.#options;
    const { failsafeMode, ttlS } = dynamic();
    const { waitTtlMs, members } = state();
    // ttl is lowered only without a set; it comes back when that is done.
    if (!failsafeMode || ttlS * 1000 < waitTtlMs) return null;
    const heardMs = (member: string) =>
      statuses.find(({ status }) => status.name === member)?.ageMs ?? Infinity;
    const isNew = nowMs - this.#keeping!.sinceMs < GONE_MS;
    const present = Object.values(members).filter((facts) =>
      facts.name === name || isNew || heardMs(facts.name) < GONE_MS
    );
    if (present.length < 2) return undefined;
    return Object.fromEntries(
      // No member has the raft id 0. A member whose machine is unknown does not accept.
      present.map(({ name: member, apiUrl, life }) => [member, { apiUrl, node: life?.node ?? 0 }]),
    );
  }

  #askWhenDue(epoch: number, nowMs: number): number {
    const { name, state, tenancy, dynamic, broken } = this.#options;
    const { countedFromMs } = tenancy;
    if (!dynamic().failsafeMode || countedFromMs === null) return Infinity;
    if (!tenancy.leaseRuns && !broken.has("failsafe-lapsed")) return Infinity;
    const { leaseMs, renewMs } = timingOf(state().grantTtlMs);
    const dueMs = Math.max(countedFromMs + leaseMs / 3, this.#askedMs + renewMs);
    if (nowMs < dueMs) return dueMs;
    if (this.#asking) return Infinity;
    // No lease without a fence, as for a renewal.
    if (!tenancy.guardAnswers) return nowMs + 50;
    const members = this.#sets.toAsk(epoch, name, state());
    if (members === null) return Infinity;
    this.#ask(epoch, members, Math.min(MAX_ANSWER_MS, leaseMs / 3));
    return Infinity;
  }

  #ask(epoch: number, members: FailsafeMembers, timeoutMs: number): void {
    const { name, clock, ask, broken, wake } = this.#options;
    const round = ++this.#round;
    const names = Object.keys(members).sort();
    const refusals: string[] = [];
    let missing = names.length;
    this.#asking = true;
    // s: before the first question leaves.
    const sentMs = clock.now();
    this.#askedMs = sentMs;
    for (const to of names) {
      const { apiUrl, node } = members[to]!;
      ask(apiUrl, { holder: name, epoch, to, node }, timeoutMs, (refusal) => {
        if (round !== this.#round) return;
        if (refusal !== null) refusals.push(`${to}: ${refusal}`);
        if (--missing > 0) return;
        this.#asking = false;
        const agreed = refusals.length === 0 ||
          (broken.has("failsafe-some") && refusals.length < names.length);
        if (agreed) this.#agreed(epoch, sentMs, names);
        else this.#refused(refusals.sort().join("; "));
        wake();
      });
    }
  }

  #agreed(epoch: number, sentMs: number, names: readonly string[]): void {
    const { tenancy, log } = this.#options;
    this.#saidRefusal = "";
    if (!tenancy.extend(epoch, sentMs) || this.#wasActive) return;
    this.#wasActive = true;
    log.warning(
      "failsafe",
      `raft cannot be reached: continue to run as a leader because failsafe mode is enabled and all members accept (${
        names.join(", ")
      })`,
    );
  }

  #refused(text: string): void {
    if (text === this.#saidRefusal) return;
    this.#saidRefusal = text;
    this.#options.log.warning(
      "failsafe",
      `the lease is not extended, because not all members accept (${text}): the primary stops when it runs out`,
    );
  }
}
