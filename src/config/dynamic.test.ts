import { expect, test } from "bun:test";
import { describeIssue } from "./issues.ts";
import { effectiveDynamic, effectivePostgresqlSection } from "./dynamic.ts";
import { MINIMAL, minimalWith, parsedConfig } from "./testing.ts";
import type { DynamicConfig } from "../model/config.ts";
import type { JsonObject } from "../model/json.ts";

const LOCAL = parsedConfig(MINIMAL);
const physical = (name: string) =>
  ({ name, type: "physical", database: null, plugin: null, clusterType: null }) as const;

function effective(dcs: JsonObject, localText = MINIMAL): { config: DynamicConfig; issues: string[] } {
  const { config, issues } = effectiveDynamic(dcs, localText === MINIMAL ? LOCAL : parsedConfig(localText));
  expect(issues.every((issue) => issue.severity === "warning")).toBe(true);
  return { config, issues: issues.map(describeIssue) };
}

const WITHOUT_ROLE = { parameters: { wal_keep_size: "128MB" }, pgHba: null, pgIdent: null };

test("an empty configuration has the defaults", () => {
  const { config, issues } = effective({});
  expect(issues).toEqual([]);
  expect(config).toEqual({
    ttlS: 3,
    loopWaitS: 1,
    retryTimeoutS: 1,
    maximumLagOnFailoverBytes: 1048576,
    maximumLagOnSyncnodeBytes: -1,
    checkTimeline: false,
    maxTimelinesHistory: 0,
    primaryStartTimeoutS: 300,
    primaryStopTimeoutS: 0,
    synchronousMode: "off",
    synchronousModeStrict: false,
    synchronousNodeCount: 1,
    failsafeMode: false,
    pause: false,
    pauseUntil: null,
    memberSlotsTtlS: 1800,
    healthIntervalS: 10,
    diskWarningPercent: 10,
    diskCriticalPercent: 3,
    diskCapBytes: 200 * 2 ** 30,
    diskTimeoutS: 30,
    sickHandOver: true,
    slots: [],
    ignoreSlots: [],
    standbyCluster: null,
    postgresql: {
      useSlots: true,
      rejoin: ["reclone"],
      logicalSlots: false,
      pgCtlTimeoutS: 60,
      parameters: { wal_keep_size: "128MB" },
      controlled: {
        wal_level: "replica",
        hot_standby: "on",
        max_connections: "100",
        max_wal_senders: "10",
        max_replication_slots: "10",
        max_worker_processes: "8",
        max_prepared_transactions: "0",
        max_locks_per_transaction: "64",
        track_commit_timestamp: "off",
        wal_log_hints: "on",
      },
      pgHba: null,
      pgIdent: null,
      roles: { primary: WITHOUT_ROLE, replica: WITHOUT_ROLE, standby_leader: WITHOUT_ROLE },
      recoveryConf: {},
      createReplicaMethods: ["basebackup"],
      remoteMethods: ["basebackup"],
      section: {},
    },
  });
});

const TIMING: readonly [
  given: JsonObject,
  ttl: number,
  loopWait: number,
  retryTimeout: number,
  warns?: boolean,
][] = [
  [{}, 3, 1, 1],
  [{ ttl: 30 }, 30, 6, 12],
  [{ ttl: 20 }, 20, 4, 8],
  [{ ttl: 10 }, 10, 2, 4],
  [{ ttl: 2 }, 2, 1, 1],
  [{ ttl: 1 }, 2, 1, 1, true],
  [{ ttl: "1min" }, 60, 12, 24],
  [{ ttl: 30, loop_wait: 10, retry_timeout: 10 }, 30, 10, 10],
  [{ ttl: 30, loop_wait: 10 }, 30, 10, 10],
  [{ ttl: 20, loop_wait: 10, retry_timeout: 10 }, 20, 10, 10, true],
  [{ ttl: 20, loop_wait: 0, retry_timeout: 0 }, 20, 1, 1, true],
  [{ ttl: null, loop_wait: 2 }, 3, 2, 1, true],
  [{ ttl: "soon" }, 3, 1, 1, true],
];

