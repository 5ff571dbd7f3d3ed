/**
 * An agent for tests of the API and the CLI: a healthy cluster of three, whose every detail a test may
 * replace.
 */
import { join } from "node:path";
import { NOTHING_WRITTEN } from "../config/written.ts";
import { DEFAULT_DYNAMIC } from "../config/testing.ts";
import type { DynamicConfig, LocalConfig, RestApiConfig } from "../model/config.ts";
import { type ConfigCheck, NOTHING_FOUND } from "../model/config_check.ts";
import type { JsonObject } from "../model/json.ts";
import type { Life } from "../model/life.ts";
import type { MemberStatus } from "../model/member_status.ts";
import type { PostgresView } from "../model/postgres_view.ts";
import {
  type DcsState,
  type FailoverRecord,
  type ScheduledRestart,
  scheduledRestartOf,
} from "../model/records.ts";
import { type HistogramReading, type Measures, NO_HAND_OVERS } from "../model/measures.ts";
import type { LatenessKind, MeasuredLateness, TimingReport } from "../model/timing.ts";
import type { RaftStatus } from "../../raft/mod.ts";
import type {
  ApiPort,
  ApiView,
  ConfigOutcome,
  ConfigurationDetail,
  FailsafeOutcome,
  FailsafeRequest,
  RaftChange,
  RaftChangeOutcome,
  RestartOutcome,
  SeenStatus,
  WatchdogStatus,
  WriteOutcome,
} from "./port.ts";
import type { ProcessClocks, ReinitializeOutcome } from "./port.ts";

export const MEMBERS = ["node1", "node2", "node3"] as const;

export class StubPort implements ApiPort {
  lease = true;
  calls: string[] = [];
  configOutcome: ConfigOutcome | null = null;
  writeOutcome: WriteOutcome = { kind: "ok" };
  restartOutcome: RestartOutcome = { kind: "ok" };
  reinitializeOutcome: ReinitializeOutcome = { kind: "started" };
  transferError: string | null = null;
  raftChangeOutcome: RaftChangeOutcome = { kind: "done" };
  readonly failsafeRequests: FailsafeRequest[] = [];
  /** null: no answer ever. */
  failsafeOutcome: FailsafeOutcome | null = { kind: "accepted", lsn: 83886080 };
  timingReport: TimingReport = STUB_TIMING;
  measured: Measures = STUB_MEASURES;
  detail: ConfigurationDetail = { history: [], written: NOTHING_WRITTEN };
  configCheck: ConfigCheck = NOTHING_FOUND;
  /** Called when the configuration has been changed. */
  onPatch: (patch: JsonObject) => void = () => {};
  /** Called when a switchover or failover has been logged. */
  onFailover: (request: FailoverRecord) => void = () => {};
  #current: ApiView;
  #changes = 0;
  readonly #listeners = new Set<() => void>();

  constructor(view: ApiView = stubView()) {
    this.#current = view;
  }

