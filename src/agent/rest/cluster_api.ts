/**
 * The common part of the REST interfaces of a member and a witness: they show the cluster as this node sees
 * it, and change its records and its raft group.
 */
import type { Clock, Raft, RaftStatus } from "../../../raft/mod.ts";
import type {
  ApiView,
  ConfigOutcome,
  ConfigurationDetail,
  DecisionRecord,
  ProcessClocks,
  RaftChange,
  RaftChangeOutcome,
  WriteOutcome,
} from "../../api/port.ts";
import { type RunningTimes, timingReport } from "../../lease/timing.ts";
import { operatorNeeded } from "../../brain/cluster/operator_needed.ts";
import type { DcsStateMachine } from "../../dcs/state_machine.ts";
import type { CertificateEnd } from "../../model/certificate.ts";
import type { ClockReport } from "../../model/clock_jump.ts";
import type { LocalConfig } from "../../model/config.ts";
import { type ConfigCheck, NOTHING_FOUND } from "../../model/config_check.ts";
import { STATE_KNOWN_MS } from "../../model/member_status.ts";
import type { ClusterEvent } from "../../model/event.ts";
import type { JsonObject } from "../../model/json.ts";
import type { FailoverRecord } from "../../model/records.ts";
import type { HistogramReading, LogCounts, Measures } from "../../model/measures.ts";
import type { LatenessKind, MeasuredLateness, TimingReport } from "../../model/timing.ts";
import type { WrittenConfig } from "../../config/written.ts";
import { heardOf, silentOf } from "../compose/gap_watch.ts";
import { WINDOW_S } from "../loop/lateness.ts";
import { checkEverywhere } from "./check_config.ts";
import { clusterProgress } from "./cluster_progress.ts";
import { RaftChanges } from "./raft_changes.ts";
import { RecordChanges } from "./record_changes.ts";
import type { Voter } from "../loop/voter.ts";
import { leftGroup } from "../peers/left_group.ts";

export interface ClusterApiOptions {
  readonly config: () => LocalConfig;
  readonly raft: Raft;
  readonly dcs: DcsStateMachine;
  readonly clock: Clock;
  readonly wallMs: () => number;
  /** How long writes to the raft log took. */
  readonly raftSync: () => HistogramReading | null;
  readonly logCounts: () => LogCounts;
  readonly reload: () => Promise<void>;
  /** The node's own file and environment, as they were read last. */
  readonly written: () => WrittenConfig;
  /** @default none */
  readonly certificates?: () => readonly CertificateEnd[];
}

/** The part of the view that is read in the same way on both. */
type SharedView = Pick<
  ApiView,
  | "config"
  | "dynamic"
  | "dcs"
  | "dcsAgeMs"
  | "dcsLastSeenS"
  | "statuses"
  | "clockOffMs"
  | "removed"
  | "progress"
  | "witnesses"
  | "operatorNeeded"
  | "raft"
  | "log"
  | "loopAgeMs"
  | "eventLoopLateMs"
  | "certificates"
>;

export class ClusterApi {
  readonly #voter: Voter;
  readonly #options: ClusterApiOptions;
  protected readonly records: RecordChanges;
  readonly #raftChanges: RaftChanges;
  /** When a raft leader was last heard of. */
  #leaderSeenMs: number | null = null;

