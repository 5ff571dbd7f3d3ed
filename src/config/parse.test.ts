import { expect, test } from "bun:test";
import { describeIssue, formatIssue } from "./issues.ts";
import { parseConfig } from "./parse.ts";
import { MINIMAL, minimalWith, parse, parsedConfig } from "./testing.ts";

test("the smallest configuration has no issues, and defaults for the rest", () => {
  const { config, issues } = parse(MINIMAL, { HOME: "/home/pg" });
  expect(issues).toEqual([]);
  expect(config).toMatchObject({
    name: "node1",
    scope: "main",
    namespace: "/service",
    file: "a.yml",
    raft: {
      selfAddr: "127.0.0.1:7801",
      bindAddr: "127.0.0.1:7801",
      password: null,
      electionMinMs: 600,
      electionMaxMs: 1000,
      heartbeatMs: 200,
    },
    restapi: { connectAddress: "127.0.0.1:8001", verifyClient: "none", authentication: null },
    postgresql: {
      connectAddress: "127.0.0.1:5001",
      configDir: "/srv/data",
      pgpass: "/home/pg/pgpass",
      pgCtlTimeoutS: 60,
      createReplicaMethods: ["basebackup"],
    },
    watchdog: { mode: "automatic", device: "/dev/watchdog", safetyMarginS: null, driver: "default" },
    log: { type: "plain", level: "INFO", fileNum: 4, fileSizeBytes: 25_000_000 },
    bootstrap: { dcs: {}, initdb: [], custom: null },
    tags: {},
    nofailover: false,
    failoverPriority: 1,
    localDynamic: {},
  });
});

/**
 * Sections appended to, or lines changed in, the smallest configuration; the issues this must give, in order.
 */
