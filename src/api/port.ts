/**
 * The agent as the REST API sees it: one look at its memory, and the operations that a request may ask for.
 * Nothing here may wait for PostgreSQL, the disk or another member, except the promises of the operations.
 * Implemented by src/agent; tests use testing.ts.
 */
import type { GuardView } from "../model/guard_view.ts";
import type { CertificateEnd } from "../model/certificate.ts";
import type { ConfigCheck } from "../model/config_check.ts";
import type { DynamicConfig, LocalConfig } from "../model/config.ts";
import type { WrittenConfig } from "../config/written.ts";
import type { ClusterEvent } from "../model/event.ts";
import type { HookExit } from "../model/hook_exit.ts";
import type { Json, JsonObject } from "../model/json.ts";
import type { Lsn } from "../model/lsn.ts";
import type { HistogramReading, LogCounts, Measures } from "../model/measures.ts";
import type { MemberStatus } from "../model/member_status.ts";
import type { PlaceReading } from "../model/place_reading.ts";
import type { PostgresView } from "../model/postgres_view.ts";
import type { ReinitializeStatus } from "../model/reinitialize_status.ts";
import type { DcsState, FailoverRecord, FormerConfig, ScheduledRestart } from "../model/records.ts";
import type { WitnessNotice } from "../model/witness_notice.ts";
import type { ClockJump } from "../model/clock_jump.ts";
import type { LatenessKind, MeasuredLateness, TimingReport } from "../model/timing.ts";
import type { MemberOutcome, RaftStatus } from "../../raft/mod.ts";

/** Last status heard of a member; this member's own is among them, with age 0. */
export interface SeenStatus {
  readonly status: MemberStatus;
  readonly ageMs: number;
}

/** The value that Patroni keeps under the key `status`, put together from the primary's last broadcast. */
export interface ClusterProgress {
  /** Last known WAL position of a primary; 0 when none has been heard of. */
  readonly optime: Lsn;
  /** Positions of the replication slots on the primary, by slot name. */
  readonly slots: { readonly [slot: string]: Lsn };
  readonly retainSlots: readonly string[];
}

export interface DecisionRecord {
  /** ISO 8601. */
  readonly at: string;
  /** The rule that decided, by its name in docs/decisions.md. */
  readonly rule: string;
  readonly reason: string;
  readonly actions: readonly Json[];
}

export interface WatchdogStatus {
  readonly mode: "off" | "automatic" | "required";
  readonly driver: string;
  readonly device: string;
  /** It runs: fed, or resetting the host soon. */
  readonly active: boolean;
  /** It could be used, as far as can be known. */
  readonly healthy: boolean;
  readonly identity: string | null;
  /** The reason of the last boot, as the device remembers it; null: an ordinary one, or unknown. */
  readonly bootCause: string | null;
  /** It cannot be stopped once started. */
  readonly nowayout: boolean;
  /** In force; null while it does not run. */
  readonly timeoutS: number | null;
  /** Until the reset: by the device's word, or counted from the last feeding. */
  readonly timeLeftS: number | null;
  readonly lastFeedAgeS: number | null;
  /** Since the start of the agent. */
  readonly feeds: number;
  /** The least that was ever left at a feeding. */
  readonly closestS: number | null;
  /** Why it is not used, and the remedy. */
  readonly problem: string | null;
  readonly advice: string | null;
}

/** Jumps of the clocks, as one process saw them. */
export interface ProcessClocks {
  readonly process: "agent" | "guard";
  readonly jumps: number;
  readonly last: { readonly kind: ClockJump["kind"]; readonly byMs: number; readonly agoMs: number } | null;
}

/** Counters since the start of the agent. */
export interface AgentCounters {
  readonly promotions: number;
  /** Times the guard froze or killed PostgreSQL because a lease ran out. */
  readonly fences: number;
  /** Times the loop or a renewal came later than it should. */
  readonly lateLoops: number;
  /** Events of the cluster that came into the records since the start of the agent, by kind. */
  readonly events: { readonly [kind: string]: number };
}

