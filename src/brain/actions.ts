/**
 * The actions that the keeper may decide on: plain data, printed in logs and carried out at the edge (or by
 * the simulator's model).
 */

import type { UselessAfter } from "../model/config.ts";
import type { DataIdentity, Upstream } from "../model/upstream.ts";

/** Actions on PostgreSQL, run by a PostgresPort. Long ones appear in PostgresView.action until they end. */
export type PostgresAction =
  /** initdb in an empty or absent directory, marked half-written until seal-bootstrap. */
  | { readonly kind: "bootstrap" }
  /**
   * On the running first primary: roles and post_bootstrap. The directory stays marked until
   * `seal-bootstrap`.
   */
  | { readonly kind: "finish-bootstrap" }
  /** The records name this directory's system identifier: it is no longer half-written. */
  | { readonly kind: "seal-bootstrap" }
  /**
   * Copy the data directory of `from`, which is `leader` or one of its standbys. `leader` keeps the WAL that
   * the copy will need. The remote primary of a standby cluster is asked for no slot. `of` null: nothing is
   * known of its data.
   */
  | {
    readonly kind: "clone";
    readonly from: Upstream;
    readonly leader: Upstream;
    readonly of: DataIdentity | null;
    /** The other methods of create_replica_methods are left out. */
    readonly basebackupOnly?: true;
  }
  /** Make a copy of the cluster's data by those methods that need no running member, from a backup. */
  | { readonly kind: "restore"; readonly systemId: string }
  | { readonly kind: "start-primary"; readonly epoch: number }
  | {
    readonly kind: "start-standby";
    readonly follow: Upstream | null;
    /** A primary that lost raft: its WAL may not be the cluster's. */
    readonly readOnly?: true;
  }
  | { readonly kind: "promote"; readonly epoch: number }
  /**
   * fast: SIGINT, after a CHECKPOINT when `checkpoint`; immediate: SIGQUIT; kill: at once, no process
   * survives.
   */
  | { readonly kind: "stop"; readonly how: "fast" | "immediate" | "kill"; readonly checkpoint: boolean }
  | { readonly kind: "restart" }
  /** In the background: the lease is running out, and a crash recovery may follow. */
  | { readonly kind: "checkpoint" }
  | { readonly kind: "rewind"; readonly from: Upstream }
  /** Move the data directory aside (<dir>.failed-<time>) so that a clone can follow. */
  | {
    readonly kind: "set-aside";
    readonly why: string;
    /** An operator wants it gone: where it cannot be moved, it may be removed. */
    readonly onRequest?: true;
    /** Which of the user's keys says whether it may be removed where it cannot be moved. */
    readonly after?: UselessAfter;
    /** It stays where it is, and the first method of create_replica_methods goes on from it. */
    readonly keep?: true;
  }
  /**
   * Note in the directory that its WAL is a part of the history of the cluster of that founding: the mark of
   * a former primary goes.
   */
  | { readonly kind: "joined-history"; readonly founding: string }
  /**
   * Compare this member's history with that of `with` over its replication connection; result in
   * PostgresView.divergence.
   */
  | {
    readonly kind: "compare-history";
    readonly with: Upstream;
    /** The name of the data that it is known to have. Absent: none is known. */
    readonly token?: string;
    /** WAL itself is compared, too: the two may have written one timeline differently. */
    readonly content?: true;
  };

/** Actions on the cluster's records, proposed by the member itself. */
export type RecordAction =
  | { readonly kind: "claim-initialize" }
  | { readonly kind: "complete-initialize"; readonly systemId: string }
  | { readonly kind: "clear-initialize" }
  /** PostgreSQL is proven not writable: end the epoch at the guard, then propose its release. */
  | {
    readonly kind: "release";
    readonly epoch: number;
    /** This member cannot become a primary at present, and sits out for a while: others come first. */
    readonly unable?: true;
    /** Its directory does not tell how far it has written. */
    readonly unclean?: true;
  }
  /** Leave the process: message for the user, exit code 1. */
  | { readonly kind: "exit"; readonly message: string };

/** On the guard. */
export type GuardAction =
  /** The primary that the guard found running is this epoch's from now on, and fenced like any other. */
  { readonly kind: "adopt-primary"; readonly epoch: number };

/** The desired state of PostgreSQL from now on, beside its role. */
export type DesireAction =
  /** Point a running standby elsewhere (reload). */
  { readonly kind: "follow"; readonly follow: Upstream | null };

export type Action = PostgresAction | RecordAction | GuardAction | DesireAction;

export interface Decision {
  /** The rule that decided, by its name in docs/decisions.md. */
  readonly rule: string;
  /** At most one long action; empty: nothing to do. */
  readonly actions: readonly Action[];
  /** One sentence for log, history of decisions, and users. */
  readonly reason: string;
  /** Asked to stop: nothing is left to do, the agent may end. */
  readonly mayLeave?: boolean;
}
