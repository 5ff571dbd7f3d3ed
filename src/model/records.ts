/** The replicated records of a cluster: logged through Raft, changed by compare-and-swap only. */
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
   * Revision of the last command that said whether this epoch is fenced; absent: none did that named the one
   * before it.
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

export interface FailoverRecord {
  readonly kind: "switchover" | "failover";
  /** Member that must hold the lock for the request to be valid; null for a failover. */
  readonly leader: string | null;
  readonly candidate: string | null;
  /** ISO 8601 with time zone; null: now. */
  readonly scheduledAt: string | null;
  /** Identifies the request for those that wait for its outcome. */
  readonly id: string;
  /** The coordinator has checked it and it is due: the holder acts only on an accepted request. */
  readonly accepted: boolean;
  /**
   * Epoch of the lock when it was accepted; 0 before. The request is carried out once a later epoch is held.
   */
  readonly epoch: number;
}

/** [timeline, lsn of the switch, reason, ISO timestamp, new leader]: Patroni's history line. */
export type HistoryLine = readonly [number, number, string, string, string];

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

export interface ClusterEvent {
  readonly index: number;
  readonly at: string;
  readonly member: string;
  readonly kind: string;
  readonly text: string;
}

export interface SyncRecord {
  readonly leader: string | null;
  readonly syncStandby: readonly string[];
  readonly quorum: number;
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
  /** The holder's machine: nobody asks it. Absent in older records. */
  readonly life?: Life;
  readonly revision: number;
}

export interface DcsState {
  /** Raft index of the last command that changed anything. */
  readonly revision: number;
  readonly clusterEpoch: number;
  readonly initialize: InitializeRecord | null;
  readonly config: { readonly value: JsonObject; readonly revision: number } | null;
  readonly lock: LockRecord;
  readonly failover: (FailoverRecord & { readonly revision: number }) | null;
  /** Outcome of the last requests, by id, for those that wait: a bounded list, newest last. */
  readonly failoverResults: readonly { readonly id: string; readonly ok: boolean; readonly text: string }[];
  readonly sync: SyncRecord & { readonly revision: number };
  readonly history: readonly HistoryLine[];
  /** Null: nobody holds a lease but by raft. Stays after the end of its epoch: see src/lease/failsafe.ts. */
  readonly failsafe: FailsafeRecord | null;
  readonly members: { readonly [name: string]: MemberFacts };
  /** Lease times in ms (src/lease/DESIGN.md): grant <= wait. */
  readonly grantTtlMs: number;
  readonly waitTtlMs: number;
  readonly events: readonly ClusterEvent[];
}

/** Names are free: one may be that of a property which every object has ("constructor"). */
export function knownMember({ members }: Pick<DcsState, "members">, name: string): MemberFacts | undefined {
  return Object.hasOwn(members, name) ? members[name] : undefined;
}

/** A bootstrap is complete. Before, nobody is told of a primary: what is written may be set aside still. */
export function isInitialized({ initialize }: Pick<DcsState, "initialize">): boolean {
  return initialize !== null && initialize.systemId !== "";
}

export type { Json, JsonObject };
