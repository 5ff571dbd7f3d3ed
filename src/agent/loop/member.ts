/**
 * One member of the cluster: observe -> decide -> act -> publish. Event-driven and synchronous between
 * events; time, randomness, network, disk, the guard and PostgreSQL come in through interfaces, so that the
 * simulator runs this very class. Everything that decides is in src/brain; here is the order in which a look
 * goes through it.
 */
import type { MemberInfo } from "../../../raft/mod.ts";
import type { AgentCounters } from "../../api/port.ts";
import { duties } from "../../brain/duties.ts";
import { keep } from "../../brain/keep/rules.ts";
import { NOTHING_BROKEN } from "../../dcs/broken_rules.ts";
import type { GuardPort } from "../../guard/port.ts";
import type { DynamicConfig } from "../../model/config.ts";
import type { JsonObject } from "../../model/json.ts";
import type { Life } from "../../model/life.ts";
import type { MemberStatus } from "../../model/member_status.ts";
import type { MemberFacts } from "../../model/records.ts";
import { Actor } from "./act.ts";
import { type AskFailsafe, Failsafe } from "../lease/failsafe.ts";
import { Joining } from "../peers/joining.ts";
import { Observer } from "./observe.ts";
import { watchdogSummary } from "./own_status.ts";
import type { PostgresPort } from "../postgres/port.ts";
import { Publisher } from "./publish.ts";
import { Reinitialization } from "./reinitialization.ts";
import { StopNote } from "./stop_note.ts";
import { StreamedTo } from "./streamed_to.ts";
import { Tenancy } from "../lease/tenancy.ts";
import { Voter, type VoterDuties, type VoterOptions } from "./voter.ts";
import { WalSettling } from "./wal_settling.ts";
import type { Watchdog } from "../lease/watchdog.ts";

export interface MemberOptions extends Omit<VoterOptions, "who"> {
  /** Machine and boot that this member runs on; the third part of its life is its raft id. */
  readonly machine: Pick<Life, "machine" | "boot">;
  /** Random, one for each start of the agent; at most 2^48. */
  readonly incarnation: number;
  readonly guard: GuardPort;
  readonly postgres: PostgresPort;
  /** The device behind the guard. @default none */
  readonly watchdog?: Watchdog;
  readonly facts: () => MemberFacts;
  readonly nofailover: () => boolean;
  readonly failoverPriority: () => number;
  /** postgresql.pg_ctl_timeout. */
  readonly pgCtlTimeoutS: () => number;
  /** Raft ids of all members. */
  readonly peers: () => readonly number[];
  /** `bootstrap.dcs`: written to the records once, by the member that bootstraps. */
  readonly bootstrapConfig: () => JsonObject;
  /** Whether an agent of that name answers at that api_url: somebody else who uses this member's name. */
  readonly memberAnswers: (name: string, apiUrl: string, done: (answers: boolean) => void) => void;
  /** Failsafe mode: asks a member over its REST API. */
  readonly askFailsafe: AskFailsafe;
}

export class Member {
  readonly voter: Voter;
  readonly failsafe: Failsafe;
  readonly reinitialization = new Reinitialization();
  readonly #options: MemberOptions;
  readonly #tenancy: Tenancy;
  readonly #joining: Joining;
  readonly #observer: Observer;
  readonly #actor: Actor;
  readonly #publisher: Publisher;
  readonly #streamedTo = new StreamedTo();
  readonly #settling = new WalSettling();
  readonly #stopNote = new StopNote();
  #stopping = false;
  #onStopped: (() => void) | null = null;
  #wantsRestart = false;

