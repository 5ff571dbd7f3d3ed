/** The replicated records of a cluster: logged through Raft, changed by compare-and-swap only. */
import { ownValue } from "../lib/own_value.ts";
import type { ClusterEvent } from "./event.ts";
import type { Json, JsonObject } from "./json.ts";
import type { Lsn } from "./lsn.ts";

/** Which machine a member runs on, and since which boot (life.ts). */
export interface Life {
  /** Raft id. It stays with the raft directory, also when that is copied. */
  readonly node: number;
  /** Random, kept with the raft directory and bound to the host: a copy elsewhere has another one. */
  readonly machine: string;
  /** Names the boot of the kernel and the process namespace: no process of another boot can still run. */
  readonly boot: string;
}

/** Epochs compare as (clusterEpoch, number): a recovery of the cluster outranks everything before it. */
export interface LockRecord {
  /** Epoch of the last grant; 0 before the first. */
  readonly epoch: number;
  /** null: free (released or expired). */
  readonly holder: string | null;
  /** Why it was granted, released or expired: shown to users. */
  readonly reason: string;
  /** Last holder, also while free; null before the first grant. */
  readonly lastHolder: string | null;
  /**
   * The machine that the last epoch was granted to, also while free: a name can come twice. Null before the
   * first grant, and in records from before lives were logged, until the holder joins with a version that
   * says which machine it is.
   */
  readonly life: Life | null;
  /** How the last epoch ended; null while held. "released" may carry the holder's final WAL position. */
  readonly ended: {
    readonly how: "released" | "expired";
    readonly lsn: Lsn | null;
    readonly timeline: number | null;
  } | null;
  /**
   * The last grant lost nothing: the epoch before it ended by a clean stop, and its successor had everything.
   */
  readonly cleanStart: boolean;
  /** True while the holder has logged unfenced(epoch) (pause): never expired automatically. */
  readonly unfenced: boolean;
  /**
   * Revision of the last command that said whether this epoch is fenced; absent: no command did that named
   * its predecessor.
   */
  readonly fencingRevision?: number;
}

export interface InitializeRecord {
  /** Empty while a bootstrap is in progress. */
  readonly systemId: string;
  /** Member that bootstraps, and its incarnation (a restarted member does not continue a half bootstrap). */
  readonly by: string;
  readonly incarnation: number;
}

/**
 * One founding of a cluster: made anew from older data, the cluster has another one, with the same system
 * identifier and perhaps on the same timeline.
 */
export function foundingOf({ by, incarnation }: Pick<InitializeRecord, "by" | "incarnation">): string {
  return `${by} ${incarnation}`;
}

/**
 * What a directory is marked with that is known to be a part of the cluster's history: its founding, and the
 * last recovery from a lost majority. That one goes on from what one member had, and begins a timeline whose
 * number may be taken on the others.
 */
export function historyOf(initialize: InitializeRecord, clusterEpoch: number): string {
  const founding = foundingOf(initialize);
  return clusterEpoch === 0 ? founding : `${founding} recovered ${clusterEpoch}`;
}

export interface FailoverRecord {
  readonly kind: "switchover" | "failover";
  /** Member that must hold the lock for the request to be valid; null for a failover. */
  readonly leader: string | null;
  readonly candidate: string | null;
  /** ISO 8601 with time zone; null: now. */
  readonly scheduledAt: string | null;
  /** Identifies the request for clients that wait for its outcome. */
  readonly id: string;
  /** The coordinator has checked it and it is due: the holder acts only on an accepted request. */
  readonly accepted: boolean;
  /**
   * Epoch of the lock when it was accepted; 0 before. The request is carried out once a later epoch is held.
   */
  readonly epoch: number;
}

/** Conditions of a restart (docs/compatibility.md section 10.2); every one that is present must hold. */
export interface RestartConditions {
  readonly restart_pending?: boolean;
  readonly role?: "primary" | "standby_leader" | "replica";
  /** Restart only a server older than this, "15.2". */
  readonly postgres_version?: string;
  /** Seconds that it may take. After that another member may become the primary. */
  readonly timeout?: number;
}

/** The restart of one member at a time of day. */
export interface ScheduledRestart extends RestartConditions {
  /** ISO 8601 with time zone. */
  readonly schedule: string;
}

/** [timeline, lsn of the switch, reason, ISO timestamp, new leader]: Patroni's history line. */
export type HistoryLine = readonly [number, number, string, string, string];

/** WAL that a member had beyond the cluster's history, before it rejoined (docs/operations.md). */
export interface LossRecord {
  readonly member: string;
  /** ISO 8601, by the member's clock. */
  readonly at: string;
  /** Where the histories part; its line of history begins with the same two. */
  readonly timeline: number;
  readonly lsn: Lsn;
  /** Where its WAL ended, maybe on a later timeline of its own. */
  readonly end: Lsn;
  readonly bytes: number;
  /** Commits in it. Absent: not known. */
  readonly transactions?: number;
  /** Directory on the member's host. Absent: nothing is kept. */
  readonly kept?: string;
}

