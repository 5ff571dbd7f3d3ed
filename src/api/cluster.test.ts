import { expect, test } from "bun:test";
import { createApp } from "./app.ts";
import { hostPortOf } from "../model/host_port.ts";
import { clusterJson } from "./cluster.ts";
import { raftJson } from "./raft_routes.ts";
import { dcsKey } from "./dcs_keys.ts";
import { StubPort } from "./testing.ts";

const MIB = 1024 * 1024;

test("members are sorted by name, and only standbys have positions", () => {
  const port = new StubPort();
  port.changeMember("node3", {
    replayedLsn: 83886080 - 2 * MIB,
    receivedLsn: null,
    replicationState: null,
    tags: { nosync: true },
  });
  port.change({ statuses: [...port.view().statuses].reverse() });
  expect(clusterJson(port.view())).toEqual({
    members: [
      {
        name: "node1",
        role: "leader",
        state: "running",
        api_url: "http://10.0.0.1:8008/patroni",
        host: "10.0.0.1",
        port: 5432,
        timeline: 3,
      },
      {
        name: "node2",
        role: "replica",
        state: "streaming",
        api_url: "http://10.0.0.2:8008/patroni",
        host: "10.0.0.2",
        port: 5432,
        timeline: 3,
        receive_lsn: "0/5000000",
        receive_lag: 0,
        replay_lsn: "0/5000000",
        replay_lag: 0,
        lsn: "0/5000000",
        lag: 0,
      },
      {
        name: "node3",
        role: "replica",
        state: "running",
        api_url: "http://10.0.0.3:8008/patroni",
        host: "10.0.0.3",
        port: 5432,
        timeline: 3,
        tags: { nosync: true },
        receive_lsn: "unknown",
        receive_lag: "unknown",
        replay_lsn: "0/4E00000",
        replay_lag: 2 * MIB,
        lsn: "0/4E00000",
        lag: 2 * MIB,
      },
    ],
    scope: "demo",
    agent: {
      initialize: "7277694203142172922",
      answered_by: "node1",
      view_age_ms: 20,
      fresh: true,
      unreachable: [],
      witnesses: [],
      can_lose: 1,
    },
  });
});

test("what nobody has seen for 3 s is unknown, in the list, the member's record and the metrics: never what it was", async () => {
  const port = new StubPort();
  const shown = () => clusterJson(port.view()).members.find(({ name }) => name === "node2")!;
  const lag = async () => {
    const text = await (await createApp(port, { onError: () => {} }).request("/metrics")).text();
    return /agent_replication_lag_bytes\{.*member="node2".*\} (\d+)/.exec(text)?.[1];
  };
  port.changeMember("node2", { lookAgeMs: 2000 }, 900);
  expect([shown().state, shown().lag, await lag()]).toEqual(["streaming", 0, "0"]);
  // Its agent is heard, and its PostgreSQL is not; or the agent itself is not.
  for (const [lookAgeMs, ageMs] of [[4000, 100], [undefined, 4100]] as const) {
    port.changeMember("node2", { lookAgeMs }, ageMs);
    expect(shown()).toMatchObject({
      state: "unknown",
      timeline: 3,
      lsn: "unknown",
      lag: "unknown",
      receive_lag: "unknown",
      replay_lag: "unknown",
      agent: { last_state: "streaming", last_state_s: 4 },
    });
    expect(JSON.parse(dcsKey(port.view(), "members/node2")!)).toMatchObject({ state: "unknown" });
    expect(dcsKey(port.view(), "members/node2")).not.toMatch(/xlog_location|replication_state/);
    expect(await lag()).toBeUndefined();
  }
  // A primary that has fallen silent may write on: nobody knows how far behind the others are.
  port.changeMember("node2", { lookAgeMs: 100 }, 100);
  port.changeMember("node1", { lookAgeMs: 4000 }, 0);
  expect(shown()).toMatchObject({ state: "streaming", lsn: "0/5000000", lag: "unknown" });
  expect(await lag()).toBeUndefined();
  port.changeMember("node1", { lookAgeMs: 100 }, 0);
  // A server that does not run, as its agent knows without asking it.
  port.changeMember(
    "node2",
    { state: "stopped", running: false, lookAgeMs: null, replicationState: null },
    100,
  );
  expect(shown().state).toBe("stopped");
});