  constructor(options: MemberOptions) {
    this.#options = options;
    const { name, incarnation, clock, raft, dcs, guard, postgres, log, exit } = options;
    const broken = options.broken ?? NOTHING_BROKEN;
    const wake = () => this.voter.wake();
    const state = () => dcs.state;
    this.voter = new Voter({ ...options, who: "agent" }, this.#duties());
    const { proposer } = this.voter;
    this.#tenancy = new Tenancy({
      name,
      life: () => this.life(),
      incarnation,
      clock,
      raft,
      guard,
      proposer,
      watchdog: options.watchdog,
      state,
      paused: () => this.dynamic.pause,
      inRecovery: () => postgres.view().inRecovery === true,
      send: (renewal) => this.voter.renew(renewal),
      tookMs: (roundTripMs) => this.voter.loop.lateness.record("renewal", roundTripMs),
      wake,
      broken,
    });
    const { memberAnswers } = options;
    this.#joining = new Joining({
      name,
      incarnation,
      clock,
      log,
      state,
      facts: () => ({ ...options.facts(), life: this.life() }),
      tenancy: this.#tenancy,
      proposer,
      memberAnswers,
      exit,
      wake,
    });
    this.failsafe = new Failsafe({
      name,
      clock,
      state,
      dynamic: () => this.dynamic,
      tenancy: this.#tenancy,
      proposer,
      guard,
      postgres,
      ask: options.askFailsafe,
      // Else nobody may have seen a primary that lost raft right after its promotion, and a cold start is
      // waited out.
      holderSeen: (epoch) => this.voter.sightings.seen(epoch),
      log,
      wake,
      broken,
    });
    this.#observer = new Observer(clock.now());
    this.#publisher = new Publisher({ raft, peers: options.peers });
    this.#actor = new Actor({
      name,
      incarnation,
      postgres,
      guard,
      proposer,
      tenancy: this.#tenancy,
      failsafe: this.failsafe,
      stopNote: this.#stopNote,
      maxHistoryLines: () => this.dynamic.maxTimelinesHistory,
      nowMs: () => clock.now(),
      wallTime: () => this.voter.wallTime(),
      log,
      wake,
      exit: (message) => {
        this.end();
        exit(1, message);
      },
    });
  }

  #duties(): VoterDuties {
    const { postgres } = this.#options;
    return {
      look: (nowMs) => this.#look(nowMs),
      heard: () => {},
      namesake: () => this.#joining.namesakeHeard(),
      acknowledged: (ack) => this.#tenancy.acknowledged(ack),
      raftLeader: (isKnown) => {
        this.#joining.raftLeader(isKnown);
        if (isKnown) this.#tenancy.renewSoon();
      },
      lockChanged: () => {
        postgres.refresh();
        this.#tenancy.renewSoon();
        this.#joining.lockChanged();
      },
      isNews: (by) => by === "keeper" && postgres.view().action === null,
    };
  }

  /** Subscribes to everything and begins. Raft is started after this. */
  start(): void {
    const { guard, postgres } = this.#options;
    guard.onChange(() => {
      this.voter.loop.lateness.guardSaid(guard.view());
      this.voter.wake();
    });
    postgres.onChange(() => this.voter.wake());
    this.voter.start();
  }

  /** SIGTERM: stop PostgreSQL, hand the lock over; `done` when both are through. */
  stop(done: () => void): void {
    this.#stopping = true;
    this.#onStopped = done;
    this.voter.wake();
  }

  /** The agent ends now (or crashes, in the simulator): no more events are handled. */
  end(): void {
    this.voter.end();
  }

  wake(): void {
    this.voter.wake();
  }

  objectionToJoining(visitor: Omit<MemberInfo, "id">): string | null {
    return this.voter.objectionToJoining(visitor);
  }

  objectionTo(member: MemberInfo): string | null {
    return this.voter.objectionTo(member);
  }

  // What the API shows, and asks for. ----------------------------------------------------------------------

  get dynamic(): DynamicConfig {
    return this.voter.dynamic;
  }

  get status(): MemberStatus | null {
    return this.#publisher.last;
  }

  get counters(): AgentCounters {
    const { fences } = this.#observer;
    return { ...this.#actor.counters, fences, lateLoops: this.voter.loop.lateLooks };
  }

  /** The life of this machine; its raft id once it has a place. */
  life(): Life {
    const { machine: { machine, boot }, raft } = this.#options;
    return { node: raft.status().id, machine, boot };
  }

  /** s + L while the lock is held and the lease is acknowledged; null otherwise. */
  leaseUntilMs(): number | null {
    return this.#tenancy.tenure().kind === "holding" ? this.#tenancy.validUntilMs : null;
  }

  requestRestart(): void {
    this.#wantsRestart = true;
    this.voter.wake();
  }

  /** A restart that has not begun is wanted no more: its asker was told that it failed. */
  withdrawRestart(): void {
    this.#wantsRestart = false;
  }

  requestReinit(fromLeader: boolean): void {
    this.reinitialization.ask(fromLeader, this.#options.clock.now());
    this.voter.wake();
  }

  /** The local file was read again: tags and addresses may have changed. */
  factsChanged(): void {
    this.voter.factsChanged();
  }

  // The loop. ----------------------------------------------------------------------------------------------

  #look(nowMs: number): number {
    const { clock, dcs, postgres } = this.#options;
    this.#joining.look();
    this.#applyConfig();
    const renewAtMs = this.#tenancy.look();
    const feedAtMs = this.#careForWatchdog();
    const settleAtMs = this.#settling.look(dcs.state.lock, postgres, nowMs);
    this.#publish(nowMs);
    const failsafeAtMs = this.failsafe.look(this.voter.board.seen(nowMs));
    this.voter.lead();
    this.#keep(nowMs);
    this.#publish(clock.now());
    return Math.min(
      this.#publisher.dueMs,
      renewAtMs,
      feedAtMs,
      settleAtMs,
      failsafeAtMs,
      this.#waitAtMs(nowMs),
      this.#joining.dueMs(nowMs),
      this.voter.leadAtMs(),
      nowMs + this.dynamic.loopWaitS * 1000,
      dcs.state.lock.holder === null ? nowMs + 50 : Infinity,
    );
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
      loopWaitS: this.dynamic.loopWaitS,
      // Not by the configuration: until unfenced(e) is committed and the guard told, the lock may go to
      // another member.
      paused: armed?.unfenced === true,
      leaseRuns: this.#tenancy.leaseRuns,
      harmless: known && (!anyProcess || (postmaster !== null && !postmaster.writable)),
      frozen: known && postmaster?.phase === "frozen" && allStopped === true,
    });
  }

  #applyConfig(): void {
    const { dcs, postgres, bootstrapConfig, incarnation, name } = this.#options;
    const { config, initialize } = dcs.state;
    if (config === null && initialize?.by === name && initialize.incarnation === incarnation) {
      const first = { op: "setConfig", value: bootstrapConfig(), expectRevision: null } as const;
      this.voter.proposer.repeat(first, () => this.voter.wake());
    }
    if (this.voter.applyConfig()) postgres.desire({ configuration: this.dynamic });
  }

  #publish(nowMs: number): void {
    const { name, incarnation, dcs, postgres, guard, raft, facts, watchdog } = this.#options;
    const { board, sightings, loop, changes } = this.voter;
    const tenure = this.#tenancy.tenure();
    const { tags, connUrl, apiUrl } = facts();
    const holding = tenure.kind === "holding";
    const isHolder = holding && tenure.epoch === dcs.state.lock.epoch;
    if (isHolder) sightings.seen(tenure.epoch);
    this.#streamedTo.note(postgres.view());
    const status = this.#publisher.publish({
      name,
      incarnation,
      life: this.life(),
      nowMs,
      dcs: dcs.state,
      postgres: postgres.view(),
      guard: guard.view(),
      watchdog: watchdogSummary(watchdog),
      watchdogFailed: watchdog?.failed ?? false,
      holding,
      sighting: sightings.last,
      walSettled: this.#settling.settled,
      streamedTo: this.#streamedTo.in(dcs.state.lock.epoch),
      stopping: this.#stopping,
      nofailover: this.#options.nofailover(),
      failoverPriority: this.#options.failoverPriority(),
      tags,
      connUrl,
      apiUrl,
      lateMs: Math.round(loop.lateMs),
      canLose: raft.status().canLose,
      lastStop: this.#stopNote.last,
    });
    if (status === null) return;
    board.hear(status, raft.status().id, nowMs);
    if (isHolder) sightings.heard(status, dcs.state.lock);
    changes.changed();
  }

  #keep(nowMs: number): void {
    const { name, incarnation, clock, dcs, postgres, guard, raft, pgCtlTimeoutS, broken } = this.#options;
    const view = postgres.view();
    this.#stopNote.look(view, guard.view().lastExit, this.voter.wallTime());
    if (view.action?.kind === "restart" || view.action?.kind === "start") this.#wantsRestart = false;
    this.reinitialization.look(view);
    const node = this.#observer.view({
      name,
      incarnation,
      dcs: dcs.state,
      dynamic: this.dynamic,
      joined: this.#tenancy.isJoined,
      postgres: view,
      guard: guard.view(),
      tenure: this.#tenancy.tenure().kind,
      heldSinceMs: this.#tenancy.heldSinceMs,
      leaseUsable: this.#tenancy.leaseUsable(),
      failsafeWait: this.failsafe.waitUntilMs() > clock.now(),
      watchdogFailed: this.#options.watchdog?.failed ?? false,
      skipLeaseCheck: broken?.has("promote-before-renewal") ?? false,
      statuses: this.voter.board.seen(nowMs),
      raftLeads: raft.status().leader !== null,
      pgCtlTimeoutS: pgCtlTimeoutS(),
      stopping: this.#stopping,
      wantsRestart: this.#wantsRestart,
      wantsReinit: this.reinitialization.wanted,
      reinitializing: this.reinitialization.status?.state === "running",
    }, nowMs);
    const decision = keep(node);
    this.voter.note("keeper", decision, decision.actions);
    for (const action of decision.actions) this.#actor.act(action, decision.reason);
    const leaseUntilMs = this.#tenancy.validUntilMs;
    const { checkpointedForMs } = this.#actor;
    for (
      const duty of duties({ ...node, leaseUntilMs, checkpointedForMs, heardMs: this.#observer.heardMs })
    ) this.#actor.fulfil(duty);
    if (!decision.mayLeave) return;
    const done = this.#onStopped;
    this.#onStopped = null;
    done?.();
  }
}
