import { expect, test } from "bun:test";
import { cpuMs } from "../../raft/testing.ts";
import { newProblems, validateDynamic } from "./dynamic_validate.ts";
import { MINIMAL, parse } from "./testing.ts";
import type { Json, JsonObject } from "../model/json.ts";

const LONG = "s".repeat(64);
const REFUSED: readonly [name: string, value: Json, path: string][] = [
  ["a list", [], ""],
  ["text", "ttl: 5", ""],
  ["nothing", null, ""],
  ["postgresql as text", { postgresql: "x" }, "postgresql"],
  ["parameters as text", { postgresql: { parameters: "a = b" } }, "postgresql.parameters"],
  ["parameters as a list", { postgresql: { parameters: ["a=b"] } }, "postgresql.parameters"],
  ["pg_hba as a map", { postgresql: { pg_hba: {} } }, "postgresql.pg_hba"],
  ["recovery_conf as text", { postgresql: { recovery_conf: "x" } }, "postgresql.recovery_conf"],
  ["pg_hba_primary as a map", { postgresql: { pg_hba_primary: {} } }, "postgresql.pg_hba_primary"],
  ["a line of pg_hba_replica", { postgresql: { pg_hba_replica: ["x"] } }, "postgresql.pg_hba_replica[0]"],
  ["parameters_primary as text", {
    postgresql: { parameters_primary: "a = b" },
  }, "postgresql.parameters_primary"],
  ["max_connections of one role", {
    postgresql: { parameters_primary: { Max_Connections: 200 } },
  }, "postgresql.parameters_primary.Max_Connections"],
  ["wal_level of a standby leader", {
    postgresql: { parameters_standby_leader: { wal_level: "logical" } },
  }, "postgresql.parameters_standby_leader.wal_level"],
  ["use_pg_rewind as text", { postgresql: { use_pg_rewind: "perhaps" } }, "postgresql.use_pg_rewind"],
  ["ttl as text", { ttl: "soon" }, "ttl"],
  ["ttl as a map", { ttl: {} }, "ttl"],
  ["synchronous_mode", { synchronous_mode: "odd" }, "synchronous_mode"],
  ["slots as a list", { slots: ["a"] }, "slots"],
  ["ignore_slots as a map", { ignore_slots: {} }, "ignore_slots"],
  ["standby_cluster as text", { standby_cluster: "host" }, "standby_cluster"],
  ["pause as text", { pause: "later" }, "pause"],
  ["ttl of 136 years", { ttl: 4294967296 }, "ttl"],
  ["a loop_wait beyond the longest", { ttl: 3600, loop_wait: "2h", retry_timeout: 1 }, "loop_wait"],
  ["a timeout beyond what a timer can wait", { primary_start_timeout: "25d" }, "primary_start_timeout"],
  ["the same by its old name", { master_stop_timeout: 2 ** 31 }, "master_stop_timeout"],
  ["pg_ctl_timeout", { postgresql: { pg_ctl_timeout: 2 ** 31 - 1 } }, "postgresql.pg_ctl_timeout"],
  ["member_slots_ttl", { member_slots_ttl: "99999d" }, "member_slots_ttl"],
  ["synchronous_node_count", { synchronous_node_count: 1e9 }, "synchronous_node_count"],
  ["a slot of no name", { slots: { "": null } }, "slots."],
  ["a slot's name with a line end", { slots: { "a\nb": null } }, "slots.a\\nb"],
  ["a slot's name with a line end behind it", { slots: { "ab\n": null } }, "slots.ab\\n"],
  ["a slot's name in capitals", { permanent_slots: { Ab: {} } }, "permanent_slots.Ab"],
  ["a slot of 64 characters", { slots: { [LONG]: 0 } }, `slots.${LONG}`],
  ["a slot that is a text", { slots: { a: "physical" } }, "slots.a"],
  ["a slot that is a list", { slots: { a: ["physical"] } }, "slots.a"],
  ["a slot's type as a map", { slots: { a: { type: {} } } }, "slots.a.type"],
  ["a logical slot without a plugin", { slots: { a: { type: "logical", database: "d" } } }, "slots.a"],
  [
    "a database with a line end",
    { slots: { a: { type: "logical", database: "d\n", plugin: "p" } } },
    "slots.a.database",
  ],
  [
    "a database that is a number",
    { slots: { a: { type: "logical", database: 5, plugin: "p" } } },
    "slots.a.database",
  ],
  ["a plugin of 64 bytes", {
    slots: { a: { type: "logical", database: "d", plugin: "ä".repeat(32) } },
  }, "slots.a.plugin"],
  ["a cluster_type", { slots: { a: { cluster_type: "any" } } }, "slots.a.cluster_type"],
  ["too many slots", {
    slots: Object.fromEntries(Array.from({ length: 1001 }, (_, i) => [`s${i}`, null])),
  }, "slots"],
  ["a rule of ignore_slots that is a text", { ignore_slots: ["a"] }, "ignore_slots[0]"],
  ["a rule that names nothing", { ignore_slots: [{ name: "a" }, {}] }, "ignore_slots[1]"],
  ["a rule of a name that no slot has", { ignore_slots: [{ name: "A b" }] }, "ignore_slots[0].name"],
  ["a rule of a wrong type", { ignore_slots: [{ type: "odd" }] }, "ignore_slots[0].type"],
  ["a rule of a database in a list", { ignore_slots: [{ database: ["d"] }] }, "ignore_slots[0].database"],
  ["too many rules", { ignore_slots: Array.from({ length: 1001 }, () => ({ name: "a" })) }, "ignore_slots"],
  ["a host with a line end", { standby_cluster: { host: "a\nb" } }, "standby_cluster.host"],
  ["a host with a quote", { standby_cluster: { host: "a'b" } }, "standby_cluster.host"],
  ["a host in a list", { standby_cluster: { host: ["a"] } }, "standby_cluster.host"],
  ["a host left out between commas", { standby_cluster: { host: "a,,b" } }, "standby_cluster.host"],
  ["a standby cluster with a misspelt host", { standby_cluster: { hosts: "a" } }, "standby_cluster"],
  ["a standby cluster with an empty host", { standby_cluster: { host: "" } }, "standby_cluster"],
  ["a standby cluster with a slot alone", { standby_cluster: { primary_slot_name: "x" } }, "standby_cluster"],
  ["a port with a fraction", { standby_cluster: { host: "a", port: 5432.5 } }, "standby_cluster.port"],
  ["a port of 0", { standby_cluster: { host: "a", port: 0 } }, "standby_cluster.port"],
  [
    "the name of a slot",
    { standby_cluster: { host: "a", primary_slot_name: "A-b" } },
    "standby_cluster.primary_slot_name",
  ],
  [
    "a restore_command in a map",
    { standby_cluster: { restore_command: { sh: "x" } } },
    "standby_cluster.restore_command",
  ],
  [
    "a restore_command with a NUL",
    { standby_cluster: { restore_command: "a\0" } },
    "standby_cluster.restore_command",
  ],
  ["a delay that is none", {
    standby_cluster: { host: "a", recovery_min_apply_delay: "soon" },
  }, "standby_cluster.recovery_min_apply_delay"],
  ["a delay of 25 days", {
    standby_cluster: { host: "a", recovery_min_apply_delay: "25d" },
  }, "standby_cluster.recovery_min_apply_delay"],
  ["methods that are no list", {
    standby_cluster: { host: "a", create_replica_methods: {} },
  }, "standby_cluster.create_replica_methods"],
  [
    "a parameter's name with a space",
    { postgresql: { parameters: { "work mem": 1 } } },
    "postgresql.parameters.work mem",
  ],
  [
    "a parameter's name with a line end",
    { postgresql: { parameters: { "a\nb": 1 } } },
    "postgresql.parameters.a\\nb",
  ],
  ["a parameter that is a map", { postgresql: { parameters: { a: { b: 1 } } } }, "postgresql.parameters.a"],
  ["half a character", { postgresql: { parameters: { a: "\ud800" } } }, "postgresql.parameters.a"],
  ["a recovery setting's name", {
    postgresql: { recovery_conf: { "restore command": "x" } },
  }, "postgresql.recovery_conf.restore command"],
  [
    "a rule that pg_hba.conf has not",
    { postgresql: { pg_hba: ["local all all trust", "lokal all all trust"] } },
    "postgresql.pg_hba[1]",
  ],
  ["nothing but comments in pg_hba", { postgresql: { pg_hba: ["# local"] } }, "postgresql.pg_hba"],
  ["a NUL in pg_ident", { postgresql: { pg_ident: ["a b\0 c"] } }, "postgresql.pg_ident[0]"],
  [
    "a line end in an option",
    { postgresql: { basebackup: [{ "max-rate": "1\n" }] } },
    "postgresql.basebackup.max-rate",
  ],
  [
    "a method by the name of another key",
    { postgresql: { create_replica_methods: ["parameters"] } },
    "postgresql.create_replica_methods",
  ],
  ["a method whose command is open", {
    postgresql: { create_replica_methods: ["m"], m: { command: "a '" } },
  }, "postgresql.m.command"],
  ["a directory of one host", { postgresql: { data_dir: "/x" } }, "postgresql.data_dir"],
  ["an address of one host", { postgresql: { connect_address: "a:1" } }, "postgresql.connect_address"],
  [
    "credentials",
    { postgresql: { authentication: { superuser: { password: "x" } } } },
    "postgresql.authentication",
  ],
  ["a section of the local file", { restapi: { listen: "a:1" } }, "restapi"],
  ["a name", { name: "node1" }, "name"],
  ["another store", { etcd3: { password: "x" } }, "etcd3"],
  ["a password anywhere", { slots: { s: { password: "x" } } }, "slots.s.password"],
  [
    "a password in a list",
    { postgresql: { basebackup: [{ password: "x" }] } },
    "postgresql.basebackup[0].password",
  ],
  ["a password in a connection string", {
    postgresql: { recovery_conf: { primary_conninfo: "host=a password=x" } },
  }, "postgresql.recovery_conf.primary_conninfo"],
];

