/**
 * One member of the cluster: observe -> decide -> act -> publish. Event-driven and synchronous between events; time,
 * randomness, network, disk, the guard and PostgreSQL come in through interfaces, so that the simulator runs this very
 * class. Everything that decides is in src/brain; here decisions are only carried out.
 */
import type { Clock, MemberInfo, Raft, RaftEvent } from "../../raft/mod.ts";
import type { AgentCounters } from "../api/port.ts";
import type { Action } from "../brain/actions.ts";
import { duties, type Duty, missesWal } from "../brain/duties.ts";
import { keep } from "../brain/keep/rules.ts";
import type { NodeView } from "../brain/keep/view.ts";
import type { SeenStatus } from "../brain/cluster/successor.ts";
import { type BrokenRules, NOTHING_BROKEN } from "../dcs/broken_rules.ts";
import type { DcsStateMachine } from "../dcs/state_machine.ts";
import type { GuardPort } from "../guard/port.ts";
import type { Log } from "../lib/log.ts";
import type { DynamicConfig } from "../model/config.ts";
import type { JsonObject } from "../model/json.ts";
import type { Life } from "../model/life.ts";
import type { MemberStatus } from "../model/member_status.ts";
import type { DcsState, MemberFacts } from "../model/records.ts";
import { Changes } from "./changes.ts";
import { DecisionLog } from "./decision_log.ts";
import { type AskFailsafe, Failsafe } from "./failsafe.ts";
import { HolderSightings } from "./holder_sightings.ts";
import { Joining } from "./joining.ts";
import { Leadership } from "./leadership.ts";
import { whyNameTaken } from "./namesake.ts";
import { LeaseMessages } from "./lease_messages.ts";
import { LookTimer } from "./look_timer.ts";
import { LoopHealth } from "./loop_health.ts";
import { decodeStatus, decodeWitness, encodeMessage, STATUS_CHANNEL, WITNESS_CHANNEL } from "./messages.ts";
import { ownStatus, significant, watchdogSummary } from "./own_status.ts";
import type { PostgresPort } from "./postgres/port.ts";
import { Proposer } from "./proposer.ts";
import { ReceivedGrowth } from "./received_growth.ts";
import { Reinitialization } from "./reinitialization.ts";
import { StatusBoard } from "./status_board.ts";
import { StatusRelay } from "./status_relay.ts";
import { StopNote } from "./stop_note.ts";
import { StreamedTo } from "./streamed_to.ts";
import { Tenancy } from "./tenancy.ts";
import { WalSettling } from "./wal_settling.ts";
import type { Watchdog } from "./watchdog.ts";

const STATUS_PERIOD_MS = 500;
/** After a look that itself changed something. */
const LOOK_AGAIN_MS = 5;

export interface MemberOptions {
  readonly name: string;
  /** Machine and boot that this member runs on; the third part of its life is its raft id. */
  readonly machine: Pick<Life, "machine" | "boot">;
  /** Random, one for each start of the agent; at most 2^48. */
  readonly incarnation: number;
  readonly clock: Clock;
  readonly wallMs: () => number;
  readonly raft: Raft;
  readonly dcs: DcsStateMachine;
  readonly guard: GuardPort;
  readonly postgres: PostgresPort;
  /** The device behind the guard. @default none */
  readonly watchdog?: Watchdog;
  readonly log: Log;
  readonly facts: () => MemberFacts;
  readonly nofailover: () => boolean;
  readonly failoverPriority: () => number;
  /** postgresql.pg_ctl_timeout. */
  readonly pgCtlTimeoutS: () => number;
  /** Raft ids of all members. */
  readonly peers: () => readonly number[];
  /** `bootstrap.dcs`: written to the records once, by the member that bootstraps. */
  readonly bootstrapConfig: () => JsonObject;
  readonly effective: (dcs: JsonObject) => DynamicConfig;
  readonly electionMaxMs: number;
  /** Whether an agent of that name answers at that api_url: somebody else who uses our name. */
  readonly memberAnswers: (name: string, apiUrl: string, done: (answers: boolean) => void) => void;
  /** Failsafe mode: asks a member over its REST API. */
  readonly askFailsafe: AskFailsafe;
  /** Ends the process. */
  readonly exit: (code: number, message: string) => void;
  readonly broken?: BrokenRules;
}

