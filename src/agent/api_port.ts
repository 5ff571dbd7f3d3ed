/** The agent behind the REST API: a look at what is in memory, and the operations that requests ask for. */
import type { Clock, Raft } from "../../raft/mod.ts";
import type {
  ApiPort,
  ApiView,
  ConfigOutcome,
  DecisionRecord,
  FailsafeOutcome,
  FailsafeRequest,
  HistogramReading,
  ProcessClocks,
  RaftChange,
  RaftChangeOutcome,
  ReinitializeOutcome,
  RestartOutcome,
  ScheduledRestart,
  WriteOutcome,
} from "../api/port.ts";
import { restartConditionsMet } from "../api/restart.ts";
import { watchdogTimes } from "../brain/watchdog.ts";
import type { DcsStateMachine } from "../dcs/state_machine.ts";
import type { GuardPort } from "../guard/port.ts";
import type { LocalConfig } from "../model/config.ts";
import type { JsonObject } from "../model/json.ts";
import type { FailoverRecord } from "../model/records.ts";
import type { LatenessKind, TimingReport } from "../model/timing.ts";
import { DcsContact, lastSeenS, processClocks, timingInForce } from "./api_readings.ts";
import type { Member } from "./member.ts";
import { RaftChanges } from "./raft_changes.ts";
import { RecordChanges } from "./record_changes.ts";
import type { PostgresPort } from "./postgres_port.ts";
import type { Watchdog } from "./watchdog.ts";

/** A restart in place is waited for this long when the request names no timeout. */
const RESTART_WAIT_MS = 300_000;
/** SQL looks come every second; after two missed ones the server counts as not answering. */
const SQL_ANSWERS_MS = 3000;

export interface ApiPortOptions {
  readonly config: () => LocalConfig;
  readonly member: Member;
  readonly raft: Raft;
  readonly dcs: DcsStateMachine;
  readonly guard: GuardPort;
  readonly postgres: PostgresPort;
  readonly watchdog: Watchdog;
  readonly clock: Clock;
  readonly wallMs: () => number;
  readonly reload: () => void;
}

export class AgentApiPort implements ApiPort {
  readonly #options: ApiPortOptions;
  readonly #scheduled: { restart: ScheduledRestart; timer: ReturnType<typeof setTimeout> }[] = [];
  #records: RecordChanges;
  #raftChanges: RaftChanges;
  #extraVersion = 0;
  readonly #contact = new DcsContact();