for (const [name, value, path] of REFUSED) {
  test(`refused: ${name}`, () => {
    expect(validateDynamic(value).filter((issue) => issue.severity === "error").map((issue) => issue.path))
      .toEqual([path]);
  });
}

for (const [name, value, path] of REFUSED) {
  if (path === "") continue;
  test(`refused by the local file, too, which a cluster begins with: ${name}`, () => {
    const file = MINIMAL + `bootstrap: ${JSON.stringify({ dcs: value })}\n`;
    const errors = parse(file).issues.filter((issue) => issue.severity === "error");
    expect(errors.map((issue) => issue.path)).toEqual([`bootstrap.dcs.${path}`]);
  });
}

const NO_WAIT = "commits do not wait for a standby, so that synchronous_mode promises nothing of them";
const ACCEPTED: readonly [name: string, value: Json, warnings: readonly string[]][] = [
  ["synchronous_commit off in a synchronous mode", {
    synchronous_mode: "quorum",
    postgresql: { parameters: { Synchronous_Commit: false } },
  }, [`postgresql.parameters.Synchronous_Commit: ${NO_WAIT}`]],
  ["synchronous_commit local in a synchronous mode", {
    synchronous_mode: true,
    postgresql: { parameters: { synchronous_commit: "LOCAL" } },
  }, [`postgresql.parameters.synchronous_commit: ${NO_WAIT}`]],
  ["synchronous_commit off for primaries alone, in a synchronous mode", {
    synchronous_mode: true,
    postgresql: { parameters_primary: { synchronous_commit: "off", synchronous_standby_names: "*" } },
  }, [
    `postgresql.parameters_primary.synchronous_commit: ${NO_WAIT}`,
    "postgresql.parameters_primary.synchronous_standby_names: has no effect with synchronous_mode: " +
    "the agent decides on it",
  ]],
  ["synchronous_commit off without a synchronous mode", {
    synchronous_mode: false,
    postgresql: { parameters: { synchronous_commit: "off", synchronous_standby_names: "a" } },
  }, []],
  ["synchronous_commit that waits in a synchronous mode", {
    synchronous_mode: true,
    postgresql: { parameters: { synchronous_commit: "remote_apply" } },
  }, []],
  ["synchronous_standby_names in a synchronous mode", {
    synchronous_mode: true,
    postgresql: { parameters: { synchronous_standby_names: "*" } },
  }, [
    "postgresql.parameters.synchronous_standby_names: has no effect with synchronous_mode: the agent decides on it",
  ]],
  ["nothing in it", {}, []],
  ["usual values", {
    ttl: 30,
    loop_wait: 10,
    retry_timeout: 10,
    maximum_lag_on_failover: 1048576,
    synchronous_mode: false,
  }, []],
  ["nulls", { pause: null, postgresql: null, slots: { a: null }, standby_cluster: null }, []],
  ["usual postgresql keys", {
    postgresql: {
      use_pg_rewind: true,
      use_slots: true,
      parameters: { max_connections: "101" },
      pg_hba: ["local all all trust"],
      create_replica_methods: ["wal_g"],
      wal_g: { command: "x" },
    },
  }, []],
  ["a parameter below its minimum", { postgresql: { parameters: { max_connections: 5 } } }, [
    "postgresql.parameters.max_connections: expected an integer from 25 to 262143, got number 5: the default 100 is used",
  ]],
  ["the largest values", {
    ttl: "1h",
    loop_wait: 720,
    retry_timeout: 1440,
    primary_start_timeout: "7d",
    postgresql: { pg_ctl_timeout: "7d" },
  }, []],
  ["parameters about passwords", {
    postgresql: { parameters: { password_encryption: "scram-sha-256", ssl_passphrase_command: "x" } },
  }, []],
  ["a slip of the hand", { tlt: 5, maximum_lag_on_failovr: 5, postgresql: { paramters: {} } }, [
    "tlt: this key is not known and has no effect; did you mean ttl?",
    "maximum_lag_on_failovr: this key is not known and has no effect; did you mean maximum_lag_on_failover?",
    "postgresql.paramters: this key is not known and has no effect; did you mean postgresql.parameters?",
  ]],
  ["times that do not fit", { ttl: 20, loop_wait: 10, retry_timeout: 10 }, [
    "ttl: loop_wait + 2 * retry_timeout (10 + 2 * 10 s) should not exceed ttl (20 s); the values are used as they are",
  ]],
  ["every form of a slot", {
    slots: {
      a: null,
      b: 0,
      c: "",
      d: {},
      e: { type: "Physical" },
      f: { type: "logical", database: "d'\"\\ %ä", plugin: "pgoutput", cluster_type: "primary" },
    },
    ignore_slots: [{ name: "a", type: "logical", database: "d", plugin: "p" }],
    postgresql: { parameters: { wal_level: "logical" } },
  }, []],
  ["a logical slot that the WAL has not enough for", {
    slots: { a: null, l: { type: "logical", database: "d", plugin: "p" } },
  }, ["slots: logical slots (l) are made once postgresql.parameters.wal_level is logical"]],
  ["two names of the same key", { slots: {}, permanent_slots: { a: 0 } }, [
    "permanent_slots: has no effect beside slots",
  ]],
  ["everything of a standby cluster", {
    standby_cluster: {
      host: "a.example, 10.0.0.1,::1",
      port: "5433",
      primary_slot_name: "s_1",
      create_replica_methods: "basebackup, wal_g",
      restore_command: "cp '/a b/%f' \"%p\"\n# and more",
      archive_cleanup_command: "",
      recovery_min_apply_delay: "5min",
    },
  }, []],
  ["values of parameters", {
    postgresql: {
      parameters: { a: "it's 100% \\ ä\nnext", "ext.b": [1, true, "x"], c: "" },
      pg_hba: ["# all", "", "local all \\", '"my db" trust', "include_if_exists more"],
    },
  }, []],
  [
    "what has no effect in a file has none here",
    { postgresql: { krbsrvname: "x" } },
    [
      "postgresql.krbsrvname: is accepted and has no effect here",
    ],
  ],
  ["primary_race_backoff", { primary_race_backoff: 5 }, [
    "primary_race_backoff: is not supported and has no effect",
  ]],
];