export class Member {
  readonly #options: MemberOptions;
  readonly board: StatusBoard;
  readonly decisions = new DecisionLog();
  readonly #tenancy: Tenancy;
  readonly #joining: Joining;
  readonly #leadership: Leadership;
  readonly failsafe: Failsafe;
  readonly proposer: Proposer;
  readonly loop: LoopHealth;
  readonly changes = new Changes();
  readonly #timer: LookTimer;
  #looking = false;
  #wokenMeanwhile = false;
  #ended = false;
  #stopping = false;
  #onStopped: (() => void) | null = null;
  #configRevision: number | null | undefined = undefined;
  #dynamic: DynamicConfig;
  #lastState: DcsState | null = null;
  #leaseMessages: LeaseMessages | null = null;
  #status: MemberStatus | null = null;
  #statusText = "";
  #statusSentMs = -Infinity;
  #seq = 0;
  readonly #sightings = new HolderSightings();
  readonly #streamedTo = new StreamedTo();
  readonly #settling = new WalSettling();
  #lastStreamingMs = 0;
  #lastRaftMs = 0;
  readonly #received = new ReceivedGrowth();
  /** Deadline of the lease that a checkpoint was made for. */
  #checkpointFor: number | null = null;
  #wantsRestart = false;
  readonly reinitialization = new Reinitialization();
  readonly #stopNote = new StopNote();
  #counters = { promotions: 0, demotions: 0 };
  #fences = 0;
  #lastExitPid: number | null = null;

