/** `agent ctl timing` against a stub with known times. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { StubCluster } from "./testing.ts";

let cluster: StubCluster;

beforeEach(() => {
  cluster = new StubCluster();
});
afterEach(() => cluster.stop());

test("the inequalities are shown with both sides, margin and verdict", async () => {
  const { code, out } = await cluster.ctl(["timing"]);
  expect(code).toBe(0);
  expect(out).toContain("+ Timing: node1, holds the lock ");
  expect(out).toMatch(/^\| ttl +\| 5000 ms +\| how long/m);
  expect(out).toMatch(
    /^\| L2 +\| R \+ Emax \+ round trip and commit = 500 \+ 1000 \+ 150 = 1650 ms \| < +\| L = 4540 ms +\| 2890 ms \| holds +\|$/m,
  );
  expect(out).toMatch(/^\| event loop late +\| +0\.5 ms \| +1\.7 ms \| 130 ms \| 131 ms \| +250 ms \|/m);
  expect(out).toMatch(/^\| guard's timer late +(\| +){4}\| 250 ms \| +0 \| not measured +\|$/m);
  expect(out).toContain("\n The guard saw the wall clock go ahead by 41.8 s, 61 s ago (2 in all)\n");
  expect(out).toEndWith(
    " I2: a host that stalls is reset in time (watchdog.mode is off)\n L2: a raft election must not fence the primary",
  );
});

test("a ttl that is being changed shows both of its values", async () => {
  const { timingReport: report } = cluster.port;
  cluster.port.timingReport = { ...report, settings: { ...report.settings, waitTtlMs: 9000 } };
  expect((await cluster.ctl(["timing"])).out).toContain("| 5000 ms granted, 9000 ms waited for |");
});

test("json is what the member answers", async () => {
  const { code, out } = await cluster.ctl(["timing", "node2", "-f", "json"]);
  expect(code).toBe(0);
  const answer = JSON.parse(out);
  expect(answer).toMatchObject({
    name: "node1",
    settings: { ttl_ms: 5000, lease_ms: 4540, watchdog_timeout_ms: null },
    window_s: 300,
  });
  expect(answer.inequalities[1]).toEqual({
    id: "L2",
    about: "a raft election must not fence the primary",
    left: [{ name: "R", ms: 500 }, { name: "Emax", ms: 1000 }, { name: "round trip and commit", ms: 150 }],
    left_ms: 1650,
    relation: "<",
    right: "L",
    right_ms: 4540,
    margin_ms: 2890,
    verdict: "holds",
    note: null,
  });
  expect(answer.clock_jumps).toEqual([
    { process: "agent", count: 0, last: null },
    { process: "guard", count: 2, last: { kind: "forward", by_ms: 41_750, ago_s: 61 } },
  ]);
  expect(answer.measured[0]).toMatchObject({ what: "event_loop", p99_ms: 1.68, max_ms: 131.25 });
});

test("a member that is not there is an error", async () => {
  expect((await cluster.ctl(["timing", "node9"])).err).toBe("Error: node9 is not a member of cluster");
});