/** Facts of a member that change rarely; everything volatile is in its status broadcast. */
export interface MemberFacts {
  readonly name: string;
  readonly connUrl: string;
  readonly apiUrl: string;
  readonly proxyUrl: string | null;
  readonly raftAddr: string;
  /** The machine that has the name, as of its last start. Absent in records of older versions. */
  readonly life?: Life;
  readonly tags: JsonObject;
  readonly version: string;
}

/** What acknowledged transactions rest on (src/sync/DESIGN.md). */
export interface SyncRecord {
  /** The member whose acknowledged transactions are promised to survive; null: replication is asynchronous. */
  readonly leader: string | null;
  /** V: one of these, or the leader, may get the lock next. */
  readonly syncStandby: readonly string[];
  /** Q: how many others of V a member of it needs, cut off from the leader and with no more WAL. */
  readonly quorum: number;
  /** By member, of V and the leader: the data that it had then. Absent in older records. */
  readonly data?: { readonly [name: string]: string };
  /** The cluster was recovered from a lost majority: who may have what was acknowledged is not known. */
  readonly unknown?: true;
}

/**
 * The members that must agree to a lease without raft: hence they alone may be granted an epoch after this
 * one.
 */
export interface FailsafeRecord {
  /** Epoch whose holder logged it. */
  readonly epoch: number;
  readonly holder: string;
  /** api_url by name, the holder's own included. */
  readonly members: { readonly [name: string]: string };
  /**
   * Raft id by name: another machine that has taken a member's name was never asked. Absent in older records.
   */
  readonly nodes?: { readonly [name: string]: number };
  /** The holder's machine, which is not asked. Absent in older records. */
  readonly life?: Life;
  readonly revision: number;
}

export interface ConfigRecord {
  readonly value: JsonObject;
  readonly revision: number;
  /** When, and through which member, it was changed. Absent in older records. */
  readonly at?: string;
  readonly by?: string;
}

export interface FormerConfig {
  readonly value: JsonObject;
  readonly revision: number;
  /** null: not known. */
  readonly at: string | null;
  readonly by: string | null;
}

export interface DcsState {
  /** Raft index of the last command that changed anything. */
  readonly revision: number;
  readonly clusterEpoch: number;
  readonly initialize: InitializeRecord | null;
  readonly config: ConfigRecord | null;
  /** The configurations before, oldest first. Absent in records from before they were kept. */
  readonly configHistory?: readonly FormerConfig[];
  readonly lock: LockRecord;
  readonly failover: (FailoverRecord & { readonly revision: number }) | null;
  /** Outcome of the last requests, by id, for waiting clients: a bounded list, newest last. */
  readonly failoverResults: readonly { readonly id: string; readonly ok: boolean; readonly text: string }[];
  readonly sync: SyncRecord & { readonly revision: number };
  /** By member, at most one each. Absent in records from before they were kept. */
  readonly restarts?: { readonly [member: string]: ScheduledRestart & { readonly id: string } };
  readonly history: readonly HistoryLine[];
  /** The last ones, oldest first; bounded (src/dcs/losses.ts). Absent: there was none. */
  readonly losses?: readonly LossRecord[];
  /** Null: leases come from raft only. Stays after the end of its epoch: see src/lease/failsafe.ts. */
  readonly failsafe: FailsafeRecord | null;
  readonly members: { readonly [name: string]: MemberFacts };
  /** Lease times in ms (src/lease/DESIGN.md): grant <= wait. */
  readonly grantTtlMs: number;
  readonly waitTtlMs: number;
  /** What happened last, oldest first; bounded (src/dcs/events.ts). */
  readonly events: readonly ClusterEvent[];
}

export function knownMember({ members }: Pick<DcsState, "members">, name: string): MemberFacts | undefined {
  return ownValue(members, name);
}

/** The restart that is scheduled for a member; null: none is. */
export function scheduledRestartOf({ restarts = {} }: Pick<DcsState, "restarts">, name: string) {
  return ownValue(restarts, name) ?? null;
}

/** Where the WAL of the last holder ends; null: it did not stop in order, or has not said how far it goes. */
export function cleanEnd(
  { ended }: Pick<LockRecord, "ended">,
): { readonly lsn: Lsn; readonly timeline: number | null } | null {
  if (ended === null || ended.how !== "released" || ended.lsn === null) return null;
  return { lsn: ended.lsn, timeline: ended.timeline };
}

/** A bootstrap is complete. Before that no primary is announced: its data may still be set aside. */
export function isInitialized({ initialize }: Pick<DcsState, "initialize">): boolean {
  return initialize !== null && initialize.systemId !== "";
}

export type { Json, JsonObject };
