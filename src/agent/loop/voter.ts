/**
 * The part of every voter, with PostgreSQL or without: it hears the others, keeps the dynamic configuration
 * in force, and while it leads the raft group confirms renewals, expires leases and chooses successors. Its
 * loop is driven by events; of several times to look at the earliest counts.
 */
import type { ClusterDecision } from "../../brain/cluster/coordinate.ts";
import type { DecisionPair } from "../../brain/replay.ts";
import type { Clock, MemberInfo, Raft, RaftEvent } from "../../../raft/mod.ts";
import { type BrokenRules, NOTHING_BROKEN } from "../../dcs/broken_rules.ts";
import type { DcsStateMachine } from "../../dcs/state_machine.ts";
import type { Renewal, RenewalAck } from "../../lease/renewal.ts";
import type { Log } from "../../lib/log.ts";
import { timedClock } from "../../lib/wake_profile.ts";
import type { DynamicConfig } from "../../model/config.ts";
import type { NotedEvent } from "../../model/event.ts";
import type { JsonObject } from "../../model/json.ts";
import type { HandOvers } from "../../model/measures.ts";
import type { MemberStatus } from "../../model/member_status.ts";
import type { DcsState } from "../../model/records.ts";
import { Changes } from "./changes.ts";
import { DecisionLog } from "./decision_log.ts";
import { EventLines } from "./event_lines.ts";
import { EventDelivery } from "./event_delivery.ts";
import { HolderSightings } from "../lease/holder_sightings.ts";
import { Leadership } from "../lease/leadership.ts";
import { ClockSkews } from "../peers/clock_skews.ts";
import { whyNameTaken } from "../peers/namesake.ts";
import { LeaseMessages } from "../lease/lease_messages.ts";
import { LookTimer, type NextLook } from "./look_timer.ts";
import { LoopHealth } from "./loop_health.ts";
import { HeardStatuses } from "../peers/heard_statuses.ts";
import { decodeWitness, WITNESS_CHANNEL } from "../peers/messages.ts";
import { differs } from "./own_status.ts";
import { Proposer } from "../lease/proposer.ts";
import { StatusBoard } from "../peers/status_board.ts";

/** After a look that itself changed something. */
const LOOK_AGAIN_MS = 5;

export interface VoterOptions {
  readonly who: "agent" | "witness";
  readonly name: string;
  readonly clock: Clock;
  readonly wallMs: () => number;
  readonly raft: Raft;
  readonly dcs: DcsStateMachine;
  readonly log: Log;
  /** The dynamic configuration that the records' value stands for; null: they hold none. */
  readonly effective: (dcs: JsonObject | null) => DynamicConfig;
  readonly electionMaxMs: number;
  /** Rules that are switched off, in the simulator only. @default none */
  readonly broken?: BrokenRules;
  /** Takes each decision that differs from the one before, with its view. @default not recorded */
  readonly record?: (pair: DecisionPair) => void;
  /** Ends the process. */
  readonly exit: (code: number, message: string) => void;
}

/** The duties that differ with PostgreSQL and without. */
export interface VoterDuties {
  /**
   * Everything else that a look does; returns when to look again at the latest. `woken`: something happened
   * since the last look; otherwise it is due by time alone.
   */
  readonly look: (nowMs: number, woken: boolean) => NextLook;
  /** A status of another member came; `news`: more than its positions differ. */
  readonly heard: (news: boolean) => void;
  /** That member takes short statuses, and lacks this voter's full one. True: a look is due sooner. */
  readonly askedForStatus: (from: number) => boolean;
  /** A connection with a member begins, or has ended. */
  readonly peer: (id: number, connected: boolean) => void;
  /** A status came from elsewhere under this voter's own name. */
  readonly namesake: () => void;
  readonly acknowledged: (ack: RenewalAck) => void;
  readonly raftLeader: (isKnown: boolean) => void;
  /** The record of the lock is another one. */
  readonly lockChanged: () => void;
  /** A decision without commands that a person would want to see once. */
  readonly isNews: (by: "keeper" | "coordinator") => boolean;
}

export class Voter {
  readonly board: StatusBoard;
  readonly decisions = new DecisionLog();
  readonly loop: LoopHealth;
  readonly changes = new Changes();
  readonly proposer: Proposer;
  readonly sightings = new HolderSightings();
  readonly skews: ClockSkews;
  readonly #events: EventDelivery;
  readonly #eventLines: EventLines;
  readonly #options: VoterOptions;
  readonly #duties: VoterDuties;
  readonly #leadership: Leadership;
  readonly #timer: LookTimer;
  readonly #leaseMessages: LeaseMessages;
  readonly #statuses: HeardStatuses;
  #looking = false;
  #woken = false;
  #ended = false;
  #dynamic: DynamicConfig;
  /** Undefined: the configuration is to be applied in any case. */
  #configRevision: number | null | undefined = undefined;
  #lastState: DcsState | null = null;
  #looked: ((nowMs: number) => void) | null = null;