for (const [given, ttlS, loopWaitS, retryTimeoutS, warns] of TIMING) {
  test(`times of ${JSON.stringify(given)}`, () => {
    const { config, issues } = effective(given);
    expect({ ttlS: config.ttlS, loopWaitS: config.loopWaitS, retryTimeoutS: config.retryTimeoutS })
      .toEqual({ ttlS, loopWaitS, retryTimeoutS });
    expect(issues.length > 0).toBe(warns ?? false);
  });
}

test("times of the local file stand in for what the cluster does not say", () => {
  const text = `${MINIMAL}ttl: 10\nloop_wait: 3\n`;
  expect(effective({}, text).config).toMatchObject({ ttlS: 10, loopWaitS: 3, retryTimeoutS: 3 });
  expect(effective({ ttl: 30 }, text).config).toMatchObject({ ttlS: 30, loopWaitS: 3 });
});

const ROOT: readonly [
  name: string,
  given: JsonObject,
  expected: Partial<DynamicConfig>,
  issues?: readonly string[],
][] = [
  ["lag limits", { maximum_lag_on_failover: 0, maximum_lag_on_syncnode: "1MB" }, {
    maximumLagOnFailoverBytes: 0,
    maximumLagOnSyncnodeBytes: 1048576,
  }, ["maximum_lag_on_syncnode: has no effect without synchronous_mode"]],
  ["a lag limit below its minimum", { maximum_lag_on_failover: -5 }, { maximumLagOnFailoverBytes: 0 }, [
    "maximum_lag_on_failover: -5 is below the minimum: 0 is used",
  ]],
  ["start and stop timeouts", { primary_start_timeout: 0, primary_stop_timeout: "1min" }, {
    primaryStartTimeoutS: 0,
    primaryStopTimeoutS: 60,
  }],
  ["thresholds of health", {
    health_interval: 0,
    disk_space_warning: 20,
    disk_space_critical: 5,
    disk_space_cap: "1TB",
    disk_timeout: "1min",
    sick_hand_over: false,
  }, {
    healthIntervalS: 0,
    diskWarningPercent: 20,
    diskCriticalPercent: 5,
    diskCapBytes: 2 ** 40,
    diskTimeoutS: 60,
    sickHandOver: false,
  }],
  ["a warning that comes no sooner than the worst", { disk_space_warning: 5, disk_space_critical: 5 }, {
    diskWarningPercent: 5,
    diskCriticalPercent: 5,
  }, ["disk_space_warning: has no effect: disk_space_critical (5 %) is not below it (5 %)"]],
  ["a share above the whole", { disk_space_warning: 101 }, { diskWarningPercent: 100 }, [
    "disk_space_warning: 101 is above the largest value: 100 is used",
  ]],
  ["their old names", { master_start_timeout: 10, master_stop_timeout: 20 }, {
    primaryStartTimeoutS: 10,
    primaryStopTimeoutS: 20,
  }, [
    "master_start_timeout: is the old name of primary_start_timeout",
    "master_stop_timeout: is the old name of primary_stop_timeout",
  ]],
  ["the present name before the old", { master_start_timeout: 10, primary_start_timeout: 7 }, {
    primaryStartTimeoutS: 7,
  }, ["master_start_timeout: has no effect beside primary_start_timeout"]],
  ["synchronous_mode on", { synchronous_mode: "on" }, { synchronousMode: "on" }],
  ["synchronous_mode true", { synchronous_mode: true }, { synchronousMode: "on" }],
  ["synchronous_mode Quorum", { synchronous_mode: "Quorum" }, { synchronousMode: "quorum" }],
  ["synchronous_mode off", { synchronous_mode: "off" }, { synchronousMode: "off" }],
  ["a synchronous_mode nobody knows", { synchronous_mode: "sometimes" }, { synchronousMode: "off" }, [
    'synchronous_mode: expected one of off, on, quorum, got text "sometimes"; it is ignored, the default is used',
  ]],
  ["strict, and the number of nodes", { synchronous_mode_strict: "yes", synchronous_node_count: 2 }, {
    synchronousModeStrict: true,
    synchronousNodeCount: 2,
  }, [
    "synchronous_mode_strict: has no effect without synchronous_mode",
    "synchronous_node_count: has no effect without synchronous_mode",
  ]],
  ["strict in a standby cluster, for the time after it", {
    standby_cluster: { host: "a" },
    synchronous_mode: "on",
    synchronous_mode_strict: true,
  }, { synchronousMode: "off" }],
  ["no synchronous nodes", { synchronous_node_count: 0 }, { synchronousNodeCount: 1 }, [
    "synchronous_node_count: 0 is below the minimum: 1 is used",
  ]],
  ["booleans", { check_timeline: "on", failsafe_mode: 1, pause: true }, {
    checkTimeline: true,
    failsafeMode: true,
    pause: true,
  }],
  ["a boolean that is none", { pause: "perhaps" }, { pause: false }, [
    'pause: expected a boolean, got text "perhaps"; it is ignored, the default is used',
  ]],
  ["the end of a pause", { pause: true, pause_until: "2030-01-01T00:00:00+00:00" }, {
    pause: true,
    pauseUntil: "2030-01-01T00:00:00+00:00",
  }],
  ["an end that is no time", { pause: true, pause_until: "2030-01-01T00:00:00" }, {
    pause: true,
    pauseUntil: null,
  }, [
    'pause_until: expected an ISO 8601 time with a time zone, got text "2030-01-01T00:00:00"; it is ignored, the default is used',
  ]],
  ["member_slots_ttl", { member_slots_ttl: "1h" }, { memberSlotsTtlS: 3600 }],
  ["member_slots_ttl 0", { member_slots_ttl: 0 }, { memberSlotsTtlS: 0 }],
  ["max_timelines_history", { max_timelines_history: 5 }, { maxTimelinesHistory: 5 }],
  ["slots", {
    slots: {
      a: null,
      b: 0,
      c: { type: "physical" },
      d: { type: "logical", database: "x", plugin: "pgoutput" },
    },
  }, {
    slots: [
      physical("a"),
      physical("b"),
      physical("c"),
      { ...physical("d"), type: "logical", database: "x", plugin: "pgoutput" },
    ],
  }],
  ["the kind of cluster of a slot", { slots: { a: { cluster_type: "standby" } } }, {
    slots: [{ ...physical("a"), clusterType: "standby" }],
  }],
  ["slots by their old name", { permanent_slots: { a: null } }, { slots: [physical("a")] }, [
    "permanent_slots: is the old name of slots",
  ]],
  ["slots by their oldest name", { permanent_replication_slots: { a: null } }, { slots: [physical("a")] }, [
    "permanent_replication_slots: is the old name of slots",
  ]],
  [
    "slots that cannot be",
    { slots: { "A-b": null, l: { type: "logical" }, x: { type: "odd" }, y: "text" } },
    { slots: [] },
    [
      "slots.A-b: a slot's name has 1 to 63 lower case letters, digits and underscores; it is ignored, the default is used",
      "slots.l: a logical slot needs database and plugin; it is ignored, the default is used",
      "slots.x.type: type is physical or logical; it is ignored, the default is used",
      "slots.y: expected a map with type, and database and plugin for a logical slot; it is ignored, the default is used",
    ],
  ],
  ["ignore_slots", { ignore_slots: [{ name: "x" }, "y"] }, { ignoreSlots: [{ name: "x" }] }, [
    "ignore_slots[1]: expected a map with name, type, database or plugin; it is ignored, the default is used",
  ]],
  ["a standby cluster", { standby_cluster: { host: "a,b", port: 5432, odd: 1 }, synchronous_mode: "on" }, {
    standbyCluster: { host: "a,b", port: 5432 },
    synchronousMode: "off",
  }, ["standby_cluster.odd: this key is not known and has no effect"]],
  ["a standby cluster fed by archive", { standby_cluster: { restore_command: "cp x" } }, {
    standbyCluster: { restoreCommand: "cp x" },
  }],
  ["a standby cluster that names no source", { standby_cluster: { primary_slot_name: "x" } }, {
    standbyCluster: null,
  }, [
    "standby_cluster: names no server to follow: one of host, port, restore_command is needed; it is ignored, the default is used",
  ]],
  ["an empty standby cluster", { standby_cluster: {} }, { standbyCluster: null }, [
    "standby_cluster: is empty: the cluster has a primary of its own",
  ]],
  [
    "a standby cluster whose host cannot be used stays one, and does not follow its own host",
    { standby_cluster: { host: "a b", port: 5432, primary_slot_name: "x" } },
    { standbyCluster: { primarySlotName: "x" } },
    [
      'standby_cluster.host: expected an address or name, or several with commas, got text "a b"; it is ignored, the default is used',
    ],
  ],
  ["a standby cluster with an impossible port", { standby_cluster: { host: "a", port: 99999 } }, {
    standbyCluster: { host: "a" },
  }, [
    "standby_cluster.port: expected a port from 1 to 65535, got number 99999; it is ignored, the default is used",
  ]],
];

