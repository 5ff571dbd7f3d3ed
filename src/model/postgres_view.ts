/**
 * A member's knowledge of its own PostgreSQL: the keeper's decisions see nothing else of it. Built by
 * effects (src/agent with src/postgres and src/guard) or by the simulator's model PostgreSQL.
 */
import type { CopyStatus } from "./copy_status.ts";
import type { LostWal } from "./lost_wal.ts";
import type { Lsn } from "./lsn.ts";
import type { SyncSetting } from "./sync_setting.ts";

/** Patroni's state names (docs/compatibility.md section 4.1), as users and metrics see them. */
export const POSTGRES_STATES = [
  "initializing new cluster",
  "initdb failed",
  "running custom bootstrap script",
  "custom bootstrap failed",
  "creating replica",
  "running",
  "starting",
  "starting after custom bootstrap",
  "start failed",
  "restarting",
  "restart failed",
  "stopping",
  "stopped",
  "stop failed",
  "crashed",
] as const;
export type PostgresState = typeof POSTGRES_STATES[number];

export type PostgresRole =
  | "primary"
  | "replica"
  | "standby_leader"
  | "demoted"
  | "uninitialized"
  | "promoted";

/**
 * The data directory as found on disk. "half-written": this agent's own, but a bootstrap, clone or rewind in
 * it did not finish.
 */
export type DataDirectory =
  | { readonly kind: "absent" }
  | { readonly kind: "empty" }
  | {
    readonly kind: "valid";
    readonly control: ControlData;
    readonly standbySignal: boolean;
    /** Started read-only after it was a primary; it has not streamed from a holder of the lock since. */
    readonly formerPrimary?: boolean;
    /** Its server took writes without the lock; that WAL has not been taken out of it since. */
    readonly wroteAlone?: boolean;
    /**
     * The mark of the cluster (`historyOf`) whose history it is known to be a part of; null: of none.
     * Left out: not asked.
     */
    readonly founding?: string | null;
    /**
     * Random, made with the data: a directory that was copied, rewound or restored has another one. Absent:
     * not known.
     */
    readonly dataId?: string;
    /** Its postgresql.conf is not the agent's: no agent has started or taken over a server in it yet. */
    readonly unmanaged?: boolean;
  }
  | {
    readonly kind: "half-written";
    readonly what: "bootstrap" | "clone" | "rewind";
    /** The incarnation of the agent that began it, if it is a bootstrap. @default not known */
    readonly by?: number;
  }
  /** Not empty and not a PostgreSQL directory, unreadable, or of an unsupported version. */
  | { readonly kind: "foreign"; readonly reason: string };

/** The name of the data in it; undefined: it holds none, or none with a name. */
export function dataIdIn(directory: DataDirectory): string | undefined {
  return directory.kind === "valid" ? directory.dataId : undefined;
}

/** From pg_controldata, read while PostgreSQL does not run (and after start, once). */
export interface ControlData {
  readonly systemId: string;
  readonly timeline: number;
  /**
   * "shut down", "shut down in recovery", "in production", "in archive recovery", "in crash recovery", ...
   */
  readonly clusterState: string;
  /** Latest checkpoint location. After a clean shutdown this is the shutdown checkpoint's START. */
  readonly checkpointLsn: Lsn;
  /** Minimum recovery ending location; 0 when none. */
  readonly minRecoveryLsn: Lsn;
  readonly walLogHints: boolean;
  readonly dataChecksums: boolean;
}

export type LongAction =
  | "bootstrap"
  | "finish-bootstrap"
  | "clone"
  | "rewind"
  | "start"
  | "stop"
  | "promote"
  | "restart"
  | "demote"
  | "crash-recovery";

/** Short of a long action: not shown as one. */
export type QuietAction = "set-aside" | "seal-bootstrap" | "compare-history" | "joined-history";

/** The directory that a server works in is not the data directory any more, as `why` says. */
export interface Displaced {
  readonly why: string;
  /** Nothing of the directory is left: the server cannot shut down in order. */
  readonly removed: boolean;
}

export interface RunningAction {
  readonly kind: LongAction;
  /** Clock.now() at the beginning. */
  readonly sinceMs: number;
  readonly detail: string;
  /** Clock.now() when its work was last seen to go on; absent: not watched. */
  readonly movedMs?: number;
  /** Only of a clone. */
  readonly copy?: CopyStatus;
}

/** A shutdown of the server that is under way. */
export interface Shutdown {
  /**
   * announced: decided, the server has not been told (before_stop runs). ending: told to end; it may
   * acknowledge still. checkpoint: a primary that writes its shutdown checkpoint (control file "shutting
   * down"). closed: past it (control file "shut down"), confirmed by the guard: archiver and WAL senders may
   * live, nothing is acknowledged any more.
   */
  readonly stage: "announced" | "ending" | "checkpoint" | "closed";
  /** Clock.now() when it was told to end; of an announced one, when it was announced. */
  readonly beganMs: number;
  /** Clock.now() when this stage began. */
  readonly stageMs: number;
}

