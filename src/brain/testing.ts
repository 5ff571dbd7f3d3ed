/**
 * Builders for the tables of the brain's tests: a healthy three-member cluster, from which each case departs.
 */
import { DEFAULT_DYNAMIC } from "../config/testing.ts";
import { emptyState } from "../dcs/state_machine.ts";
import type { DynamicConfig, ReplicaMethod } from "../model/config.ts";
import type { MemberStatus } from "../model/member_status.ts";
import type { PostgresView, ReplicationConnection } from "../model/postgres_view.ts";
import type { Life } from "../model/life.ts";
import { NO_SYNC } from "../model/sync_setting.ts";
import type { DcsState, LockRecord } from "../model/records.ts";
import type { DutyView } from "./duty_view.ts";
import type { NodeView } from "./keep/view.ts";
import type { SuccessorView } from "./cluster/successor_view.ts";

export const SYSTEM_ID = "7300000000000000001";

export const DYNAMIC: DynamicConfig = {
  ...DEFAULT_DYNAMIC,
  // As in the records of a new log: there is no change of ttl under way.
  ttlS: emptyState().grantTtlMs / 1000,
  postgresql: { ...DEFAULT_DYNAMIC.postgresql, rejoin: ["rewind", "reclone"] },
};

/** Copies are made by a command of the user's own, or else by pg_basebackup. */
export function withMethod(change: Partial<ReplicaMethod>): DynamicConfig {
  const method: ReplicaMethod = {
    name: "backup",
    command: "backup",
    keepData: false,
    noLeader: false,
    noParams: false,
    timeLimitS: 60,
    options: {},
    ...change,
  };
  const postgresql = { ...DYNAMIC.postgresql, createReplicaMethods: [method, "basebackup"] as const };
  return { ...DYNAMIC, postgresql };
}

/** The machine of the member of that name. */
export function life(name: string, change: Partial<Life> = {}): Life {
  return { node: name.charCodeAt(0) - 96, machine: `machine-${name}`, boot: `boot-${name}`, ...change };
}

export function lock(change: Partial<LockRecord> = {}): LockRecord {
  const { lastHolder = "a" } = change;
  return {
    epoch: 3,
    holder: "a",
    lastHolder,
    life: lastHolder === null ? null : life(lastHolder),
    reason: "test",
    ended: null,
    cleanStart: true,
    unfenced: false,
    ...change,
  };
}

export const FREE: Partial<LockRecord> = {
  holder: null,
  ended: { how: "expired", lsn: null, timeline: null },
};

export function cluster(change: Partial<DcsState> = {}): DcsState {
  const facts = (name: string) => ({
    name,
    connUrl: `postgres://${name}:5432/postgres`,
    apiUrl: `http://${name}:8008/patroni`,
    proxyUrl: null,
    raftAddr: `${name}:2222`,
    life: life(name),
    tags: {},
    version: "0",
  });
  return {
    ...emptyState(),
    initialize: { systemId: SYSTEM_ID, by: "a", incarnation: 1 },
    config: { value: {}, revision: 1 },
    lock: lock(),
    members: { a: facts("a"), b: facts("b"), c: facts("c") },
    ...change,
  };
}

export function status(name: string, change: Partial<MemberStatus> = {}): MemberStatus {
  return {
    name,
    incarnation: 1,
    life: life(name),
    seq: 1,
    epochSeen: 3,
    lockFreeSeen: true,
    holderSeenEpoch: 3,
    walSettled: true,
    role: "replica",
    state: "running",
    running: true,
    writable: false,
    systemId: SYSTEM_ID,
    timeline: 1,
    walLsn: null,
    receivedLsn: 1000,
    replayedLsn: 1000,
    diskLsn: null,
    replicationState: "streaming",
    following: "a",
    directoryUsable: true,
    primaryDirectory: false,
    bootstrapReady: false,
    nofailover: false,
    failoverPriority: 1,
    watchdogFailed: false,
    guard: "ok",
    shuttingDown: false,
    checkpointAfterPromote: true,
    tags: {},
    pendingRestart: null,
    serverVersion: 150000,
    connUrl: "",
    apiUrl: "",
    lateMs: 0,
    ...change,
  };
}

export const seen = (status: MemberStatus, ageMs = 100) => ({ status, ageMs });

export function primaryStatus(name: string, change: Partial<MemberStatus> = {}): MemberStatus {
  return status(name, {
    role: "primary",
    writable: true,
    lockFreeSeen: false,
    walLsn: 1000,
    receivedLsn: null,
    replayedLsn: null,
    replicationState: null,
    following: null,
    ...change,
  });
}

