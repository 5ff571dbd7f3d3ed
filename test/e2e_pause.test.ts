/**
 * Maintenance mode: PostgreSQL survives its agent, nobody takes the lock, and the end of the pause arms the
 * fence again.
 */
import { expect } from "bun:test";
import type { Host } from "../src/demo/host.ts";
import { nowMs } from "../src/demo/now.ts";
import { waitFor } from "../src/demo/wait_for.ts";
import { type Fixture, START_MS, withCluster, WRITES_MS } from "./e2e/harness.ts";

const TTL_S = 2;
const { story } = withCluster({ dcs: { ttl: TTL_S } });

/** The primary of the healthy cluster in pause: the story before has left it so, unless it failed. */
async function paused(fixture: Fixture): Promise<Host> {
  const primary = await fixture.healed();
  const { pause } = JSON.parse((await primary.rest("/config")).text) as { pause?: boolean };
  if (pause !== true) await fixture.cluster.ctl("pause", "--wait");
  return primary;
}

story(
  "in pause the primary's agent may be gone for many leases, and clients notice nothing",
  async (fixture) => {
    const { client, cluster } = fixture;
    const primary = await paused(fixture);
    await waitFor("the epoch to be logged as unfenced", START_MS, async () => {
      const reply = await primary.rest("/agent/decisions");
      return reply.text.includes("PAUSE: no action");
    });
    await fixture.listed("Maintenance mode: on");
    const postmaster = primary.postmasterPid();
    const begin = nowMs();
    await primary.killAgent();
    await client.waitForWrite(begin + 5 * 1000 * TTL_S, WRITES_MS, primary.name);
    primary.start();
    await cluster.waitHealthy(START_MS);
    client.read();
    expect(primary.postmasterPid()).toBe(postmaster);
    expect(client.failures.filter((one) => one.sentMs > begin)).toEqual([]);
    expect(client.acks.filter((ack) => ack.ackMs > begin && ack.node !== primary.name)).toEqual([]);
  },
);

story("in pause a stopped agent leaves PostgreSQL running, and finds it again", async (fixture) => {
  const { client, cluster } = fixture;
  const primary = await paused(fixture);
  const postmaster = primary.postmasterPid();
  const begin = nowMs();
  await primary.stopAgent(START_MS);
  expect(primary.postmasterPid()).toBe(postmaster);
  await client.waitForWrite(begin + 3 * 1000 * TTL_S, WRITES_MS, primary.name);
  primary.start();
  await cluster.waitHealthy(START_MS);
  expect(primary.postmasterPid()).toBe(postmaster);
});

story("a switchover to a named candidate works in pause, and the old primary rejoins", async (fixture) => {
  const { cluster } = fixture;
  const old = await paused(fixture);
  const candidate = cluster.others(old)[0]!;
  const refused = await cluster.tryCtl("switchover", "--leader", old.name, "--force");
  expect(refused.code).toBe(1);
  const begin = nowMs();
  await cluster.ctl("switchover", "--leader", old.name, "--candidate", candidate.name, "--force");
  expect(await cluster.waitHealthy(START_MS)).toBe(candidate);
  expect(await fixture.lostOn(candidate, begin)).toEqual([]);
});

story(
  "after the pause the fence is back: a primary whose agent dies is followed by another one",
  async (fixture) => {
    const { cluster } = fixture;
    const primary = await paused(fixture);
    await cluster.ctl("resume", "--wait");
    await fixture.client.waitForWrite(nowMs() + 2 * 1000 * TTL_S, WRITES_MS, primary.name);
    const begin = nowMs();
    await primary.killAgent();
    const successor = await fixture.successorOf(primary, begin);
    fixture.expectOnePrimary(primary, begin);
    expect(successor).not.toBe(primary);
    await fixture.healed();
  },
);