for (const [name, given, expected, wanted] of ROOT) {
  test(`dynamic: ${name}`, () => {
    const { config, issues } = effective(given);
    expect(config).toMatchObject(expected);
    for (const [key, value] of Object.entries(expected)) {
      expect(config[key as keyof DynamicConfig]).toEqual(value);
    }
    expect(issues).toEqual([...wanted ?? []]);
  });
}

const CONTROLLED: readonly [
  name: string,
  value: string | number | boolean,
  inForce: string,
  warns?: boolean,
][] = [
  ["max_connections", 200, "200"],
  ["max_connections", "200", "200"],
  ["max_connections", 24, "100", true],
  ["max_connections", "many", "100", true],
  ["max_connections", 300000, "100", true],
  ["max_wal_senders", 3, "3"],
  ["max_wal_senders", 2, "10", true],
  ["max_replication_slots", 4, "4"],
  ["max_replication_slots", 3, "10", true],
  ["max_worker_processes", 2, "2"],
  ["max_worker_processes", 1, "8", true],
  ["max_prepared_transactions", 0, "0"],
  ["max_prepared_transactions", -1, "0", true],
  ["max_locks_per_transaction", 32, "32"],
  ["max_locks_per_transaction", 31, "64", true],
  ["track_commit_timestamp", true, "on"],
  ["track_commit_timestamp", "yes", "on"],
  ["track_commit_timestamp", "x", "off", true],
  ["wal_log_hints", "off", "off"],
  ["wal_log_hints", "x", "on", true],
  ["hot_standby", "on", "on"],
  ["hot_standby", "off", "on", true],
  ["wal_level", "hot_standby", "replica"],
  ["wal_level", "replica", "replica"],
  ["wal_level", "logical", "logical"],
  ["wal_level", "minimal", "replica", true],
  ["Max_Connections", 150, "150"],
];