test("roles follow the synchronous mode and the kind of cluster", () => {
  const port = new StubPort();
  const roles = () => clusterJson(port.view()).members.map(({ role }) => role);
  port.changeDcs({ sync: { leader: "node1", syncStandby: ["node2"], quorum: 0, revision: 1 } });
  expect(roles()).toEqual(["leader", "replica", "replica"]);
  port.changeDynamic({ synchronousMode: "on" });
  expect(roles()).toEqual(["leader", "sync_standby", "replica"]);
  port.changeDynamic({ synchronousMode: "quorum" });
  expect(roles()).toEqual(["leader", "quorum_standby", "replica"]);
  port.changeDynamic({ standbyCluster: { host: "192.0.2.1" } });
  expect(roles()).toEqual(["standby_leader", "replica", "replica"]);
});

test("a member that is silent for a ttl leaves the list and is named as unreachable", () => {
  const port = new StubPort();
  port.changeMember("node2", {}, 7000);
  const cluster = clusterJson(port.view());
  expect(cluster.members.map(({ name }) => name)).toEqual(["node1", "node3"]);
  expect(cluster.agent.unreachable).toEqual([
    { name: "node2", last_seen_s: 7, api_url: "http://10.0.0.2:8008/patroni" },
  ]);
});

test("witnesses are no members", () => {
  const port = new StubPort();
  const witness = {
    name: "w",
    raftAddr: "10.0.0.3:2222",
    apiUrl: "http://10.0.0.9:8008/patroni",
    canLose: 1,
  };
  port.change({ witnesses: [witness], raft: { ...port.view().raft!, canLose: null } });
  expect(clusterJson(port.view()).members.map(({ name }) => name)).not.toContain("w");
  // It leads: only it knows how many may fail.
  expect(clusterJson(port.view()).agent).toMatchObject({ witnesses: ["w"], can_lose: 1 });
  expect(raftJson(port.view())?.members[2]).toMatchObject({
    witness: true,
    api_url: "http://10.0.0.9:8008/patroni",
  });
});

