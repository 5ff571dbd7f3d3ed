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
import type { DynamicConfig } from "../../model/config.ts";
import type { Life } from "../../model/life.ts";
import type { MemberStatus } from "../../model/member_status.ts";
import type { Failsafe } from "../lease/failsafe.ts";
import { type MemberOptions, type MemberRooms, memberRooms } from "./member_rooms.ts";
import { nodeView, statusInput, watchdogView } from "./member_views.ts";
import type { Reinitialization } from "./reinitialization.ts";
import type { Voter } from "./voter.ts";

export class Member {
  readonly #rooms: MemberRooms;
  readonly #wishes = { stopping: false, restart: false };
  #onStopped: (() => void) | null = null;

  constructor(options: MemberOptions) {
    this.#rooms = memberRooms(options, (nowMs) => this.#look(nowMs));
  }

  /** Subscribes to everything and begins. Raft is started after this. */
  start(): void {
    const { voter, options: { guard, postgres } } = this.#rooms;
    guard.onChange(() => {
      voter.loop.lateness.guardSaid(guard.view());
      voter.wake();
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

  // What the API shows, and asks for. ----------------------------------------------------------------------

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

  get status(): MemberStatus | null {
    return this.#rooms.publisher.last;
  }

  get counters(): AgentCounters {
    const { actor, observer: { fences }, voter: { loop } } = this.#rooms;
    return { ...actor.counters, fences, lateLoops: loop.lateLooks };
  }

  life(): Life {
    return this.#rooms.life();
  }

  /** s + L while the lock is held and the lease is acknowledged; null otherwise. */
  leaseUntilMs(): number | null {
    const { tenancy } = this.#rooms;
    return tenancy.tenure().kind === "holding" ? tenancy.validUntilMs : null;
  }

  requestRestart(): void {
    this.#wishes.restart = true;
    this.wake();
  }

  /** A restart that has not begun is wanted no more: its asker was told that it failed. */
  withdrawRestart(): void {
    this.#wishes.restart = false;
  }

  requestReinit(fromLeader: boolean): void {
    this.reinitialization.ask(fromLeader, this.#rooms.options.clock.now());
    this.wake();
  }

  /** The local file was read again: tags and addresses may have changed. */
  factsChanged(): void {
    this.voter.factsChanged();
  }

  // The loop. ----------------------------------------------------------------------------------------------

  #look(nowMs: number): number {
    const { voter, tenancy, joining, failsafe, publisher, settling, options } = this.#rooms;
    const { clock, dcs, postgres, watchdog } = options;
    joining.look();
    this.#applyConfig();
    const renewAtMs = tenancy.look();
    const feedAtMs = watchdog?.look(watchdogView(this.#rooms)) ?? Infinity;
    const settleAtMs = settling.look(dcs.state.lock, postgres, nowMs);
    this.#publish(nowMs);
    const failsafeAtMs = failsafe.look(voter.board.seen(nowMs));
    voter.lead();
    this.#keep(nowMs);
    this.#publish(clock.now());
    return Math.min(
      publisher.dueMs,
      renewAtMs,
      feedAtMs,
      settleAtMs,
      failsafeAtMs,
      this.#waitAtMs(nowMs),
      joining.dueMs(nowMs),
      voter.leadAtMs(),
      nowMs + voter.dynamic.loopWaitS * 1000,
      dcs.state.lock.holder === null ? nowMs + 50 : Infinity,
    );
  }

  /** When the wait ends that failsafe mode asks of a new holder. */
  #waitAtMs(nowMs: number): number {
    const { tenancy, failsafe } = this.#rooms;
    const untilMs = tenancy.tenure().kind === "holding" ? failsafe.waitUntilMs() : -Infinity;
    return untilMs > nowMs ? untilMs : Infinity;
  }

  #applyConfig(): void {
    const { voter, options } = this.#rooms;
    const { dcs, postgres, bootstrapConfig, incarnation, name } = options;
    const { config, initialize } = dcs.state;
    if (config === null && initialize?.by === name && initialize.incarnation === incarnation) {
      const first = { op: "setConfig", value: bootstrapConfig(), expectRevision: null } as const;
      voter.proposer.repeat(first, () => voter.wake());
    }
    if (voter.applyConfig()) postgres.desire({ configuration: voter.dynamic });
  }

  #publish(nowMs: number): void {
    const { voter, tenancy, publisher, streamedTo, options: { dcs, postgres, raft } } = this.#rooms;
    const { board, sightings, changes } = voter;
    const tenure = tenancy.tenure();
    const isHolder = tenure.kind === "holding" && tenure.epoch === dcs.state.lock.epoch;
    if (isHolder) sightings.seen(tenure.epoch);
    streamedTo.note(postgres.view());
    const status = publisher.publish(statusInput(this.#rooms, this.#wishes, nowMs));
    if (status === null) return;
    board.hear(status, raft.status().id, nowMs);
    if (isHolder) sightings.heard(status, dcs.state.lock);
    changes.changed();
  }

  #keep(nowMs: number): void {
    const { voter, tenancy, actor, observer, stopNote, options: { guard, postgres } } = this.#rooms;
    const view = postgres.view();
    stopNote.look(view, guard.view().lastExit, voter.wallTime());
    if (view.action?.kind === "restart" || view.action?.kind === "start") this.#wishes.restart = false;
    this.reinitialization.look(view);
    const node = nodeView(this.#rooms, this.#wishes, nowMs);
    const decision = keep(node);
    voter.note("keeper", decision, decision.actions);
    for (const action of decision.actions) actor.act(action, decision.reason);
    const standing = {
      ...node,
      leaseUntilMs: tenancy.validUntilMs,
      checkpointedForMs: actor.checkpointedForMs,
      heardMs: observer.heardMs,
    };
    for (const duty of duties(standing)) actor.fulfil(duty);
    if (!decision.mayLeave) return;
    const done = this.#onStopped;
    this.#onStopped = null;
    done?.();
  }
}