export function succession(change: Partial<SuccessorView> = {}): SuccessorView {
  return {
    dcs: cluster({ lock: lock(FREE) }),
    dynamic: DYNAMIC,
    statuses: [seen(status("b")), seen(status("c"))],
    removed: [],
    reachableAtFree: ["b", "c"],
    freeForMs: 10,
    warm: true,
    primaryLsn: 1000,
    coldForMs: 10,
    ...change,
  };
}

const CONTROL = {
  systemId: SYSTEM_ID,
  timeline: 1,
  clusterState: "in production",
  checkpointLsn: 900,
  minRecoveryLsn: 0,
  walLogHints: true,
  dataChecksums: false,
};

export const PRIMARY_DIRECTORY = { kind: "valid", control: CONTROL, standbySignal: false } as const;
export const STANDBY_DIRECTORY = { kind: "valid", control: CONTROL, standbySignal: true } as const;

export function postgres(change: Partial<PostgresView> = {}): PostgresView {
  const following = change.following === undefined ? "a" : change.following;
  return {
    directory: STANDBY_DIRECTORY,
    process: "running",
    writable: false,
    epoch: null,
    inRecovery: true,
    timeline: 1,
    walLsn: null,
    receivedLsn: 1000,
    replayedLsn: 1000,
    replayedAt: null,
    replayPaused: false,
    replicationState: "streaming",
    following,
    cutOff: following === null,
    followingUrl: following === null ? null : `postgres://${following}:5432/postgres`,
    lastLookMs: 0,
    postmasterStartTime: null,
    serverVersion: 150000,
    systemId: SYSTEM_ID,
    pendingRestart: null,
    crashedAtMs: null,
    action: null,
    shutdown: null,
    last: {},
    displaced: null,
    checkpointAfterPromote: false,
    divergence: null,
    timelineHistory: [],
    state: "running",
    replication: [],
    slots: [],
    stagedSlots: [],
    wroteUnder: null,
    walEnd: { timeline: 1, lsn: 1000 },
    sync: { setting: NO_SYNC, loaded: true, commitsWait: false, settledLsn: null, flushed: {} },
    ...change,
  };
}

export const STOPPED: Partial<PostgresView> = {
  process: "none",
  inRecovery: null,
  replicationState: null,
  following: null,
  state: "stopped",
};
export const RUNNING_PRIMARY: Partial<PostgresView> = {
  directory: PRIMARY_DIRECTORY,
  writable: true,
  epoch: 3,
  inRecovery: false,
  walLsn: 1000,
  replicationState: null,
  following: null,
  replication: [streamingTo("b"), streamingTo("c")],
};

/** A standby that streams, as its primary sees it. */
export function streamingTo(name: string): ReplicationConnection {
  return {
    usename: "replicator",
    application_name: name,
    client_addr: null,
    state: "streaming",
    sync_state: "async",
    sync_priority: 0,
  };
}

/** Member b, standby of a. */
export function node(change: Partial<NodeView> = {}): NodeView {
  return {
    nowMs: 100_000,
    name: "b",
    incarnation: 1,
    dcs: cluster(),
    dynamic: DYNAMIC,
    joined: true,
    postgres: postgres(),
    tenure: "none",
    heldSinceMs: -Infinity,
    leaseUsable: false,
    ownsUnfenced: false,
    skipLeaseCheck: false,
    anyProcess: true,
    statuses: [seen(primaryStatus("a")), seen(status("b")), seen(status("c"))],
    notStreamingForMs: 0,
    vouchedEpoch: 3,
    walEpoch: 3,
    receivedGrewMs: -Infinity,
    startingForMs: 0,
    raftLostForMs: 0,
    undeclaredForMs: 0,
    stopping: false,
    wantsRestart: false,
    wantsReinit: null,
    ...change,
  };
}

/** Member a, holder of epoch 3 with a running primary. */
export function holder(change: Partial<NodeView> = {}): NodeView {
  return node({
    name: "a",
    tenure: "holding",
    leaseUsable: true,
    postgres: postgres(RUNNING_PRIMARY),
    ...change,
  });
}

/** An accepted switchover from a, as its records stand. */
export const SWITCHOVER: NonNullable<DcsState["failover"]> = {
  kind: "switchover",
  leader: "a",
  candidate: "b",
  scheduledAt: null,
  id: "x",
  accepted: true,
  epoch: 3,
  revision: 9,
};

/** The view of standing duties: every member was heard just now, and no lease ends. */
export function duty(view: NodeView, change: Partial<DutyView> = {}): DutyView {
  return {
    ...view,
    wallMs: 0,
    leaseUntilMs: Infinity,
    checkpointedForMs: null,
    heardMs: new Map(["a", "b", "c"].map((name) => [name, view.nowMs])),
    ...change,
  };
}