  constructor(options: VoterOptions, duties: VoterDuties) {
    this.#options = options;
    this.#duties = duties;
    const { who, name, clock, wallMs, raft, log, electionMaxMs } = options;
    const state = () => options.dcs.state;
    this.#timer = new LookTimer(timedClock("look", clock), (dueMs) => this.#look(dueMs));
    this.proposer = new Proposer(name, raft, wallMs, clock, log);
    this.#events = new EventDelivery({ raft, proposer: this.proposer, clock, log });
    this.skews = new ClockSkews({ clock, wallMs, log });
    const beganMs = clock.now();
    this.#eventLines = new EventLines(name, log, () => wallMs() - (clock.now() - beganMs));
    this.loop = new LoopHealth({
      who,
      clock,
      wallMs,
      log,
      ttlMs: () => state().grantTtlMs,
      electionMaxMs,
      stalled: (lateMs) => this.#leadership.stalled(lateMs),
    });
    this.board = new StatusBoard(state);
    this.#leadership = new Leadership({
      name,
      clock,
      raft,
      proposer: this.proposer,
      state,
      electionMaxMs,
      nodeOf: (member) => this.board.nodeOf(member),
      decided: (decision, view) => {
        if (!this.note("coordinator", decision, decision.commands)) return;
        options.record?.({ by: "coordinator", view, decision });
      },
      wake: () => this.wake(),
      broken: options.broken ?? NOTHING_BROKEN,
    });
    this.#leaseMessages = new LeaseMessages({
      raft,
      renewal: (renewal, reply) => this.#leadership.renewal(renewal, reply),
      acknowledged: duties.acknowledged,
    });
    this.#statuses = new HeardStatuses({
      raft,
      heard: (status, from, before) => this.#heard(status, from, before),
      asked: (from) => {
        if (duties.askedForStatus(from)) this.wake();
      },
    });
    this.#dynamic = options.effective(null);
  }

  /** Subscribes to raft, and begins. Raft is started after this. */
  start(): void {
    const { raft } = this.#options;
    raft.onEvent((event) => this.#raftEvent(event));
    raft.onChannel(WITNESS_CHANNEL, (from, bytes) => {
      const notice = decodeWitness(bytes);
      if (notice !== null) this.board.hearWitness(notice, from, this.#arrivedMs());
    });
    this.wake();
  }

  /** No more events are handled. */
  end(): void {
    this.#ended = true;
    this.#leaseMessages.end();
    this.#timer.end();
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** `looked`: told after each look that went through, at least twice a second. */
  onLooked(looked: (nowMs: number) => void): void {
    this.#looked = looked;
  }

  wake(): void {
    this.#woken = true;
    if (!this.#looking) this.#timer.at(this.#options.clock.now());
  }

  get dynamic(): DynamicConfig {
    return this.#dynamic;
  }

  /** The local file was read again: it may hold a part of the dynamic configuration. */
  factsChanged(): void {
    this.#configRevision = undefined;
    this.wake();
  }

  /** Puts the dynamic configuration of the records in force. True: it is another one. */
  applyConfig(): boolean {
    const { dcs, effective } = this.#options;
    const { config } = dcs.state;
    const revision = config?.revision ?? null;
    if (revision === this.#configRevision) return false;
    this.#configRevision = revision;
    this.#dynamic = effective(config?.value ?? null);
    this.changes.changed();
    return true;
  }

  /** Something happened that the records do not know. The other members are told as soon as that can be. */
  noteEvent(event: NotedEvent): void {
    this.#eventLines.noted(event);
    this.#events.add(event);
  }

  /** Events that came into the records since the start of the agent, by kind. */
  get eventCounts(): { readonly [kind: string]: number } {
    return this.#eventLines.counts;
  }

  get handOvers(): HandOvers {
    return this.#eventLines.handOvers;
  }

  /** Does the raft leader's work for the cluster; nothing while this node does not lead. */
  lead(): void {
    const nowMs = this.#options.clock.now();
    this.#leadership.decide({
      dynamic: this.#dynamic,
      statuses: this.board.seen(nowMs),
      witnesses: this.board.witnesses(nowMs),
      sighting: this.sightings.last,
      primaryLsn: this.board.primaryLsn,
      wallMs: this.scheduleMs(nowMs),
    });
  }

  /** The time of day for what is scheduled: that of most members, of silent ones as last heard. */
  scheduleMs(nowMs: number): number {
    return this.skews.agreedMs(this.board.seen(nowMs).map(({ status }) => status.name));
  }

  /** When the raft leader has to look again; Infinity while this node does not lead. */
  leadAtMs(): number {
    return this.#leadership.dueMs();
  }

  /** Sends it to the raft leader, wherever that is. */
  renew(renewal: Renewal): void {
    this.#leaseMessages.renew(renewal);
  }

  /** A node with the name of a member that lives elsewhere is told so before it joins. */
  objectionToJoining(visitor: Omit<MemberInfo, "id">): string | null {
    const { clock, dcs } = this.#options;
    return whyNameTaken(visitor, dcs.state, this.board.seen(clock.now()));
  }

  /** See Leadership. */
  objectionTo(member: MemberInfo): string | null {
    return this.#leadership.objectionTo(member);
  }

  wallTime(): string {
    return new Date(this.#options.wallMs()).toISOString();
  }

  /**
   * Decisions that do something, or that a person would want to see once, are news; the rest is for
   * debugging. True: it differs from the one before.
   */
  note(
    by: "keeper" | "coordinator",
    { rule, reason }: Pick<ClusterDecision, "rule" | "reason">,
    actions: readonly unknown[],
  ): boolean {
    if (!this.decisions.record(by, this.wallTime(), rule, reason, actions)) return false;
    const news = actions.length > 0 || this.#duties.isNews(by);
    this.#options.log[news ? "info" : "debug"](`decision.${by}`, reason);
    return true;
  }

  #raftEvent(event: RaftEvent): void {
    if (this.#ended) return;
    if (event.kind === "fatal") return this.#options.exit(1, `raft stopped: ${event.error.message}`);
    if (event.kind === "peer") {
      this.board.peer(event.id, event.connected, this.#arrivedMs());
      this.#duties.peer(event.id, event.connected);
      this.#statuses.peer(event.id, event.connected);
    } else if (event.kind === "state") {
      if (event.leader !== null) this.board.ledAt(this.#options.clock.now());
      this.#leadership.raftLeader(event.leader !== null, event.role === "leader");
      this.#leadership.roleChanged(event.role === "leader" ? event.term : null);
      this.#duties.raftLeader(event.leader !== null);
      this.changes.changed();
    } else if (event.kind === "applied") this.#applied(this.#options.dcs.state);
    this.wake();
  }

  #applied(state: DcsState): void {
    const last = this.#lastState;
    if (state === last) return;
    this.#lastState = state;
    this.#leadership.applied();
    if (state.events !== last?.events) this.#eventLines.applied(state.events);
    this.changes.changed();
    if (state.lock !== last?.lock) this.#duties.lockChanged();
    const { holder } = state.lock;
    if (holder === last?.lock.holder) return;
    // The words that Patroni's users search for.
    this.#options.log.info("lock", `Lock owner: ${holder ?? "None"}; I am ${this.#options.name}`);
  }

  /** When the message that is being read may have arrived. */
  #arrivedMs(): number {
    return this.loop.arrivedMs(this.#options.clock.now(), this.#timer.dueMs);
  }

  /** `before`: see HeardStatusesOptions. */
  #heard(status: MemberStatus, from: number, before: MemberStatus | null): void {
    const { dcs, name } = this.#options;
    if (this.#ended) return;
    if (status.name === name) return this.#duties.namesake();
    const known = this.board.last(status.name);
    if (!this.board.hear(status, from, this.#arrivedMs())) return;
    this.sightings.heard(status, dcs.state.lock);
    if (status.wallMs !== undefined) this.skews.heard(status.name, status.wallMs);
    // A short status differs from its predecessor in positions and counters alone.
    const news = known === undefined || (known !== before && differs(known, status));
    this.#duties.heard(news);
    if (news || dcs.state.lock.holder === null) this.wake();
  }

  #look(dueMs: number): void {
    if (this.#ended) return;
    this.#looking = true;
    const woken = this.#woken;
    this.#woken = false;
    const nowMs = this.#options.clock.now();
    this.loop.look(nowMs, dueMs);
    const next = this.#duties.look(nowMs, woken);
    this.#events.deliver();
    this.#looking = false;
    const endMs = this.#options.clock.now();
    this.loop.looked(endMs - nowMs, endMs);
    if (this.#ended) return;
    this.#looked?.(endMs);
    // The look itself has changed something already.
    if (this.#woken) this.#timer.at(nowMs + LOOK_AGAIN_MS);
    this.#timer.at(Math.max(next.atMs, nowMs + 1), next.earlyMs);
  }
}