const ROWS: readonly [name: string, text: string, issues: readonly string[]][] = [
  ["a number where an address belongs", minimalWith("127.0.0.1:5001", "5432"), [
    "line 10: error: postgresql.listen: expected text like host:port, got number 5432",
  ]],
  ["a port out of range", minimalWith("127.0.0.1:5001", "127.0.0.1:70000"), [
    'line 10: error: postgresql.listen: expected text like host:port, got text "127.0.0.1:70000"',
  ]],
  ["no name", minimalWith("name: node1\n", ""), ["error: name: required: text that is not empty"]],
  ["a name with a slash", minimalWith("name: node1", "name: a/b"), [
    "line 2: error: name: expected a name without slashes, and without spaces at its ends",
  ]],
  [
    "a passphrase that only some of the connections get",
    minimalWith("{username: replicator", "{sslkey: /k, sslpassword: hidden, username: replicator"),
    [
      "line 14: warning: postgresql.authentication.replication.sslpassword: opens the key for the agent's own " +
      "connections only. The WAL receiver, pg_basebackup and pg_rewind would show it in logs and arguments, and do " +
      "not get it: sslkey has to name a key without a passphrase for them",
    ],
  ],
  ["a reserved name", minimalWith("name: node1", "name: __patroni_strict_sync_replica_placeholder__"), [
    "line 2: error: name: this name stands for a missing standby: choose another",
  ]],
  ["no raft and no other store", MINIMAL.replace(/raft:\n( {2}.*\n)+/, ""), [
    "error: raft: required: the members' addresses (self_addr, partner_addrs), data_dir and password",
  ]],
  ["no postgresql", MINIMAL.replace(/postgresql:\n( {2}.*\n)+/, ""), [
    "error: postgresql: required: listen, data_dir and the rest (a voter without PostgreSQL is started by `agent witness`)",
  ]],
  ["a section that is text", `${MINIMAL}log: verbose\n`, [
    'line 15: error: log: expected a section with keys of its own, got text "verbose"',
  ]],
  ["a slip of the hand", `${MINIMAL}bootstrap:\n  post_boostrap: /bin/true\n`, [
    "line 16: warning: bootstrap.post_boostrap: this key is not known and has no effect; did you mean bootstrap.post_bootstrap?",
  ]],
  ["an unknown key unlike any", `${MINIMAL}frobnicate: 1\n`, [
    "line 15: warning: frobnicate: this key is not known and has no effect",
  ]],
  ["another store beside raft", `${MINIMAL}etcd3:\n  hosts: [10.0.0.1:2379]\n`, [
    "line 15: warning: etcd3: is ignored: the members form their own quorum (section raft)",
  ]],
  ["citus", `${MINIMAL}citus: {group: 0, database: x}\n`, [
    "line 15: warning: citus: is not supported and has no effect",
  ]],
  ["ttl in the local file", `${MINIMAL}ttl: 30\n`, [
    "line 15: warning: ttl: belongs to the dynamic configuration (bootstrap.dcs, then `agent ctl edit-config`): used here only while that has none",
  ]],
  ["synchronous_mode in the local file", `${MINIMAL}synchronous_mode: on\n`, [
    "line 15: warning: synchronous_mode: has no effect in the local file: set it in the dynamic configuration (bootstrap.dcs, then `agent ctl edit-config`)",
  ]],
  ["thread pools", `${MINIMAL}thread_pool_size: 5\nthread_stack_size: 512kB\n`, [
    "line 15: warning: thread_pool_size: is accepted and has no effect here",
    "line 16: warning: thread_stack_size: is accepted and has no effect here",
  ]],
  ["a log format that cannot be honoured", `${MINIMAL}log:\n  level: WARN\n  format: x\n`, [
    "line 17: warning: log.format: the format is not used: it has no %(message)s",
  ]],
  ["heartbeat lines", `${MINIMAL}log: {deduplicate_heartbeat_logs: false}\n`, [
    "line 15: warning: log.deduplicate_heartbeat_logs: has no effect: a line that says nothing new is never repeated",
  ]],
  ["log level", `${MINIMAL}log: {level: loud}\n`, [
    'line 15: error: log.level: expected one of debug, info, warn, warning, error, fatal, critical, got text "loud"',
  ]],
  ["watchdog mode nobody knows", `${MINIMAL}watchdog: {mode: sometimes}\n`, [
    'line 15: warning: watchdog.mode: expected one of off, automatic, required, got text "sometimes": the watchdog is off',
  ]],
  ["watchdog driver options", `${MINIMAL}watchdog: {mode: off, ipmi_user: x}\n`, [
    "line 15: warning: watchdog.ipmi_user: options of a watchdog driver are not supported and have no effect",
  ]],
  ["restapi without an address to publish", minimalWith("127.0.0.1:8001", "0.0.0.0:8001"), [
    "line 7: error: restapi.connect_address: required: the host:port at which others reach this member (restapi.listen names no address for them)",
  ]],
  [
    "restapi publishing all interfaces",
    minimalWith("127.0.0.1:8001", '127.0.0.1:8001\n  connect_address: "*:8001"'),
    [
      "line 9: error: restapi.connect_address: *:8001 stands for all interfaces, and no host can connect to it: name this host's address",
    ],
  ],
  ["half a login", minimalWith("127.0.0.1:8001", "127.0.0.1:8001\n  authentication: {username: x}"), [
    "line 9: error: restapi.authentication: username and password go together: one of the two is missing or empty",
  ]],
  [
    "client certificates without TLS",
    minimalWith("127.0.0.1:8001", "127.0.0.1:8001\n  verify_client: required"),
    [
      "line 9: error: restapi.verify_client: required needs restapi.certfile and restapi.cafile: without them no client certificate is asked for or checked",
    ],
  ],
  ["postgresql without an address to publish", minimalWith("127.0.0.1:5001", '"*:5001"'), [
    "line 9: error: postgresql.connect_address: required: the host:port at which others reach this PostgreSQL (listen names no address for them)",
  ]],
  ["local parameters that are no map", `${MINIMAL}  parameters: a = b\n`, [
    'line 15: error: postgresql.parameters: expected a map, got text "a = b"',
  ]],
  ["local use_slots", `${MINIMAL}  use_slots: off\n`, [
    "line 15: warning: postgresql.use_slots: has no effect in the local file: it belongs to the dynamic configuration",
  ]],
  ["a clone method without a section", `${MINIMAL}  create_replica_methods: [pgbackrest, basebackup]\n`, [
    "line 15: warning: postgresql.create_replica_methods: names pgbackrest, and there is no section postgresql.pgbackrest with its command: the command pgbackrest is run",
  ]],
  [
    "a clone method with one",
    `${MINIMAL}  create_replica_methods: [pgbackrest]\n  pgbackrest: {command: x, keep_data: true}\n`,
    [],
  ],
  [
    "a clone method with flags and a limit that are none",
    `${MINIMAL}  create_replica_methods: [m]\n  m: {command: x, keep_data: maybe, time_limit: 0, list: [a]}\n`,
    [
      'line 16: error: postgresql.m.keep_data: expected a boolean (on, off, true, false), got text "maybe"',
      "line 16: error: postgresql.m.time_limit: expected an integer from 1 to 604800 (in s, or like 30s, 5min), got number 0",
      "line 16: error: postgresql.m.list: expected text, a number or a boolean",
    ],
  ],
  [
    "a clone method that hands a password over",
    `${MINIMAL}  create_replica_methods: [m]\n  m: {command: x, db-password: hunter2}\n`,
    [
      "line 16: warning: postgresql.m.db-password: is an argument of the command, which every user of the host can read: let the command read it from a file",
    ],
  ],
  ["a rewind option that is the agent's", `${MINIMAL}  rewind: [dry-run, debug]\n`, [
    "line 15: warning: postgresql.rewind: is accepted and has no effect here",
    "line 15: warning: postgresql.rewind: the option dry-run is set by the agent itself: it is ignored",
  ]],
  ["no user names", minimalWith("{username: replicator, password: hunter2}", "{password: hunter2}"), [
    'line 14: warning: postgresql.authentication.replication.username: not set: "replicator" is used',
  ]],
  ["an initdb option that is the agent's", `${MINIMAL}bootstrap:\n  initdb: [encoding: UTF8, nosync]\n`, [
    "line 16: error: bootstrap.initdb: the option nosync is not allowed: the agent decides it",
  ]],
  [
    "old bootstrap users",
    `${MINIMAL}bootstrap:\n  users: {admin: {password: hunter2, options: [createrole]}}\n`,
    [
      "line 16: warning: bootstrap.users: is an old form: create roles in bootstrap.post_bootstrap instead",
    ],
  ],
  ["a bootstrap method without a command", `${MINIMAL}bootstrap:\n  method: restore\n`, [
    "line 16: error: bootstrap.method: bootstrap.restore.command is required when bootstrap.method is restore",
  ]],
  [
    "a bootstrap method with what cannot be",
    `${MINIMAL}bootstrap:\n  method: pitr\n  pitr:\n    command: x\n    no_params: maybe\n    recovery_conf:\n` +
    "      recovery_target_time: now\n      recovery_target_xid: 5\n      recovery_target_action: shutdown\n" +
    "      primary_conninfo: host=a\n",
    [
      'line 19: error: bootstrap.pitr.no_params: expected a boolean (on, off, true, false), got text "maybe"',
      "line 20: error: bootstrap.pitr.recovery_conf: recovery_target_time and recovery_target_xid: PostgreSQL takes one target of a recovery",
      'line 23: error: bootstrap.pitr.recovery_conf.recovery_target_action: expected promote or pause, got text "shutdown": a new cluster begins with a primary',
      "line 24: warning: bootstrap.pitr.recovery_conf.primary_conninfo: is no setting of the recovery of a new cluster: it is ignored",
    ],
  ],
  ["a bootstrap method by the name of another key", `${MINIMAL}bootstrap:\n  method: users\n`, [
    "line 16: error: bootstrap.method: names users, which is a key of the section itself: choose another name",
  ]],
  [
    "a broken dynamic configuration",
    `${MINIMAL}bootstrap:\n  dcs:\n    ttl: soon\n    postgresql: {parameters: a = b}\n`,
    [
      'line 17: error: bootstrap.dcs.ttl: expected seconds (30, or 30s, 5min), got text "soon"',
      'line 18: error: bootstrap.dcs.postgresql.parameters: expected a map, got text "a = b"',
    ],
  ],
  ["a member that follows itself", `${MINIMAL}tags: {replicatefrom: node1}\n`, [
    "line 15: warning: tags.replicatefrom: names this member itself: it follows the primary",
  ]],
  ["conflicting tags", `${MINIMAL}tags: {nofailover: true, failover_priority: 1}\n`, [
    "line 15: warning: tags: Conflicting configuration between nofailover: True and failover_priority: 1. Defaulting to nofailover: True",
  ]],
];

