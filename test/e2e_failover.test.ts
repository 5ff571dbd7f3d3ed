/** What dies, and what the cluster does about it, with a lease of two seconds. */
import { expect } from "bun:test";
import { isAlive } from "../src/lib/process_table.ts";
import { nowMs } from "../src/demo/now.ts";
import { signal } from "../src/demo/processes.ts";
import { waitFor } from "../src/demo/wait_for.ts";
import { START_MS, withCluster, WRITES_MS } from "./e2e/harness.ts";

const TTL_S = 2;
const { story } = withCluster({ dcs: { ttl: TTL_S } });

story("switchover to a candidate: the candidate leads, nothing confirmed is lost", async (fixture) => {
  const { cluster, client } = fixture;
  const old = await fixture.healed();
  const candidate = cluster.others(old)[1]!;
  const begin = nowMs();
  const output = await cluster.ctl(
    "switchover",
    "--leader",
    old.name,
    "--candidate",
    candidate.name,
    "--force",
  );
  expect(output).toContain(`Successfully switched over to "${candidate.name}"`);
  await client.waitForWrite(nowMs(), WRITES_MS, candidate.name);
  expect(await fixture.lostOn(candidate, begin)).toEqual([]);
  fixture.expectOnePrimary(old, begin);
  expect(await cluster.waitHealthy(START_MS)).toBe(candidate);
});

story("switchover without a candidate: somebody else leads, nothing confirmed is lost", async (fixture) => {
  const old = await fixture.healed();
  const begin = nowMs();
  await fixture.cluster.ctl("switchover", "--leader", old.name, "--force");
  const successor = await fixture.successorOf(old, begin);
  expect(await fixture.lostOn(successor, begin)).toEqual([]);
  fixture.expectOnePrimary(old, begin);
  await fixture.cluster.waitHealthy(START_MS);
});

story("a switchover to a member that does not exist is refused and changes nothing", async (fixture) => {
  const old = await fixture.healed();
  const result = await fixture.cluster.tryCtl(
    "switchover",
    "--leader",
    old.name,
    "--candidate",
    "nobody",
    "--force",
  );
  expect(result.code).not.toBe(0);
  expect(await fixture.cluster.waitHealthy(START_MS)).toBe(old);
});

story(
  "death of the primary's host: a standby takes over, and the old primary rejoins when it is back",
  async (fixture) => {
    const old = await fixture.healed();
    const begin = nowMs();
    await old.powerOff();
    const successor = await fixture.successorOf(old, begin);
    fixture.expectOnePrimary(old, begin);
    await fixture.cluster.waitHealthy(START_MS, fixture.cluster.others(old));
    old.start();
    expect(await fixture.cluster.waitHealthy(START_MS)).toBe(successor);
  },
);

story("death of a standby's host: writes go on, and it streams again when it is back", async (fixture) => {
  const primary = await fixture.healed();
  const standby = fixture.cluster.others(primary)[0]!;
  const begin = nowMs();
  await standby.powerOff();
  await fixture.client.waitForWrite(nowMs() + 1000 * TTL_S, WRITES_MS, primary.name);
  expect(fixture.client.failures.filter((one) => one.sentMs > begin)).toEqual([]);
  standby.start();
  expect(await fixture.cluster.waitHealthy(START_MS)).toBe(primary);
});

story(
  "a standby that is promoted by hand is ended, chosen by nobody, and rejoins without what it wrote",
  async (fixture) => {
    const { cluster, client } = fixture;
    const primary = await fixture.healed();
    const standby = cluster.others(primary)[0]!;
    await cluster.query(standby, "SELECT pg_catalog.pg_promote(false)");
    await waitFor(
      "its agent to end it",
      10_000,
      () => standby.log().includes("promoted without the lock, which"),
    );
    expect(await cluster.waitHealthy(START_MS)).toBe(primary);
    expect(await cluster.query(standby, "SELECT pg_catalog.pg_is_in_recovery() AS standby")).toEqual([
      { standby: true },
    ]);
    await client.waitForWrite(nowMs(), WRITES_MS, primary.name);
  },
);

