/**
 * The watchdog of real nodes, with `driver: testing`: node1 requires a device that is not there, node2 and
 * node3 require one that is a FIFO. What is written to it is what a real device would be told.
 */
import { afterAll, expect } from "bun:test";
import type { Cluster } from "../src/demo/cluster.ts";
import type { Host } from "../src/demo/host.ts";
import { nowMs } from "../src/demo/now.ts";
import { holdsFor, waitFor } from "../src/demo/wait_for.ts";
import { readProcess } from "../src/lib/process_table.ts";
import { type Fixture, START_MS, startHealthy, withCluster, WRITES_MS } from "./e2e/harness.ts";
import { shown } from "./e2e/shown.ts";
import { DEVICE, WatchdogRecorder } from "./e2e/watchdog_recorder.ts";

const TTL_S = 5;
const TIMEOUT_S = 2; // half of it, whole seconds
const recorders = new Map<string, WatchdogRecorder>();

const { story } = withCluster({
  dcs: { ttl: TTL_S },
  override: (name) => ({
    watchdog: { mode: "required", driver: "testing", device: name === "node1" ? "nowhere" : DEVICE },
  }),
}, async (cluster: Cluster) => {
  closeAll();
  for (const host of cluster.hosts) {
    if (host.name !== "node1") recorders.set(host.name, new WatchdogRecorder(host));
  }
  await startHealthy(cluster);
});
afterAll(closeAll);

function closeAll(): void {
  for (const recorder of recorders.values()) recorder.close();
  recorders.clear();
}

const recorderOf = (host: Host): WatchdogRecorder => recorders.get(host.name)!;
const fed = (host: Host, sinceMs: number) =>
  waitFor(`${host.name} to feed its watchdog`, START_MS, () => recorderOf(host).feeds(sinceMs) > 1);

interface Failing {
  readonly watchdog_failed?: boolean;
}

/** The other member that can lead. */
function rival(fixture: Fixture, primary: Host): Host {
  return fixture.cluster.others(primary).find(({ name }) => name !== "node1")!;
}

interface Device {
  readonly active: boolean;
  readonly timeout: number;
  readonly identity: string;
}

/** What `host` says of its device, once that is active or not. */
function deviceOf(host: Host, active: boolean): Promise<Device> {
  return shown<Device>(`active: ${active}`, host, "/agent/watchdog", (device) => device.active === active);
}

story("it is started before PostgreSQL becomes a primary, fed from then on, and shown", async (fixture) => {
  const primary = await fixture.healed();
  expect(recorderOf(primary).story()).toBe(`Ctimeout=${TIMEOUT_S} 1*`);
  const log = primary.log();
  const activated = log.indexOf(`activated with ${TIMEOUT_S} second timeout`);
  expect(activated).toBeGreaterThan(0);
  expect(log.search(/starting as primary|promoting self to leader/)).toBeGreaterThan(activated);
  await fed(primary, nowMs());
  expect(await deviceOf(primary, true)).toMatchObject({ timeout: TIMEOUT_S, identity: "testing" });
  expect((await primary.rest("/metrics")).text).toMatch(/^agent_watchdog_active\{[^}]*\} 1$/m);
  await shown<{ agent: { watchdog: Device } }>(
    "an active watchdog",
    primary,
    "/patroni",
    ({ agent }) => agent.watchdog.active,
  );
  await fixture.listed(`required, ${TIMEOUT_S} s`, "-e");
  expect(await fixture.cluster.ctl("watchdog", "test", "--seconds", "2")).toMatch(/^Fed \d+ times;/m);
  expect(recorderOf(rival(fixture, primary)).all).toEqual([]);
});

story("who requires a device and has none says so, and is no candidate", async (fixture) => {
  const { cluster } = fixture;
  const primary = await fixture.healed();
  const node1 = cluster.host("node1");
  await shown<Failing>("the failure", node1, "/patroni", ({ watchdog_failed }) => watchdog_failed === true);
  expect(node1.log()).toContain("nowhere does not exist");
  const refused = await cluster.tryCtl("switchover", "--candidate", "node1", "--force");
  expect(refused.code).toBe(1);
  expect(refused.output).toContain("no good candidates have been found");
  expect(await fixture.healed()).toBe(primary);
});

story(
  "a switchover stops the one and starts the other; the host of the old primary lives on",
  async (fixture) => {
    const primary = await fixture.healed();
    const other = rival(fixture, primary);
    recorderOf(other).mark();
    const begin = recorderOf(primary).mark();
    await fixture.cluster.ctl("switchover", "--candidate", other.name, "--force");
    expect(await fixture.healed()).toBe(other);
    await fed(other, begin);
    expect(recorderOf(primary).story(begin)).toMatch(/^(1\* )?V$/);
    expect(recorderOf(other).story(begin)).toBe(`Ctimeout=${TIMEOUT_S} 1*`);
  },
);