for (const [name, value, inForce, warns] of CONTROLLED) {
  test(`controlled: ${name} ${JSON.stringify(value)} becomes ${inForce}`, () => {
    const { config, issues } = effective({ postgresql: { parameters: { [name]: value } } });
    expect(config.postgresql.controlled[name.toLowerCase()]).toBe(inForce);
    expect(Object.keys(config.postgresql.parameters)).toEqual(["wal_keep_size"]);
    expect(issues.length > 0).toBe(warns ?? false);
  });
}

const WAL_KEEP: readonly [parameters: JsonObject, inForce: string, warns?: boolean][] = [
  [{}, "128MB"],
  [{ wal_keep_size: "1GB" }, "1GB"],
  [{ wal_keep_size: 256 }, "256MB"],
  [{ wal_keep_size: "8MB" }, "128MB", true],
  [{ wal_keep_segments: 64 }, "1024MB"],
  [{ wal_keep_segments: 0 }, "128MB", true],
  [{ wal_keep_segments: 64, wal_keep_size: "32MB" }, "32MB"],
];

for (const [parameters, inForce, warns] of WAL_KEEP) {
  test(`wal_keep_size of ${JSON.stringify(parameters)}`, () => {
    const { config, issues } = effective({ postgresql: { parameters } });
    expect(config.postgresql.parameters).toEqual({ wal_keep_size: inForce });
    expect(issues.length > 0).toBe(warns ?? false);
  });
}

test("what follows from each member's file cannot be a parameter", () => {
  const parameters = { listen_addresses: "*", port: 1, cluster_name: "x" };
  const { config, issues } = effective({ postgresql: { parameters } });
  expect(config.postgresql.parameters).toEqual({ wal_keep_size: "128MB" });
  expect(Object.keys(config.postgresql.controlled)).not.toContain("port");
  expect(issues).toHaveLength(3);
});

