/** All hosts switched off and on again. */
import { expect } from "bun:test";
import type { Host } from "../src/demo/host.ts";
import { nowMs } from "../src/demo/now.ts";
import { waitFor } from "../src/demo/wait_for.ts";
import { type Fixture, START_MS, withCluster } from "./e2e/harness.ts";

const { story } = withCluster({ dcs: { ttl: 2 } });

async function allOff(fixture: Fixture): Promise<{ primary: Host; standbys: Host[] }> {
  const primary = await fixture.healed();
  await Promise.all(fixture.cluster.hosts.map((host) => host.powerOff()));
  return { primary, standbys: fixture.cluster.others(primary) };
}

/** Starts one host after the other, each when the one before answers. */
async function startInOrder(hosts: readonly Host[]): Promise<void> {
  for (const host of hosts) {
    host.start();
    await waitFor(`${host.name} to answer`, START_MS, () => host.answers("/liveness"));
  }
}

story("all at once: the cluster comes back by itself with everything that was confirmed", async (fixture) => {
  const { primary } = await allOff(fixture);
  fixture.cluster.start();
  const leader = await fixture.cluster.waitHealthy(START_MS);
  expect(leader).toBe(primary);
  expect(await fixture.lostOn(leader, 0)).toEqual([]);
});

story("the primary first: it leads again, and nothing confirmed is lost", async (fixture) => {
  const { primary, standbys } = await allOff(fixture);
  await startInOrder([primary, ...standbys]);
  const leader = await fixture.cluster.waitHealthy(START_MS);
  expect(await fixture.lostOn(leader, 0)).toEqual([]);
});

story("the primary last: it is waited for, and nothing confirmed is lost", async (fixture) => {
  const { primary, standbys } = await allOff(fixture);
  await startInOrder([...standbys, primary]);
  const leader = await fixture.cluster.waitHealthy(START_MS);
  expect(await fixture.lostOn(leader, 0)).toEqual([]);
});

story("the primary never comes back: after primary_start_timeout a standby leads", async (fixture) => {
  const { cluster } = fixture;
  const before = await fixture.healed();
  const patch = (host: Host, value: number | null) =>
    host.rest("/config", {
      method: "PATCH",
      body: { primary_start_timeout: value },
      user: `agent:${cluster.secrets.restapi}`,
    });
  expect((await patch(before, 3)).status).toBe(200);
  const { primary, standbys } = await allOff(fixture);
  const begin = nowMs();
  for (const host of standbys) host.start();
  const successor = await fixture.successorOf(primary, begin);
  expect(await cluster.waitHealthy(START_MS, standbys)).toBe(successor);
  primary.start();
  expect(await cluster.waitHealthy(START_MS)).toBe(successor);
  expect((await patch(successor, null)).status).toBe(200);
});