export interface FinishedAction {
  readonly kind: LongAction | QuietAction;
  readonly ok: boolean;
  readonly atMs: number;
  readonly detail: string;
  /** Failures of this kind in a row, 0 when ok. */
  readonly failures: number;
  /** The member that a clone was taken from; absent when the clone was cancelled: that says nothing of it. */
  readonly from?: string;
  /** Only of a rewind that failed without room on the disk: it says nothing of whether one is possible. */
  readonly lacksRoom?: true;
}

export interface PostgresView {
  readonly directory: DataDirectory;
  /**
   * The server process: "frozen" = stopped by SIGSTOP under the guard; "starting" includes crash recovery;
   * "orphans" = no postmaster, but processes whose working directory is the data directory still live.
   */
  readonly process: "none" | "orphans" | "starting" | "running" | "stopping" | "frozen";
  /**
   * The remaining processes of a killed server cannot run any more, as the guard reports: the kernel keeps
   * them. Absent: not known.
   */
  readonly doomed?: boolean;
  /** Whether the guard runs or ran it as one that may acknowledge writes: started as primary, or promoted. */
  readonly writable: boolean;
  /** Epoch under which it was started as primary or promoted; null for a standby. */
  readonly epoch: number | null;
  /** Its role is not known yet, and the guard fences it with this epoch; null or absent: it does not. */
  readonly foundUnder?: number | null;
  /** pg_is_in_recovery() of the last successful query of this postmaster; null before the first. */
  readonly inRecovery: boolean | null;
  readonly timeline: number | null;
  /** Primary: pg_current_wal_lsn (flush). Otherwise null. */
  readonly walLsn: Lsn | null;
  /** Standby: end of WAL received and flushed / replayed, monotone within one postmaster. Otherwise null. */
  readonly receivedLsn: Lsn | null;
  readonly replayedLsn: Lsn | null;
  /**
   * End of the valid WAL on the disk of a standby, whether it runs or not; null: not known. Counts WAL that
   * was received before its last start, which the positions above do not.
   */
  readonly walEnd: WalPosition | null;
  readonly replayedAt: string | null;
  readonly replayPaused: boolean;
  /** "streaming", "in archive recovery" or null. */
  readonly replicationState: string | null;
  /** Member name that primary_conninfo names at present; null: none configured. */
  readonly following: string | null;
  /**
   * It has no upstream, none is about to be set by an earlier wish, and the last look found no WAL receiver.
   * Absent: it may have one.
   */
  readonly cutOff?: boolean;
  /** The address of that member that it was pointed at; its member record may name another one since. */
  readonly followingUrl: string | null;
  /** Clock.now() of the last successful look by SQL; null: never. */
  readonly lastLookMs: number | null;
  readonly postmasterStartTime: string | null;
  readonly serverVersion: number | null;
  readonly systemId: string | null;
  readonly pendingRestart: {
    readonly [parameter: string]: { readonly old_value: string; readonly new_value: string };
  } | null;
  /** When a server that ran, writable, ended without the agent's asking; null when not crashed. */
  readonly crashedAtMs: number | null;
  /**
   * Clock.now() of the last end of a server, a standby's too, that was not asked for; another one may run
   * since. Absent: there was none.
   */
  readonly unaskedEndMs?: number;
  readonly action: RunningAction | null;
  /** null: none is under way, or only its preparation (a CHECKPOINT), which changes nothing. */
  readonly shutdown: Shutdown | null;
  readonly last: { readonly [kind in LongAction | QuietAction]?: FinishedAction };
  /** null: the running server works in the data directory, or none runs. */
  readonly displaced: Displaced | null;
  /** Bootstraps have failed on this node: no other one is begun before. Absent: none has. */
  readonly bootstrapDueMs?: number;
  /** True once a checkpoint has completed since the promotion (rewind of others is safe). */
  readonly checkpointAfterPromote: boolean;
  /** Result of comparing this member's history with that of the member named; null: not known yet. */
  readonly divergence: {
    readonly from: string;
    readonly timelineOfOther: number;
    /** The name of the data that it had when this was decided. Left out: none was known. */
    readonly tokenOfOther?: string;
    readonly verdict: "same" | "diverged" | "unknown";
    readonly detail: string;
    readonly atMs: number;
    /** Why pg_rewind does not see this divergence; left out: it can be tried. */
    readonly noRewind?: string;
    /** Why the other cannot send the WAL that this member needs next; left out: it can, or does not say. */
    readonly walGone?: string;
    /**
     * History files of timelines that the other is not on, and will not come to. The running server goes by
     * them; the next start of a standby removes them. Left out: there are none.
     */
    readonly strays?: readonly string[];
  } | null;
  /** pg_rewind has found nothing to do in this directory, whose history differed. Absent: it has not. */
  readonly rewoundInVain?: true;
  /** What was last found here beyond the cluster's history, before a rejoin removed it. Absent: nothing. */
  readonly lost?: LostWal;
  /**
   * Lines of the history file of this member's timeline: [timeline, LSN of the switch, reason]; empty on
   * timeline 1 or unknown.
   */
  readonly timelineHistory: readonly (readonly [number, number, string])[];
  readonly state: PostgresState;
  /** Replication connections of a primary, for status JSON. */
  readonly replication: readonly ReplicationConnection[];
  /** Replication slots as they were last read, some seconds ago; empty: none, or not read yet. */
  readonly slots: readonly SlotView[];
  /** The epoch under which the running server has completed a write; null: none yet. */
  readonly wroteUnder: number | null;
  /** Copies of the primary's logical slots, which the next start of this standby puts in their places. */
  readonly stagedSlots: readonly string[];
  /** Synchronous replication, as this server goes by it. */
  readonly sync: SyncView;
}