test("local parameters win over dynamic ones, but for the controlled", () => {
  const { config, issues } = effective(
    { postgresql: { parameters: { work_mem: "4MB", jit: true, max_connections: 300, TimeZone: "UTC" } } },
    `${MINIMAL}  parameters: {work_mem: 8MB, max_connections: 999, timezone: CET, archive_timeout: 1800, nothing: null}\n`,
  );
  expect(config.postgresql.parameters).toEqual({
    archive_timeout: "1800",
    jit: "on",
    timezone: "CET",
    wal_keep_size: "128MB",
    work_mem: "8MB",
  });
  expect(config.postgresql.controlled["max_connections"]).toBe("300");
  expect(issues).toEqual([]);
});

test("what no configuration file of PostgreSQL could hold is left out", () => {
  const parameters = { "a\nb": 1, "x y": 2, ok: { no: 1 }, "ext.name": "v", list: ["a", "b"] };
  const { config, issues } = effective({ postgresql: { parameters } });
  expect(config.postgresql.parameters).toEqual({ "ext.name": "v", list: "a, b", wal_keep_size: "128MB" });
  expect(issues).toHaveLength(3);
});

test("pg_ctl_timeout in force: the cluster's, the local one over it, and 0 as if it was not set", () => {
  const inForce = (dcs: JsonObject, file?: string) => effective(dcs, file).config.postgresql.pgCtlTimeoutS;
  expect(inForce({})).toBe(60);
  expect(inForce({ postgresql: { pg_ctl_timeout: 300 } })).toBe(300);
  expect(inForce({ postgresql: { pg_ctl_timeout: "2min" } })).toBe(120);
  expect(inForce({ postgresql: { pg_ctl_timeout: 300 } }, `${MINIMAL}  pg_ctl_timeout: 20\n`)).toBe(20);
  expect(inForce({ postgresql: { pg_ctl_timeout: 0 } })).toBe(60);
  expect(inForce({ postgresql: { pg_ctl_timeout: -1 } })).toBe(60);
});

test("local postgresql keys replace dynamic ones, use_slots is the cluster's", () => {
  const { config } = effective(
    {
      postgresql: {
        use_slots: false,
        use_pg_rewind: false,
        pg_hba: ["local all all trust"],
        pg_ident: ["i"],
        recovery_conf: { restore_command: "x" },
      },
    },
    `${MINIMAL}  use_slots: on\n  use_pg_rewind: on\n  pg_hba: [local all all peer, host all all all reject]\n`,
  );
  expect(config.postgresql).toMatchObject({
    useSlots: false,
    rejoin: ["rewind", "reclone"],
    pgHba: ["local all all peer", "host all all all reject"],
    pgIdent: ["i"],
    recoveryConf: { restore_command: "x" },
  });
});

test("parameters of a role lie over those of every role, and local ones of the role over both", () => {
  const { config, issues } = effective(
    {
      postgresql: {
        parameters: { work_mem: "4MB", jit: "on", max_connections: 300 },
        parameters_primary: { Work_Mem: "8MB", autovacuum_naptime: 10, gone: null },
        parameters_replica: { jit: false },
      },
    },
    `${MINIMAL}  parameters: {jit: on, log_min_duration_statement: 5}\n  parameters_replica: {work_mem: 1MB, max_connections: 7}\n`,
  );
  const { parameters, controlled, roles } = config.postgresql;
  const common = { jit: "on", log_min_duration_statement: "5", wal_keep_size: "128MB", work_mem: "4MB" };
  const { work_mem: _, ...others } = common;
  expect(parameters).toEqual(common);
  expect(roles.primary.parameters).toEqual({ ...others, Work_Mem: "8MB", autovacuum_naptime: "10" });
  expect(roles.replica.parameters).toEqual({ ...common, jit: "off", work_mem: "1MB" });
  expect(roles.standby_leader.parameters).toEqual(common);
  expect(controlled["max_connections"]).toBe("300");
  expect(issues).toEqual([]);
});

test("lines of a role stand in place of the others, and a local list in place of the cluster's", () => {
  const { config } = effective(
    {
      postgresql: {
        pg_hba: ["local all all peer"],
        pg_hba_primary: ["local all all md5"],
        pg_hba_replica: ["local all all trust"],
        pg_ident_replica: ["m a b"],
      },
    },
    `${MINIMAL}  pg_hba_primary: [local all all reject]\n`,
  );
  expect(config.postgresql).toMatchObject({
    pgHba: ["local all all peer"],
    pgIdent: null,
    roles: {
      primary: { pgHba: ["local all all reject"], pgIdent: null },
      replica: { pgHba: ["local all all trust"], pgIdent: ["m a b"] },
    },
  });
});

