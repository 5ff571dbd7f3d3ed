/**
 * Files as people have them: the project's own examples, and the styles in which Patroni's users write
 * theirs.
 */
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { effectiveDynamic } from "./dynamic.ts";
import { describeIssue } from "./issues.ts";
import { parse } from "./testing.ts";

for (const name of ["node1", "node2", "node3", "witness"]) {
  test(`docs/examples/${name}.yml has no issues`, () => {
    const text = readFileSync(new URL(`../../docs/examples/${name}.yml`, import.meta.url), "utf8");
    const { config, issues } = parse(text);
    expect(issues.map(describeIssue)).toEqual([]);
    expect(config?.name).toBe(name);
    expect(effectiveDynamic(config!.bootstrap.dcs, config!).issues).toEqual([]);
  });
}

const SAMPLE = `scope: batman
#namespace: /service/
name: postgresql0

restapi:
  listen: 127.0.0.1:8008
  connect_address: 127.0.0.1:8008
#  authentication:
#    username: username
#    password: password

raft:
  data_dir: .
  self_addr: 127.0.0.1:2222
  partner_addrs:
  - 127.0.0.1:2223
  - 127.0.0.1:2224

bootstrap:
  dcs:
    ttl: 30
    loop_wait: 10
    retry_timeout: 10
    maximum_lag_on_failover: 1048576
    postgresql:
      use_pg_rewind: true
      pg_hba:
      - host replication replicator 127.0.0.1/32 md5
      - host all all 0.0.0.0/0 md5
      parameters:
#        wal_level: hot_standby
#        hot_standby: "on"
  initdb:  # a list of plain options and options with values
  - encoding: UTF8
  - data-checksums

postgresql:
  listen: 127.0.0.1:5432
  connect_address: 127.0.0.1:5432
#  proxy_address: 127.0.0.1:5433
  data_dir: data/postgresql0
#  bin_dir:
  pgpass: /tmp/pgpass0
  authentication:
    replication:
      username: replicator
      password: rep-pass
    superuser:
      username: postgres
      password: zalando
    rewind:
      username: rewind_user
      password: rewind_password
  parameters:
    unix_socket_directories: '..'

tags:
    noloadbalance: false
    clonefrom: false
    nosync: false
    nostream: false
`;

test("a sample for one machine, with a raft section of the old kind", () => {
  const { config, issues } = parse(SAMPLE, { HOME: "/home/pg" }, { cwd: "/home/pg" });
  expect(issues.map(describeIssue)).toEqual([
    "line 13: raft.data_dir: holds postgresql.data_dir: better give the log a directory of its own",
  ]);
  expect(config).toMatchObject({
    raft: { dataDir: "/home/pg", selfAddr: "127.0.0.1:2222" },
    postgresql: { dataDir: "/home/pg/data/postgresql0" },
    tags: {},
  });
  expect(effectiveDynamic(config!.bootstrap.dcs, config!).config).toMatchObject({
    ttlS: 30,
    loopWaitS: 10,
    retryTimeoutS: 10,
  });
});

const TUTORIAL = `namespace: percona_lab
scope: cluster_1
name: node1
restapi:
    listen: 0.0.0.0:8008
    connect_address: 10.104.0.7:8008
etcd3:
    host: 10.104.0.7:2379
bootstrap:
  dcs:
      ttl: 30
      loop_wait: 10
      retry_timeout: 10
      maximum_lag_on_failover: 1048576
      slots:
          percona_cluster_1:
            type: physical
      postgresql:
        use_pg_rewind: true
        use_slots: true
        parameters:
          wal_level: replica
          hot_standby: "on"
          wal_keep_segments: 10
          max_wal_senders: 5
          max_replication_slots: 10
          wal_log_hints: "on"
          logging_collector: 'on'
          max_wal_size: '10GB'
          archive_mode: "on"
          archive_timeout: 600s
          archive_command: "cp -f %p /home/postgres/archived/%f"
        pg_hba:
          - host replication replicator 127.0.0.1/32 trust
          - host all all 0.0.0.0/0 md5
        recovery_conf:
          restore_command: cp /home/postgres/archived/%f %p
  initdb:
      - encoding: UTF8
      - data-checksums
  pg_hba:
      - host all all 0.0.0.0/0 md5
  users:
      admin:
          password: qaz123
          options:
              - createrole
              - createdb
postgresql:
    cluster_name: cluster_1
    listen: 0.0.0.0:5432
    connect_address: 10.104.0.7:5432
    data_dir: /data/pgsql
    bin_dir: /usr/pgsql-16/bin
    pgpass: /tmp/pgpass0
    authentication:
        replication: {username: replicator, password: replPasswd}
        superuser: {username: postgres, password: qaz123}
    parameters:
        unix_socket_directories: "/var/run/postgresql/"
        max_connections: 500
    create_replica_methods:
        - basebackup
    basebackup:
        checkpoint: 'fast'
    callbacks: {on_role_change: /etc/patroni/callback.sh}
watchdog:
  mode: required
  device: /dev/watchdog
  safety_margin: 5
tags:
    nofailover: false
    noloadbalance: false
    clonefrom: false
    nosync: false
`;

