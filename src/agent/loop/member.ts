/**
 * One member of the cluster: observe -> decide -> act -> publish. Event-driven and synchronous between
 * events; time, randomness, network, disk, the guard and PostgreSQL come in through interfaces, so that the
 * simulator runs this very class. Everything that decides is in src/brain; here is the order in which a look
 * goes through it.
 */
import type { MemberInfo } from "../../../raft/mod.ts";
import type { AgentCounters } from "../../api/port.ts";
import { FRESH_MS } from "../../brain/cluster/successor_view.ts";
import { duties } from "../../brain/duties.ts";
import { restartDueInMs } from "../../brain/scheduled_restart.ts";
import { keep } from "../../brain/keep/rules.ts";
import type { NodeView } from "../../brain/keep/view.ts";
import { syncStep } from "../../brain/sync.ts";
import { syncSigns } from "../../brain/sync_trouble.ts";
import type { DynamicConfig } from "../../model/config.ts";
import type { Life } from "../../model/life.ts";
import { type DcsState, isInitialized } from "../../model/records.ts";
import type { MemberStatus } from "../../model/member_status.ts";
import type { Failsafe } from "../lease/failsafe.ts";
import { BEAT_MS, type NextLook } from "./look_timer.ts";
import { type MemberOptions, type MemberRooms, memberRooms } from "./member_rooms.ts";
import { nodeView, ownLook, statusInput, syncRulesLeftOut, watchdogView } from "./member_views.ts";
import type { Reinitialization } from "./reinitialization.ts";
import { DECIDE_MS, isAtRest, isHeard, NEAR_MS } from "./rest.ts";
import { SyncWait } from "./sync_wait.ts";
import type { Voter } from "./voter.ts";

/**
 * A renewal leaves so much early with a status that is due, and a status with a renewal: nearly half of the
 * time between two statuses, so whatever their order was, they soon leave together. Not half of it: with
 * ttl 2 every second renewal would bring a status of its own. Early is always safe: a lease counts from the
 * send of its renewal.
 */
const SHARED_MS = 240;