for (const [name, text, expected] of ROWS) {
  test(`issues: ${name}`, () => {
    const { config, issues } = parse(text);
    const found = issues.map((issue) =>
      describeIssue(issue).replace(/^(line \d+: )?/, `$1${issue.severity}: `)
    );
    expect(found).toEqual([...expected]);
    expect(config === null).toBe(expected.some((line) => line.includes("error: ")));
  });
}

test("a value of the wrong type hides no other one of its section", () => {
  const { issues } = parse(
    `${MINIMAL}  use_slots: maybe\n  rejoin: [rewind, faith]\n  pg_hba: [host all]\n  callbacks: {on_star: x}\n` +
      "bootstrap: {method: mine, mine: {time_limit: -1}, initdb: 5, dcs: {ttl: soon}}\n",
  );
  expect(issues.map((issue) => issue.path)).toEqual([
    "postgresql.use_slots",
    "postgresql.rejoin",
    "postgresql.pg_hba[0]",
    "postgresql.callbacks.on_star",
    "bootstrap.method",
    "bootstrap.mine.time_limit",
    "bootstrap.initdb",
    "bootstrap.dcs.ttl",
  ]);
});

test("errors of one section do not hide those of another", () => {
  const { issues } = parse(`${minimalWith("127.0.0.1:5001", "5")}log: {level: loud}\ntags: 5\n`);
  expect(issues.map((issue) => issue.path)).toEqual(["postgresql.listen", "log.level", "tags"]);
});