story(
  "an agent that is frozen does not feed; awake again, it stops what it left running",
  async (fixture) => {
    const primary = await fixture.healed();
    const recorder = recorderOf(primary);
    await fed(primary, nowMs());
    const agent = primary.signalAgent("SIGSTOP");
    await waitFor("the stop of every thread of it", START_MS, () => readProcess(agent)?.state === "T");
    const frozen = recorder.mark();
    const successor = await fixture.successorOf(primary, frozen);
    expect(successor).toBe(rival(fixture, primary));
    expect(recorder.story(frozen)).toBe("");
    primary.signalAgent("SIGCONT");
    expect(await fixture.healed()).toBe(successor);
    // At most fed because PostgreSQL is frozen, which it hears of before it hears of its end.
    await waitFor("the watchdog to be stopped", START_MS, () => recorder.story(frozen).endsWith("V"));
    expect(recorder.story(frozen)).toMatch(/^(1\* )?V$/);
  },
);

story("an agent that is killed leaves it running; started again in time, it feeds on", async (fixture) => {
  const primary = await fixture.healed();
  const recorder = recorderOf(primary);
  await primary.killAgent();
  const killed = recorder.mark();
  primary.start();
  await fed(primary, killed);
  expect(recorder.story(killed)).toBe(`Ctimeout=${TIMEOUT_S} 1*`);
  expect(await fixture.healed()).toBe(primary);
});

story(
  "started again too late, with the lock gone, the agent stops it and the host lives on",
  async (fixture) => {
    const primary = await fixture.healed();
    const recorder = recorderOf(primary);
    await primary.killAgent();
    const killed = recorder.mark();
    const successor = await fixture.successorOf(primary, killed);
    expect(recorder.story(killed)).toBe("");
    primary.start();
    expect(await fixture.healed()).toBe(successor);
    await waitFor("the watchdog to be stopped", START_MS, () => recorder.story(killed) !== "");
    expect(recorder.story(killed)).toBe("V");
  },
);

story(
  "in pause it is stopped, also under an agent started anew; after the pause it runs again",
  async (fixture) => {
    const { cluster } = fixture;
    const primary = await fixture.healed();
    const recorder = recorderOf(primary);
    const begin = recorder.mark();
    await cluster.ctl("pause", "--wait");
    await waitFor("the watchdog to be stopped", START_MS, () => recorder.story(begin).endsWith("V"));
    await deviceOf(primary, false);
    const paused = recorder.mark();
    await primary.killAgent();
    primary.start();
    await waitFor("the lock to be renewed", START_MS, () => primary.answers("/primary"));
    await cluster.ctl("resume", "--wait");
    await fed(primary, paused);
    expect(recorder.story(paused)).toBe(`Ctimeout=${TIMEOUT_S} 1*`);
    expect(await fixture.healed()).toBe(primary);
  },
);

story(
  "without a majority it is fed until PostgreSQL is frozen and ended: no host is reset for it",
  async (fixture) => {
    const { cluster } = fixture;
    const primary = await fixture.healed();
    const recorder = recorderOf(primary);
    await fed(primary, nowMs());
    const begin = recorder.mark();
    const others = cluster.others(primary);
    for (const other of others) other.signalAgent("SIGSTOP");
    try {
      await waitFor("the watchdog to be stopped", START_MS, () => recorder.story(begin).endsWith("V"));
      expect(primary.postgresProcesses()).toEqual([]);
      expect(recorder.longestSilenceMs(begin)).toBeLessThan(1000 * TIMEOUT_S);
    } finally {
      for (const other of others) other.signalAgent("SIGCONT");
    }
    await fixture.healed();
  },
);

story("when nobody who can lead is left, nobody leads", async (fixture) => {
  const { cluster } = fixture;
  const primary = await fixture.healed();
  const other = rival(fixture, primary);
  const begin = recorderOf(primary).mark();
  await other.stopAgent(WRITES_MS);
  await primary.stopAgent(WRITES_MS);
  expect(recorderOf(primary).story(begin)).toMatch(/^(1\* )?V$/);
  // A majority again, but only node1 could be promoted: the device of the other is gone.
  recorderOf(other).close();
  recorders.delete(other.name);
  await cluster.ctl("list");
  other.start();
  await waitFor(
    "the other's watchdog to be missed",
    START_MS,
    async () =>
      (JSON.parse((await other.rest("/patroni")).text) as Failing).watchdog_failed === true ||
      other.log().includes("no process reads the FIFO"),
  );
  await holdsFor(2000 * TTL_S, async () => expect(await cluster.primary()).toBeNull(), 200);
});
