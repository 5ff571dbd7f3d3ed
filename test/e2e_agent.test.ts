/**
 * The agent and the guard as processes: what their ends mean for PostgreSQL, with the lease of five seconds.
 */
import { expect } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import { nowMs } from "../src/demo/now.ts";
import { signal } from "../src/demo/processes.ts";
import { waitFor } from "../src/demo/wait_for.ts";
import { START_MS, withCluster, WRITES_MS } from "./e2e/harness.ts";

const TTL_S = 5;
const { story } = withCluster({ dcs: { ttl: TTL_S } });

story("the guard is a process of its own, and PostgreSQL is its child, not the agent's", async (fixture) => {
  const primary = await fixture.healed();
  const guard = primary.guardPid();
  expect(guard).not.toBeNull();
  expect(guard).not.toBe(primary.agentPid());
  const status = readFileSync(`/proc/${primary.postmasterPid()}/status`, "utf8");
  expect(Number(/^PPid:\s+(\d+)/m.exec(status)?.[1])).toBe(guard!);
});

story("an agent killed and started again within the lease goes unnoticed by clients", async (fixture) => {
  const { client, cluster } = fixture;
  const primary = await fixture.healed();
  const before = { postmaster: primary.postmasterPid(), guard: primary.guardPid() };
  const begin = nowMs();
  await primary.killAgent();
  primary.start();
  // Past the lease that the killed agent had: it was renewed by the new one.
  await client.waitForWrite(begin + 2 * 1000 * TTL_S, WRITES_MS, primary.name);
  expect({ postmaster: primary.postmasterPid(), guard: primary.guardPid() }).toEqual(before);
  expect(client.failures.filter((one) => one.sentMs > begin)).toEqual([]);
  expect(client.acks.filter((ack) => ack.ackMs > begin && ack.node !== primary.name)).toEqual([]);
  expect(await cluster.waitHealthy(START_MS)).toBe(primary);
});

story("an agent of a standby killed and started again: the standby goes on streaming", async (fixture) => {
  const { cluster } = fixture;
  const primary = await fixture.healed();
  const standby = cluster.others(primary)[0]!;
  const postmaster = standby.postmasterPid();
  await standby.killAgent();
  standby.start();
  expect(await cluster.waitHealthy(START_MS)).toBe(primary);
  expect(standby.postmasterPid()).toBe(postmaster);
});

story(
  "a killed guard costs a restart of PostgreSQL under a new one, and never a second primary",
  async (fixture) => {
    const { cluster } = fixture;
    const primary = await fixture.healed();
    const begin = nowMs();
    const guard = primary.guardPid()!;
    const postmaster = primary.postmasterPid();
    signal(guard, "SIGKILL");
    const ack = await fixture.client.waitForWrite(begin + 500, WRITES_MS);
    fixture.expectOnePrimary(primary, begin);
    expect(await fixture.lostEarlierOn(cluster.host(ack.node), primary, begin)).toEqual([]);
    await cluster.waitHealthy(START_MS);
    await waitFor("a new guard", START_MS, () => primary.guardPid() !== null && primary.guardPid() !== guard);
    await waitFor("a new PostgreSQL", START_MS, () => ![null, postmaster].includes(primary.postmasterPid()));
  },
);

story("agent and guard killed at once: PostgreSQL ends by itself, another node leads", async (fixture) => {
  const primary = await fixture.healed();
  const begin = nowMs();
  const guard = primary.guardPid()!;
  primary.signalAgent("SIGKILL");
  signal(guard, "SIGKILL");
  await waitFor("the end of PostgreSQL", START_MS, () => primary.postgresProcesses().length === 0);
  const successor = await fixture.successorOf(primary, begin);
  fixture.expectOnePrimary(primary, begin);
  primary.start();
  expect(await fixture.cluster.waitHealthy(START_MS)).toBe(successor);
});

story("a second agent with the name of a living member refuses to start", async (fixture) => {
  const { cluster } = fixture;
  const primary = await fixture.healed();
  const [victim, imitated] = cluster.others(primary) as [typeof primary, typeof primary];
  await victim.powerOff();
  const original = readFileSync(victim.configFile, "utf8");
  writeFileSync(victim.configFile, original.replace(`name: ${victim.name}`, `name: ${imitated.name}`));
  try {
    victim.start();
    expect(await victim.exitCode(START_MS)).toBe(1);
    expect(victim.log()).toMatch(
      new RegExp(`CRITICAL: Can't start; there is already a node named '${imitated.name}' running`),
    );
  } finally {
    writeFileSync(victim.configFile, original);
  }
  await waitFor("its guard to leave", START_MS, () => victim.postgresProcesses().length === 0);
  expect(await fixture.healed()).toBe(primary);
});

story("SIGHUP reads the file again and stops nothing", async (fixture) => {
  const primary = await fixture.healed();
  const postmaster = primary.postmasterPid();
  const begin = nowMs();
  const original = readFileSync(primary.configFile, "utf8");
  writeFileSync(primary.configFile, original.replace("log_min_messages: warning", "log_min_messages: error"));
  primary.signalAgent("SIGHUP");
  await waitFor("the new setting", START_MS, async () => {
    const rows = await fixture.cluster.query<{ v: string }>(
      primary,
      "SELECT current_setting('log_min_messages') AS v",
    );
    return rows[0]!.v === "error";
  });
  expect(primary.postmasterPid()).toBe(postmaster);
  expect(fixture.client.failures.filter((one) => one.sentMs > begin)).toEqual([]);
});