  constructor(options: ApiPortOptions) {
    this.#options = options;
    const { raft, dcs, config, member } = options;
    this.#records = new RecordChanges({ records: () => dcs.state, config, proposer: member.proposer });
    this.#raftChanges = new RaftChanges({
      raft,
      records: () => dcs.state,
      witnesses: () => member.board.witnesses(options.clock.now()),
      propose: (body) => this.#records.propose(body),
    });
    options.guard.onChange(() => this.#extraVersion++);
    options.postgres.onChange(() => this.#extraVersion++);
  }

  version(): number {
    return this.#options.member.version + this.#extraVersion + (this.holdsLease() ? 0.5 : 0);
  }

  onChange(listener: () => void): () => void {
    return this.#options.member.onChange(listener);
  }

  leaseRemainingMs(): number {
    const until = this.#options.member.leaseUntilMs();
    return until === null ? 0 : Math.max(0, until - this.#options.clock.now());
  }

  holdsLease(): boolean {
    const { postgres, member, dcs, config } = this.#options;
    const view = postgres.view();
    if (view.process === "none" || !view.writable) return false;
    // In pause the primary writes without a lease: what was logged as unfenced is ours until it is fenced again.
    const { lock } = dcs.state;
    const unfenced = member.dynamic.pause && lock.unfenced && lock.holder === config().name;
    return unfenced || this.leaseRemainingMs() > 0;
  }

  decisions(): readonly DecisionRecord[] {
    return this.#options.member.decisions.entries();
  }

  timing(): TimingReport {
    const { member, dcs, config, watchdog } = this.#options;
    const { timeoutS, problem } = watchdog.status();
    return timingInForce(
      dcs.state,
      config(),
      member.dynamic,
      (ttlMs, loopWaitS) => watchdogTimes(config().watchdog, ttlMs, loopWaitS, timeoutS, problem),
      member.lateness,
    );
  }

  lateness(kind: LatenessKind): HistogramReading {
    return this.#options.member.lateness.reading(kind);
  }

  clocks(): readonly ProcessClocks[] {
    const { member, guard, clock } = this.#options;
    const nowMs = clock.now();
    const ofGuard = guard.view().clocks ?? null;
    return [
      processClocks("agent", member.clocks.report(), nowMs),
      ...(ofGuard === null ? [] : [processClocks("guard", ofGuard, nowMs)]),
    ];
  }

  view(): ApiView {
    const { config, member, raft, dcs, guard, postgres, watchdog, clock, wallMs } = this.#options;
    const nowMs = clock.now();
    const raftStatus = raft.status();
    const dcsAgeMs = this.#contact.ageMs(raftStatus, nowMs);
    const view = postgres.view();
    const statuses = member.board.seen(nowMs);
    const schedule = this.#scheduled[0]?.restart;
    return {
      config: config(),
      dynamic: member.dynamic,
      dcs: dcs.state,
      dcsAgeMs,
      dcsLastSeenS: lastSeenS(dcsAgeMs, wallMs()),
      postgres: view,
      sqlAnswers: view.process === "running" && view.lastLookMs !== null &&
        nowMs - view.lastLookMs < SQL_ANSWERS_MS,
      status: member.status,
      statuses,
      progress: { optime: member.board.primaryLsn ?? 0, slots: {}, retainSlots: [] },
      witnesses: member.board.witnesses(nowMs),
      raft: raftStatus,
      guard: guard.view(),
      watchdog: watchdog.status(),
      failsafeActive: member.failsafe.active(),
      scheduledRestarts: schedule === undefined ? {} : { [config().name]: schedule },
      loopAgeMs: nowMs - member.lastLookMs,
      eventLoopLateMs: member.loopLateMs,
      counters: member.counters,
    };
  }

  patchConfig(patch: JsonObject, revision: number | null): Promise<ConfigOutcome> {
    return this.#records.patchConfig(patch, revision);
  }

  replaceConfig(value: JsonObject, revision: number | null): Promise<ConfigOutcome> {
    return this.#records.replaceConfig(value, revision);
  }

  requestFailover(request: FailoverRecord): Promise<WriteOutcome> {
    return this.#records.requestFailover(request);
  }

  deleteFailover(revision: number): Promise<WriteOutcome> {
    return this.#records.deleteFailover(revision);
  }

  restart(timeoutS: number | null): Promise<RestartOutcome> {
    const { postgres, member } = this.#options;
    const view = postgres.view();
    if (view.action !== null) return Promise.resolve({ kind: "busy", action: view.action.kind });
    if (view.process === "starting") return Promise.resolve({ kind: "still-starting" });
    if (view.process !== "running") return Promise.resolve({ kind: "failed" });
    const before = view.last.restart?.atMs ?? -1;
    member.requestRestart();
    return new Promise((resolve) => {
      const finish = (outcome: RestartOutcome) => {
        clearTimeout(timer);
        unsubscribe();
        resolve(outcome);
      };
      const timer = setTimeout(
        () => finish({ kind: "failed" }),
        timeoutS === null ? RESTART_WAIT_MS : timeoutS * 1000,
      );
      const unsubscribe = member.onChange(() => {
        const last = postgres.view().last.restart;
        if (last !== undefined && last.atMs > before) finish({ kind: last.ok ? "ok" : "failed" });
      });
    });
  }

  scheduleRestart(restart: ScheduledRestart): boolean {
    if (this.#scheduled.length > 0) return false;
    const delayMs = Math.max(0, Date.parse(restart.schedule) - this.#options.wallMs());
    const timer = setTimeout(() => {
      this.#scheduled.length = 0;
      if (restartConditionsMet(restart, this.view())) this.#options.member.requestRestart();
    }, Math.min(delayMs, 2 ** 31 - 1));
    this.#scheduled.push({ restart, timer });
    return true;
  }

  cancelScheduledRestart(): boolean {
    const scheduled = this.#scheduled.pop();
    if (scheduled === undefined) return false;
    clearTimeout(scheduled.timer);
    return true;
  }

  reload(): void {
    this.#options.reload();
  }

  reinitialize(force: boolean, fromLeader: boolean): Promise<ReinitializeOutcome> {
    const { postgres, member, dcs, config } = this.#options;
    if (dcs.state.lock.holder === null) {
      return Promise.resolve({ kind: "refused", reason: "Cluster has no leader, can not reinitialize" });
    }
    if (dcs.state.lock.holder === config().name) {
      return Promise.resolve({ kind: "refused", reason: "I am the leader, can not reinitialize" });
    }
    const { action } = postgres.view();
    if (action !== null && !force) return Promise.resolve({ kind: "busy", action: action.kind });
    if (action !== null) postgres.cancelLongAction("reinitialize was requested");
    member.requestReinit(fromLeader);
    return Promise.resolve({ kind: "started" });
  }

  acceptFailsafe({ name, epoch, to }: FailsafeRequest): Promise<FailsafeOutcome> {
    const { member, postgres } = this.#options;
    if (epoch === null || to === null) {
      return Promise.resolve({ kind: "refused", reason: "the request names no epoch, or not whom it asks" });
    }
    const answer = member.failsafe.answer({ holder: name, epoch, to });
    if (answer.kind !== "accepted") return Promise.resolve(answer);
    const { receivedLsn, replayedLsn } = postgres.view();
    return Promise.resolve({ kind: "accepted", lsn: receivedLsn ?? replayedLsn });
  }

  transferRaft(name: string): Promise<string | null> {
    return this.#raftChanges.transfer(name);
  }

  changeRaft(change: RaftChange): Promise<RaftChangeOutcome> {
    return this.#raftChanges.change(change);
  }

  snapshotRaft(): Promise<RaftChangeOutcome> {
    return this.#raftChanges.snapshot();
  }
}