test("pause, scheduled switchover and scheduled restarts are shown", () => {
  const port = new StubPort();
  port.changeDynamic({ pause: true });
  port.changeDcs({
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
  const schedule = "2096-01-02T10:00:00+00:00";
  port.changeDcs({ restarts: { node2: { schedule, postgres_version: "16.0", id: "r" } } });
  expect(clusterJson(port.view())).toMatchObject({
    pause: true,
    scheduled_switchover: { at: "2096-01-01T10:00:00+00:00", from: "node1", to: "node2" },
    members: [
      {},
      { scheduled_restart: { schedule: "2096-01-02T10:00:00+00:00", postgres_version: "16.0" } },
      {},
    ],
  });
});

test("the address of a member is taken from its conn_url", () => {
  expect(hostPortOf("postgres://10.0.0.1:5433/postgres")).toEqual({ host: "10.0.0.1", port: 5433 });
  expect(hostPortOf("postgres://db.example/postgres")).toEqual({ host: "db.example", port: 5432 });
  expect(hostPortOf("postgres://[2001:db8::1]:5432/postgres")).toEqual({ host: "2001:db8::1", port: 5432 });
  expect(hostPortOf("")).toBeNull();
});

const KEYS: readonly [string, string | null][] = [
  ["leader", "node1"],
  ["initialize", "7277694203142172922"],
  ["config", '{"ttl": 5, "loop_wait": 1, "postgresql": {"parameters": {"max_connections": 100}}}'],
  ["sync", '{"leader": "node1", "sync_standby": "node2,node3", "quorum": 1}'],
  ["status", '{"optime": 83886080, "slots": {"node2": 83886080}, "retain_slots": []}'],
  ["failsafe", '{"node1": "http://10.0.0.1:8008/patroni"}'],
  ["failover", null],
  ["members/nobody", null],
  ["nonsense", null],
  [
    "members/node1",
    '{"conn_url": "postgres://10.0.0.1:5432/postgres", "api_url": "http://10.0.0.1:8008/patroni", ' +
    '"state": "running", "role": "primary", "version": "4.1.4", "xlog_location": 83886080, "timeline": 3}',
  ],
];

for (const [key, value] of KEYS) {
  test(`GET /agent/dcs/${key} is its raw value`, async () => {
    const port = new StubPort();
    port.changeDcs({
      sync: { leader: "node1", syncStandby: ["node3", "node2"], quorum: 1, revision: 1 },
      failsafe: {
        epoch: 1,
        holder: "node1",
        revision: 1,
        members: { node1: "http://10.0.0.1:8008/patroni" },
      },
    });
    const app = createApp(port, { onError: (error) => expect.unreachable(String(error)) });
    const response = await app.request(`/agent/dcs/${key}`);
    expect(response.status).toBe(value === null ? 404 : 200);
    expect(await response.text()).toBe(value ?? "");
  });
}

test("without a view of the cluster there are no records", () => {
  const port = new StubPort();
  port.change({ dcs: null, statuses: [] });
  expect(dcsKey(port.view(), "leader")).toBeNull();
  expect(clusterJson(port.view())).toMatchObject({ members: [], scope: "demo", agent: { initialize: null } });
});

test("GET /history, /agent/raft and /agent/decisions are JSON", async () => {
  const app = createApp(new StubPort(), { onError: (error) => expect.unreachable(String(error)) });
  const json = async (path: string) => await (await app.request(path)).json();
  expect(await json("/history")).toHaveLength(2);
  expect(await json("/agent/decisions")).toHaveLength(1);
  expect(await json("/agent/raft")).toMatchObject({
    leader: "node1",
    term: 4,
    commit: 57,
    applied: 57,
    can_lose: 1,
    disk_full: null,
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
      { name: "node2" },
      { name: "node3" },
    ],
  });
});

test("while a bootstrap is not complete, nobody is shown as leader", async () => {
  const port = new StubPort();
  const dcs = port.view().dcs!;
  port.changeDcs({ initialize: { systemId: "", by: "node1", incarnation: 1 } });
  expect(clusterJson(port.view()).members.map(({ role }) => role)).not.toContain("leader");
  expect(dcsKey(port.view(), "leader")).toBe(null);
  const app = createApp(port, { onError: (error) => expect.unreachable(String(error)) });
  const status = await (await app.request("/patroni")).json() as {
    cluster_unlocked?: boolean;
    role: string;
  };
  expect(status.cluster_unlocked).toBe(true);
  port.changeDcs({ initialize: dcs.initialize });
  expect(dcsKey(port.view(), "leader")).toBe("node1");
});

test("the key sync names the synchronous standbys in the order of names; alone, none, strict or not", () => {
  const port = new StubPort();
  const shown = (syncStandby: string[], quorum: number) => {
    port.changeDcs({ sync: { leader: "node1", syncStandby, quorum, revision: 1 } });
    return JSON.parse(dcsKey(port.view(), "sync")!);
  };
  expect(shown(["node3", "node2"], 1)).toEqual({ leader: "node1", sync_standby: "node2,node3", quorum: 1 });
  for (const synchronousModeStrict of [false, true]) {
    port.changeDynamic({ synchronousMode: "quorum", synchronousModeStrict });
    expect(shown([], 0)).toEqual({ leader: "node1", sync_standby: null, quorum: 0 });
  }
});
