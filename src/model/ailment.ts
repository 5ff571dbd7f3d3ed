/** What is not well with a member that runs, its host or its PostgreSQL, as users and members see it. */

/** A member has at most one ailment of each cause. */
export const AILMENT_CAUSES = [
  /** Little room in the file system of the data directory. */
  "data-space",
  /** Little room in the file system of pg_wal, where it is another one. */
  "wal-space",
  /** Little room in the file system of a tablespace, where it is another one. */
  "tablespace-space",
  /** The file system of the data directory, of pg_wal or of a tablespace takes no writes. */
  "read-only",
  /** A small file can be neither written nor read in the data directory or in pg_wal. */
  "write-error",
  /** Writing a small file takes longer than it should. */
  "slow-disk",
  /** Writing a small file does not come to an end. */
  "hung-disk",
  /** The postmaster's process lives, and no new connection gets an answer. */
  "postmaster-hung",
  /** No connection is left for ordinary users. */
  "connections-exhausted",
  /** PostgreSQL has read pages whose checksum is wrong. */
  "checksum-failures",
] as const;
export type AilmentCause = typeof AILMENT_CAUSES[number];

/** critical: PostgreSQL cannot serve, or soon will not be able to, or has bad data. warning: not yet. */
export type AilmentSeverity = "warning" | "critical";

export interface Ailment {
  /** A member of a later version may name causes that are not known here. */
  readonly cause: AilmentCause;
  readonly severity: AilmentSeverity;
  /** Wall clock, ISO 8601. */
  readonly since: string;
  /** Plain words, with numbers. */
  readonly detail: string;
}

/** Longer details say nothing more; other members refuse a status that is too large. */
export const MAX_AILMENT_DETAIL = 300;
