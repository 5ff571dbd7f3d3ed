/**
 * The JSON that the API answers with (docs/compatibility.md section 10.3, 10.4), as types shared by the
 * server and its clients. Fields under `agent` are additions; everything else is Patroni's.
 */
import type { Ailment } from "../model/ailment.ts";
import type { CertificateEnd } from "../model/certificate.ts";
import type { SyncTrouble } from "../model/sync_trouble.ts";
import type { ReinitializeStatus } from "../model/reinitialize_status.ts";
import type { Json, JsonObject } from "../model/json.ts";
import type { LastStop } from "../model/last_stop.ts";
import type { ReloadRefused } from "../model/reload_refused.ts";
import type { ReplicationConnection } from "../model/postgres_view.ts";

export type PendingRestart = {
  readonly [parameter: string]: { readonly old_value: string; readonly new_value: string };
};

/** `GET /patroni` and every health check. */
export interface StatusJson {
  readonly state: string;
  readonly postmaster_start_time?: string;
  readonly role: string;
  readonly server_version?: number;
  readonly xlog?: { readonly location: number } | {
    readonly received_location: number;
    readonly replayed_location: number;
    readonly replayed_timestamp: string | null;
    readonly paused: boolean;
  };
  readonly sync_standby?: true;
  readonly quorum_standby?: true;
  readonly timeline?: number;
  readonly replication_state?: string;
  readonly replication?: readonly ReplicationConnection[];
  readonly pause?: true;
  readonly cluster_unlocked?: true;
  readonly failsafe_mode_is_active?: true;
  readonly dcs_last_seen: number;
  readonly tags?: JsonObject;
  readonly database_system_identifier?: string;
  readonly pending_restart?: true;
  readonly pending_restart_reason?: PendingRestart;
  readonly patroni: { readonly version: string; readonly scope: string; readonly name: string };
  readonly scheduled_restart?: JsonObject;
  readonly watchdog_failed?: true;
  readonly logger_queue_size?: number;
  readonly logger_records_lost?: number;
  readonly agent: {
    readonly version: string;
    readonly epoch: number | null;
    readonly guard: string | null;
    readonly raft_leader: string | null;
    readonly watchdog?: WatchdogFieldsJson;
    readonly witness?: true;
    readonly reinitialize?: ReinitializeStatus;
    /** What it follows, where that is not the leader: another member, or the remote primary. */
    readonly follows?: string;
    /** With state `creating replica`. */
    readonly copy?: CopyJson;
    /** Why this member has no data: its last copy failed. */
    readonly copy_failed?: string;
    /** Why this member comes back by a reinit only. */
    readonly needs_reinit?: string;
    /** Why PostgreSQL was stopped last, since the agent was started. */
    readonly last_stop?: LastStop;
    /** It held the lock, and could not become a primary. */
    readonly lead_failure?: LeadFailureJson;
    /** The last reload of its file was refused; until a good one. */
    readonly reload_refused?: ReloadRefused;
    /** When its certificates end; left out: it has none. */
    readonly certificates?: readonly CertificateEnd[];
    readonly ailments?: readonly Ailment[];
    /** What is not well with synchronous replication, as the holder of the lock says it. */
    readonly sync_troubles?: readonly SyncTrouble[];
  };
}

/** `sits_out`: it is no candidate at present. */
export interface LeadFailureJson {
  /** ISO 8601. */
  readonly at: string;
  readonly why: string;
  readonly times: number;
  readonly sits_out: boolean;
}

/** `GET /agent/config/history`. null: not known. */
export interface ConfigRevisionJson {
  readonly revision: number;
  /** ISO 8601. */
  readonly at: string | null;
  /** The member through which it was changed. */
  readonly by: string | null;
  readonly config: JsonObject;
}

/** A replication slot that holds much WAL. */
export interface SlotAtRiskJson {
  readonly name: string;
  readonly held_bytes: number;
  /** What may still be written until its WAL is taken from it; null: that has happened. */
  readonly safe_bytes: number | null;
}

/** `GET /agent/config/explain/KEY`. */
export interface ExplanationJson {
  /** The member whose value it is. */
  readonly name: string;
  readonly key: string;
  readonly value: Json;
  /** From weak to strong. */
  readonly layers: readonly {
    readonly source: string;
    readonly place: string | null;
    readonly value: Json;
    readonly counts: boolean;
  }[];
  readonly why: string;
  readonly after_restart: string | null;
  readonly notes: readonly string[];
}

/** A copy of another member's data that is under way. null: not known yet. */
export interface CopyJson {
  readonly from: string;
  /** The method that makes it, in place of pg_basebackup. */
  readonly by?: string;
  readonly done_bytes: number;
  readonly total_bytes: number | null;
  readonly bytes_per_second: number | null;
  readonly seconds_left: number | null;
}