for (const [name, value, warnings] of ACCEPTED) {
  test(`accepted: ${name}`, () => {
    const issues = validateDynamic(value);
    expect(issues.map((issue) => issue.severity)).toEqual(warnings.map(() => "warning"));
    expect(issues.map((issue) => `${issue.path}: ${issue.message}`)).toEqual([...warnings]);
  });
}

test("what was accepted before a rule came does not keep other changes from being made", () => {
  const present = { ttl: 7200, postgresql: { authentication: { superuser: { password: "x" } } } };
  const errors = (value: JsonObject) =>
    newProblems(value, present).filter(({ severity }) => severity === "error").map(({ path }) => path);
  expect(errors({ ...present, pause: true })).toEqual([]);
  expect(errors({ ...present, ttl: 7201 })).toEqual(["ttl"]);
  expect(errors({ ...present, postgresql: { data_dir: "/x" } })).toEqual(["postgresql.data_dir"]);
  expect(newProblems(present, null)).toHaveLength(2);
});

test("a value that is deeply nested or large is judged in bounded time, and refused", () => {
  let deep: Json = 1;
  for (let i = 0; i < 12_000; i++) deep = { a: deep };
  const wide = Object.fromEntries(Array.from({ length: 60_000 }, (_, i) => [`k${i}`, {}]));
  const beganMs = cpuMs();
  for (const value of [{ slots: deep }, { slots: [deep] }, { postgresql: wide }] as JsonObject[]) {
    expect(validateDynamic(value).filter(({ severity }) => severity === "error")).toHaveLength(1);
  }
  expect(cpuMs() - beganMs).toBeLessThan(2000);
});