story(
  "a killed postmaster: service comes back, and never beside a backend that was left over",
  async (fixture) => {
    const old = await fixture.healed();
    const begin = nowMs();
    const before = old.postgresProcesses();
    signal(old.postmasterPid()!, "SIGKILL");
    const ack = await fixture.client.waitForWrite(begin + 200, WRITES_MS);
    if (ack.node === old.name) expect(before.filter(isAlive)).toEqual([]);
    fixture.expectOnePrimary(old, begin);
    await fixture.healed();
    expect(before.filter(isAlive)).toEqual([]);
  },
);

story(
  "all of PostgreSQL killed: it is started again in place, and nothing confirmed is lost",
  async (fixture) => {
    const old = await fixture.healed();
    const begin = nowMs();
    await old.killPostgres();
    const ack = await fixture.client.waitForWrite(nowMs(), WRITES_MS);
    expect(ack.node).toBe(old.name);
    expect(await fixture.lostOn(old, begin)).toEqual([]);
    expect(await fixture.cluster.waitHealthy(START_MS)).toBe(old);
  },
);

story(
  "all of PostgreSQL killed with primary_start_timeout 0: a standby takes over at once",
  async (fixture) => {
    const { cluster } = fixture;
    const old = await fixture.healed();
    const patch = (value: number | null) =>
      old.rest("/config", {
        method: "PATCH",
        body: { primary_start_timeout: value },
        user: `agent:${cluster.secrets.restapi}`,
      });
    expect((await patch(0)).status).toBe(200);
    const begin = nowMs();
    await old.killPostgres();
    await fixture.successorOf(old, begin);
    fixture.expectOnePrimary(old, begin);
    await cluster.waitHealthy(START_MS);
    expect((await patch(null)).status).toBe(200);
  },
);

story(
  "a primary's agent killed for good: its PostgreSQL is fenced before another one leads",
  async (fixture) => {
    const { cluster } = fixture;
    const old = await fixture.healed();
    const begin = nowMs();
    const before = old.postgresProcesses();
    await old.killAgent();
    const successor = await fixture.successorOf(old, begin);
    fixture.expectOnePrimary(old, begin);
    // Nobody but the guard is left to do this.
    await waitFor("the end of the old PostgreSQL", START_MS, () => !before.some(isAlive));
    fixture.expectOnePrimary(old, begin);
    old.start();
    expect(await cluster.waitHealthy(START_MS)).toBe(successor);
  },
);

story(
  "a primary's agent frozen for three leases: nothing is confirmed beside its successor",
  async (fixture) => {
    const { cluster } = fixture;
    const old = await fixture.healed();
    const begin = nowMs();
    old.signalAgent("SIGSTOP");
    try {
      const successor = await fixture.successorOf(old, begin);
      await fixture.client.waitForWrite(begin + 3 * 1000 * TTL_S, WRITES_MS, successor.name);
      fixture.expectOnePrimary(old, begin);
      old.signalAgent("SIGCONT");
      expect(await cluster.waitHealthy(START_MS)).toBe(successor);
      fixture.expectOnePrimary(old, begin);
    } finally {
      old.signalAgent("SIGCONT");
    }
  },
);

story("a graceful stop of the primary's agent hands over: nothing confirmed is lost", async (fixture) => {
  const old = await fixture.healed();
  const begin = nowMs();
  await old.stopAgent(START_MS);
  expect(await old.exitCode(START_MS)).toBe(0);
  const successor = await fixture.successorOf(old, begin);
  expect(await fixture.lostOn(successor, begin)).toEqual([]);
  expect(old.postgresProcesses()).toEqual([]);
  old.start();
  expect(await fixture.cluster.waitHealthy(START_MS)).toBe(successor);
});