test("what cannot be used of a role costs the other roles nothing", () => {
  const { config, issues } = effective({
    postgresql: {
      parameters_primary: { max_connections: 5, work_mem: "8MB", "x y": 1 },
      parameters_replica: "work_mem",
      pg_hba_replica: ["nonsense all all trust"],
    },
  });
  const { roles, controlled } = config.postgresql;
  expect(roles.primary.parameters).toEqual({ wal_keep_size: "128MB", work_mem: "8MB" });
  expect(roles.replica).toEqual(WITHOUT_ROLE);
  expect(controlled["max_connections"]).toBe("100");
  expect(issues.map((issue) => issue.split(": ")[0])).toEqual([
    "postgresql.parameters_replica",
    "postgresql.parameters_primary.max_connections",
    "postgresql.parameters_primary.x y",
    "postgresql.pg_hba_replica[0]",
  ]);
});

test("recovery settings that the agent decides are ignored", () => {
  const recovery_conf = {
    recovery_target_time: "x",
    primary_conninfo: "y",
    primary_slot_name: "z",
    restore_command: "cp",
  };
  const { config, issues } = effective({ postgresql: { recovery_conf } });
  expect(config.postgresql.recoveryConf).toEqual({ restore_command: "cp" });
  expect(issues).toHaveLength(3);
});

test("parameters that are no map are ignored as a whole", () => {
  const { config, issues } = effective({ postgresql: { parameters: "a = b", pg_hba: 5 } });
  expect(config.postgresql.parameters).toEqual({ wal_keep_size: "128MB" });
  expect(config.postgresql.pgHba).toBeNull();
  expect(issues).toHaveLength(2);
});

test("one value that cannot be used does not cost the others of its section their effect", () => {
  const section = { pg_ctl_timeout: -1, use_pg_rewind: "perhaps", callbacks: { on_start: "/bin/hook" } };
  const { config, issues } = effective({ postgresql: section });
  expect(config.postgresql.rejoin).toEqual(["reclone"]);
  expect(issues.map((issue) => issue.split(":")[0])).toEqual([
    "postgresql.pg_ctl_timeout",
    "postgresql.use_pg_rewind",
  ]);
  expect(effectivePostgresqlSection({ postgresql: section }, LOCAL.postgresql!)).toMatchObject({
    callbacks: { on_start: "/bin/hook" },
    pgCtlTimeoutS: 60,
  });
});

test("the postgresql section in force: dynamic keys below the local ones, facts of the host only local", () => {
  const section = effectivePostgresqlSection({
    postgresql: {
      remove_data_directory_on_rewind_failure: true,
      pg_ctl_timeout: 30,
      data_dir: "/evil",
      listen: "1.2.3.4:5",
      authentication: { superuser: { username: "evil" } },
      callbacks: { on_start: "/bin/hook" },
      create_replica_methods: ["tool"],
      tool: { command: "x", no_leader: 1, extra: true, scope: "mine" },
    },
  }, LOCAL.postgresql!);
  expect(section).toMatchObject({
    removeDataDirectoryOnRewindFailure: true,
    pgCtlTimeoutS: 30,
    dataDir: "/srv/data",
    port: 5001,
    callbacks: { on_start: "/bin/hook" },
    createReplicaMethods: [{
      name: "tool",
      command: "x",
      keepData: false,
      noLeader: true,
      noParams: false,
      timeLimitS: 86400,
      options: { no_leader: "1", extra: "True", scope: "mine" },
    }],
  });
  expect(section.superuser).toEqual(LOCAL.postgresql!.superuser);
});

test("pg_ctl_timeout of 0 leaves time for an orderly stop all the same", () => {
  const section = effectivePostgresqlSection({ postgresql: { pg_ctl_timeout: 0 } }, LOCAL.postgresql!);
  expect(section.pgCtlTimeoutS).toBe(60);
  const file = minimalWith("data_dir: /srv/data", "data_dir: /srv/data\n  pg_ctl_timeout: 0");
  expect(parsedConfig(file).postgresql?.pgCtlTimeoutS).toBe(60);
});
