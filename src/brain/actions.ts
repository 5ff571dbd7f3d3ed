/**
 * The actions that the keeper may decide on: plain data, printed in logs and carried out at the edge (or by
 * the simulator's model).
 */

/** A member to copy from or to follow. */
export interface Upstream {
  readonly name: string;
  /** conn_url of the member, e.g. postgres://10.0.0.1:5432/postgres */
  readonly connUrl: string;
}

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
  | { readonly kind: "clone"; readonly from: Upstream }
  | { readonly kind: "start-primary"; readonly epoch: number }
  | { readonly kind: "start-standby"; readonly follow: Upstream | null }
  | { readonly kind: "promote"; readonly epoch: number }
  /**
   * fast: SIGINT, after a CHECKPOINT when `checkpoint`; immediate: SIGQUIT; kill: at once, nothing survives.
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
  }
  /**
   * The mark of a former primary is taken from the directory: what is in it is a part of the cluster's
   * history.
   */
  | { readonly kind: "joined-history" }
  /**
   * Compare this member's history with that of `with` over its replication connection; result in
   * PostgresView.divergence.
   */
  | { readonly kind: "compare-history"; readonly with: Upstream };

/** Actions on the cluster's records, proposed by the member itself. */
export type RecordAction =
  | { readonly kind: "claim-initialize" }
  | { readonly kind: "complete-initialize"; readonly systemId: string }
  | { readonly kind: "clear-initialize" }
  /** PostgreSQL is proven not writable: end the epoch at the guard, then propose its release. */
  | { readonly kind: "release"; readonly epoch: number }
  /** Leave the process: message for the user, exit code 1. */
  | { readonly kind: "exit"; readonly message: string };

/** The desired state of PostgreSQL from now on, beside its role. */
export type DesireAction =
  /** Point a running standby elsewhere (reload). */
  { readonly kind: "follow"; readonly follow: Upstream | null };

export type Action = PostgresAction | RecordAction | DesireAction;

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