/** The fields that do not change from one second to the next. Seconds. */
export interface WatchdogFieldsJson {
  readonly mode: "off" | "automatic" | "required";
  readonly active: boolean;
  readonly device: string;
  readonly identity: string | null;
  readonly timeout: number | null;
  /** Why the host booted last, as the device remembers: "watchdog", "overheat" ... */
  readonly boot_cause: string | null;
}

/** `GET /agent/watchdog`. Seconds. */
export interface WatchdogJson extends WatchdogFieldsJson {
  readonly name: string;
  readonly leader: string | null;
  readonly driver: string;
  readonly healthy: boolean;
  readonly nowayout: boolean;
  readonly time_left: number | null;
  readonly last_feed_age: number | null;
  /** Since the start of the agent. */
  readonly feeds: number;
  /** The least that was ever left at a feeding. */
  readonly closest: number | null;
  readonly problem: string | null;
  readonly advice: string | null;
}

/** `GET /agent/timing`. Milliseconds. */
export interface TimingJson {
  readonly name: string;
  readonly leader: string | null;
  readonly settings: {
    readonly ttl_ms: number;
    readonly wait_ttl_ms: number;
    readonly lease_ms: number;
    readonly renew_ms: number;
    readonly j_ms: number;
    readonly k_ms: number;
    readonly rho: number;
    readonly heartbeat_ms: number;
    readonly election_min_ms: number;
    readonly election_max_ms: number;
    readonly kill_after_ms: number;
    readonly watchdog_timeout_ms: number | null;
    readonly loop_wait_ms: number;
    readonly retry_timeout_ms: number;
  };
  readonly inequalities: readonly {
    readonly id: string;
    readonly about: string;
    readonly left: readonly { readonly name: string; readonly ms: number }[];
    readonly left_ms: number;
    readonly relation: string;
    readonly right: string;
    readonly right_ms: number;
    readonly margin_ms: number;
    readonly verdict: string;
    readonly note: string | null;
  }[];
  /** How far back `measured` looks. */
  readonly window_s: number;
  readonly measured: readonly {
    readonly what: "event_loop" | "guard" | "renewal";
    readonly samples: number;
    readonly p50_ms: number | null;
    readonly p99_ms: number | null;
    readonly p999_ms: number | null;
    readonly max_ms: number | null;
    readonly budget_ms: number;
    readonly verdict: string;
  }[];
  /** Jumps of the wall clock against the clock of leases, and times when a process stood still. */
  readonly clock_jumps: readonly {
    readonly process: "agent" | "guard";
    readonly count: number;
    readonly last: {
      readonly kind: "stall" | "forward" | "backward";
      readonly by_ms: number;
      readonly ago_s: number;
    } | null;
  }[];
}

export interface ClusterMemberJson {
  readonly name: string;
  readonly role: string;
  readonly state: string;
  readonly api_url: string;
  readonly host?: string;
  readonly port?: number;
  readonly timeline?: number;
  readonly pending_restart?: boolean;
  readonly pending_restart_reason?: PendingRestart;
  readonly scheduled_restart?: { readonly schedule: string; readonly postgres_version?: string };
  readonly tags?: JsonObject;
  readonly receive_lsn?: string;
  readonly receive_lag?: number | "unknown";
  readonly replay_lsn?: string;
  readonly replay_lag?: number | "unknown";
  readonly lsn?: string;
  readonly lag?: number | "unknown";
  /** Not Patroni's. Absent when there is nothing to say. */
  readonly agent?: {
    readonly watchdog?: Pick<WatchdogFieldsJson, "mode" | "active" | "timeout">;
    /** With state `unknown`: the last known state, and how many seconds ago that was. */
    readonly last_state?: string;
    readonly last_state_s?: number;
    /** Why its PostgreSQL was stopped last, since its agent was started. */
    readonly last_stop?: LastStop;
    /** It held the lock, and could not become a primary. */
    readonly lead_failure?: LeadFailureJson;
    /** Slots of this member whose WAL max_slot_wal_keep_size takes soon, or has taken; the worst first. */
    readonly slots_at_risk?: readonly SlotAtRiskJson[];
    /** What it follows, where that is not the leader: another member, or the remote primary. */
    readonly follows?: string;
    readonly copy?: CopyJson;
    /** Why this member has no data: its last copy failed. */
    readonly copy_failed?: string;
    /** Why this member comes back by a reinit only. */
    readonly needs_reinit?: string;
    /** The last reload of its file was refused; until a good one. */
    readonly reload_refused?: ReloadRefused;
    /** Certificates that end within 30 days, or have; the keys of a later version are any words. */
    readonly certificates_ending?: readonly CertificateEnd[];
    /** What is not well with its host or its PostgreSQL; the causes of a later version are any words. */
    readonly ailments?: readonly Ailment[];
    /** What is not well with synchronous replication, as the holder of the lock says it. */
    readonly sync_troubles?: readonly SyncTrouble[];
    /** So far its clock is ahead of the time of day that the member that answers goes by: a minute or more. */
    readonly clock_off_s?: number;
  };
}

