/** The network fails between living hosts. In network namespaces, so only as root; skipped and counted otherwise. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { nowMs } from "../src/demo/now.ts";
import type { TimingJson } from "../src/api/client.ts";
import type { Host } from "../src/demo/host.ts";
import { waitFor } from "../src/demo/wait_for.ts";
import { explained, Fixture, START_MS, startHealthy, WRITES_MS } from "./e2e/harness.ts";
import { hasNamespaces, Network } from "./e2e/network.ts";

const TTL_S = 2;
const possible = hasNamespaces();
const fixture = new Fixture();
let network: Network | null = null;

beforeAll(async () => {
  if (!possible) return;
  network = new Network(3);
  await fixture.open({ dcs: { ttl: TTL_S }, place: (index) => network!.place(index) }, startHealthy);
}, 2 * START_MS);

afterAll(async () => {
  await fixture.close();
  network?.close();
}, START_MS);

function story(name: string, tell: (network: Network) => Promise<void>): void {
  test.skipIf(!possible)(name, () => explained(fixture.cluster, () => tell(network!)), 4 * START_MS);
}

const indexOf = (host: Host) => fixture.cluster.hosts.indexOf(host) + 1;

story("a primary cut off from the others stops confirming before another one confirms", async (network) => {
  const { cluster } = fixture;
  const old = await fixture.healed();
  // On the cut off side, where the old primary can still be reached.
  const inside = cluster.startClient([old], ["ip", "netns", "exec", network.place(indexOf(old)).namespace]);
  await inside.waitForWrite(nowMs(), WRITES_MS);
  const begin = nowMs();
  network.cut(indexOf(old));
  try {
    const successor = await fixture.successorOf(old, begin);
    await fixture.client.waitForWrite(begin + 3000 * TTL_S, WRITES_MS, successor.name);
    await inside.stop();
    const first = fixture.client.acks.find((ack) => ack.ackMs > begin && ack.node === successor.name)!;
    expect(inside.acks.filter((ack) => ack.ackMs >= first.ackMs)).toEqual([]);
    // It did go on for a while: the client inside was not merely broken.
    expect(inside.acks.filter((ack) => ack.ackMs > begin).length).toBeGreaterThan(0);
    network.mend(indexOf(old));
    expect(await cluster.waitHealthy(2 * START_MS)).toBe(successor);
  } finally {
    network.mend(indexOf(old));
  }
});

for (const [before, after] of [[2, 5], [5, 2]] as const) {
  story(
    `a primary cut off while ttl goes from ${before} to ${after} s stops before another one confirms`,
    async (network) => {
      const { cluster } = fixture;
      await cluster.ctl("edit-config", "-s", `ttl=${before}`, "--force");
      const old = await fixture.healed();
      await waitFor(`leases of ${before} s`, START_MS, async () => (await grantTtlS(old)) === before);
      const inside = cluster.startClient([old], [
        "ip",
        "netns",
        "exec",
        network.place(indexOf(old)).namespace,
      ]);
      await inside.waitForWrite(nowMs(), WRITES_MS);
      const begin = nowMs();
      // Whoever holds the lock learns of the change before, while, or after it loses the others.
      const change = cluster.tryCtl("edit-config", "-s", `ttl=${after}`, "--force");
      await waitFor("the change to be on its way", START_MS, async () => {
        const configs = await Promise.all(cluster.hosts.map((host) => host.rest("/config")));
        return configs.some(({ text }) => (JSON.parse(text) as { ttl: number }).ttl === after);
      }, 1);
      network.cut(indexOf(old));
      try {
        const successor = await fixture.successorOf(old, begin);
        await fixture.client.waitForWrite(nowMs() + 1000 * before, WRITES_MS, successor.name);
        await inside.stop();
        const first = fixture.client.acks.find((ack) => ack.ackMs > begin && ack.node === successor.name)!;
        expect(inside.acks.filter((ack) => ack.ackMs >= first.ackMs)).toEqual([]);
        await change;
        network.mend(indexOf(old));
        expect(await cluster.waitHealthy(2 * START_MS)).toBe(successor);
        await waitFor(`leases of ${after} s`, START_MS, async () => (await grantTtlS(successor)) === after);
      } finally {
        network.mend(indexOf(old));
        await cluster.ctl("edit-config", "-s", `ttl=${TTL_S}`, "--force");
      }
    },
  );
}

story("in pause a primary that is cut off goes on alone, and nobody takes its place", async (network) => {
  const { cluster } = fixture;
  const primary = await fixture.healed();
  const inside = cluster.startClient([primary], [
    "ip",
    "netns",
    "exec",
    network.place(indexOf(primary)).namespace,
  ]);
  await cluster.ctl("pause", "--wait");
  await waitFor("the epoch to be logged as unfenced", START_MS, async () => {
    return (await primary.rest("/agent/decisions")).text.includes("PAUSE: no action");
  });
  const begin = nowMs();
  network.cut(indexOf(primary));
  try {
    await inside.waitForWrite(begin + 5000 * TTL_S, WRITES_MS, primary.name);
    const others = await Promise.all(cluster.others(primary).map((host) => host.answers("/primary")));
    expect(others).toEqual([false, false]);
  } finally {
    network.mend(indexOf(primary));
    await cluster.ctl("resume", "--wait");
  }
  expect(await cluster.waitHealthy(2 * START_MS)).toBe(primary);
  await inside.stop();
  const present = await cluster.presentIds(primary);
  expect(inside.acks.filter(({ id }) => !present.has(id))).toEqual([]);
  fixture.client.read();
  expect(fixture.client.acks.filter((ack) => ack.ackMs > begin && ack.node !== primary.name)).toEqual([]);
});

story("a standby cut off changes nothing, and it streams again when the network is back", async (network) => {
  const { cluster, client } = fixture;
  const primary = await fixture.healed();
  const standby = cluster.others(primary)[0]!;
  const begin = nowMs();
  network.cut(indexOf(standby));
  try {
    await client.waitForWrite(begin + 3000 * TTL_S, WRITES_MS, primary.name);
  } finally {
    network.mend(indexOf(standby));
  }
  expect(await cluster.waitHealthy(2 * START_MS)).toBe(primary);
  expect(client.failures.filter((one) => one.sentMs > begin && one.node === primary.name)).toEqual([]);
});

story(
  "everybody cut off: nobody confirms for long, and the cluster comes back by itself",
  async (network) => {
    const { cluster, client } = fixture;
    await fixture.healed();
    for (let i = 1; i <= 3; i++) network.cut(i);
    await Promise.all(cluster.hosts.map((_, i) => settled(network, i + 1)));
    for (let i = 1; i <= 3; i++) network.mend(i);
    const primary = await cluster.waitHealthy(2 * START_MS);
    await client.waitForWrite(nowMs(), WRITES_MS, primary.name);
  },
);

/** What the raft leader grants leases by; it follows the configuration when that is safe. */
async function grantTtlS(host: Host): Promise<number> {
  const { settings } = JSON.parse((await host.rest("/agent/timing")).text) as TimingJson;
  return settings.ttl_ms / 1000;
}

/** Waits until the node, asked from inside its own namespace, says that it is not the primary. */
async function settled(network: Network, index: number): Promise<void> {
  const { namespace, address } = network.place(index);
  const host = fixture.cluster.hosts[index - 1]!;
  const url = `http://${address}:${host.addresses.restPort}/primary`;
  const script =
    `for (let i = 0; i < 400; i++) { try { if ((await fetch(${JSON.stringify(url)})).status === 503) ` +
    `process.exit(0); } catch { /* not up */ } await Bun.sleep(50); } process.exit(1);`;
  const child = Bun.spawn(["ip", "netns", "exec", namespace, process.execPath, "-e", script], { cwd: "/" });
  expect(await child.exited).toBe(0);
}
