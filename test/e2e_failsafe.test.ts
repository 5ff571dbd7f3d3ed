/**
 * Failsafe mode: the raft port is blocked between living hosts, REST is not. In network namespaces, so only
 * as root.
 */
import { expect } from "bun:test";
import type { Host } from "../src/demo/host.ts";
import { nowMs } from "../src/demo/now.ts";
import { rest } from "../src/demo/rest.ts";
import { holdsFor, waitFor } from "../src/demo/wait_for.ts";
import { START_MS, WRITES_MS } from "./e2e/harness.ts";
import { withNetworkCluster } from "./e2e/network_cluster.ts";
import { answersWith } from "./e2e/shown.ts";

const TTL_MS = 3000;
const { fixture, story } = withNetworkCluster({ dcs: { ttl: TTL_MS / 1000, failsafe_mode: true } });

const raftPort = (host: Host) => host.addresses.raftPort;

async function text(host: Host, path: string): Promise<string> {
  return (await rest(`${host.addresses.address}:${host.addresses.restPort}`, path)).text;
}

/** The primary, once the set in the records has all three. */
async function ready(): Promise<Host> {
  const primary = await fixture.healed();
  await waitFor("a failsafe set of all members", START_MS, async () => {
    const names = fixture.cluster.hosts.map(({ name }) => `"${name}"`);
    const set = await text(primary, "/failsafe");
    return names.every((name) => set.includes(name)) ? true : undefined;
  });
  return primary;
}

story(
  "without raft the primary goes on while all agree, and is fenced when one does not answer",
  async () => {
    const { cluster, client } = fixture;
    const primary = await ready();
    const begin = nowMs();
    for (const host of cluster.hosts) fixture.cutPort(host, raftPort(host));
    await client.waitForWrite(begin + 4 * TTL_MS, WRITES_MS, primary.name);
    expect(client.failures.filter((one) => one.sentMs > begin && one.node === primary.name)).toEqual([]);
    expect(await text(primary, "/patroni")).toContain('"failsafe_mode_is_active": true');
    expect(await text(primary, "/metrics")).toMatch(/^patroni_failsafe_mode_is_active\{.*\} 1$/m);
    await answersWith(primary, "/primary", 200);

    const silent = nowMs();
    const standby = cluster.others(primary)[0]!;
    fixture.cutPort(standby, standby.addresses.restPort);
    await waitFor(
      "the primary's end",
      START_MS,
      async () => !await primary.answers("/primary"),
    );
    await holdsFor(silent + 2 * TTL_MS - nowMs(), () => {
      client.read();
      expect(client.acks.filter((ack) => ack.ackMs > silent + TTL_MS)).toEqual([]);
    });

    fixture.mendAll();
    const next = await cluster.waitHealthy(2 * START_MS);
    await client.waitForWrite(nowMs(), WRITES_MS, next.name);
    fixture.expectOnePrimary(primary, begin);
  },
);

story("raft is back: the primary keeps the lock, and nobody has noticed", async () => {
  const { cluster, client } = fixture;
  const primary = await ready();
  const begin = nowMs();
  for (const host of cluster.hosts) fixture.cutPort(host, raftPort(host));
  await client.waitForWrite(begin + 2 * TTL_MS, WRITES_MS, primary.name);
  for (const host of cluster.hosts) fixture.mendPort(host, raftPort(host));
  expect(await cluster.waitHealthy(2 * START_MS)).toBe(primary);
  await waitFor(
    "the end of failsafe mode",
    START_MS,
    async () => (await text(primary, "/patroni")).includes("failsafe_mode_is_active") ? undefined : true,
  );
  await client.waitForWrite(nowMs(), WRITES_MS, primary.name);
  expect(client.failures.filter((one) => one.sentMs > begin && one.node === primary.name)).toEqual([]);
});

story("a primary that alone has lost raft is succeeded, and never beside the next one", async () => {
  const { cluster } = fixture;
  const primary = await ready();
  const begin = nowMs();
  fixture.cutPort(primary, raftPort(primary));
  await fixture.successorOf(primary, begin);
  fixture.expectOnePrimary(primary, begin);
  fixture.mendPort(primary, raftPort(primary));
  await cluster.waitHealthy(2 * START_MS);
  fixture.expectOnePrimary(primary, begin);
});

story("one that has agreed is restarted, and the primary loses REST too: no two primaries", async () => {
  const { cluster, client } = fixture;
  const primary = await ready();
  const begin = nowMs();
  fixture.cutPort(primary, raftPort(primary));
  // It goes on by what they have agreed to; one forgets it, and its epoch expires soon after.
  await client.waitForWrite(begin + 0.7 * TTL_MS, WRITES_MS, primary.name);
  fixture.cutPort(primary, primary.addresses.restPort);
  const standby = cluster.others(primary)[0]!;
  await standby.killAgent();
  standby.start();
  await fixture.successorOf(primary, begin);
  fixture.mendAll();
  await cluster.waitHealthy(2 * START_MS);
  fixture.expectOnePrimary(primary, begin);
});
