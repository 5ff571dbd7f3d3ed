/**
 * A member's volatile status. It is broadcast to all members every 500 ms and at once when it changes, and
 * never logged.
 */
import type { JsonObject } from "./json.ts";
import type { LastStop } from "./last_stop.ts";
import type { Life } from "./life.ts";
import type { Lsn } from "./lsn.ts";
import type { PostgresRole, PostgresState } from "./postgres_view.ts";

/** The watchdog of a member where it is in use, or should be. */
export interface WatchdogSummary {
  readonly mode: "automatic" | "required";
  readonly active: boolean;
  /** In force; null while it does not run. */
  readonly timeoutS: number | null;
}

/**
 * The word of a running PostgreSQL about itself, or of a member about it, is shown as known for this long;
 * looks come every second.
 */
export const STATE_KNOWN_MS = 3000;

export interface MemberStatus {
  readonly name: string;
  /** Random per start of the agent, and a counter within it: a later status replaces an earlier one. */
  readonly incarnation: number;
  readonly seq: number;
  /** The machine that speaks. Absent from members of an older version, which are granted nothing. */
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
   * Only the last primary says it: members that have streamed from it in the epoch `epochSeen`, which makes
   * their WAL a part of its history. Absent from members of an older version.
   */
  readonly streamedTo?: readonly string[];
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
  readonly checkpointAfterPromote: boolean;
  readonly tags: JsonObject;
  readonly pendingRestart: {
    readonly [parameter: string]: { readonly old_value: string; readonly new_value: string };
  } | null;
  readonly serverVersion: number | null;
  readonly connUrl: string;
  readonly apiUrl: string;
  /** Largest event loop or renewal delay since the last status, ms. */
  readonly lateMs: number;
  /** Absent: its PostgreSQL was not stopped since its agent was started, or that is of an older version. */
  readonly lastStop?: LastStop;
  /**
   * While it leads the raft group: how many more voters may fail. Null, or left out by older versions,
   * otherwise.
   */
  readonly canLose?: number | null;
}