test("a file for another store lacks nothing but the raft section, which is proposed", () => {
  const text = MINIMAL.replace(/raft:\n( {2}.*\n)+/, "etcd3:\n  hosts: 10.0.0.1:2379\n");
  const { config, issues, missingRaft } = parse(text);
  expect(config).toBeNull();
  expect(issues.filter(({ severity }) => severity === "error").map(({ path }) => path)).toEqual(["raft"]);
  expect(missingRaft).toContain("raft:\n  self_addr: ");
  expect(missingRaft).toContain("data_dir: /var/lib/agent/node1.raft");
});

test("a witness needs no postgresql section, and no restapi section", () => {
  const raft =
    "scope: main\nname: w\nraft:\n  self_addr: 127.0.0.1:1\n  partner_addrs: [127.0.0.1:2, 127.0.0.1:3]\n  data_dir: /srv/raft\n";
  const byCommand = parse(raft, {}, { witness: true });
  expect(byCommand.issues).toEqual([]);
  expect(byCommand.config).toMatchObject({
    postgresql: null,
    restapi: { listen: { host: "127.0.0.1", port: 0 } },
  });
  expect(parse(`${raft}postgresql: {data_dir: /srv/data}\n`, {}, { witness: true }).issues.map(formatIssue))
    .toEqual([
      "a.yml:7:1: error: postgresql: a witness has no PostgreSQL: start the file of a member by `agent run`, or remove this section",
    ]);
  const byKey = parse(`${raft}  witness: on\nrestapi: {listen: "127.0.0.1:8009"}\n`);
  expect(byKey.config).toMatchObject({ postgresql: null, restapi: { listen: { port: 8009 } } });
});

test("files of a directory merge in order, and each issue names its file", () => {
  const { config, issues } = parseConfig(
    [
      { file: "dir/1.yml", text: MINIMAL },
      {
        file: "dir/2.yml",
        text: "postgresql:\n  listen: 127.0.0.1:6000\n  parameters: {work_mem: 8MB}\ntypo: 1\n",
      },
      { file: "dir/3.yml", text: "postgresql:\n  parameters: {jit: off}\n" },
    ],
    {},
    { path: "/etc/dir" },
  );
  expect(config).toMatchObject({
    file: "/etc/dir",
    postgresql: { port: 6000, raw: { parameters: { work_mem: "8MB", jit: false } } },
  });
  expect(issues.map(formatIssue)).toEqual([
    "dir/2.yml:4:1: warning: typo: this key is not known and has no effect",
  ]);
});

test("relative paths start from the working directory", () => {
  const config = parsedConfig(minimalWith("/srv/data", "data/pg"), {}, { cwd: "/home/pg" });
  expect(config.postgresql).toMatchObject({
    dataDir: "/home/pg/data/pg",
    configDir: "/home/pg/data/pg",
    pgpass: "/home/pg/data/pgpass",
  });
});

test("a key without a value is a key left out", () => {
  const { config, issues } = parse(
    `${MINIMAL}log:\nbootstrap:\n  dcs:\n    slots: {s1: null}\n  initdb:\ntags:\n  nofailover:\n`,
  );
  expect(issues).toEqual([]);
  expect(config?.bootstrap.dcs).toEqual({ slots: { s1: null } });
});

test("ctl falls back to restapi", () => {
  const rest =
    "127.0.0.1:8001\n  authentication: {username: u, password: p}\n  certfile: c\n  keyfile: k\n  cafile: ca";
  expect(parsedConfig(minimalWith("127.0.0.1:8001", rest)).ctl).toEqual({
    authentication: { username: "u", password: "p" },
    insecure: false,
    cacert: "ca",
    certfile: "c",
    keyfile: "k",
    keyfilePassword: null,
  });
});