export class Member {
  readonly #rooms: MemberRooms;
  readonly #wishes = {
    stopping: false,
    restart: false,
    restartAskedMs: 0,
    restartTimeoutS: null as number | null,
  };
  #onStopped: (() => void) | null = null;
  readonly #syncWait: SyncWait;
  /** The last look that decided saw the member at rest. */
  #rests = false;
  /** When a look is to decide in any case. */
  #decideAtMs = -Infinity;
  /** The records of the last look that the data directory is to keep. */
  #recorded: Pick<DcsState, "config" | "initialize"> = { config: null, initialize: null };

  constructor(options: MemberOptions) {
    this.#syncWait = new SyncWait(options.log);
    this.#rooms = memberRooms(options, {
      look: (nowMs, woken) => this.#look(nowMs, woken),
      restart: (timeoutS) => this.#wantRestart(timeoutS),
    });
  }

  /** Subscribes to everything and begins. Raft is started after this. */
  start(): void {
    const { voter, tenancy, guardNews, options: { guard, postgres } } = this.#rooms;
    guard.onChange(() => {
      const view = guard.view();
      voter.loop.lateness.guardSaid(view);
      if (guardNews.look(view) || !tenancy.isQuiet) voter.wake();
    });
    postgres.onChange(() => voter.wake());
    voter.start();
  }

  /** SIGTERM: stop PostgreSQL, hand the lock over; `done` when both are through. */
  stop(done: () => void): void {
    this.#wishes.stopping = true;
    this.#onStopped = done;
    this.wake();
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

  // For the API. ----------------------------------------------------------------------

  get voter(): Voter {
    return this.#rooms.voter;
  }

  get failsafe(): Failsafe {
    return this.#rooms.failsafe;
  }

  get reinitialization(): Reinitialization {
    return this.#rooms.reinitialization;
  }

  get dynamic(): DynamicConfig {
    return this.voter.dynamic;
  }

  /** The records are not older than this start of the agent. */
  get isJoined(): boolean {
    return this.#rooms.tenancy.isJoined;
  }

  get status(): MemberStatus | null {
    return this.#rooms.publisher.last;
  }

  get counters(): AgentCounters {
    const { actor, observer: { fences }, voter: { loop } } = this.#rooms;
    return {
      promotions: actor.promotions,
      fences,
      lateLoops: loop.lateLooks,
      events: this.voter.eventCounts,
    };
  }

  /** Demotions since the start of the agent, by the rule that decided. */
  get demotions(): { readonly [rule: string]: number } {
    return this.#rooms.actor.demotions;
  }

  life(): Life {
    return this.#rooms.life();
  }

  /** s + L while the lock is held and the lease is acknowledged; null otherwise. */
  leaseUntilMs(): number | null {
    const { tenancy } = this.#rooms;
    return tenancy.tenure().kind === "holding" ? tenancy.validUntilMs : null;
  }

  /** `timeoutS`: if it takes longer, another member may become the primary; null: no limit. */
  requestRestart(timeoutS: number | null): void {
    this.#asked("restart-requested", "a restart of PostgreSQL was requested");
    this.#wantRestart(timeoutS);
  }

  #wantRestart(timeoutS: number | null): void {
    this.#wishes.restart = true;
    this.#wishes.restartAskedMs = this.#rooms.options.clock.now();
    this.#wishes.restartTimeoutS = timeoutS;
    this.wake();
  }

  /** A restart was asked for and has not begun. */
  get restartWanted(): boolean {
    return this.#wishes.restart;
  }

  get reinitializing(): boolean {
    return this.reinitialization.running !== null;
  }

  /** A restart that has not begun is wanted no more: its asker was told that it failed. */
  withdrawRestart(): void {
    this.#wishes.restart = false;
  }

  requestReinit(fromLeader: boolean): void {
    this.#asked("reinit-requested", `a reinit was requested${fromLeader ? ", from the leader" : ""}`);
    this.reinitialization.ask(fromLeader, this.#rooms.options.clock.now());
    this.wake();
  }

  /** For people: the request itself is in the memory of this member only. */
  #asked(kind: "restart-requested" | "reinit-requested", text: string): void {
    const { voter, options: { name } } = this.#rooms;
    voter.noteEvent({ kind, member: name, at: voter.wallTime(), text });
  }

  /** The local file was read again: tags and addresses may have changed. */
  factsChanged(): void {
    this.voter.factsChanged();
  }

  // The loop. ----------------------------------------------------------------------------------------------

  #look(nowMs: number, woken: boolean): NextLook {
    return (woken ? null : this.#restLook(nowMs)) ?? this.#decidingLook(nowMs);
  }

  /** Renews and tells the others; null: there may be something to decide. See rest.ts. */
  #restLook(nowMs: number): NextLook | null {
    const { voter: { board }, tenancy, options: { watchdog } } = this.#rooms;
    if (!this.#rests || nowMs >= this.#decideAtMs - NEAR_MS || !isHeard(board.seen(nowMs))) return null;
    const { renewAtMs, earlyMs } = this.#renew(nowMs);
    if (tenancy.tenure().kind === "holding" && !tenancy.isQuiet) return null;
    const feedAtMs = watchdog?.feedIfDue(watchdogView(this.#rooms)) ?? Infinity;
    this.#publish(nowMs, earlyMs);
    return this.#next(Math.min(renewAtMs, feedAtMs, this.#decideAtMs), renewAtMs);
  }

  /**
   * A renewal and a status that are due at about the same time leave together, in one look. `earlyMs`: how
   * early the status may be. A member that holds no lease has no renewal to send: its status comes with a
   * heartbeat of raft, leaves in one write with the answer, and wakes the raft leader once.
   */
  #renew(nowMs: number): { readonly renewAtMs: number; readonly earlyMs: number } {
    const { tenancy, publisher } = this.#rooms;
    const renewAtMs = tenancy.renewIfDue(nowMs >= publisher.dueMs ? SHARED_MS : 0);
    if (renewAtMs === Infinity) return { renewAtMs, earlyMs: BEAT_MS };
    return { renewAtMs, earlyMs: tenancy.lastSentMs >= nowMs ? SHARED_MS : 0 };
  }

  /** `atMs`: when to look again if no status is due before that. */
  #next(atMs: number, renewAtMs: number): NextLook {
    const { dueMs } = this.#rooms.publisher;
    if (atMs < dueMs) return { atMs, earlyMs: 0 };
    return { atMs: dueMs, earlyMs: renewAtMs === Infinity ? BEAT_MS : 0 };
  }

  #decidingLook(nowMs: number): NextLook {
    const { voter, joining, failsafe, settling, flushWatch, options } = this.#rooms;
    const { name, clock, dcs, postgres, watchdog } = options;
    joining.joinIfDue();
    this.#applyConfig();
    const { renewAtMs, earlyMs } = this.#renew(nowMs);
    const feedAtMs = watchdog?.feedIfDue(watchdogView(this.#rooms)) ?? Infinity;
    const settleAtMs = settling.look(dcs.state.lock, postgres, nowMs);
    const cutAtMs = this.#lookAtSync(nowMs);
    this.#publish(nowMs, earlyMs);
    const failsafeAtMs = failsafe.askIfDue(voter.board.seen(nowMs));
    voter.lead();
    this.#sayRace(nowMs);
    // The others are told at once of what is newly decided; what follows from it wakes the loop.
    if (this.#keep(nowMs)) this.#publish(clock.now());
    this.#decideAtMs = Math.min(
      settleAtMs,
      cutAtMs,
      failsafeAtMs,
      this.#waitAtMs(nowMs),
      this.#syncWait.dueMs,
      flushWatch.dueMs,
      joining.dueMs(nowMs),
      voter.leadAtMs(),
      nowMs + voter.dynamic.loopWaitS * 1000,
      nowMs + restartDueInMs({ name, dcs: dcs.state, wallMs: voter.scheduleMs(nowMs) }),
      dcs.state.lock.holder === null ? nowMs + 50 : Infinity,
    );
    const atMs = Math.min(this.#decideAtMs, renewAtMs, feedAtMs);
    this.#decideAtMs = Math.min(this.#decideAtMs, nowMs + DECIDE_MS);
    return this.#next(atMs, renewAtMs);
  }

  /** Before the records are acted on. Returns when to look again. */
  #lookAtSync(nowMs: number): number {
    const { tenancy, syncPen, cutWatch, options: { dcs, postgres, broken } } = this.#rooms;
    const { lock, sync } = dcs.state;
    this.#watchStandbys(nowMs);
    const grantedHere = tenancy.tenure().kind === "holding" && tenancy.heldSinceMs > -Infinity;
    syncPen.look({ epoch: lock.epoch, revision: sync.revision, joined: tenancy.isJoined, grantedHere });
    return cutWatch.look(dcs.state, postgres, nowMs, broken && syncRulesLeftOut(broken));
  }

  #watchStandbys(nowMs: number): void {
    const { voter, flushWatch, options: { postgres, log } } = this.#rooms;
    const news = flushWatch.look(postgres.view());
    if (flushWatch.isDue(nowMs)) postgres.refresh();
    if (voter.dynamic.synchronousMode === "off") return;
    for (const { standby, begins } of news) {
      if (!begins) log.info("standby_moves", `${standby} keeps up again, or streams anew`);
      else log.warning("standby_stands", `${standby} streams and flushes nothing: others are to acknowledge`);
    }
  }

  /** The end of the wait that failsafe mode imposes on a new holder. */
  #waitAtMs(nowMs: number): number {
    const { tenancy, failsafe } = this.#rooms;
    const untilMs = tenancy.tenure().kind === "holding" ? failsafe.waitUntilMs() : -Infinity;
    return untilMs > nowMs ? untilMs : Infinity;
  }

  /** What ails synchronous replication: a line at its beginning, and one at its end. */
  #watchSync(node: NodeView): void {
    const { syncWatch, options: { wallMs, log } } = this.#rooms;
    const { nowMs, postgres: { lastLookMs } } = node;
    const look = { signs: syncSigns(node), nowMs, lookMs: lastLookMs ?? nowMs, wallMs: wallMs() };
    for (const { kind, begins, text } of syncWatch.look(look)) {
      if (begins) log.warning("sync_trouble", `${kind}: ${text}`, { kind });
      else log.info("sync_trouble_over", `${kind} is ${text}`, { kind });
    }
  }

  #applyConfig(): void {
    const { voter, tenancy, options } = this.#rooms;
    const { dcs, postgres, bootstrapConfig, incarnation, name } = options;
    const { config, initialize } = dcs.state;
    const isOwnBootstrap = initialize?.by === name && initialize.incarnation === incarnation;
    // Records that were recovered without a configuration get theirs from the holder.
    const leads = isInitialized(dcs.state) && tenancy.tenure().kind === "holding";
    if (config === null && (isOwnBootstrap || leads)) {
      const first = { op: "setConfig", value: bootstrapConfig(), expectRevision: null } as const;
      voter.proposer.repeat(first, () => voter.wake());
    }
    if (voter.applyConfig()) postgres.desire({ configuration: voter.dynamic });
    if (config === this.#recorded.config && initialize === this.#recorded.initialize) return;
    this.#recorded = { config, initialize };
    if (config === null || !isInitialized(dcs.state)) return;
    postgres.desire({ recorded: { value: config.value, systemId: initialize!.systemId } });
  }

  #publish(nowMs: number, earlyMs = 0): void {
    const { voter, tenancy, publisher, streamedTo, options: { dcs, postgres, raft } } = this.#rooms;
    const { board, sightings, changes } = voter;
    const tenure = tenancy.tenure();
    const isHolder = tenure.kind === "holding" && tenure.epoch === dcs.state.lock.epoch;
    if (isHolder) sightings.seen(tenure.epoch);
    const view = postgres.view();
    streamedTo.note(view);
    const status = publisher.publish(statusInput(this.#rooms, this.#wishes, view, nowMs), earlyMs);
    if (status === null) return;
    board.hear(status, raft.id, nowMs);
    if (isHolder) sightings.heard(status, dcs.state.lock);
    changes.changed();
  }

  /** Before anything is done about the choice. */
  #sayRace(nowMs: number): void {
    const { voter, raceLines, options: { name, dcs, log } } = this.#rooms;
    const heard = () =>
      voter.board.seen(nowMs).filter(({ ageMs }) => ageMs < FRESH_MS).map(({ status }) => status);
    const line = raceLines.look({ name, dcs: dcs.state, paused: voter.dynamic.pause, heard });
    if (line !== null) log.info("lock", line);
  }

  #sayPromotion({ tenure, dcs: { lock }, postgres }: NodeView, isNewLock: boolean): void {
    const { actor, promotionLine, options: { log } } = this.#rooms;
    const writes = tenure === "holding" && postgres.writable && postgres.wroteUnder === lock.epoch;
    const line = promotionLine.look({ asked: actor.promotions, writes, isNewLock });
    if (line !== null) log.info("lock", line);
  }

  /** True: something is done, or it was decided otherwise than before. */
  #keep(nowMs: number): boolean {
    const { voter, tenancy, actor, observer, stopNote, leadFailures, ownEvents, options } = this.#rooms;
    const { guard, postgres } = options;
    const view = postgres.view();
    const at = voter.wallTime();
    stopNote.look(view, guard.view().lastExit, at);
    leadFailures.look(view, tenancy.tenure().kind === "holding", tenancy.heldSinceMs, nowMs, at);
    if (view.action?.kind === "restart" || view.action?.kind === "start") this.#wishes.restart = false;
    this.reinitialization.look(view);
    const node = nodeView(this.#rooms, this.#wishes, view, nowMs);
    const decision = keep(node);
    const isNew = voter.note("keeper", decision, decision.actions);
    observer.vouched.decided(decision.actions, node.dcs.lock.epoch);
    for (const action of decision.actions) actor.act(action, decision);
    const standing = {
      ...node,
      wallMs: voter.scheduleMs(nowMs),
      leaseUntilMs: tenancy.validUntilMs,
      checkpointedForMs: actor.checkpointedForMs,
      heardMs: observer.heardMs,
    };
    const due = duties(standing);
    if (isNew) options.record?.({ by: "keeper", view: standing, decision, duties: due });
    for (const duty of due) actor.fulfil(duty);
    this.#syncWait.note(node.tenure === "holding" ? syncStep(node) : null, nowMs);
    if (this.#syncWait.isDue(nowMs)) postgres.refresh();
    this.#watchSync(node);
    const events = ownEvents.look(ownLook(this.#rooms, this.#wishes, nowMs));
    for (const event of events) voter.noteEvent(event);
    this.#sayPromotion(node, events.some(({ kind }) => kind === "promoted"));
    if (decision.mayLeave) {
      const done = this.#onStopped;
      this.#onStopped = null;
      done?.();
    }
    const isDecided = isNew || decision.actions.length > 0;
    this.#rests = !isDecided && isAtRest(node);
    return isDecided;
  }
}