  change(part: Partial<ApiView>): void {
    this.#current = { ...this.#current, ...part };
    this.#changes++;
    for (const listener of this.#listeners) listener();
  }

  changeDcs(part: Partial<DcsState>): void {
    this.change({ dcs: { ...this.#current.dcs!, ...part } });
  }

  changeDynamic(part: Partial<DynamicConfig>): void {
    this.change({ dynamic: { ...this.#current.dynamic, ...part } });
  }

  changePostgres(part: Partial<PostgresView>): void {
    this.change({ postgres: { ...this.#current.postgres!, ...part } });
  }

  changeRestapi(part: Partial<RestApiConfig>): void {
    const { config } = this.#current;
    this.change({ config: { ...config, restapi: { ...config.restapi, ...part } } });
  }

  /** REST over TLS with `cert.pem`, `key.pem` and `ca.pem` of that directory; with `port` 0 at a free one. */
  useTls(directory: string, verifyClient: RestApiConfig["verifyClient"], port: number): LocalConfig {
    this.changeRestapi({
      listen: { host: "127.0.0.1", port },
      certfile: join(directory, "cert.pem"),
      keyfile: join(directory, "key.pem"),
      cafile: join(directory, "ca.pem"),
      verifyClient,
    });
    return this.#current.config;
  }

  /** This member's own status and its copy among the others'. */
  changeStatus(part: Partial<MemberStatus>): void {
    const status = { ...this.#current.status!, ...part };
    const others = this.#current.statuses.filter((seen) => seen.status.name !== status.name);
    this.change({ status, statuses: [{ status, ageMs: 0 }, ...others] });
  }

  changeMember(name: string, part: Partial<MemberStatus>, ageMs = 100): void {
    const statuses = this.#current.statuses.map((seen) =>
      seen.status.name === name ? { status: { ...seen.status, ...part }, ageMs } : seen
    );
    this.change({ statuses });
  }

  /** Turns this member into a standby of node2. */
  becomeStandby(): void {
    this.lease = false;
    const standby = stubStatus("node1", false);
    this.changeStatus(standby);
    this.changeMember("node2", stubStatus("node2", true));
    this.changePostgres(STANDBY);
    this.changeDcs({ lock: { ...this.#current.dcs!.lock, holder: "node2" } });
  }

  view(): ApiView {
    return this.#current;
  }
  version(): number {
    return this.#changes;
  }
  holdsLease(): boolean {
    return this.lease;
  }
  leaseRemainingMs(): number {
    return this.lease ? 4000 : 0;
  }
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
  configuration(): ConfigurationDetail {
    return this.detail;
  }
  events() {
    return this.#current.dcs?.events ?? [];
  }

  decisions() {
    return [{
      at: "2026-01-31T12:00:00.000Z",
      rule: "idle",
      reason: "no action. I am (node1), the leader with the lock",
      actions: [],
    }];
  }
  timing(): TimingReport {
    return this.timingReport;
  }
  measuredLateness(): readonly MeasuredLateness[] {
    return this.timingReport.measured;
  }
  clocks(): ProcessClocks[] {
    return [
      { process: "agent", jumps: 0, last: null },
      { process: "guard", jumps: 2, last: { kind: "forward", byMs: 41_750, agoMs: 61_000 } },
    ];
  }
  measures(): Measures {
    return this.measured;
  }
  lateness(kind: LatenessKind): HistogramReading {
    return kind === "renewal"
      ? { buckets: [{ leS: 0.001, count: 3 }, { leS: 0.002, count: 5 }], count: 6, sumS: 0.0125 }
      : { buckets: [{ leS: 0.001, count: 0 }], count: 0, sumS: 0 };
  }
  patchConfig(
    patch: { [key: string]: never },
    revision: number | null,
    force: boolean,
  ): Promise<ConfigOutcome> {
    this.calls.push(`patchConfig ${JSON.stringify(patch)} at ${revision}${force ? " by force" : ""}`);
    const config = { ...this.#current.dcs?.config?.value, ...patch };
    if (this.configOutcome === null) this.onPatch(patch);
    return Promise.resolve(this.configOutcome ?? { kind: "ok", config });
  }
  replaceConfig(
    config: { [key: string]: never },
    revision: number | null,
    force: boolean,
  ): Promise<ConfigOutcome> {
    this.calls.push(`replaceConfig ${JSON.stringify(config)} at ${revision}${force ? " by force" : ""}`);
    return Promise.resolve(this.configOutcome ?? { kind: "ok", config });
  }
  checkConfig(value: JsonObject): Promise<ConfigCheck> {
    this.calls.push(`checkConfig ${JSON.stringify(value)}`);
    return Promise.resolve(this.configCheck);
  }
  requestFailover(request: FailoverRecord): Promise<WriteOutcome> {
    this.calls.push(
      `requestFailover ${request.kind} ${request.leader} ${request.candidate} ${request.scheduledAt}`,
    );
    if (this.writeOutcome.kind === "ok") this.changeDcs({ failover: { ...request, revision: 9 } });
    queueMicrotask(() => this.onFailover(request));
    return Promise.resolve(this.writeOutcome);
  }
  deleteFailover(revision: number): Promise<WriteOutcome> {
    this.calls.push(`deleteFailover ${revision}`);
    return Promise.resolve(this.writeOutcome);
  }
  restart(timeoutS: number | null): Promise<RestartOutcome> {
    this.calls.push(`restart ${timeoutS}`);
    return Promise.resolve(this.restartOutcome);
  }
  scheduleRestart(restart: ScheduledRestart): Promise<WriteOutcome> {
    this.calls.push(`scheduleRestart ${JSON.stringify(restart)}`);
    const isTaken = scheduledRestartOf(this.#current.dcs!, "node1") !== null;
    return Promise.resolve({ kind: isTaken ? "conflict" : "ok" });
  }
  cancelScheduledRestart(): Promise<WriteOutcome | { readonly kind: "missing" }> {
    const isThere = scheduledRestartOf(this.#current.dcs!, "node1") !== null;
    if (isThere && this.writeOutcome.kind !== "ok") return Promise.resolve(this.writeOutcome);
    if (isThere) this.changeDcs({ restarts: {} });
    return Promise.resolve({ kind: isThere ? "ok" : "missing" });
  }
  reload(): Promise<void> {
    this.calls.push("reload");
    return Promise.resolve();
  }
  reinitialize(force: boolean, fromLeader: boolean): Promise<ReinitializeOutcome> {
    this.calls.push(`reinitialize ${force} ${fromLeader}`);
    return Promise.resolve(this.reinitializeOutcome);
  }
  acceptFailsafe(request: FailsafeRequest): Promise<FailsafeOutcome> {
    this.failsafeRequests.push(request);
    if (this.failsafeOutcome === null) return new Promise(() => {});
    return Promise.resolve(this.lease ? { kind: "running-as-leader" } : this.failsafeOutcome);
  }
  transferRaft(name: string): Promise<string | null> {
    this.calls.push(`transferRaft ${name}`);
    return Promise.resolve(this.transferError);
  }
  changeRaft(change: RaftChange): Promise<RaftChangeOutcome> {
    this.calls.push(`changeRaft ${JSON.stringify(change)}`);
    return Promise.resolve(this.raftChangeOutcome);
  }
  snapshotRaft(): Promise<RaftChangeOutcome> {
    this.calls.push("snapshotRaft");
    return Promise.resolve(this.raftChangeOutcome);
  }
}

const STANDBY: Partial<PostgresView> = {
  writable: false,
  epoch: null,
  inRecovery: true,
  walLsn: null,
  receivedLsn: 83886080,
  replayedLsn: 83886080,
  replayedAt: "2026-01-31 12:00:00.123456+00:00",
  replicationState: "streaming",
  replication: [],
  slots: [],
  stagedSlots: [],
};

export function stubStatus(name: string, primary: boolean): MemberStatus {
  const number = name.slice(-1);
  return {
    name,
    life: lifeOf(name),
    incarnation: 1,
    seq: 1,
    epochSeen: 1,
    lockFreeSeen: false,
    role: primary ? "primary" : "replica",
    state: "running",
    running: true,
    writable: primary,
    systemId: "7277694203142172922",
    timeline: 3,
    walLsn: primary ? 83886080 : null,
    receivedLsn: primary ? null : 83886080,
    replayedLsn: primary ? null : 83886080,
    diskLsn: null,
    replicationState: primary ? null : "streaming",
    following: null,
    directoryUsable: true,
    bootstrapReady: false,
    nofailover: false,
    failoverPriority: 1,
    watchdogFailed: false,
    guard: "ok",
    shuttingDown: false,
    checkpointAfterPromote: true,
    tags: {},
    pendingRestart: null,
    serverVersion: 150018,
    connUrl: `postgres://10.0.0.${number}:5432/postgres`,
    apiUrl: `http://10.0.0.${number}:8008/patroni`,
    lateMs: 0,
  } as MemberStatus;
}

export function stubView(): ApiView {
  const statuses: SeenStatus[] = MEMBERS.map((name) => ({
    status: stubStatus(name, name === "node1"),
    ageMs: name === "node1" ? 0 : 100,
  }));
  return {
    config: stubLocalConfig(),
    dynamic: DEFAULT_DYNAMIC,
    dcs: stubDcs(),
    dcsAgeMs: 20,
    dcsLastSeenS: 1769860800,
    postgres: stubPostgres(),
    sqlAnswers: true,
    status: statuses[0]!.status,
    statuses,
    removed: [],
    progress: { optime: 83886080, slots: { node2: 83886080 }, retainSlots: [] },
    witnesses: [],
    raft: stubRaft(),
    guard: null,
    watchdog: null,
    failsafeActive: false,
    operatorNeeded: null,
    loopAgeMs: 100,
    eventLoopLateMs: 2,
    counters: { promotions: 1, fences: 0, lateLoops: 0, events: { "lock-granted": 2 } },
  };
}

function stubPostgres(): PostgresView {
  return {
    directory: { kind: "empty" },
    process: "running",
    writable: true,
    epoch: 1,
    inRecovery: false,
    timeline: 3,
    walLsn: 83886080,
    receivedLsn: null,
    replayedLsn: null,
    replayedAt: null,
    replayPaused: false,
    replicationState: null,
    following: null,
    lastLookMs: 1,
    postmasterStartTime: "2026-01-31 11:00:00.123456+00:00",
    serverVersion: 150018,
    systemId: "7277694203142172922",
    pendingRestart: null,
    crashedAtMs: null,
    action: null,
    last: {},
    checkpointAfterPromote: true,
    divergence: null,
    state: "running",
    replication: [{
      usename: "replicator",
      application_name: "node2",
      client_addr: "10.0.0.2",
      state: "streaming",
      sync_state: "async",
      sync_priority: 0,
    }],
  } as unknown as PostgresView;
}

const NO_HISTOGRAM = { buckets: [{ leS: 0.001, count: 0 }], count: 0, sumS: 0 };

export const STUB_MEASURES: Measures = {
  loop: NO_HISTOGRAM,
  raftSync: { buckets: [{ leS: 0.001, count: 2 }, { leS: 0.002, count: 3 }], count: 3, sumS: 0.003 },
  snapshotBytes: 2048,
  handOvers: { ...NO_HAND_OVERS, switchovers: 2, lastFailoverMs: 5250 },
  demotions: { stopping: 1 },
  rewinds: { ok: 1, failed: 0 },
  lagMs: { node2: 0, node3: 1500 },
  skewMs: { node2: -20, node3: 4 },
  archiveFailed: 7,
};

function lifeOf(name: string): Life {
  return { node: Number(name.slice(-1)), machine: `machine-${name}`, boot: `boot-${name}` };
}

function stubDcs(): DcsState {
  const facts = MEMBERS.map((name) => ({
    name,
    connUrl: `postgres://10.0.0.${name.slice(-1)}:5432/postgres`,
    apiUrl: `http://10.0.0.${name.slice(-1)}:8008/patroni`,
    proxyUrl: null,
    raftAddr: `10.0.0.${name.slice(-1)}:2222`,
    life: lifeOf(name),
    tags: {},
    version: "0.1.0",
  }));
  return {
    revision: 12,
    clusterEpoch: 0,
    initialize: { systemId: "7277694203142172922", by: "node1", incarnation: 1 },
    config: {
      value: { ttl: 5, loop_wait: 1, postgresql: { parameters: { max_connections: 100 } } },
      revision: 7,
    },
    lock: {
      epoch: 1,
      holder: "node1",
      reason: "",
      lastHolder: "node1",
      life: { node: 1, machine: "machine-1", boot: "boot-1" },
      ended: null,
      cleanStart: true,
      unfenced: false,
    },
    failover: null,
    failoverResults: [],
    sync: { leader: null, syncStandby: [], quorum: 0, revision: 0 },
    history: [[1, 50331648, "no recovery target specified", "2026-01-31T10:00:00.123456+00:00", "node2"], [
      2,
      67108864,
      "no recovery target specified",
      "2026-01-31T11:00:00.123456+00:00",
      "node1",
    ]],
    failsafe: null,
    members: Object.fromEntries(facts.map((one) => [one.name, one])),
    grantTtlMs: 5000,
    waitTtlMs: 5000,
    events: [],
  } as DcsState;
}

function stubRaft(): RaftStatus {
  return {
    id: 101,
    term: 4,
    role: "leader",
    leader: 101,
    commit: 57,
    applied: 57,
    lastIndex: 57,
    snapshotIndex: 0,
    members: MEMBERS.map((name, index) => ({
      id: 101 + index,
      name,
      addr: `10.0.0.${index + 1}:2222`,
      voter: true,
      connected: true,
      diskHangs: false,
      match: 57,
      lastContactMs: index === 0 ? 0 : 40,
      rttMs: index === 0 ? null : 0.5,
    })),
    canLose: 1,
    notVoting: null,
    shortOfSpace: null,
    agreedVersion: 1,
  };
}

export function stubLocalConfig(listenPort = 0): LocalConfig {
  return {
    name: "node1",
    scope: "demo",
    namespace: "/service",
    file: "/etc/agent.yml",
    localDynamic: {},
    postgresql: { raw: { parameters: { work_mem: "8MB" } } },
    restapi: {
      listen: { host: "127.0.0.1", port: listenPort },
      connectAddress: "10.0.0.1:8008",
      authentication: null,
      certfile: null,
      keyfile: null,
      keyfilePassword: null,
      cafile: null,
      ciphers: null,
      verifyClient: "none",
      allowlist: [],
      allowlistIncludeMembers: false,
      legacyMetrics: false,
      ui: true,
      httpExtraHeaders: {},
      httpsExtraHeaders: {},
    },
    ctl: {
      authentication: null,
      insecure: false,
      cacert: null,
      certfile: null,
      keyfile: null,
      keyfilePassword: null,
    },
    nofailover: false,
    failoverPriority: 1,
    tags: {},
  } as unknown as LocalConfig;
}

export const STUB_WATCHDOG: WatchdogStatus = {
  mode: "required",
  driver: "default",
  device: "/dev/watchdog",
  active: true,
  healthy: true,
  identity: "Software Watchdog",
  bootCause: null,
  nowayout: false,
  timeoutS: 2,
  timeLeftS: 1.6004,
  lastFeedAgeS: 0.3996,
  feeds: 10,
  closestS: 1.45,
  problem: null,
  advice: null,
};

export const STUB_TIMING: TimingReport = {
  settings: {
    grantTtlMs: 5000,
    waitTtlMs: 5000,
    leaseMs: 4540,
    renewMs: 500,
    jMs: 250,
    kMs: 200,
    rho: 0.001,
    heartbeatMs: 100,
    electionMinMs: 600,
    electionMaxMs: 1000,
    killAfterMs: 5000,
    watchdogTimeoutMs: null,
    loopWaitMs: 1000,
    retryTimeoutMs: 2000,
  },
  rules: [
    {
      id: "I2",
      about: "a host that stalls is reset in time",
      left: [],
      leftMs: 0,
      relation: "<=",
      right: { name: "ttl/(1+rho)", ms: 4995.004995 },
      marginMs: 4995.004995,
      verdict: "not used",
      note: "watchdog.mode is off",
    },
    {
      id: "L2",
      about: "a raft election must not fence the primary",
      left: [{ name: "R", ms: 500 }, { name: "Emax", ms: 1000 }, { name: "round trip and commit", ms: 150 }],
      leftMs: 1650,
      relation: "<",
      right: { name: "L", ms: 4540 },
      marginMs: 2890,
      verdict: "holds",
      note: null,
    },
  ],
  windowS: 300,
  measured: [
    {
      kind: "event_loop",
      samples: 3000,
      p50Ms: 0.5,
      p99Ms: 1.6817928,
      p999Ms: 130,
      maxMs: 131.25,
      budgetMs: 250,
      verdict: "near its budget",
    },
    {
      kind: "guard",
      samples: 0,
      p50Ms: null,
      p99Ms: null,
      p999Ms: null,
      maxMs: null,
      budgetMs: 250,
      verdict: "not measured",
    },
  ],
};
