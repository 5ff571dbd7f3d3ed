/**
 * A voter without PostgreSQL. It keeps the cluster's records, votes, and while it leads the raft group does what every
 * leader does: it confirms renewals, expires leases and chooses successors from what the members say of themselves. It
 * never holds the lock: it publishes no status that anybody could be chosen by.
 */
import type { ClusterDecision } from "../brain/cluster/coordinate.ts";
import type { Clock, MemberInfo, Raft, RaftEvent } from "../../raft/mod.ts";
import { type BrokenRules, NOTHING_BROKEN } from "../dcs/broken_rules.ts";
import type { DcsStateMachine } from "../dcs/state_machine.ts";
import type { Log } from "../lib/log.ts";
import type { DynamicConfig } from "../model/config.ts";
import type { JsonObject } from "../model/json.ts";
import type { DcsState } from "../model/records.ts";
import type { WitnessNotice } from "../model/witness_notice.ts";
import { Changes } from "./changes.ts";
import { DecisionLog } from "./decision_log.ts";
import { HolderSightings } from "./holder_sightings.ts";
import { Leadership } from "./leadership.ts";
import { whyNameTaken } from "./namesake.ts";
import { LeaseMessages } from "./lease_messages.ts";
import { LookTimer } from "./look_timer.ts";
import { LoopHealth } from "./loop_health.ts";
import { decodeStatus, encodeMessage, STATUS_CHANNEL, WITNESS_CHANNEL } from "./messages.ts";
import { Proposer } from "./proposer.ts";
import { StatusBoard } from "./status_board.ts";
import { StatusRelay } from "./status_relay.ts";

const NOTICE_PERIOD_MS = 1000;
/** While nobody holds the lock, the statuses that decide may come at any time. */
const FREE_LOCK_LOOK_MS = 50;
const LOOK_PERIOD_MS = 500;

export interface WitnessOptions {
  readonly name: string;
  readonly raftAddr: string;
  readonly apiUrl: () => string;
  readonly clock: Clock;
  readonly wallMs: () => number;
  readonly raft: Raft;
  readonly dcs: DcsStateMachine;
  readonly log: Log;
  /** The dynamic configuration that the records' value stands for. */
  readonly effective: (dcs: JsonObject) => DynamicConfig;
  readonly electionMaxMs: number;
  /** Rules that are switched off, in the simulator only. @default none */
  readonly broken?: BrokenRules;
  /** Ends the process. */
  readonly exit: (code: number, message: string) => void;
}

export class Witness {
  readonly board: StatusBoard;
  readonly decisions = new DecisionLog();
  readonly loop: LoopHealth;
  readonly changes = new Changes();
  readonly proposer: Proposer;
  readonly #options: WitnessOptions;
  readonly #leadership: Leadership;
  readonly #timer: LookTimer;
  readonly #sightings = new HolderSightings();
  #leaseMessages: LeaseMessages | null = null;
  #ended = false;
  #dynamic: DynamicConfig;
  /** Undefined: to be looked at whatever it is. */
  #configRevision: number | null | undefined = null;
  #noticeAtMs = -Infinity;
  #lastState: DcsState | null = null;