/** Everything the API answers from: immutable data of one moment. */
export interface ApiView {
  readonly config: LocalConfig;
  readonly dynamic: DynamicConfig;
  /** null until the replicated state is known. Without the former configurations, and the events. */
  readonly dcs: DcsState | null;
  /**
   * ms since the DCS was last known to be alive (a raft leader heard of, or leading with a majority); null:
   * never.
   */
  readonly dcsAgeMs: number | null;
  /** The same moment as epoch seconds; 0: never. */
  readonly dcsLastSeenS: number;
  /** This member's PostgreSQL; null on a witness. */
  readonly postgres: PostgresView | null;
  /** The last look by SQL succeeded and is recent. False: hung, frozen, or not running. */
  readonly sqlAnswers: boolean;
  /** This member's own status as broadcast; null on a witness. */
  readonly status: MemberStatus | null;
  readonly statuses: readonly SeenStatus[];
  /**
   * Wall clocks that are a minute or more away from the time that most members have: by how much each is
   * ahead, ms. @default none
   */
  readonly clockOffMs?: { readonly [member: string]: number };
  /** Members that speak, and are not of the raft group any more. */
  readonly removed: readonly string[];
  readonly progress: ClusterProgress;
  /** Members without PostgreSQL. */
  readonly witnesses: readonly WitnessNotice[];
  readonly raft: RaftStatus | null;
  readonly guard: GuardView | null;
  readonly watchdog: WatchdogStatus | null;
  readonly failsafeActive: boolean;
  /** The wait that only an operator can end, and how; null: none. */
  readonly operatorNeeded: string | null;
  /** The outcome of the last reinitialize that was asked for since the agent was started. */
  readonly reinitialize?: ReinitializeStatus | null;
  /** ms since the agent's loop last looked. */
  readonly loopAgeMs: number;
  /** Largest lateness of the event loop in the last minute, ms. */
  readonly eventLoopLateMs: number;
  readonly counters: AgentCounters;
  /** Lines of the log that wait, and that were lost. */
  readonly log?: LogCounts;
  /** When the certificates of this node end, as its files say. @default none */
  readonly certificates?: readonly CertificateEnd[];
  /** How the user's commands ended; absent on a witness. */
  readonly hookExits?: readonly HookExit[];
  /** Where its PostgreSQL keeps files, as last probed; absent on a witness. */
  readonly places?: readonly PlaceReading[];
}

/** The part of the configuration that only few requests need. */
export interface ConfigurationDetail {
  /** The dynamic configurations before the present one, oldest first. */
  readonly history: readonly FormerConfig[];
  /** The node's own file and environment. */
  readonly written: WrittenConfig;
}

export type ConfigOutcome =
  /** `warnings`: what is not used as it is written. */
  | { readonly kind: "ok"; readonly config: JsonObject; readonly warnings?: readonly string[] }
  /** The configuration is not at the revision that the caller expected, or was changed meanwhile. */
  | { readonly kind: "conflict" }
  /** There is no configuration to patch. */
  | { readonly kind: "missing" }
  /** Refused: members find that it could never work. An operator may insist. */
  | { readonly kind: "hopeless"; readonly reason: string }
  /** Refused: it would break a rule (timing inequalities, parameters not a map ...). */
  | { readonly kind: "invalid"; readonly reason: string }
  | { readonly kind: "unavailable"; readonly reason: string };

export type WriteOutcome =
  /** The request cannot be logged, in any state; `reason` is for people. */
  | { readonly kind: "invalid"; readonly reason: string }
  | { readonly kind: "ok" }
  | { readonly kind: "conflict" }
  | { readonly kind: "unavailable"; readonly reason: string };

export type RestartOutcome =
  | { readonly kind: "ok" }
  | { readonly kind: "busy"; readonly action: string }
  | { readonly kind: "still-starting" }
  /** `why`: what keeps it from starting, where that is known. */
  | { readonly kind: "failed"; readonly why?: string };

export type ReinitializeOutcome =
  | { readonly kind: "started" }
  | { readonly kind: "busy"; readonly action: string }
  | { readonly kind: "refused"; readonly reason: string };

export interface FailsafeRequest {
  readonly name: string;
  readonly connUrl: string;
  readonly apiUrl: string;
  readonly slots: { readonly [slot: string]: number };
  /** Epoch whose lease is meant, and the member that is asked; null: not said. */
  readonly epoch: number | null;
  readonly to: string | null;
  /** Raft id of the member that is asked; null: not said. */
  readonly node: number | null;
}

