import { expect, test } from "bun:test";
import { parse } from "yaml";
import { nodeConfig, toYaml } from "./node_config.ts";
import { isHealthy } from "./health.ts";

const node = (i: number) => ({
  name: `node${i}`,
  address: "127.0.0.1",
  raftPort: 7000 + i,
  restPort: 8000 + i,
  postgresPort: 5000 + i,
});
const secrets = { superuser: "s1", replication: "s2", rewind: "s3", raft: "s4", restapi: "s5" };

test("a node's file names its own addresses, the others as partners, and keeps given overrides", () => {
  const config = nodeConfig({
    scope: "demo",
    node: node(2),
    all: [node(1), node(2), node(3)],
    directory: "/d/node2",
    secrets,
    dcs: { ttl: 2, postgresql: { parameters: { max_connections: 50 } } },
    override: { raft: { password: "other" }, restapi: { authentication: null } },
  });
  const read = parse(toYaml(config));
  expect(read.name).toBe("node2");
  expect(read.raft).toEqual({
    self_addr: "127.0.0.1:7002",
    partner_addrs: ["127.0.0.1:7001", "127.0.0.1:7003"],
    data_dir: "/d/node2/raft",
    password: "other",
  });
  expect(read.restapi.authentication).toBeUndefined();
  expect(read.bootstrap.dcs.ttl).toBe(2);
  expect(read.bootstrap.dcs.postgresql).toEqual({
    use_pg_rewind: true,
    use_slots: true,
    parameters: { max_connections: 50 },
  });
});

test("a cluster is healthy when every other member streams on the leader's timeline", () => {
  const leader = { name: "a", role: "leader", state: "running", timeline: 2 };
  const replica = { name: "b", role: "replica", state: "streaming", timeline: 2, lag: 0 };
  expect(isHealthy({ members: [leader, replica] }, "a", ["a", "b"])).toBe(true);
  expect(isHealthy({ members: [leader, { ...replica, timeline: 1 }] }, "a", ["a", "b"])).toBe(false);
  expect(isHealthy({ members: [leader, { ...replica, state: "starting" }] }, "a", ["a", "b"])).toBe(false);
  expect(isHealthy({ members: [leader, { ...replica, lag: 16 << 20 }] }, "a", ["a", "b"])).toBe(false);
  expect(isHealthy({ members: [leader, { ...replica, lag: 16 << 20 }] }, "a", ["a", "b"], Infinity)).toBe(
    true,
  );
  expect(isHealthy({ members: [leader] }, "a", ["a", "b"])).toBe(false);
  expect(isHealthy({ members: [leader, replica] }, "b", ["a", "b"])).toBe(false);
});
