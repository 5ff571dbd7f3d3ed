/** What `list`, `topology`, `history` and the other shows print, line by line. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { StubCluster } from "./testing.ts";

let cluster: StubCluster;

beforeEach(() => {
  cluster = new StubCluster();
});
afterEach(() => cluster.stop());

const TITLE = "+ Cluster: demo (7277694203142172922) ----+----+-------------+-----+------------+-----+";

test("list is patronictl's table", async () => {
  cluster.port.changeMember("node3", { receivedLsn: 83886080 - 3 * 1024 * 1024, replayedLsn: null });
  const { code, out } = await cluster.ctl(["list"]);
  expect(code).toBe(0);
  expect(out).toBe([
    TITLE,
    "| Member | Host     | Role    | State     | TL | Receive LSN | Lag | Replay LSN | Lag |",
    "+--------+----------+---------+-----------+----+-------------+-----+------------+-----+",
    "| node1  | 10.0.0.1 | Leader  | running   |  3 |             |     |            |     |",
    "| node2  | 10.0.0.2 | Replica | streaming |  3 |   0/5000000 |   0 |  0/5000000 |   0 |",
    "| node3  | 10.0.0.3 | Replica | streaming |  3 |   0/4D00000 |   3 |    unknown |     |",
    "+--------+----------+---------+-----------+----+-------------+-----+------------+-----+",
    " Quorum: can lose 1 more",
  ].join("\n"));
});

test("below the table stand witnesses, and what the raft leader, whoever that is, says of the quorum", async () => {
  const { raft } = cluster.port.view();
  const witness = {
    name: "w1",
    raftAddr: "10.0.0.9:2222",
    apiUrl: "http://10.0.0.9:8008/patroni",
    canLose: null,
  };
  cluster.port.change({ witnesses: [witness], raft: { ...raft!, canLose: null } });
  cluster.port.changeMember("node2", { canLose: 0 });
  expect((await cluster.ctl(["list"])).out.split("\n").slice(7)).toEqual([
    " Witness: w1",
    " Quorum: can lose 0 more",
  ]);
  cluster.port.changeMember("node2", { canLose: null });
  expect((await cluster.ctl(["list"])).out).not.toContain("Quorum:");
});

test("ports are shown when one is not PostgreSQL's own, or when hosts repeat", async () => {
  cluster.port.changeMember("node2", { connUrl: "postgres://10.0.0.2:5433/postgres" });
  expect((await cluster.ctl(["list"])).out).toContain("| 10.0.0.1:5432 |");
  cluster.port.changeMember("node2", { connUrl: "postgres://10.0.0.1:5432/postgres" });
  expect((await cluster.ctl(["list"])).out).toContain("| 10.0.0.1:5432 |");
});

test("roles are written out", async () => {
  cluster.port.changeDynamic({ synchronousMode: "quorum" });
  cluster.port.changeDcs({ sync: { leader: "node1", syncStandby: ["node2"], quorum: 1, revision: 1 } });
  expect((await cluster.ctl(["list"])).out).toContain("| Quorum Standby |");
  cluster.port.changeDynamic({ synchronousMode: "on" });
  expect((await cluster.ctl(["list"])).out).toContain("| Sync Standby |");
  cluster.port.changeDynamic({ standbyCluster: { host: "192.0.2.1" } });
  expect((await cluster.ctl(["list"])).out).toContain("| Standby Leader |");
});

test("lag is in whole MB, halves to the even one", async () => {
  const lagOf = async (bytes: number) => {
    cluster.port.changeMember("node2", { replayedLsn: 83886080 - bytes });
    const rows = JSON.parse((await cluster.ctl(["list", "-f", "json"])).out) as {
      [column: string]: unknown;
    }[];
    return rows[1]!["Replay Lag"];
  };
  expect([await lagOf(524288), await lagOf(1572864), await lagOf(2621440), await lagOf(1048575)]).toEqual([
    0,
    2,
    2,
    1,
  ]);
});

test("watchdogs get a column with -e where there are any", async () => {
  const header = async (...words: string[]) => (await cluster.ctl(["list", ...words])).out.split("\n")[1]!;
  expect(await header("-e")).not.toContain("Watchdog");
  const required = { mode: "required", active: false, timeoutS: null } as const;
  cluster.port.changeMember("node1", { watchdog: { ...required, active: true, timeoutS: 25 } });
  cluster.port.changeMember("node2", { watchdog: required });
  expect(await header()).not.toContain("Watchdog");
  const { out } = await cluster.ctl(["list", "-e", "-f", "tsv"]);
  expect(out.split("\n").map((line) => line.split("\t").at(-1))).toEqual([
    "Watchdog",
    "required, 25 s",
    "required",
    "",
  ]);
  cluster.port.changeMember("node1", { watchdog: required });
  expect((await cluster.ctl(["list", "-e"])).out).toContain("| required, not active |");
});

test("a cluster without a system identifier says how far it is", async () => {
  cluster.port.changeDcs({ initialize: null });
  expect((await cluster.ctl(["list"])).out).toStartWith("+ Cluster: demo (uninitialized) --");
  cluster.port.changeDcs({ initialize: { systemId: "", by: "node1", incarnation: 1 } });
  expect((await cluster.ctl(["list"])).out).toStartWith("+ Cluster: demo (initializing) --");
});

test("pending and scheduled restarts and tags get columns when there are any, and always with -e", async () => {
  const header = async (...words: string[]) => (await cluster.ctl(["list", ...words])).out.split("\n")[1]!;
  expect(await header()).not.toContain("Tags");
  expect(await header("-e")).toContain(
    "| Pending restart | Pending restart reason | Scheduled restart | Tags |",
  );
  cluster.port.changeMember("node2", {
    pendingRestart: {
      max_connections: { old_value: "100", new_value: "200" },
      shared_preload_libraries: { old_value: "", new_value: "pg_stat_statements,auto_explain,pgaudit" },
    },
  });
  const schedule = "2030-01-01T00:00:00+00:00";
  cluster.port.changeDcs({ restarts: { node3: { schedule, postgres_version: "16", id: "r" } } });
  const { out } = await cluster.ctl(["list"]);
  expect(out).toContain("| *               | max_connections: 100->200                     |");
  expect(out).toContain("| shared_preload_libraries: [hidden - too long] |");
  expect(out).toContain("| 2030-01-01T00:00:00+00:00 if version < 16 |");
  expect((await cluster.ctl(["list", "-f", "tsv"])).out).toContain(
    "shared_preload_libraries: ->pg_stat_statements,auto_explain,pgaudit",
  );
});

test("tags are YAML, one a line in tables and on one line elsewhere", async () => {
  cluster.port.changeMember("node2", { tags: { nofailover: true, clonefrom: true } });
  expect((await cluster.ctl(["list"])).out.split("\n").slice(1, 9)).toEqual([
    "| Member | Host     | Role    | State     | TL | Receive LSN | Lag | Replay LSN | Lag | Tags             |",
    "+--------+----------+---------+-----------+----+-------------+-----+------------+-----+------------------+",
    "| node1  | 10.0.0.1 | Leader  | running   |  3 |             |     |            |     |                  |",
    "+--------+----------+---------+-----------+----+-------------+-----+------------+-----+------------------+",
    "| node2  | 10.0.0.2 | Replica | streaming |  3 |   0/5000000 |   0 |  0/5000000 |   0 | clonefrom: true  |",
    "|        |          |         |           |    |             |     |            |     | nofailover: true |",
    "+--------+----------+---------+-----------+----+-------------+-----+------------+-----+------------------+",
    "| node3  | 10.0.0.3 | Replica | streaming |  3 |   0/5000000 |   0 |  0/5000000 |   0 |                  |",
  ]);
  expect((await cluster.ctl(["topology"])).out).toContain("| {clonefrom: true, nofailover: true} |");
});

test("tsv has every column in its place", async () => {
  expect((await cluster.ctl(["list", "-f", "tsv"])).out).toBe([
    "Cluster\tMember\tHost\tRole\tState\tTL\tReceive LSN\tReceive Lag\tReplay LSN\tReplay Lag",
    "demo\tnode1\t10.0.0.1\tLeader\trunning\t3\t\t\t\t",
    "demo\tnode2\t10.0.0.2\tReplica\tstreaming\t3\t0/5000000\t0\t0/5000000\t0",
    "demo\tnode3\t10.0.0.3\tReplica\tstreaming\t3\t0/5000000\t0\t0/5000000\t0",
  ].join("\n"));
});

test("JSON leaves out what is empty", async () => {
  const { out } = await cluster.ctl(["list", "--format", "json"]);
  expect(out).toStartWith(
    '[{"Cluster": "demo", "Member": "node1", "Host": "10.0.0.1", "Role": "Leader", "State": "running", "TL": 3}, ' +
      '{"Cluster": "demo", "Member": "node2", "Host": "10.0.0.2", "Role": "Replica", "State": "streaming", "TL": 3, ' +
      '"Receive LSN": "0/5000000", "Receive Lag": 0, "Replay LSN": "0/5000000", "Replay Lag": 0}, ',
  );
});

test("YAML has its keys in order", async () => {
  expect((await cluster.ctl(["list", "-f", "yml"])).out.split("\n").slice(0, 17)).toEqual([
    "- Cluster: demo",
    "  Host: 10.0.0.1",
    "  Member: node1",
    "  Role: Leader",
    "  State: running",
    "  TL: 3",
    "- Cluster: demo",
    "  Host: 10.0.0.2",
    "  Member: node2",
    "  Receive LSN: 0/5000000",
    "  Receive Lag: 0",
    "  Replay LSN: 0/5000000",
    "  Replay Lag: 0",
    "  Role: Replica",
    "  State: streaming",
    "  TL: 3",
    "- Cluster: demo",
  ]);
});

test("below the table stands what concerns the whole cluster", async () => {
  cluster.port.changeDynamic({ pause: true });
  cluster.port.change({ failsafeActive: true });
  cluster.port.changeDcs({
    failover: {
      kind: "switchover",
      leader: "node1",
      candidate: "node2",
      scheduledAt: "2096-01-01T10:00:00+00:00",
      id: "x",
      accepted: false,
      epoch: 0,
      revision: 9,
    },
  });
  cluster.port.changeMember("node3", {}, 7000);
  expect((await cluster.ctl(["list"])).out.split("\n").slice(6)).toEqual([
    " Maintenance mode: on",
    " Failsafe mode: active",
    " Switchover scheduled at: 2096-01-01T10:00:00+00:00",
    "                    from: node1",
    "                      to: node2",
    " Unreachable: node3, last seen 7 s ago",
    " Quorum: can lose 1 more",
  ]);
  expect((await cluster.ctl(["list", "-f", "tsv"])).out).not.toContain("Maintenance");
});

test("a member whose PostgreSQL does not answer is unknown, with what it was", async () => {
  cluster.port.changeMember("node3", { lookAgeMs: 12_000 });
  const { out } = await cluster.ctl(["list"]);
  expect(out).toContain("| unknown");
  expect(out).toContain(" Unknown: node3 does not answer, streaming 12 s ago");
});

test("a member that is being made says from where, how far it is, and how long that will take", async () => {
  const copy = {
    from: "node2",
    fromStandby: true,
    doneBytes: 30 * 2 ** 20,
    totalBytes: 120 * 2 ** 20,
    bytesPerSecond: 9 * 2 ** 20,
  };
  const text = "from node2, 25 %, 30 of 120 MiB, 9.0 MiB/s, 10 s left";
  const before = (await cluster.ctl(["list", "-f", "tsv"])).out.split("\n")[0];
  cluster.port.changeMember("node3", {
    state: "creating replica",
    running: false,
    replicationState: null,
    copy,
  });
  const { out } = await cluster.ctl(["list"]);
  expect(out).toContain("| creating replica");
  expect(out).toContain(` Copying: node3 ${text}\n`);
  const rows = JSON.parse((await cluster.ctl(["list", "-f", "json"])).out) as {
    Member: string;
    Copy?: string;
  }[];
  expect(rows.map(({ Copy }) => Copy)).toEqual([undefined, undefined, text]);
  expect((await cluster.ctl(["list", "-f", "tsv"])).out.split("\n")[0]).toBe(before!);
});

test("slots that hold too much WAL are shown below the table, the worst first", async () => {
  const GIB = 2 ** 30;
  cluster.port.changeMember("node1", {
    slotsAtRisk: [
      { name: "old", heldBytes: 60 * GIB, safeBytes: null },
      { name: "cdc", heldBytes: 40 * GIB, safeBytes: 11.5 * GIB },
    ],
  });
  expect((await cluster.ctl(["list"])).out.split("\n").slice(7)).toEqual([
    " Slot: old on node1 has lost the WAL that it needs: its user has to begin anew",
    " Slot: cdc on node1 holds 40.0 GiB of WAL, and loses it when 11.5 GiB more are written",
    " Quorum: can lose 1 more",
  ]);
});

test("what is not well with a member is shown below the table, and in the formats for programs", async () => {
  const since = "2026-01-01T00:00:00.000Z";
  const detail = "512 MiB of 8.0 GiB free (6 %) in the file system of /data";
  cluster.port.changeMember("node1", {
    ailments: [
      { cause: "data-space", severity: "critical", since, detail },
      { cause: "slow-disk", severity: "warning", since, detail: "slow" },
    ],
  });
  const text = `data-space (critical since ${since}): ${detail}`;
  const { out } = await cluster.ctl(["list"]);
  expect(out).toContain(
    ` Ailing: node1, ${text}\n Ailing: node1, slow-disk (warning since ${since}): slow\n`,
  );
  const rows = JSON.parse((await cluster.ctl(["list", "-f", "json"])).out) as { [key: string]: string }[];
  expect(rows.map((row) => row.Ailments)).toEqual([
    `${text}\nslow-disk (warning since ${since}): slow`,
    undefined,
    undefined,
  ]);
});

test("a clock that is wrong is shown below the table, and in the formats for programs", async () => {
  cluster.port.change({ clockOffMs: { node2: -90_400, node3: 7_200_000 } });
  const { out } = await cluster.ctl(["list"]);
  expect(out).toContain(
    " Clock: node2 is 90 s behind the time of day that node1 goes by\n" +
      " Clock: node3 is 7200 s ahead of the time of day that node1 goes by\n",
  );
  const rows = JSON.parse((await cluster.ctl(["list", "-f", "json"])).out) as { [key: string]: string }[];
  expect(rows.map(({ Clock }) => Clock)).toEqual([
    undefined,
    "90 s behind the time of day",
    "7200 s ahead of the time of day",
  ]);
});

test("what ails synchronous replication is shown below the table, and in the formats for programs", async () => {
  const since = "2026-01-01T00:00:00.000Z";
  const detail = "commits wait for 1 of b, and none of them streams from here";
  const later = { kind: "of-later" as "writes-blocked", since, detail: "new" };
  cluster.port.changeMember("node1", { syncTroubles: [{ kind: "writes-blocked", since, detail }, later] });
  const { out } = await cluster.ctl(["list"]);
  expect(out).toContain(
    ` Writes wait: node1, since ${since}: ${detail}\n Synchronous mode: node1, since ${since}: new\n`,
  );
  const rows = JSON.parse((await cluster.ctl(["list", "-f", "json"])).out) as { [key: string]: string }[];
  expect(rows.map((row) => row["Sync troubles"])).toEqual([
    `writes-blocked (since ${since}): ${detail}\nof-later (since ${since}): new`,
    undefined,
    undefined,
  ]);
});

test("why a member's PostgreSQL was stopped is shown below the table until it runs again", async () => {
  const at = "2026-01-01T00:00:00.000Z";
  const why = "the agent is stopping; one of its processes does not end after 4 s";
  const lastStop = { at, steps: ["fast", "immediate"] as const, why, over: false };
  cluster.port.changeMember("node3", { state: "stopping", running: false, lastStop });
  const text = `${why} (fast, immediate since ${at})`;
  const before = (await cluster.ctl(["list", "-f", "tsv"])).out.split("\n")[0]!.split("\t");
  expect((await cluster.ctl(["list"])).out).toContain(` Stopped: node3, ${text}`);
  expect(before).not.toContain("Stop reason");
  const rows = JSON.parse((await cluster.ctl(["list", "-f", "json"])).out) as { [key: string]: string }[];
  expect(rows.map((row) => row["Stop reason"])).toEqual([undefined, undefined, text]);
  cluster.port.changeMember("node3", { lastStop: { ...lastStop, over: true } });
  expect((await cluster.ctl(["list"])).out).not.toContain("the agent is stopping");
  expect((await cluster.ctl(["list", "-f", "json"])).out).not.toContain("Stop reason");
  expect((await cluster.ctl(["list", "-e"])).out).toContain(` Last stop: node3, ${text}`);
});

test("a member that comes back by a reinit only has that state, and its reason below the table", async () => {
  const needsReinit = "its history has diverged; pg_rewind failed: no WAL; a copy is not allowed (rejoin)";
  const change = { state: "stopped", running: false, replicationState: null } as const;
  cluster.port.changeMember("node3", { ...change, needsReinit });
  const { out } = await cluster.ctl(["list"]);
  expect(out).toMatch(/node3 .* needs reinit /);
  expect(out).toContain(` Needs reinit: node3: ${needsReinit}`);
  // One that runs is shown as what it is.
  cluster.port.changeMember("node3", { state: "running", running: true, needsReinit: "WAL is gone" });
  expect((await cluster.ctl(["list"])).out).toMatch(/node3 .* running /);
  cluster.port.changeMember("node3", { ...change, needsReinit: undefined });
  expect((await cluster.ctl(["list"])).out).not.toContain("reinit");
});

test("a member that held the lock and could not become the primary is named, with the reason", async () => {
  const failure = { at: "2026-01-01T00:00:00.000Z", why: "a full disk", times: 1, sitsOut: true };
  const said = async (leadFailure: typeof failure | undefined) => {
    cluster.port.changeMember("node3", { leadFailure });
    return (await cluster.ctl(["list"])).out.split("\n").find((line) => line.includes("Cannot lead"));
  };
  expect(await said(failure)).toBe(
    " Cannot lead: node3, a full disk (2026-01-01T00:00:00.000Z): others come first for a while",
  );
  expect(await said({ ...failure, times: 3, sitsOut: false })).toBe(
    " Cannot lead: node3, a full disk (3 times, last at 2026-01-01T00:00:00.000Z)",
  );
  expect(await said(undefined)).toBeUndefined();
});

test("a member whose last reload was refused is named, with the reason", async () => {
  const reloadRefused = { at: "2026-01-01T00:00:00.000Z", why: "/etc/agent.yml:12: ttl: expected a number" };
  cluster.port.changeMember("node3", { reloadRefused });
  expect((await cluster.ctl(["list"])).out).toContain(
    ` Reload refused: node3 goes on with what it had, ${reloadRefused.why} (${reloadRefused.at})`,
  );
  cluster.port.changeMember("node3", { reloadRefused: undefined });
  expect((await cluster.ctl(["list"])).out).not.toContain("Reload refused");
});

test("a certificate that ends soon is named, with the member and its setting", async () => {
  const ends = new Date(Date.now() + 6.5 * 24 * 60 * 60 * 1000).toISOString();
  cluster.port.changeMember("node3", { certificatesEnding: [{ key: "restapi.certfile", ends }] });
  expect((await cluster.ctl(["list"])).out).toContain(
    ` Certificate: node3, restapi.certfile ends in 6 days (${ends})`,
  );
  cluster.port.changeMember("node3", { certificatesEnding: undefined });
  const witness = { name: "w", raftAddr: "10.0.0.9:1", apiUrl: "http://10.0.0.9:2/patroni", canLose: null };
  const certificatesEnding = [{ key: "raft.tls.certfile", ends }] as const;
  cluster.port.change({ witnesses: [{ ...witness, certificatesEnding }] });
  expect((await cluster.ctl(["list"])).out).toContain(
    ` Certificate: w, raft.tls.certfile ends in 6 days (${ends})`,
  );
  cluster.port.change({ witnesses: [witness] });
  expect((await cluster.ctl(["list"])).out).not.toContain("Certificate:");
});

test("a failover that waits longer than ttl says is shown", async () => {
  const { dcs } = cluster.port.view();
  cluster.port.change({ dcs: { ...dcs!, waitTtlMs: 4_294_967_296_000 } });
  expect((await cluster.ctl(["list"])).out).toContain(
    " Failover: waits 3600 s until the primary has followed the lower ttl",
  );
  cluster.port.change({ dcs: { ...dcs!, waitTtlMs: 4_294_967_296_000, initialize: null } });
  expect((await cluster.ctl(["list"])).out).not.toContain("Failover:");
  cluster.port.change({ dcs });
  expect((await cluster.ctl(["list"])).out).not.toContain("Failover:");
});

test("what failsafe mode lacks is said, with the voters that were never up", async () => {
  const { dynamic, raft } = cluster.port.view();
  const missing = {
    id: 9,
    name: null,
    addr: "10.0.0.9:2222",
    voter: true,
    connected: false,
    diskHangs: false,
    match: null,
    lastContactMs: null,
    rttMs: null,
  };
  cluster.port.change({
    dynamic: { ...dynamic, failsafeMode: true },
    raft: { ...raft!, members: [...raft!.members, missing] },
  });
  expect((await cluster.ctl(["list"])).out).toContain(
    " Failsafe mode: never seen so far: 10.0.0.9:2222. It counts for",
  );
});

test("a member that is cut off says so", async () => {
  cluster.port.change({ dcsAgeMs: 61_000 });
  expect((await cluster.ctl(["list"])).out).toContain(
    " Stale: 61 s old, as node1 saw it, which has no contact with a majority of the members",
  );
});

test("-t prints the time first", async () => {
  expect((await cluster.ctl(["list", "-t"])).out).toMatch(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\n\+ Cluster/);
});

test("topology is a tree of who follows whom", async () => {
  // Its tag names another member than the one that it streams from at present.
  cluster.port.changeMember("node2", { following: "node3", tags: { replicatefrom: "node1" } });
  const names = (await cluster.ctl(["topology"])).out.split("\n").slice(3, 6).map((line) =>
    line.slice(2, 12)
  );
  expect(names).toEqual(["node1     ", "+ node3   ", "  + node2 "]);
});

test("topology without a leader still shows everyone", async () => {
  cluster.port.changeDcs({ lock: { ...cluster.port.view().dcs!.lock, holder: null } });
  cluster.port.changeMember("node2", { following: "node3" });
  cluster.port.changeMember("node3", { following: "node2" });
  const { out } = await cluster.ctl(["topology"]);
  for (const name of ["node1", "node2", "node3"]) expect(out).toContain(`+ ${name}`);
});

test("history is a table", async () => {
  expect((await cluster.ctl(["history"])).out).toBe([
    "+----+----------+------------------------------+----------------------------------+------------+",
    "| TL |      LSN | Reason                       | Timestamp                        | New Leader |",
    "+----+----------+------------------------------+----------------------------------+------------+",
    "|  1 | 50331648 | no recovery target specified | 2026-01-31T10:00:00.123456+00:00 | node2      |",
    "|  2 | 67108864 | no recovery target specified | 2026-01-31T11:00:00.123456+00:00 | node1      |",
    "+----+----------+------------------------------+----------------------------------+------------+",
  ].join("\n"));
  expect(JSON.parse((await cluster.ctl(["history", "-f", "json"])).out)[1]).toEqual({
    TL: 2,
    LSN: 67108864,
    Reason: "no recovery target specified",
    Timestamp: "2026-01-31T11:00:00.123456+00:00",
    "New Leader": "node1",
  });
});

test("history says what was lost with a failover, the most of it, and is as ever where nothing was", async () => {
  const loss = {
    member: "node1",
    at: "2026-01-31T11:02:00.000Z",
    timeline: 2,
    lsn: 67108864,
    end: 67109000,
    bytes: 136,
  };
  const losses = [
    { ...loss, member: "node3", end: 67108900, bytes: 36, transactions: 1 },
    { ...loss, transactions: 3, kept: "/data.lost-wal-20260131110200" },
    // Of a line that is not kept any more, and of one that was never written.
    { ...loss, lsn: 1 },
    { ...loss, timeline: 1 },
  ];
  cluster.port.changeDcs({ losses });
  expect(
    (await cluster.ctl(["history", "-f", "tsv"])).out.split("\n").map((line) => line.split("\t").slice(5)),
  )
    .toEqual([
      ["Lost WAL", "Lost Bytes", "Lost Transactions", "Lost By"],
      ["", "", "", ""],
      ["0/4000000 - 0/4000088", "136", "3", "node1"],
    ]);
  const json = () => cluster.ctl(["history", "-f", "json"]).then(({ out }) => JSON.parse(out) as object[]);
  expect(Object.keys((await json())[0]!)).toEqual(["TL", "LSN", "Reason", "Timestamp", "New Leader"]);
  expect((await json())[1]).toMatchObject({ TL: 2, "Lost Bytes": 136, "Lost Transactions": 3 });
  cluster.port.changeDcs({ losses: [loss] });
  expect((await json())[1]).toMatchObject({ "Lost Bytes": 136, "Lost Transactions": "unknown" });
  const response = await fetch(new URL("/agent/losses", cluster.apiUrl));
  expect(await response.json()).toEqual([{
    ...loss,
    at: "2026-01-31T11:02:00.000+00:00",
    lsn: "0/4000000",
    end: "0/4000088",
    transactions: null,
    kept: null,
  }]);
});

test("dsn names the leader, or a member by role or name", async () => {
  const dsn = async (...words: string[]) => (await cluster.ctl(["dsn", ...words])).out;
  expect(await dsn()).toBe("host=10.0.0.1 port=5432");
  expect(await dsn("demo", "-r", "replica")).toBe("host=10.0.0.2 port=5432");
  expect(await dsn("-m", "node3")).toBe("host=10.0.0.3 port=5432");
  expect(await cluster.ctl(["dsn", "-r", "standby-leader"])).toMatchObject({
    code: 1,
    err: "Error: Can not find a suitable member",
  });
});

test("dcs get prints a raw value, or nothing with exit code 1", async () => {
  expect(await cluster.ctl(["dcs", "get", "leader"])).toEqual({ code: 0, out: "node1", err: "" });
  expect(await cluster.ctl(["dcs", "get", "members/node2"])).toMatchObject({ code: 0, err: "" });
  expect(await cluster.ctl(["dcs", "get", "failover"])).toEqual({ code: 1, out: "", err: "" });
});

test("raft status shows the group as its leader sees it", async () => {
  expect((await cluster.ctl(["raft", "status"])).out).toBe([
    "+ Raft: demo -----------+--------+-------+--------------+-----+",
    "| Name  | Address       | Role   | Match | Last contact |  Id |",
    "+-------+---------------+--------+-------+--------------+-----+",
    "| node1 | 10.0.0.1:2222 | leader |    57 |         0 ms | 101 |",
    "| node2 | 10.0.0.2:2222 | voter  |    57 |        40 ms | 102 |",
    "| node3 | 10.0.0.3:2222 | voter  |    57 |        40 ms | 103 |",
    "+-------+---------------+--------+-------+--------------+-----+",
    " Leader: node1, term 4, commit 57, can lose 1 more",
  ].join("\n"));
  expect(JSON.parse((await cluster.ctl(["raft", "status", "--format", "json"])).out)).toMatchObject({
    leader: "node1",
    term: 4,
    commit: 57,
    applied: 57,
    can_lose: 1,
    members: [
      {
        name: "node1",
        addr: "10.0.0.1:2222",
        id: 101,
        voter: true,
        witness: false,
        match: 57,
        last_contact_ms: 0,
      },
      {},
      {},
    ],
  });
});

test("version tells what this is and, asked for the cluster, what runs", async () => {
  expect((await cluster.ctl(["version"])).out).toBe("patronictl version 4.1.4");
  expect((await cluster.ctl(["version", "demo", "node2"])).out.split("\n")).toEqual([
    "patronictl version 4.1.4",
    "",
    "node2: Patroni 4.1.4 PostgreSQL 15.18",
  ]);
});

test("version of a member that is none, and SQL that fails, end with exit code 1", async () => {
  const stranger = await cluster.ctl(["version", "demo", "nope"]);
  expect([stranger.code, stranger.err]).toEqual([1, "Error: nope is not a member of cluster"]);
  const failed = await cluster.ctl(["query", "-c", "select 1", "-m", "node2"]);
  expect(failed.code).toBe(1);
  expect(failed.out).toContain("ERROR, SQLSTATE: ");
});

test("show-config is YAML with sorted keys", async () => {
  expect((await cluster.ctl(["show-config"])).out).toBe(
    "loop_wait: 1\npostgresql:\n  parameters:\n    max_connections: 100\nttl: 5",
  );
});