test("lists and options in the forms that files use", () => {
  const config = parsedConfig(
    `${MINIMAL}  basebackup: [verbose, max-rate: 100M, {checkpoint: fast, no-verify: true}]
  pg_hba: |
    local all all peer
    host all all 0.0.0.0/0 md5
bootstrap:
  method: restore
  restore: {command: /bin/restore --all, no_params: yes, keep_existing_recovery_conf: on, target: 5, flag: on, recovery_conf: {RECOVERY_TARGET_XID: 7}}
  initdb: [encoding: UTF8, data-checksums, "--locale=C", allow-group-access: true, no-locale: false]
  post_init: /bin/init
  pg_hba: [host a b all trust]
`,
  );
  expect(config.postgresql?.basebackup).toEqual([
    "verbose",
    { "max-rate": "100M" },
    { checkpoint: "fast" },
    "no-verify",
  ]);
  expect(config.bootstrap).toMatchObject({
    initdb: ["--encoding=UTF8", "--data-checksums", "--locale=C", "--allow-group-access"],
    postBootstrap: "/bin/init",
    pgHba: ["host a b all trust"],
    custom: {
      name: "restore",
      command: "/bin/restore --all",
      noParams: true,
      keepExistingRecoveryConf: true,
      options: { target: "5", flag: "True" },
      recoveryConf: { recovery_target_xid: "7" },
    },
  });
});

test("the old form of a login, and modes in octal", () => {
  const text = minimalWith("127.0.0.1:8001", "127.0.0.1:8001\n  auth: me:sec:ret") +
    "log: {mode: 0640, file_size: 1MB, level: FATAL}\n";
  const config = parsedConfig(text);
  expect(config.restapi.authentication).toEqual({ username: "me", password: "sec:ret" });
  expect(config.log).toMatchObject({ mode: 0o640, fileSizeBytes: 2 ** 20, level: "CRITICAL" });
  expect(parsedConfig(`${MINIMAL}log: {mode: "0600"}\n`).log.mode).toBe(0o600);
});

test("watchdog modes in all their spellings", () => {
  const mode = (value: string) => parsedConfig(`${MINIMAL}watchdog: {mode: ${value}}\n`).watchdog.mode;
  for (const value of ["off", "false", "disable", "disabled", "Off"]) expect(mode(value)).toBe("off");
  for (const value of ["auto", "automatic"]) expect(mode(value)).toBe("automatic");
  for (const value of ["required", "require"]) expect(mode(value)).toBe("required");
});

test("credentials keep the connection options that are given, and rewind falls back to the superuser", () => {
  const text = minimalWith(
    "superuser: {username: postgres",
    "superuser: {username: postgres, sslmode: verify-full, sslcert: /c",
  );
  const config = parsedConfig(text).postgresql;
  expect(config?.superuser).toEqual({
    username: "postgres",
    password: "hunter2",
    options: { sslmode: "verify-full", sslcert: "/c" },
  });
  expect(config?.rewind).toEqual(config!.superuser);
  expect(parsedConfig(`${MINIMAL}    rewind: {username: rw, password: 123}\n`).postgresql?.rewind).toEqual({
    username: "rw",
    password: "123",
    options: {},
  });
});

test("no message holds a password", () => {
  const texts = [
    minimalWith("{username: postgres, password: hunter2}", "hunter2"),
    minimalWith("{username: postgres, password: hunter2}", "[hunter2]"),
    minimalWith("password: hunter2", "password: {a: hunter2}"),
    minimalWith("  data_dir: /srv/raft", "  data_dir: /srv/raft\n  password: [hunter2]"),
    minimalWith("127.0.0.1:8001", "127.0.0.1:8001\n  auth: hunter2"),
    minimalWith("127.0.0.1:8001", "127.0.0.1:8001\n  authentication: hunter2"),
    minimalWith(
      "{username: postgres, password: hunter2}",
      "\n      username: postgres\n      password:hunter2",
    ),
    minimalWith("127.0.0.1:5001", "user:hunter2@127.0.0.1:5001"),
    `${MINIMAL}password=hunter2\n`,
    `${MINIMAL}"password: hunter2": 1\n`,
    `${MINIMAL}bootstrap: {users: {a: hunter2}}\n`,
    `${MINIMAL}  recovery_conf: "primary_conninfo = 'password=hunter2'"\n`,
    `${MINIMAL}ctl: {authentication: {username: a, password: {x: hunter2}}}\n`,
    "password: 'hunter2",
    "password: @hunter2",
    "password: *hunter2",
    "password: !hunter2 x",
    "hunter2",
  ];
  for (const text of texts) {
    const { issues } = parse(text);
    expect(issues.length).toBeGreaterThan(0);
    expect(issues.map(formatIssue).join("\n")).not.toContain("hunter2");
  }
});
