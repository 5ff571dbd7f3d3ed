/**
 * A member's volatile status. It is broadcast to all members every 500 ms and at once when it changes, and
 * never logged.
 */
import type { Ailment } from "./ailment.ts";
import type { CertificateEnd } from "./certificate.ts";
import type { CopyStatus } from "./copy_status.ts";
import type { JsonObject } from "./json.ts";
import type { LeadFailure } from "./lead_failure.ts";
import type { LastStop } from "./last_stop.ts";
import type { Cut } from "./cut.ts";
import type { Life } from "./life.ts";
import type { Lsn } from "./lsn.ts";
import type { ReloadRefused } from "./reload_refused.ts";
import type { PostgresRole, PostgresState } from "./postgres_view.ts";
import type { SlotAtRisk } from "./slot_risk.ts";
import type { SyncTrouble } from "./sync_trouble.ts";

/** The watchdog of a member where it is in use, or should be. */
export interface WatchdogSummary {
  readonly mode: "automatic" | "required";
  readonly active: boolean;
  /** In force; null while it does not run. */
  readonly timeoutS: number | null;
}

/**
 * An answer of a running PostgreSQL, or a member's report of it, is shown as known for this long; looks come
 * every second.
 */
export const STATE_KNOWN_MS = 3000;

/** The position that lags are measured by, as the lock's holder says it; null: it does not. */
export function leaderLsn(
  { role, writable, walLsn, receivedLsn, replayedLsn }: Pick<
    MemberStatus,
    "role" | "writable" | "walLsn" | "receivedLsn" | "replayedLsn"
  >,
): Lsn | null {
  if (writable) return walLsn;
  return role === "standby_leader" ? receivedLsn ?? replayedLsn : null;
}

export interface MemberStatus {
  readonly name: string;
  /** Random per start of the agent, and a counter within it: a later status replaces an earlier one. */
  readonly incarnation: number;
  readonly seq: number;
  /** The sending machine. Absent from members of an older version, which are granted nothing. */
  readonly life?: Life;
  /** Lock record this member had applied when it looked at its PostgreSQL: epoch, and whether it was free. */
  readonly epochSeen: number;
  readonly lockFreeSeen: boolean;
  /**
   * Highest epoch whose holder this member has seen alive since it started; 0: none. Tells a failover from a
   * cold start.
   */
  readonly holderSeenEpoch: number;
  /**
   * Last WAL position heard from the holder of that epoch; null: none. Absent from members of an older
   * version.
   */
  readonly holderLsn?: Lsn | null;
  /** Two looks since the lock became free gave the same end of received WAL: nothing more is arriving. */
  readonly walSettled: boolean;
  readonly role: PostgresRole;
  readonly state: PostgresState;
  /** Server process answers and has finished recovery to consistency. */
  readonly running: boolean;
  /** ms since the running server last answered; null: none runs. Absent from members of an older version. */
  readonly lookAgeMs?: number | null;
  /** It may acknowledge writes at present (a primary that runs, not frozen). */
  readonly writable: boolean;
  /**
   * Only the primary says it: the epoch under which it has completed a write; 0: none yet. Absent: it is no
   * primary, or is of an older version.
   */
  readonly wroteUnder?: number;
  readonly systemId: string | null;
  readonly timeline: number | null;
  readonly walLsn: Lsn | null;
  readonly receivedLsn: Lsn | null;
  readonly replayedLsn: Lsn | null;
  /**
   * Position up to which WAL is on this disk when the server does not run (from pg_control); null if unknown.
   */
  readonly diskLsn: Lsn | null;
  readonly replicationState: string | null;
  /**
   * Sent by the last primary only: members that have streamed from it in the epoch `epochSeen`, which makes
   * their WAL a part of its history. Absent from members of an older version.
   */
  readonly streamedTo?: readonly string[];
  /**
   * Only the primary says it: where the permanent slots of the configuration stand. Absent: it has none, or
   * is of an older version.
   */
  readonly slots?: { readonly [slot: string]: Lsn };
  /** Slots of this member that hold too much WAL. Absent: none, or it is of an older version. */
  readonly slotsAtRisk?: readonly SlotAtRisk[];
  /** Which data it has: its machine and its directory. Absent: it has none, or is of an older version. */
  readonly dataToken?: string;
  /**
   * It acknowledges nothing to the holder of that epoch any more, and how far its WAL goes since. Absent: it
   * may acknowledge, or is of an older version.
   */
  readonly cut?: Cut;
  readonly following: string | null;
  /** A complete data directory of the cluster's system identifier (or a running server). */
  readonly directoryUsable: boolean;
  /**
   * The directory of a former primary: without standby.signal and not running, or read-only since and not yet
   * rejoined.
   */
  readonly primaryDirectory: boolean;
  /** Set while this member bootstraps and asks for the first lock. */
  readonly bootstrapReady: boolean;
  readonly nofailover: boolean;
  readonly failoverPriority: number;
  /** A watchdog is required here, and cannot be used. */
  readonly watchdogFailed: boolean;
  /** Absent: none is there, or none is wanted. */
  readonly watchdog?: WatchdogSummary;
  readonly guard: "ok" | "partial" | "none";
  readonly shuttingDown: boolean;
  /** An operator's request is about to end its server: no commit is to wait for it. Absent: none is. */
  readonly endsSoon?: boolean;
  readonly checkpointAfterPromote: boolean;
  readonly tags: JsonObject;
  readonly pendingRestart: {
    readonly [parameter: string]: { readonly old_value: string; readonly new_value: string };
  } | null;
  readonly serverVersion: number | null;
  readonly connUrl: string;
  readonly apiUrl: string;
  /** The sender's wall clock when it was sent. Absent from members of an older version. */
  readonly wallMs?: number;
  /** Largest event loop or renewal delay since the last status, ms. */
  readonly lateMs: number;
  /**
   * Absent: its PostgreSQL was not stopped since its agent was started, or its agent has an older version.
   */
  readonly lastStop?: LastStop;
  /**
   * It held the lock and could not become a primary. Absent: it never failed to in this start of its agent,
   * not lately, or that is of an older version.
   */
  readonly leadFailure?: LeadFailure;
  /** Absent: the last reload of its file was not refused, or that is of an older version. */
  readonly reloadRefused?: ReloadRefused;
  /** Certificates that end within 30 days, or have. Absent: none, or it is of an older version. */
  readonly certificatesEnding?: readonly CertificateEnd[];
  /**
   * While it leads the raft group: how many more voters may fail. Null, or left out by older versions,
   * otherwise.
   */
  readonly canLose?: number | null;
  /** Absent: nothing is copied, or the member is of an older version. */
  readonly copy?: CopyStatus;
  /** Why this member has no data: its last copy failed. Absent: it has data, or is of an older version. */
  readonly copyFailed?: string;
  /**
   * Why it comes back by a reinit only: its history differs, and the configuration allows no way that is
   * left; or the primary has removed WAL that it needs. Absent: it does not, or is of an older version.
   */
  readonly needsReinit?: string;
  /**
   * What is not well with its host or its PostgreSQL; empty: nothing. Absent: it has not looked, or is of an
   * older version.
   */
  readonly ailments?: readonly Ailment[];
  /**
   * Only the holder of the lock says it: what is not well with synchronous replication. Absent: nothing, or
   * it is of an older version.
   */
  readonly syncTroubles?: readonly SyncTrouble[];
}
