import { afterEach, beforeEach, expect, test } from "bun:test";
import { StubCluster } from "./testing.ts";

let cluster: StubCluster;

beforeEach(() => {
  cluster = new StubCluster();
  const at = "2026-01-01T10:00:00Z";
  const parameters = { max_connections: 100 };
  const base = { ttl: 5, loop_wait: 1, postgresql: { parameters } };
  cluster.port.changeDcs({
    config: { value: { ...base, pause: true }, revision: 7, at: "2026-01-02T10:00:00Z", by: "node2" },
  });
  cluster.port.detail = {
    written: { value: { postgresql: { parameters: { work_mem: "8MB" } } }, places: {} },
    history: [
      { value: { ttl: 4, loop_wait: 1 }, revision: 3, at: null, by: null },
      { value: { ...base, ttl: 6 }, revision: 5, at, by: "node1" },
    ],
  };
});
afterEach(() => cluster.stop());

test("config history shows when each configuration began, the member it came through, and what it changed", async () => {
  const { code, out } = await cluster.ctl(["config", "history"]);
  expect(code).toBe(0);
  expect(out).toBe(`+----------+----------------------+---------+-----------------+----------+
| Revision | Since                | Through | Changed         | In force |
+----------+----------------------+---------+-----------------+----------+
|        3 |                      |         |                 |          |
|        5 | 2026-01-01T10:00:00Z | node1   | ttl, postgresql |          |
|        7 | 2026-01-02T10:00:00Z | node2   | ttl, pause      | *        |
+----------+----------------------+---------+-----------------+----------+

 3 -> 5
@@ -1,2 +1,5 @@
 loop_wait: 1
-ttl: 4
+postgresql:
+  parameters:
+    max_connections: 100
+ttl: 6

 5 -> 7
@@ -1,5 +1,6 @@
 loop_wait: 1
+pause: true
 postgresql:
   parameters:
     max_connections: 100
-ttl: 6
+ttl: 5`);
  const one = await cluster.ctl(["config", "history", "5"]);
  expect(one.out).toContain(" 3 -> 5");
  expect(one.out).not.toContain("| 7");
  expect(JSON.parse((await cluster.ctl(["config", "history", "3", "-f", "json"])).out)).toEqual([
    { revision: 3, at: null, by: null, config: { ttl: 4, loop_wait: 1 } },
  ]);
});

test("config rollback shows the difference, asks, and leaves maintenance mode as it is", async () => {
  const { code, out } = await cluster.ctl(["config", "rollback", "5"], ["y"]);
  expect(code).toBe(0);
  expect(out).toContain("-ttl: 5\n+ttl: 6\nApply these changes? [y/N]: Configuration changed");
  expect(cluster.port.calls).toEqual([
    'replaceConfig {"ttl":6,"loop_wait":1,"postgresql":{"parameters":{"max_connections":100}},"pause":true} at 7',
  ]);
  expect((await cluster.ctl(["config", "rollback", "5"], ["n"])).out).not.toContain("Configuration changed");
  expect((await cluster.ctl(["config", "rollback", "7"])).out).toBe("Not changed");
  expect(cluster.port.calls).toHaveLength(1);
  await cluster.ctl(["config", "rollback", "3", "--force", "-q"]);
  expect(cluster.port.calls[1]).toBe('replaceConfig {"ttl":4,"loop_wait":1,"pause":true} at 7');
});

test("a revision that is not known, or no verb, is an error that says what there is", async () => {
  expect(await cluster.ctl(["config", "rollback", "6"])).toMatchObject({
    code: 1,
    err: "Error: there is no revision 6; known are 3, 5, 7",
  });
  for (const words of [["config"], ["config", "rollback"], ["config", "forget"]]) {
    expect(await cluster.ctl(words)).toMatchObject({ code: 2 });
  }
});

test("a cluster without a configuration has no history", async () => {
  cluster.port.detail = { ...cluster.port.detail, history: [] };
  cluster.port.changeDcs({ config: null });
  expect((await cluster.ctl(["config", "history"])).err).toBe("Error: the cluster has no configuration yet");
});

test("config explain shows the value on each member, and what counts and why, once for those alike", async () => {
  const { code, out } = await cluster.ctl(["config", "explain", "work_mem"]);
  expect(code).toBe(0);
  expect(out).toContain("+ postgresql.parameters.work_mem ");
  expect(out.match(/^\| node1 /gm)).toHaveLength(3);
  expect(out).toContain(
    " node1, node1, node1: the member's own file and environment come before the dynamic configuration\n" +
      " * file postgresql.parameters.work_mem: 8MB",
  );
  const json = JSON.parse((await cluster.ctl(["config", "explain", "ttl", "-f", "json"])).out) as unknown[];
  expect(json[0]).toMatchObject({ name: "node1", key: "ttl", after_restart: null });
  expect(await cluster.ctl(["config", "explain", "restapi.nothing"])).toMatchObject({
    code: 1,
    err: expect.stringContaining("restapi.nothing is no key of the configuration"),
  });
});
