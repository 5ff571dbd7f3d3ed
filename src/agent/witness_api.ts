/** A witness behind the REST API: the cluster as it sees it, and what can be asked of its records and of the raft group. */
import type { Clock, Raft } from "../../raft/mod.ts";
import type {
  AgentCounters,
  ApiPort,
  ApiView,
  ConfigOutcome,
  DecisionRecord,
  FailsafeOutcome,
  HistogramReading,
  ProcessClocks,
  RaftChange,
  RaftChangeOutcome,
  ReinitializeOutcome,
  RestartOutcome,
  WriteOutcome,
} from "../api/port.ts";
import type { DcsStateMachine } from "../dcs/state_machine.ts";
import type { LocalConfig } from "../model/config.ts";
import type { JsonObject } from "../model/json.ts";
import type { FailoverRecord } from "../model/records.ts";
import type { LatenessKind, TimingReport } from "../model/timing.ts";
import { DcsContact, lastSeenS, processClocks, timingInForce } from "./api_readings.ts";
import { RaftChanges } from "./raft_changes.ts";
import { RecordChanges } from "./record_changes.ts";
import type { Witness } from "./witness.ts";

export interface WitnessApiOptions {
  readonly config: () => LocalConfig;
  readonly witness: Witness;
  readonly raft: Raft;
  readonly dcs: DcsStateMachine;
  readonly clock: Clock;
  readonly wallMs: () => number;
  readonly reload: () => void;
}

const NO_POSTGRESQL = "this is a witness: it has no PostgreSQL";

export class WitnessApi implements ApiPort {
  readonly #options: WitnessApiOptions;
  readonly #contact = new DcsContact();
  readonly #records: RecordChanges;
  readonly #raftChanges: RaftChanges;

  constructor(options: WitnessApiOptions) {
    this.#options = options;
    const { raft, dcs, config, witness } = options;
    const records = () => dcs.state;
    this.#records = new RecordChanges({ records, config, proposer: witness.proposer });
    this.#raftChanges = new RaftChanges({
      raft,
      records,
      witnesses: () => witness.board.witnesses(options.clock.now()),
      propose: (body) => this.#records.propose(body),
    });
  }

  version(): number {
    return this.#options.witness.version;
  }

  onChange(listener: () => void): () => void {
    return this.#options.witness.onChange(listener);
  }

  leaseRemainingMs(): number {
    return 0;
  }

  holdsLease(): boolean {
    return false;
  }

  decisions(): readonly DecisionRecord[] {
    return this.#options.witness.decisions.entries();
  }

  timing(): TimingReport {
    const { witness, dcs, config } = this.#options;
    const unused = () => ({ used: false, why: NO_POSTGRESQL }) as const;
    return timingInForce(dcs.state, config(), witness.dynamic, unused, witness.lateness);
  }

  lateness(kind: LatenessKind): HistogramReading {
    return this.#options.witness.lateness.reading(kind);
  }

  clocks(): readonly ProcessClocks[] {
    const { witness, clock } = this.#options;
    return [processClocks("agent", witness.clocks.report(), clock.now())];
  }

  view(): ApiView {
    const { config, witness, raft, dcs, clock, wallMs } = this.#options;
    const nowMs = clock.now();
    const raftStatus = raft.status();
    const dcsAgeMs = this.#contact.ageMs(raftStatus, nowMs);
    const counters: AgentCounters = { promotions: 0, demotions: 0, fences: 0, lateLoops: witness.lateLoops };
    return {
      config: config(),
      dynamic: witness.dynamic,
      dcs: dcs.state,
      dcsAgeMs,
      dcsLastSeenS: lastSeenS(dcsAgeMs, wallMs()),
      postgres: null,
      sqlAnswers: false,
      status: null,
      statuses: witness.board.seen(nowMs),
      progress: { optime: witness.board.primaryLsn ?? 0, slots: {}, retainSlots: [] },
      witnesses: witness.board.witnesses(nowMs),
      raft: raftStatus,
      guard: null,
      watchdog: null,
      failsafeActive: false,
      scheduledRestarts: {},
      loopAgeMs: nowMs - witness.lastLookMs,
      eventLoopLateMs: witness.loopLateMs,
      counters,
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

  restart(): Promise<RestartOutcome> {
    return Promise.resolve({ kind: "failed" });
  }

  scheduleRestart(): boolean {
    return false;
  }

  cancelScheduledRestart(): boolean {
    return false;
  }

  reload(): void {
    this.#options.reload();
  }

  reinitialize(): Promise<ReinitializeOutcome> {
    return Promise.resolve({ kind: "refused", reason: NO_POSTGRESQL });
  }

  acceptFailsafe(): Promise<FailsafeOutcome> {
    return Promise.resolve({ kind: "refused", reason: NO_POSTGRESQL });
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