export interface WalPosition {
  readonly timeline: number;
  readonly lsn: Lsn;
}

export interface SyncView {
  /** What its files are to say from now on. */
  readonly setting: SyncSetting;
  /** Its files say so, and the running server has read them. */
  readonly loaded: boolean;
  /** Every commit waits for standbys, as the running server's checkpointer has it. */
  readonly commitsWait: boolean;
  /**
   * A position of its WAL that was read after the server, and all of its processes that let commits go, went
   * by the setting; null: there is none yet. All that was acknowledged by the setting before lies in front
   * of it.
   */
  readonly settledLsn: Lsn | null;
  /** How far each standby that streams from here has flushed. */
  readonly flushed: { readonly [name: string]: Lsn };
  /** The WAL senders that stream and say how far their receivers have flushed. Absent: not known. */
  readonly senders?: readonly WalSender[];
  /**
   * When the oldest transaction began whose commit waits for standbys; null or absent: none waits. Of use as
   * a name of that transaction only: it says nothing of how long the wait has lasted.
   */
  readonly waitingSince?: string | null;
  /** Settings of synchronous_commit by which commits wait for nobody. Absent: not known. */
  readonly exempt?: readonly ExemptCommits[];
  /** synchronous_standby_names as the server has answered last. Absent: not known. */
  readonly namesInForce?: string;
}

/** Whose commits: of all sessions where neither is named. */
export interface ExemptCommits {
  readonly role: string | null;
  readonly database: string | null;
  /** Their synchronous_commit. */
  readonly value: string;
}

/** A connection that receives WAL from this server. */
export interface WalSender {
  /** Its application_name, by which PostgreSQL takes it for a synchronous standby. */
  readonly name: string;
  readonly flushedLsn: Lsn;
  /** null: it streams without a slot. */
  readonly slot: string | null;
  readonly user: string;
  /** null: by a socket of this host. */
  readonly address: string | null;
  /** How long ago it was connected, when the server was looked at. Absent: not known. */
  readonly connectedMs?: number;
}

export interface SlotView {
  readonly name: string;
  readonly type: "physical" | "logical";
  readonly active: boolean;
  /** What the user of a logical slot has confirmed, else where the slot's WAL begins; null: it holds none. */
  readonly position: Lsn | null;
  /** WAL that is kept because of it, up to what the server has written or replayed. */
  readonly heldBytes: number;
  /** pg_replication_slots.wal_status: "reserved", "extended", "unreserved" or "lost"; null: it holds none. */
  readonly walStatus: string | null;
  /** WAL that may still be written until max_slot_wal_keep_size makes it useless; null: without a limit. */
  readonly safeBytes: number | null;
  /** A slot that the dynamic configuration names. */
  readonly permanent: boolean;
}

export interface ReplicationConnection {
  readonly usename: string;
  readonly application_name: string;
  readonly client_addr: string | null;
  readonly state: string;
  readonly sync_state: string;
  readonly sync_priority: number;
}

/**
 * A standby that takes writes, and was not promoted by its guard, but by others (pg_promote(), pg_ctl
 * promote, a recovery target that ends in a promotion). Its writes belong to no epoch, and no other member
 * has them. One that was told to end is still such a server until its shutdown checkpoint begins: a process
 * that does not end keeps it there for as long as pg_ctl_timeout.
 */
export function isPromotedByOthers(
  { process, writable, inRecovery, shutdown }: Pick<
    PostgresView,
    "process" | "writable" | "inRecovery" | "shutdown"
  >,
): boolean {
  if (writable || inRecovery !== false) return false;
  if (process === "stopping") return shutdown?.stage !== "checkpoint" && shutdown?.stage !== "closed";
  return process === "running";
}