const AUTHENTICATION = "    authentication: {username: agent, password: x}\n";

test("a tutorial's file for etcd, whose REST API is open to everybody, is refused with both ways out", () => {
  const { config, issues, missingRaft } = parse(TUTORIAL);
  expect(config).toBeNull();
  expect(missingRaft).toContain("self_addr: 10.104.0.7:7800");
  const [error, ...others] = issues.filter(({ severity, path }) => severity === "error" && path !== "raft");
  expect(others).toEqual([]);
  expect(error).toMatchObject({ path: "restapi.authentication" });
  expect(error!.message).toContain("username and password");
  expect(error!.message).toContain("restapi.allow_unauthenticated: true");
});

test("a tutorial's file for etcd lacks nothing but the raft section, and is told which to add", () => {
  const { config, issues, missingRaft } = parse(
    TUTORIAL.replace("restapi:\n", `restapi:\n${AUTHENTICATION}`),
  );
  expect(config).toBeNull();
  expect(missingRaft).toContain("self_addr: 10.104.0.7:7800");
  expect(issues.map((issue) => [issue.severity, issue.path])).toEqual([
    ["error", "raft"],
    ["warning", "etcd3"],
    ["warning", "bootstrap.users"],
    ["warning", "postgresql.cluster_name"],
    ["warning", "postgresql.parameters.max_connections"],
  ]);
});

test("the same file with that section runs", () => {
  const raft = "raft:\n  self_addr: 10.104.0.7:7800\n  partner_addrs: [10.104.0.2:7800, 10.104.0.8:7800]\n" +
    "  data_dir: /var/lib/agent/node1.raft\n  password: x\n";
  const { config } = parse(TUTORIAL.replace("restapi:\n", `restapi:\n${AUTHENTICATION}`) + raft);
  expect(config).toMatchObject({
    watchdog: { mode: "required", safetyMarginS: 5 },
    postgresql: {
      callbacks: { on_role_change: "/etc/patroni/callback.sh" },
      basebackup: [{ checkpoint: "fast" }],
    },
    bootstrap: { users: { admin: { options: ["createrole", "createdb"] } } },
  });
  const { config: dynamic, issues } = effectiveDynamic(config!.bootstrap.dcs, config!);
  expect(dynamic.slots).toMatchObject([{ name: "percona_cluster_1", type: "physical" }]);
  expect(dynamic.postgresql).toMatchObject({
    controlled: { max_connections: "100", max_wal_senders: "5" },
    recoveryConf: { restore_command: "cp /home/postgres/archived/%f %p" },
    pgHba: ["host replication replicator 127.0.0.1/32 trust", "host all all 0.0.0.0/0 md5"],
  });
  expect(dynamic.postgresql.parameters).toMatchObject({
    wal_keep_size: "160MB",
    archive_timeout: "600s",
    max_wal_size: "10GB",
  });
  expect(issues).toEqual([]);
});