  constructor(voter: Voter, options: ClusterApiOptions) {
    this.#voter = voter;
    this.#options = options;
    const { raft, dcs, config, clock } = options;
    const records = () => dcs.state;
    const heard = () =>
      voter.board.seen(clock.now()).filter(({ ageMs }) => ageMs < STATE_KNOWN_MS).map(({ status }) => status);
    const others = () => {
      const urls = new Map<string, string | null>(Object.keys(records().members).map((name) => [name, null]));
      for (const { name, apiUrl } of heard()) urls.set(name, apiUrl);
      urls.delete(config().name);
      return [...urls].map(([name, apiUrl]) => ({ name, apiUrl }));
    };
    const own = (value: JsonObject) => this.checkConfig(value);
    this.records = new RecordChanges({
      records,
      config,
      proposer: voter.proposer,
      wallMs: options.wallMs,
      heard,
      check: (value, present) => checkEverywhere({ config, others, own }, value, present),
    });
    this.#raftChanges = new RaftChanges({
      raft,
      records,
      witnesses: () => voter.board.witnesses(clock.now()),
      propose: (body) => this.records.propose(body),
    });
  }

  version(): number {
    return this.#voter.changes.version;
  }

  onChange(listener: () => void): () => void {
    return this.#voter.changes.onChange(listener);
  }

  configuration(): ConfigurationDetail {
    const { dcs, written } = this.#options;
    return { history: dcs.state.configHistory ?? [], written: written() };
  }

  events(): readonly ClusterEvent[] {
    return this.#options.dcs.state.events;
  }

  decisions(): readonly DecisionRecord[] {
    return this.#voter.decisions.entries();
  }

  measuredLateness(): readonly MeasuredLateness[] {
    return this.#voter.loop.lateness.measured();
  }

  lateness(kind: LatenessKind): HistogramReading {
    return this.#voter.loop.lateness.reading(kind);
  }

  /** The inequalities of the lease with the numbers in force here, and the measured latenesses. */
  protected timingReport(
    watchdog: (ttlMs: number, loopWaitS: number) => RunningTimes["watchdog"],
  ): TimingReport {
    const { dcs, config } = this.#options;
    const { dynamic } = this.#voter;
    const { grantTtlMs, waitTtlMs } = dcs.state;
    const { heartbeatMs, electionMinMs, electionMaxMs } = config().raft;
    return timingReport(
      {
        grantTtlMs,
        waitTtlMs,
        heartbeatMs,
        electionMinMs,
        electionMaxMs,
        loopWaitMs: 1000 * dynamic.loopWaitS,
        retryTimeoutMs: 1000 * dynamic.retryTimeoutS,
        watchdog: watchdog(grantTtlMs, dynamic.loopWaitS),
      },
      this.measuredLateness(),
      WINDOW_S,
    );
  }

  protected sharedMeasures(own: Pick<Measures, "demotions" | "rewinds" | "archiveFailed">): Measures {
    const { clock, raftSync, dcs } = this.#options;
    const { loop, board, skews, handOvers } = this.#voter;
    return {
      ...own,
      loop: loop.durations,
      raftSync: raftSync(),
      snapshotBytes: dcs.snapshotBytes,
      handOvers,
      lagMs: board.lagsMs(clock.now()),
      skewMs: skews.all,
    };
  }

  protected ownClocks(): ProcessClocks {
    return processClocks("agent", this.#voter.loop.clocks.report(), this.#options.clock.now());
  }

  protected sharedView(nowMs: number): SharedView {
    const { config, raft, dcs, wallMs, logCounts } = this.#options;
    const { board, dynamic, loop, skews } = this.#voter;
    const status = raft.status();
    const dcsAgeMs = this.#leaderAgeMs(status, nowMs);
    const statuses = board.seen(nowMs);
    const { configHistory: _kept, ...records } = dcs.state;
    const removed = leftGroup(statuses, status.members, (name) => board.nodeOf(name));
    return {
      config: config(),
      dynamic,
      dcs: { ...records, events: [] },
      dcsAgeMs,
      dcsLastSeenS: dcsAgeMs === null ? 0 : Math.floor((wallMs() - dcsAgeMs) / 1000),
      statuses,
      clockOffMs: skews.offMs(statuses.map(({ status }) => status.name), config().name),
      removed,
      progress: clusterProgress(dcs.state, statuses, board.primaryLsn ?? 0, dynamic.postgresql.useSlots),
      witnesses: board.witnesses(nowMs),
      operatorNeeded: operatorNeeded(
        dcs.state,
        dynamic,
        heardOf(statuses, dynamic.ttlS),
        silentOf(statuses, dynamic.ttlS, removed),
      ),
      raft: status,
      log: logCounts(),
      loopAgeMs: nowMs - loop.lastLookMs,
      eventLoopLateMs: loop.lateMs,
      certificates: this.#options.certificates?.() ?? [],
    };
  }

  #leaderAgeMs({ leader, members }: RaftStatus, nowMs: number): number | null {
    const contactMs = members.find(({ id }) => id === leader)?.lastContactMs ?? null;
    if (leader !== null && contactMs !== null) this.#leaderSeenMs = nowMs - contactMs;
    return this.#leaderSeenMs === null ? null : nowMs - this.#leaderSeenMs;
  }

  patchConfig(patch: JsonObject, revision: number | null, force: boolean): Promise<ConfigOutcome> {
    return this.records.patchConfig(patch, revision, force);
  }

  replaceConfig(value: JsonObject, revision: number | null, force: boolean): Promise<ConfigOutcome> {
    return this.records.replaceConfig(value, revision, force);
  }

  /** A node without PostgreSQL finds nothing. */
  checkConfig(_value: JsonObject): Promise<ConfigCheck> {
    return Promise.resolve(NOTHING_FOUND);
  }

  requestFailover(request: FailoverRecord): Promise<WriteOutcome> {
    return this.records.requestFailover(request);
  }

  deleteFailover(revision: number): Promise<WriteOutcome> {
    return this.records.deleteFailover(revision);
  }

  reload(): Promise<void> {
    return this.#options.reload();
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

export function processClocks(
  process: ProcessClocks["process"],
  { jumps, last }: ClockReport,
  nowMs: number,
): ProcessClocks {
  return { process, jumps, last: last && { kind: last.kind, byMs: last.byMs, agoMs: nowMs - last.atMs } };
}
