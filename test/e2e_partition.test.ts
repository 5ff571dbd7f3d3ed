/**
 * The network fails between living hosts. In network namespaces, so only as root; skipped and counted
 * otherwise.
 */
import { expect } from "bun:test";
import { nowMs } from "../src/demo/now.ts";
import type { TimingJson } from "../src/api/client.ts";
import type { Client } from "../src/demo/client.ts";
import type { Host } from "../src/demo/host.ts";
import { waitFor } from "../src/demo/wait_for.ts";
import { START_MS, WRITES_MS } from "./e2e/harness.ts";
import { withNetworkCluster } from "./e2e/network_cluster.ts";
import { answersWith, shown } from "./e2e/shown.ts";

const TTL_S = 2;
const { fixture, story } = withNetworkCluster({ dcs: { ttl: TTL_S } });

story("a primary cut off from the others stops confirming before another one confirms", async () => {
  const { cluster } = fixture;
  const old = await fixture.healed();
  // On the cut off side, where the old primary can still be reached.
  const inside = fixture.clientInside(old);
  await inside.waitForWrite(nowMs(), WRITES_MS);
  const begin = nowMs();
  fixture.cut(old);
  const successor = await expectSuccession(old, inside, begin, 3000 * TTL_S);
  // It did go on for a while: the client inside was not merely broken.
  expect(inside.acks.filter((ack) => ack.ackMs > begin).length).toBeGreaterThan(0);
  fixture.mend(old);
  expect(await cluster.waitHealthy(2 * START_MS)).toBe(successor);
});

for (const [before, after] of [[2, 5], [5, 2]] as const) {
  story(
    `a primary cut off while ttl goes from ${before} to ${after} s stops before another one confirms`,
    async () => {
      const { cluster } = fixture;
      await cluster.ctl("edit-config", "-s", `ttl=${before}`, "--force");
      const old = await fixture.healed();
      await leasesOf(old, before);
      const inside = fixture.clientInside(old);
      await inside.waitForWrite(nowMs(), WRITES_MS);
      const begin = nowMs();
      // The lock holder learns of the change before, while, or after it loses the others.
      const change = cluster.tryCtl("edit-config", "-s", `ttl=${after}`, "--force");
      await waitFor("the change to be on its way", START_MS, async () => {
        const configs = await Promise.all(cluster.hosts.map((host) => host.rest("/config")));
        return configs.some(({ text }) => (JSON.parse(text) as { ttl: number }).ttl === after);
      }, 1);
      fixture.cut(old);
      try {
        const successor = await expectSuccession(old, inside, begin, 3000 * Math.max(before, after));
        await change;
        fixture.mend(old);
        expect(await cluster.waitHealthy(2 * START_MS)).toBe(successor);
        await leasesOf(successor, after);
      } finally {
        fixture.mend(old);
        await cluster.ctl("edit-config", "-s", `ttl=${TTL_S}`, "--force");
      }
    },
  );
}

story("in pause a primary that is cut off goes on alone, and nobody takes its place", async () => {
  const { cluster } = fixture;
  const primary = await fixture.healed();
  const inside = fixture.clientInside(primary);
  // Nothing more has to be waited for before the network may fail.
  await cluster.ctl("pause", "--wait");
  const begin = nowMs();
  fixture.cut(primary);
  try {
    await inside.waitForWrite(begin + 5000 * TTL_S, WRITES_MS, primary.name);
    for (const host of cluster.others(primary)) await answersWith(host, "/primary", 503);
  } finally {
    fixture.mend(primary);
    await cluster.ctl("resume", "--wait");
  }
  expect(await cluster.waitHealthy(2 * START_MS)).toBe(primary);
  await inside.stop();
  const present = await cluster.presentIds(primary);
  expect(inside.acks.filter(({ id }) => !present.has(id))).toEqual([]);
  fixture.client.read();
  expect(fixture.client.acks.filter((ack) => ack.ackMs > begin && ack.node !== primary.name)).toEqual([]);
});

story("a standby cut off changes nothing, and it streams again when the network is back", async () => {
  const { cluster, client } = fixture;
  const primary = await fixture.healed();
  const standby = cluster.others(primary)[0]!;
  const begin = nowMs();
  fixture.cut(standby);
  await client.waitForWrite(begin + 3000 * TTL_S, WRITES_MS, primary.name);
  fixture.mend(standby);
  expect(await cluster.waitHealthy(2 * START_MS)).toBe(primary);
  expect(client.failures.filter((one) => one.sentMs > begin && one.node === primary.name)).toEqual([]);
});

story(
  "everybody cut off: nobody confirms for long, and the cluster comes back by itself",
  async () => {
    const { cluster, client } = fixture;
    await fixture.healed();
    for (const host of cluster.hosts) fixture.cut(host);
    await Promise.all(cluster.hosts.map(settled));
    fixture.mendAll();
    const primary = await cluster.waitHealthy(2 * START_MS);
    await client.waitForWrite(nowMs(), WRITES_MS, primary.name);
  },
);

/**
 * Another node confirms writes, until `forMs` after `sinceMs` at least, and the one that was cut off then, as
 * seen by the client inside, none since the other's first. Returns that other one.
 */
async function expectSuccession(old: Host, inside: Client, sinceMs: number, forMs: number): Promise<Host> {
  const { client } = fixture;
  const successor = await fixture.successorOf(old, sinceMs);
  await client.waitForWrite(sinceMs + forMs, WRITES_MS, successor.name);
  await inside.stop();
  const first = client.acks.find((ack) => ack.ackMs > sinceMs && ack.node === successor.name)!;
  expect(inside.acks.filter((ack) => ack.ackMs >= first.ackMs)).toEqual([]);
  return successor;
}

/** What the raft leader grants leases by; it follows the configuration when that is safe. */
async function leasesOf(host: Host, ttlS: number): Promise<void> {
  const holds = ({ settings }: TimingJson) => settings.ttl_ms === 1000 * ttlS;
  await shown<TimingJson>(`leases of ${ttlS} s`, host, "/agent/timing", holds);
}

/** Waits until the node, asked from inside its own namespace, says that it is not the primary. */
async function settled(host: Host): Promise<void> {
  const { address, restPort } = host.addresses;
  const url = `http://${address}:${restPort}/primary`;
  const script =
    `for (let i = 0; i < ${START_MS / 50}; i++) { try { if ((await fetch(${
      JSON.stringify(url)
    })).status === 503) ` +
    `process.exit(0); } catch { /* not up */ } await Bun.sleep(50); } process.exit(1);`;
  const child = Bun.spawn(
    [...fixture.inside(host), process.execPath, "-e", script],
    { cwd: "/" },
  );
  expect(await child.exited).toBe(0);
}