  constructor(options: MemberOptions) {
    this.#options = options;
    const { clock, raft, name, broken = NOTHING_BROKEN } = options;
    const wake = () => this.wake();
    const state = () => options.dcs.state;
    this.#timer = new LookTimer(clock, (dueMs) => this.#look(dueMs));
    this.proposer = new Proposer(name, raft, options.wallMs, clock, options.log);
    this.loop = new LoopHealth({
      who: "agent",
      clock,
      wallMs: options.wallMs,
      log: options.log,
      ttlMs: () => state().grantTtlMs,
      electionMaxMs: options.electionMaxMs,
      stalled: (lateMs) => this.#leadership.stalled(lateMs),
    });
    this.board = new StatusBoard(state);
    this.#tenancy = new Tenancy({
      name,
      life: () => this.life(),
      incarnation: options.incarnation,
      clock,
      raft,
      guard: options.guard,
      proposer: this.proposer,
      watchdog: options.watchdog,
      state,
      paused: () => this.#dynamic.pause,
      inRecovery: () => options.postgres.view().inRecovery === true,
      send: (renewal) => this.#leaseMessages?.renew(renewal),
      tookMs: (roundTripMs) => this.loop.lateness.record("renewal", roundTripMs),
      wake,
      broken,
    });
    this.#joining = new Joining({
      name,
      incarnation: options.incarnation,
      clock,
      log: options.log,
      state,
      facts: () => ({ ...options.facts(), life: this.life() }),
      tenancy: this.#tenancy,
      proposer: this.proposer,
      memberAnswers: options.memberAnswers,
      exit: options.exit,
      wake,
    });
    this.failsafe = new Failsafe({
      name,
      clock,
      state,
      dynamic: () => this.#dynamic,
      tenancy: this.#tenancy,
      proposer: this.proposer,
      guard: options.guard,
      postgres: options.postgres,
      ask: options.askFailsafe,
      // Else nobody may have seen a primary that lost raft right after its promotion, and a cold start is waited out.
      holderSeen: (epoch) => this.#sightings.seen(epoch),
      log: options.log,
      wake,
      broken,
    });
    this.#leadership = new Leadership({
      name,
      clock,
      raft,
      proposer: this.proposer,
      state,
      electionMaxMs: options.electionMaxMs,
      nodeOf: (member) => this.board.nodeOf(member),
      decided: (decision) => this.#note("coordinator", decision, decision.commands),
      wake,
      broken,
    });
    this.#dynamic = options.effective({});
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

  /** Subscribes to everything and begins. Raft is started by whoever composed us, after this. */
  start(): void {
    const { raft, guard, postgres, clock } = this.#options;
    raft.onEvent((event) => this.#raftEvent(event));
    this.#leaseMessages = new LeaseMessages({
      raft,
      renewal: (renewal, reply) => this.#leadership.renewal(renewal, reply),
      acknowledged: (ack) => this.#tenancy.acknowledged(ack),
    });
    const relay = new StatusRelay(raft, (from, bytes) => this.#statusMessage(from, bytes));
    raft.onChannel(STATUS_CHANNEL, (from, bytes) => {
      if (this.#statusMessage(from, bytes)) relay.pass(from, bytes);
    });
    raft.onChannel(WITNESS_CHANNEL, (from, bytes) => {
      const notice = decodeWitness(bytes);
      if (notice !== null) this.board.hearWitness(notice, from, clock.now());
    });
    guard.onChange(() => {
      this.loop.lateness.guardSaid(guard.view());
      this.wake();
    });
    postgres.onChange(() => this.wake());
    this.#lastStreamingMs = this.#lastRaftMs = clock.now();
    this.wake();
  }

  /** SIGTERM: stop PostgreSQL, hand the lock over; `done` when both are through. */
  stop(done: () => void): void {
    this.#stopping = true;
    this.#onStopped = done;
    this.wake();
  }

  /** The agent ends now (or crashes, in the simulator): no more events are handled. */
  end(): void {
    this.#ended = true;
    this.#leaseMessages?.end();
    this.#timer.end();
  }

  // What the API shows. ------------------------------------------------------------------------------------------

  get dynamic(): DynamicConfig {
    return this.#dynamic;
  }

  get status(): MemberStatus | null {
    return this.#status;
  }

  get counters(): AgentCounters {
    return { ...this.#counters, fences: this.#fences, lateLoops: this.loop.lateLooks };
  }

  life(): Life {
    const { machine: { machine, boot }, raft } = this.#options;
    return { node: raft.status().id, machine, boot };
  }

  /** s + L while we hold the lock and the lease is acknowledged; null otherwise. */
  leaseUntilMs(): number | null {
    return this.#tenancy.tenure().kind === "holding" ? this.#tenancy.validUntilMs : null;
  }

  requestRestart(): void {
    this.#wantsRestart = true;
    this.wake();
  }

  /** A restart that has not begun is wanted no more: its asker was told that it failed. */
  withdrawRestart(): void {
    this.#wantsRestart = false;
  }

  requestReinit(fromLeader: boolean): void {
    this.reinitialization.ask(fromLeader, this.#options.clock.now());
    this.wake();
  }

  /** The local file was read again: tags and addresses may have changed. */
  factsChanged(): void {
    this.#configRevision = undefined;
    this.wake();
  }

  // Events. ------------------------------------------------------------------------------------------------------

  wake(): void {
    if (this.#looking) this.#wokenMeanwhile = true;
    else this.#timer.at(this.#options.clock.now());
  }

  #raftEvent(event: RaftEvent): void {
    if (this.#ended) return;
    if (event.kind === "state") {
      this.#leadership.roleChanged(event.role === "leader" ? event.term : null);
      this.#joining.raftLeader(event.leader !== null);
      if (event.leader !== null) this.#tenancy.renewSoon();
      this.changes.changed();
    } else if (event.kind === "applied") {
      const { state } = this.#options.dcs;
      if (state !== this.#lastState) {
        this.#leadership.applied();
        this.changes.changed();
        if (state.lock !== this.#lastState?.lock) {
          this.#options.postgres.look();
          this.#tenancy.renewSoon();
          this.#joining.lockChanged();
        }
        this.#lastState = state;
      }
    } else if (event.kind === "fatal") {
      this.#options.exit(1, `raft stopped: ${event.error.message}`);
      return;
    }
    this.wake();
  }

  /** False: it is no status. */
  #statusMessage(from: number, bytes: Uint8Array): boolean {
    const status = decodeStatus(bytes);
    if (status !== null && !this.#ended && from !== this.#options.raft.status().id) this.#heard(status, from);
    return status !== null;
  }

  #heard(status: MemberStatus, from: number): void {
    const { dcs, clock, name } = this.#options;
    if (status.name === name) {
      // Somebody else lives by our name.
      this.#joining.namesakeHeard();
      return;
    }
    const known = this.board.seen(0).find((seen) => seen.status.name === status.name)?.status;
    if (!this.board.hear(status, from, clock.now())) return;
    this.#sightings.heard(status, dcs.state.lock);
    if (known === undefined || significant(known) !== significant(status) || dcs.state.lock.holder === null) {
      this.wake();
    }
  }

  // The loop. ----------------------------------------------------------------------------------------------------

  #look(dueMs: number): void {
    if (this.#ended) return;
    this.#looking = true;
    this.#wokenMeanwhile = false;
    const { clock } = this.#options;
    const nowMs = clock.now();
    this.loop.look(nowMs, dueMs);
    this.#joining.look();
    this.#applyConfig();
    const renewAtMs = this.#tenancy.look();
    const feedAtMs = this.#careForWatchdog();
    const settleAtMs = this.#settling.look(this.#options.dcs.state.lock, this.#options.postgres, nowMs);
    this.#publish(nowMs);
    const statuses = this.board.seen(nowMs);
    const failsafeAtMs = this.failsafe.look(statuses);
    this.#lead(statuses);
    this.#keep(statuses, nowMs);
    this.#publish(clock.now());
    this.#looking = false;
    if (this.#ended) return;
    const next = Math.min(
      this.#statusSentMs + STATUS_PERIOD_MS,
      renewAtMs,
      feedAtMs,
      settleAtMs,
      failsafeAtMs,
      this.#waitAtMs(nowMs),
      this.#joining.dueMs(nowMs),
      Math.max(nowMs + 1, this.#leadership.deadlineMs()),
      nowMs + this.#dynamic.loopWaitS * 1000,
      this.#options.dcs.state.lock.holder === null ? nowMs + 50 : Infinity,
      // What we did ourselves has changed something already.
      this.#wokenMeanwhile ? nowMs + LOOK_AGAIN_MS : Infinity,
    );
    this.#timer.at(Math.max(next, nowMs + 1));
  }

  /** When the wait ends that failsafe mode asks of a new holder. */
  #waitAtMs(nowMs: number): number {
    const untilMs = this.#tenancy.tenure().kind === "holding" ? this.failsafe.waitUntilMs() : -Infinity;
    return untilMs > nowMs ? untilMs : Infinity;
  }

  /** Returns when it needs the next look. */
  #careForWatchdog(): number {
    const { watchdog, guard, dcs } = this.#options;
    if (watchdog === undefined) return Infinity;
    const { state, anyProcess, armed, postmaster, allStopped } = guard.view();
    const known = state !== "none";
    return watchdog.look({
      ttlMs: dcs.state.grantTtlMs,
      loopWaitS: this.#dynamic.loopWaitS,
      // Not by the configuration: until unfenced(e) is committed and the guard told, the lock may go to another member.
      paused: armed?.unfenced === true,
      leaseRuns: this.#tenancy.leaseRuns,
      harmless: known && (!anyProcess || (postmaster !== null && !postmaster.writable)),
      frozen: known && postmaster?.phase === "frozen" && allStopped === true,
    });
  }

  /** Of this machine; its raft id once it has a place. */
  #applyConfig(): void {
    const { dcs, effective, postgres, bootstrapConfig, incarnation, name } = this.#options;
    const { config, initialize } = dcs.state;
    if (config === null && initialize?.by === name && initialize.incarnation === incarnation) {
      this.proposer.repeat(
        { op: "setConfig", value: bootstrapConfig(), expectRevision: null },
        () => this.wake(),
      );
    }
    const revision = config?.revision ?? null;
    if (revision === this.#configRevision) return;
    this.#configRevision = revision;
    this.#dynamic = effective(config?.value ?? {});
    postgres.configure(this.#dynamic);
    this.changes.changed();
  }

  #publish(nowMs: number): void {
    const { name, incarnation, dcs, postgres, guard, raft, facts } = this.#options;
    const tenure = this.#tenancy.tenure();
    const own = facts();
    const holding = tenure.kind === "holding";
    const holder = holding && tenure.epoch === dcs.state.lock.epoch;
    if (holder) this.#sightings.seen(tenure.epoch);
    this.#streamedTo.note(postgres.view());
    const status = ownStatus({
      name,
      incarnation,
      life: this.life(),
      seq: this.#seq + 1,
      nowMs,
      dcs: dcs.state,
      postgres: postgres.view(),
      guard: guard.view(),
      watchdog: watchdogSummary(this.#options.watchdog),
      watchdogFailed: this.#options.watchdog?.failed ?? false,
      holding,
      sighting: this.#sightings.last,
      walSettled: this.#settling.settled,
      streamedTo: this.#streamedTo.in(dcs.state.lock.epoch),
      stopping: this.#stopping,
      nofailover: this.#options.nofailover(),
      failoverPriority: this.#options.failoverPriority(),
      tags: own.tags,
      connUrl: own.connUrl,
      apiUrl: own.apiUrl,
      lateMs: Math.round(this.loop.lateMs),
      canLose: raft.status().canLose,
      lastStop: this.#stopNote.last,
    });
    const text = significant(status);
    const changed = text !== this.#statusText;
    if (!changed && nowMs - this.#statusSentMs < STATUS_PERIOD_MS) return;
    this.#seq++;
    this.#status = status;
    this.#statusText = text;
    this.#statusSentMs = nowMs;
    this.board.hear(status, raft.status().id, nowMs);
    if (holder) this.#sightings.heard(status, dcs.state.lock);
    const bytes = encodeMessage(status);
    for (const peer of this.#options.peers()) {
      if (peer !== raft.status().id) raft.send(peer, STATUS_CHANNEL, bytes);
    }
    this.changes.changed();
  }

  #lead(statuses: readonly SeenStatus[]): void {
    this.#leadership.look({
      dynamic: this.#dynamic,
      statuses,
      witnesses: this.board.witnesses(this.#options.clock.now()),
      sighting: this.#sightings.last,
      primaryLsn: this.board.primaryLsn,
      wallMs: this.#options.wallMs(),
    });
  }

  #keep(statuses: readonly SeenStatus[], nowMs: number): void {
    const { name, incarnation, dcs, postgres, guard, raft, pgCtlTimeoutS, broken } = this.#options;
    const view = postgres.view();
    const guardView = guard.view();
    const tenure = this.#tenancy.tenure();
    if (!missesWal(view, dcs.state, statuses)) this.#lastStreamingMs = nowMs;
    const exit = guardView.lastExit;
    this.#stopNote.look(view, exit, this.#wallTime());
    if (exit !== null && exit.pid !== this.#lastExitPid) {
      this.#lastExitPid = exit.pid;
      if (exit.fenced) this.#fences++;
    }
    if (view.action?.kind === "restart" || view.action?.kind === "start") this.#wantsRestart = false;
    if (raft.status().leader !== null) this.#lastRaftMs = nowMs;
    this.reinitialization.look(view);
    const node: NodeView = {
      nowMs,
      name,
      incarnation,
      dcs: dcs.state,
      dynamic: this.#dynamic,
      joined: this.#tenancy.isJoined,
      postgres: view,
      tenure: tenure.kind,
      heldSinceMs: this.#tenancy.heldSinceMs,
      leaseUsable: this.#tenancy.leaseUsable(),
      failsafeWait: this.failsafe.waitUntilMs() > this.#options.clock.now(),
      watchdogFailed: this.#options.watchdog?.failed ?? false,
      skipLeaseCheck: broken?.has("promote-before-renewal") ?? false,
      anyProcess: guardView.anyProcess,
      statuses,
      notStreamingForMs: nowMs - this.#lastStreamingMs,
      pgCtlTimeoutS: pgCtlTimeoutS(),
      receivedGrewMs: this.#received.look(name, statuses, nowMs),
      raftLostForMs: nowMs - this.#lastRaftMs,
      stopping: this.#stopping,
      wantsRestart: this.#wantsRestart,
      wantsReinit: this.reinitialization.wanted,
      reinitializing: this.reinitialization.status?.state === "running",
    };
    const decision = keep(node);
    this.#note("keeper", decision, decision.actions);
    for (const action of decision.actions) this.#act(action, decision.reason);
    const leaseUntilMs = this.#tenancy.validUntilMs;
    const checkpointedForMs = this.#checkpointFor;
    for (const duty of duties({ ...node, leaseUntilMs, checkpointedForMs })) this.#fulfil(duty);
    if (decision.mayLeave) this.#stopped();
  }

  /** What is owed as long as a state lasts; each of them may be told again and again. */
  #fulfil(duty: Duty): void {
    const { guard, log, name, postgres } = this.#options;
    switch (duty.kind) {
      case "declare-standby":
        guard.adopt?.(null, () => this.wake());
        return;
      case "cancel-copy":
        postgres.cancelLongAction(duty.why);
        return;
      case "slots":
        postgres.ensureSlots(duty.members);
        return;
      case "record-history":
        this.proposer.repeat({
          op: "addHistory",
          epoch: duty.epoch,
          line: [...duty.line, duty.at ?? this.#wallTime(), name],
          maxLines: this.#dynamic.maxTimelinesHistory,
        }, () => {});
        return;
      case "checkpoint":
        this.#checkpointFor = duty.leaseUntilMs;
        log.warning(
          "renewal",
          "the lease has not been renewed for half of its time: a checkpoint, in case it runs out",
        );
        postgres.run({ kind: "checkpoint" });
    }
  }

  #stopped(): void {
    const done = this.#onStopped;
    this.#onStopped = null;
    done?.();
  }

  #act(action: Action, reason: string): void {
    const { postgres, exit } = this.#options;
    const wake = () => this.wake();
    switch (action.kind) {
      case "claim-initialize":
        this.proposer.repeat({ op: "claimInitialize", incarnation: this.#options.incarnation }, wake);
        return;
      case "complete-initialize":
        this.proposer.repeat({
          op: "completeInitialize",
          incarnation: this.#options.incarnation,
          systemId: action.systemId,
        }, wake);
        return;
      case "clear-initialize":
        this.proposer.repeat({
          op: "clearInitialize",
          of: this.#options.name,
          incarnation: this.#options.incarnation,
        }, wake);
        return;
      case "release": {
        const view = postgres.view();
        // The last line of defence: releasing while something can acknowledge would hand the lock over too early.
        if (view.process !== "none" && view.writable) {
          throw new Error(`release of epoch ${action.epoch} while PostgreSQL may be writable`);
        }
        const control = view.directory.kind === "valid" ? view.directory.control : null;
        const clean = control !== null && control.clusterState === "shut down";
        this.#tenancy.release(
          action.epoch,
          reason,
          clean ? control.checkpointLsn : null,
          control?.timeline ?? null,
        );
        return;
      }
      case "exit":
        // Nothing more is decided while the process comes to its end.
        this.end();
        exit(1, action.message);
        return;
      case "stop":
      case "start-primary":
      case "promote":
        // The last line of defence: somebody else may still write, by our own word.
        if (action.kind !== "stop" && this.failsafe.waitUntilMs() > this.#options.clock.now()) {
          throw new Error(
            `${action.kind} under epoch ${action.epoch} before the wait of failsafe mode is over`,
          );
        }
        if (action.kind === "promote" && postgres.view().action?.kind !== "promote") {
          this.#counters.promotions++;
        }
        if (action.kind === "stop" && postgres.view().writable && postgres.view().action?.kind !== "stop") {
          this.#counters.demotions++;
        }
        // Who streams from us by now is part of what the successor is chosen by: looked at while the checkpoint runs.
        if (action.kind === "stop" && action.checkpoint) postgres.look();
        if (action.kind === "stop") this.#stopNote.asked(action.how, reason, this.#wallTime());
        postgres.run(action);
        return;
      default:
        if (action.kind === "restart") this.#stopNote.asked("fast", reason, this.#wallTime());
        postgres.run(action);
    }
  }

  #wallTime(): string {
    return new Date(this.#options.wallMs()).toISOString();
  }

  /** Decisions that do something, or that a person would want to see once, are news; the rest is for whoever debugs. */
  #note(
    by: "keeper" | "coordinator",
    { rule, reason }: { readonly rule: string; readonly reason: string },
    actions: readonly unknown[],
  ): void {
    const { log } = this.#options;
    if (!this.decisions.record(by, this.#wallTime(), rule, reason, actions)) return;
    const news = actions.length > 0 || (by === "keeper" && this.#options.postgres.view().action === null);
    log[news ? "info" : "debug"](`decision.${by}`, reason);
  }
}
