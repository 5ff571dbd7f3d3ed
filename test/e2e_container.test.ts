/**
 * Agents in namespaces of their own: as process 1, under a process 1 that reaps late, and with a root of
 * their own.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdirSync, rmdirSync } from "node:fs";
import { join } from "node:path";
import type { Cluster } from "../src/demo/cluster.ts";
import type { Host } from "../src/demo/host.ts";
import { nowMs } from "../src/demo/now.ts";
import { processesIn, signal } from "../src/demo/processes.ts";
import { waitFor } from "../src/demo/wait_for.ts";
import { listPids, readProcess } from "../src/lib/process_table.ts";
import { AGENT_IS_INIT, ContainedHost, LATE_INIT, ownRoot } from "./e2e/contained_host.ts";
import { isRoot } from "./e2e/environment.ts";
import { Fixture, newCluster, START_MS, startHealthy, TEST_MS, WRITES_MS } from "./e2e/harness.ts";

const TTL_S = 5;
const fixture = new Fixture();
let root = "";

/** The three hosts of a cluster, each contained in its way. */
async function containedCluster(): Promise<Cluster> {
  const cluster = await newCluster({ dcs: { ttl: TTL_S } });
  const hosts = cluster.hosts as Host[];
  root = join(hosts[2]!.directory, "root");
  mkdirSync(root, { mode: 0o755 });
  const ways = [AGENT_IS_INIT, LATE_INIT, ownRoot(root, hosts[2]!.settings.binary)];
  ways.forEach((way, i) => hosts[i] = new ContainedHost(hosts[i]!, way));
  return cluster;
}

if (isRoot) {
  beforeAll(() => fixture.open({}, startHealthy, containedCluster), START_MS * 2);
  afterAll(async () => {
    await Promise.all(fixture.cluster.hosts.map((host) => host.powerOff()));
    // What was mounted there was mounted for its processes alone. Were anything left, this would refuse.
    rmdirSync(root);
    await fixture.close();
  }, START_MS);
} else console.warn("skipped: namespaces need root");

function story(name: string, tell: () => Promise<void>): void {
  if (!isRoot) return test.skip(name, () => {});
  test(name, () => fixture.tell(tell), TEST_MS);
}

async function leading(index: number): Promise<Host> {
  const host = fixture.cluster.hosts[index]!;
  const primary = await fixture.healed();
  if (primary === host) return host;
  await fixture.cluster.ctl("switchover", "--leader", primary.name, "--candidate", host.name, "--force");
  await fixture.client.waitForWrite(nowMs(), WRITES_MS, host.name);
  expect(await fixture.healed()).toBe(host);
  return host;
}

function zombiesOf(parentPid: number): number[] {
  return listPids().filter((pid) => {
    const found = readProcess(pid);
    return found?.parentPid === parentPid && found.state === "Z";
  });
}

const WAYS = ["as process 1", "under a process 1 that reaps late", "as process 1 with a root of its own"];

for (const [index, way] of WAYS.entries()) {
  story(`${way}: all of PostgreSQL killed, it comes back in place`, async () => {
    const host = await leading(index);
    const begin = nowMs();
    for (const pid of serverProcesses(host)) signal(pid, "SIGKILL");
    await fixture.client.waitForWrite(begin + 100, WRITES_MS, host.name);
    expect(await fixture.healed()).toBe(host);
    expect(await fixture.lostOn(host, begin)).toEqual([]);
  });

  story(`${way}: the dead are reaped`, async () => {
    const agent = fixture.cluster.hosts[index]!.agentPid()!;
    const init = index === 1 ? readProcess(agent)!.parentPid : agent;
    await waitFor("no zombies", START_MS, () => zombiesOf(init).length === 0);
  });

  story(`${way}: the guard killed, PostgreSQL comes back under another`, async () => {
    const host = await leading(index);
    const begin = nowMs();
    const guard = host.guardPid()!;
    process.kill(guard, "SIGKILL");
    await fixture.client.waitForWrite(begin + 500, WRITES_MS);
    fixture.expectOnePrimary(host, begin);
    await fixture.healed();
    await waitFor("another guard", START_MS, () => ![null, guard].includes(host.guardPid()));
  });

  story(`${way}: the agent killed, nothing of PostgreSQL is left`, async () => {
    const host = await leading(index);
    const begin = nowMs();
    host.signalAgent("SIGKILL");
    await waitFor("the end of PostgreSQL", START_MS, () => serverProcesses(host).length === 0);
    await fixture.successorOf(host, begin);
    fixture.expectOnePrimary(host, begin);
    // Under another process 1 the guard stays, to remember what has ended.
    if (index !== 1) await waitFor("the end of all", START_MS, () => host.processes().length === 0);
    // A process 1 that is not the agent does not end with it.
    if (index === 1) await host.powerOff();
    await fixture.healed();
  });

  story(`${way}: a stop leaves nothing behind`, async () => {
    const host = await leading(index);
    const agent = host.agentPid()!;
    process.kill(agent, "SIGTERM");
    await waitFor("its end", START_MS, () => host.agentPid() === null);
    expect(serverProcesses(host)).toEqual([]);
    if (index === 1) await host.powerOff();
    // The process outside that waits for process 1 ends after it.
    await waitFor("the end of all", START_MS, () => host.processes().length === 0);
    await fixture.healed();
  });
}

/** Also below a root of its own. */
function serverProcesses(host: Host): number[] {
  return [...processesIn(host.dataDir), ...processesIn(join(root, host.dataDir))];
}