  constructor(options: WitnessOptions) {
    this.#options = options;
    const { name, clock, raft, dcs, log, electionMaxMs, wallMs, effective } = options;
    const state = () => dcs.state;
    this.board = new StatusBoard(state);
    this.#dynamic = effective({});
    this.#timer = new LookTimer(clock, (dueMs) => this.#look(dueMs));
    this.proposer = new Proposer(name, raft, wallMs, clock, log);
    this.loop = new LoopHealth({
      who: "witness",
      clock,
      wallMs,
      log,
      ttlMs: () => state().grantTtlMs,
      electionMaxMs,
      stalled: (lateMs) => this.#leadership.stalled(lateMs),
    });
    this.#leadership = new Leadership({
      name,
      clock,
      raft,
      proposer: this.proposer,
      state,
      electionMaxMs,
      nodeOf: (member) => this.board.nodeOf(member),
      decided: (decision) => this.#note(decision),
      wake: () => this.#wake(),
      broken: options.broken ?? NOTHING_BROKEN,
    });
  }

  /** A node that has the name of a member that lives elsewhere is told so before it takes part in anything. */
  objectionToJoining(visitor: Omit<MemberInfo, "id">): string | null {
    const { clock, dcs } = this.#options;
    return whyNameTaken(visitor, dcs.state, this.board.seen(clock.now()));
  }

  /** See Leadership. */
  objectionTo(member: MemberInfo): string | null {
    return this.#leadership.objectionTo(member);
  }

  start(): void {
    const { raft } = this.#options;
    raft.onEvent((event) => this.#raftEvent(event));
    // It has no lease of its own to renew.
    this.#leaseMessages = new LeaseMessages({
      raft,
      renewal: (renewal, reply) => this.#leadership.renewal(renewal, reply),
      acknowledged: () => {},
    });
    const relay = new StatusRelay(raft, (from, bytes) => this.#statusMessage(from, bytes));
    raft.onChannel(STATUS_CHANNEL, (from, bytes) => {
      if (this.#statusMessage(from, bytes)) relay.pass(from, bytes);
    });
    this.#wake();
  }

  /** False: it is no status. */
  #statusMessage(from: number, bytes: Uint8Array): boolean {
    const status = decodeStatus(bytes);
    if (status !== null && this.board.hear(status, from, this.#options.clock.now())) {
      this.#sightings.heard(status, this.#options.dcs.state.lock);
      this.changes.changed();
      this.#wake();
    }
    return status !== null;
  }

  /** No more events are handled. */
  end(): void {
    this.#ended = true;
    this.#leaseMessages?.end();
    this.#timer.end();
  }

  get dynamic(): DynamicConfig {
    return this.#dynamic;
  }

  /** The configuration file was read again: it may hold a part of the dynamic configuration. */
  factsChanged(): void {
    this.#configRevision = undefined;
    this.#wake();
  }

  #raftEvent(event: RaftEvent): void {
    if (this.#ended) return;
    if (event.kind === "fatal") return this.#options.exit(1, `raft stopped: ${event.error.message}`);
    if (event.kind === "state") this.#leadership.roleChanged(event.role === "leader" ? event.term : null);
    const { state } = this.#options.dcs;
    if (event.kind === "applied" && state !== this.#lastState) {
      this.#lastState = state;
      this.#leadership.applied();
    }
    this.changes.changed();
    this.#wake();
  }

  #wake(): void {
    this.#timer.at(this.#options.clock.now());
  }

  #look(dueMs: number): void {
    if (this.#ended) return;
    const { clock, wallMs, dcs } = this.#options;
    const nowMs = clock.now();
    this.loop.look(nowMs, dueMs);
    this.#applyConfig();
    this.#announce(nowMs);
    this.#leadership.look({
      dynamic: this.#dynamic,
      statuses: this.board.seen(nowMs),
      witnesses: this.board.witnesses(nowMs),
      sighting: this.#sightings.last,
      primaryLsn: this.board.primaryLsn,
      wallMs: wallMs(),
    });
    const free = dcs.state.lock.holder === null;
    this.#timer.at(Math.max(
      nowMs + 1,
      Math.min(nowMs + (free ? FREE_LOCK_LOOK_MS : LOOK_PERIOD_MS), this.#leadership.deadlineMs()),
    ));
  }

  #applyConfig(): void {
    const { dcs, effective } = this.#options;
    const revision = dcs.state.config?.revision ?? null;
    if (revision === this.#configRevision) return;
    this.#configRevision = revision;
    this.#dynamic = effective(dcs.state.config?.value ?? {});
    this.changes.changed();
  }

  /** Tells the others who we are; also how many voters may fail, which only the leader knows. */
  #announce(nowMs: number): void {
    if (nowMs - this.#noticeAtMs < NOTICE_PERIOD_MS) return;
    this.#noticeAtMs = nowMs;
    const { name, raftAddr, apiUrl, raft } = this.#options;
    const status = raft.status();
    const notice: WitnessNotice = {
      name,
      raftAddr,
      apiUrl: apiUrl(),
      canLose: status.canLose,
      holderSeenEpoch: this.#sightings.last.epoch,
      holderLsn: this.#sightings.last.lsn,
    };
    this.board.hearWitness(notice, status.id, nowMs);
    const bytes = encodeMessage(notice);
    for (const { id } of status.members) if (id !== status.id) raft.send(id, WITNESS_CHANNEL, bytes);
    this.changes.changed();
  }

  #note({ rule, reason, commands }: ClusterDecision): void {
    const { wallMs, log } = this.#options;
    const at = new Date(wallMs()).toISOString();
    if (!this.decisions.record("coordinator", at, rule, reason, commands)) return;
    log[commands.length > 0 ? "info" : "debug"]("decision.coordinator", reason);
  }
}