/** `GET /cluster`. */
export interface ClusterJson {
  readonly members: readonly ClusterMemberJson[];
  readonly scope: string;
  readonly pause?: true;
  readonly failsafe_mode_is_active?: true;
  readonly scheduled_switchover?: { readonly at: string; readonly from?: string; readonly to?: string };
  readonly agent: {
    /** null: no cluster yet; "": being initialised; else the system identifier. */
    readonly initialize: string | null;
    /** Name of the member that answers. */
    readonly answered_by: string;
    /** ms since it last knew the cluster's records to be current; null: never. Old: it is cut off. */
    readonly view_age_ms: number | null;
    /** False once the view is older than a ttl. */
    readonly fresh: boolean;
    /** Members that are part of the cluster but not heard of for a ttl, and hence not in `members`. */
    readonly unreachable: readonly {
      readonly name: string;
      readonly last_seen_s: number | null;
      readonly api_url: string;
    }[];
    readonly witnesses: readonly string[];
    readonly witness_certificates_ending?: readonly (CertificateEnd & { readonly witness: string })[];
    /** So many more voters of the raft group may fail; null: its leader is not known. */
    readonly can_lose: number | null;
    /** When the pause ends by itself; left out: it does not. */
    readonly pause_until?: string;
    /** The gap of failsafe mode if raft were lost now; left out: none, or it is not enabled. */
    readonly failsafe_lacks?: string;
    /** The wait that only an operator can end, and the command; left out: none. */
    readonly operator_needed?: string;
    /**
     * How long a failover waits, where that is more than ttl: ttl was lowered, and the primary has not
     * followed yet.
     */
    readonly failover_waits_s?: number;
  };
}

/** One of `GET /agent/events`. */
export interface EventJson {
  /** Ascending in the order of the log. */
  readonly id: number;
  readonly at: string;
  /** The member that it concerns. */
  readonly member: string;
  /** The member through which it came; left out: the one that it concerns. */
  readonly by?: string;
  readonly kind: string;
  readonly text: string;
  readonly facts?: {
    readonly epoch?: number;
    readonly timeline?: number;
    readonly lsn?: string;
    readonly took_ms?: number;
    readonly request?: string;
    readonly revision?: number;
    readonly other?: string;
    readonly cause?: string;
    readonly end?: string;
    readonly bytes?: number;
    readonly transactions?: number;
    readonly kept?: string;
  };
  /** How often, from `first_at` to `at`; left out: once. */
  readonly times?: number;
  readonly first_at?: string;
  /** Ids of the events that led to it. */
  readonly because: readonly number[];
  /** One led to it that is not kept any more; left out: no. */
  readonly earlier_gone?: true;
}

/** One of `GET /agent/losses`: WAL that a member had beyond the cluster's history, before it rejoined. */
export interface LossJson {
  readonly member: string;
  readonly at: string;
  readonly timeline: number;
  /** Where the histories part, and where the member's WAL ended. */
  readonly lsn: string;
  readonly end: string;
  readonly bytes: number;
  /** null: not known. */
  readonly transactions: number | null;
  /** Directory on the member's host in which that WAL is kept; null: it is not. */
  readonly kept: string | null;
}

/** `GET /agent/why`. */
export interface WhyJson {
  /** null: it is about the lock. */
  readonly member: string | null;
  readonly holder: string | null;
  readonly epoch: number;
  /** Sentences. */
  readonly answer: readonly string[];
  /** Members that could not take over the lock now. */
  readonly unfit: readonly { readonly member: string; readonly code: string; readonly why: string }[];
  /** What led to the present state, the first cause first. */
  readonly chain: readonly EventJson[];
  readonly answered_by: string;
  /** False: the member that answers is cut off, and says what it knew before. */
  readonly fresh: boolean;
  readonly raft_leader: string | null;
  readonly raft_leader_api_url: string | null;
}

/** `GET /agent/raft`. */
export interface RaftJson {
  /** The member that answers. */
  readonly name: string;
  readonly leader: string | null;
  readonly term: number;
  readonly commit: number;
  readonly applied: number;
  readonly can_lose: number | null;
  /** Says that the disk of this member's raft log is full, and what to do; null: it has room. */
  readonly disk_full: string | null;
  readonly members: readonly RaftMemberJson[];
}

export interface RaftMemberJson {
  readonly name: string;
  readonly addr: string;
  readonly id: number;
  readonly voter: boolean;
  readonly witness: boolean;
  readonly match: number | null;
  readonly last_contact_ms: number | null;
  /** null while its facts are not known. */
  readonly api_url: string | null;
}