export type FailsafeOutcome =
  /** lsn: this member's received or replayed position, for the sender's slots; null when unknown. */
  | { readonly kind: "accepted"; readonly lsn: Lsn | null }
  | { readonly kind: "running-as-leader" }
  | { readonly kind: "refused"; readonly reason: string };

/** A change of the raft group. Members are named as in the status, or by their address. */
export type RaftChange =
  | { readonly kind: "add"; readonly address: string; readonly name: string | null; readonly votes: boolean }
  | { readonly kind: "remove"; readonly name: string }
  | {
    readonly kind: "replace";
    readonly name: string;
    readonly address: string;
    readonly newName: string | null;
  };

export type RaftChangeOutcome = MemberOutcome;

export interface ApiPort {
  /** A look at the present. Cheap: called once a request. */
  view(): ApiView;
  /**
   * Increases with every change that a status JSON shows (PostgreSQL, lock, configuration, raft leader, guard
   * ...). Rendered answers are kept while it stands still. Ages and positions of the raft log need not count.
   */
  version(): number;
  /**
   * True while this member holds the lock and the lease, counted from the send of the last acknowledged
   * renewal, runs.
   */
  holdsLease(): boolean;
  /** ms until the lease ends; 0 when this member does not hold one. */
  leaseRemainingMs(): number;
  /** Calls `listener` after each increase of version(); returns what ends that. */
  onChange(listener: () => void): () => void;
  /** The configuration with those before it. */
  configuration(): ConfigurationDetail;
  /** The events of the records, oldest first. */
  events(): readonly ClusterEvent[];
  /** The last 200 decisions, oldest first. */
  decisions(): readonly DecisionRecord[];
  /** The inequalities of the lease with the numbers in force, and the measured latenesses. */
  timing(): TimingReport;
  /** The measured latenesses alone. */
  measuredLateness(): readonly MeasuredLateness[];
  lateness(kind: LatenessKind): HistogramReading;
  /** What only the metrics show. */
  measures(): Measures;
  /** The clock reports of agent and guard, each since its start. */
  clocks(): readonly ProcessClocks[];

  /**
   * Merges (objects merge, null deletes: docs/compatibility.md section 3.1 and 14). `revision`: only if the
   * config is at it; null: any. `force`: although members find that it could never work.
   */
  patchConfig(patch: JsonObject, revision: number | null, force: boolean): Promise<ConfigOutcome>;
  replaceConfig(value: JsonObject, revision: number | null, force: boolean): Promise<ConfigOutcome>;
  /** Says what this member finds in a configuration that is proposed; changes nothing. */
  checkConfig(value: JsonObject): Promise<ConfigCheck>;
  /**
   * Logs the request in place of any other; it ends in dcs.failoverResults under its id. Done when applied
   * here.
   */
  requestFailover(request: FailoverRecord): Promise<WriteOutcome>;
  /** Removes the request of that revision. */
  deleteFailover(revision: number): Promise<WriteOutcome>;
  /** Restarts PostgreSQL now (conditions were checked); done when it answers again or has failed. */
  restart(timeoutS: number | null): Promise<RestartOutcome>;
  /** False: another one is scheduled already. */
  scheduleRestart(restart: ScheduledRestart): Promise<WriteOutcome>;
  /** False: none was scheduled. */
  cancelScheduledRestart(): Promise<WriteOutcome | { readonly kind: "missing" }>;
  /** As SIGHUP; done when it is. */
  reload(): Promise<void>;
  reinitialize(force: boolean, fromLeader: boolean): Promise<ReinitializeOutcome>;
  acceptFailsafe(request: FailsafeRequest): Promise<FailsafeOutcome>;
  /** Hands raft leadership to the member of that name; null: done, else why not. */
  transferRaft(name: string): Promise<string | null>;
  changeRaft(change: RaftChange): Promise<RaftChangeOutcome>;
  /** Puts this member's raft log into a snapshot. */
  snapshotRaft(): Promise<RaftChangeOutcome>;
}