const AUTOMATION = `# written by a configuration tool: everything that can be set
---
scope: "pg-main"
name: pg01
namespace: /service/
log: {type: json, level: INFO, traceback_level: ERROR, dir: /var/log/patroni, file_num: 4, file_size: 25000000, static_fields: {app: patroni}}
restapi:
  listen: "[::]:8008"
  connect_address: "[fd00::11]:8008"
  certfile: /etc/tls/server.crt
  keyfile: /etc/tls/server.key
  cafile: /etc/tls/ca.crt
  verify_client: optional
  allowlist: [10.0.0.0/8]
  allowlist_include_members: true
  http_extra_headers: {X-Frame-Options: SAMEORIGIN}
ctl: {insecure: no, cacert: /etc/tls/ca.crt, certfile: /etc/tls/ctl.crt, keyfile: /etc/tls/ctl.key}
raft:
  self_addr: "[fd00::11]:2380"
  bind_addr: "[::]:2380"
  partner_addrs: ["[fd00::12]:2380", "[fd00::13]:2380"]
  data_dir: /var/lib/raft
  password: &secret s3cret
bootstrap:
  method: pgbackrest
  pgbackrest:
    command: /usr/bin/pgbackrest --stanza=main restore
    keep_existing_recovery_conf: True
    no_params: True
    recovery_conf: {recovery_target_timeline: latest}
  dcs:
    synchronous_mode: on
    synchronous_node_count: 1
    synchronous_mode_strict: no
    master_start_timeout: 300
    failsafe_mode: true
    member_slots_ttl: 30min
    postgresql:
      use_pg_rewind: yes
      parameters: {max_connections: 500, max_locks_per_transaction: 512, huge_pages: try, shared_preload_libraries: "pg_stat_statements,auto_explain", pg_stat_statements.max: 10000, random_page_cost: 1.1, autovacuum: on}
postgresql:
  listen: "[::1],[fd00::11]:5432"
  connect_address: "[fd00::11]:5432"
  proxy_address: "[fd00::11]:6432"
  use_unix_socket: true
  use_unix_socket_repl: true
  data_dir: /var/lib/postgresql/17/main
  config_dir: /etc/postgresql/17/main
  bin_dir: /usr/lib/postgresql/17/bin
  bin_name: {postgres: postgres, pg_rewind: pg_rewind}
  custom_conf: /etc/postgresql/custom.conf
  authentication:
    superuser: {username: postgres, password: *secret, sslmode: verify-full, sslrootcert: /etc/tls/ca.crt}
    replication: {username: replicator, sslcert: /etc/tls/repl.crt, sslkey: /etc/tls/repl.key}
    rewind: {username: rewinder, gssencmode: disable, channel_binding: prefer}
  pg_ident: ["map os db"]
  create_replica_methods: [pgbackrest, basebackup]
  pgbackrest: {command: /usr/bin/pgbackrest --stanza=main --delta restore, keep_data: True, no_params: True}
  basebackup: [{max-rate: 1000M}, {checkpoint: fast}, verbose]
  remove_data_directory_on_rewind_failure: no
  remove_data_directory_on_diverged_timelines: no
  pre_promote: /usr/local/bin/pre_promote
  before_stop: /usr/local/bin/before_stop
  pg_ctl_timeout: 1min
watchdog: {mode: automatic, device: /dev/watchdog, safety_margin: -1}
tags: {failover_priority: 10, sync_priority: 2, datacenter: eu-1, clonefrom: true, replicatefrom: pg02}
`;

test("a tool's file with everything in it", () => {
  const { config, issues } = parse(AUTOMATION);
  expect(issues.map((issue) => `${issue.severity} ${issue.path}`)).toEqual([
    "warning bootstrap.dcs.master_start_timeout",
    "warning postgresql.use_unix_socket_repl",
  ]);
  expect(config).toMatchObject({
    log: { type: "json", staticFields: { app: "patroni" } },
    restapi: {
      listen: { host: "::", port: 8008 },
      connectAddress: "[fd00::11]:8008",
      verifyClient: "optional",
    },
    raft: { bindAddr: "[::]:2380", password: "s3cret" },
    bootstrap: { custom: { name: "pgbackrest", noParams: true } },
    postgresql: {
      listenAddresses: ["::1", "fd00::11"],
      superuser: { password: "s3cret" },
      replication: { password: null, options: { sslcert: "/etc/tls/repl.crt" } },
      pgCtlTimeoutS: 60,
    },
    failoverPriority: 10,
    tags: {
      failover_priority: 10,
      sync_priority: 2,
      datacenter: "eu-1",
      clonefrom: true,
      replicatefrom: "pg02",
    },
  });
  const dynamic = effectiveDynamic(config!.bootstrap.dcs, config!).config;
  expect(dynamic).toMatchObject({
    synchronousMode: "on",
    primaryStartTimeoutS: 300,
    failsafeMode: true,
    memberSlotsTtlS: 1800,
  });
  expect(dynamic.postgresql.parameters).toEqual({
    autovacuum: "on",
    huge_pages: "try",
    "pg_stat_statements.max": "10000",
    random_page_cost: "1.1",
    shared_preload_libraries: "pg_stat_statements,auto_explain",
    wal_keep_size: "128MB",
  });
});
