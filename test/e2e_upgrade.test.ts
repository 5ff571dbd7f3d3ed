/**
 * A new release over a running cluster: the file is replaced, agents are started anew, guards become the new
 * program.
 */
import { afterAll, expect } from "bun:test";
import { chmodSync, copyFileSync, mkdtempSync, readlinkSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Host } from "../src/demo/host.ts";
import { nowMs } from "../src/demo/now.ts";
import { signal } from "../src/demo/processes.ts";
import { waitFor } from "../src/demo/wait_for.ts";
import { UPGRADE_ROOM_MS } from "../src/guard/hand_over.ts";
import { readProcess } from "../src/lib/process_table.ts";
import { binary } from "./e2e/environment.ts";
import { START_MS, withCluster, WRITES_MS } from "./e2e/harness.ts";
import { compileRelease } from "./e2e/next_release.ts";

const TTL_S = 5;
const NEXT = "99.0.0";
const directory = mkdtempSync(join(tmpdir(), "agent-upgrade-"));
const installed = join(directory, "agent");
copyFileSync(binary, installed);
chmodSync(directory, 0o755);
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const { story } = withCluster({ binary: installed, dcs: { ttl: TTL_S } });

function install(version: string): void {
  const file = join(directory, "incoming");
  compileRelease(version, file);
  chmodSync(file, 0o755);
  renameSync(file, installed);
}

interface Pids {
  readonly guard: number | null;
  readonly guardStart: number | undefined;
  readonly postmaster: number | null;
}

function pids(host: Host): Pids {
  const guard = host.guardPid();
  return {
    guard,
    guardStart: guard === null ? undefined : readProcess(guard)?.startTicks,
    postmaster: host.postmasterPid(),
  };
}

function guardsProgram(host: Host): string {
  return readlinkSync(`/proc/${host.guardPid()}/exe`);
}

story("agent and guard are upgraded, on primary and standby, and no client notices", async (fixture) => {
  const { client, cluster } = fixture;
  const primary = await fixture.healed();
  const before = new Map(cluster.hosts.map((host) => [host, pids(host)]));
  const begin = nowMs();
  install(NEXT);
  for (const host of [...cluster.others(primary), primary]) {
    await host.killAgent();
    host.start();
    await waitFor(
      "the upgrade of its guard",
      START_MS,
      () => host.log().includes(`goes on as release ${NEXT}`),
    );
  }
  // Past every lease that an old guard had.
  await client.waitForWrite(nowMs() + 2 * 1000 * TTL_S, WRITES_MS, primary.name);
  expect(client.failures.filter((one) => one.sentMs > begin)).toEqual([]);
  expect(client.acks.filter((ack) => ack.ackMs > begin && ack.node !== primary.name)).toEqual([]);
  for (const host of cluster.hosts) {
    // From the last look at the clock in the old program to the first one in the new.
    const tookMs = Number(/goes on as release .* after (\d+) ms/.exec(host.log())?.[1]);
    console.log(`the guard of ${host.name} went on as the next release after ${tookMs} ms`);
    expect(tookMs).toBeLessThan(UPGRADE_ROOM_MS);
    expect(pids(host)).toEqual(before.get(host)!);
    expect(guardsProgram(host)).toBe(installed);
  }
  expect(await cluster.waitHealthy(START_MS)).toBe(primary);
});

story(
  "an upgraded guard fences: its agent stopped, PostgreSQL is frozen at the deadline",
  async (fixture) => {
    const primary = await fixture.healed();
    const postmaster = primary.postmasterPid()!;
    const begin = nowMs();
    primary.signalAgent("SIGKILL");
    await waitFor("the freeze", START_MS, () => readProcess(postmaster)?.state === "T", 5);
    const successor = await fixture.successorOf(primary, begin);
    fixture.expectOnePrimary(primary, begin);
    primary.start();
    expect(await fixture.cluster.waitHealthy(START_MS)).toBe(successor);
  },
);

story("an upgraded guard that dies takes its PostgreSQL along", async (fixture) => {
  const primary = await fixture.healed();
  const begin = nowMs();
  const guard = primary.guardPid()!;
  primary.signalAgent("SIGKILL");
  signal(guard, "SIGKILL");
  await waitFor("the end of PostgreSQL", START_MS, () => primary.postgresProcesses().length === 0);
  await fixture.successorOf(primary, begin);
  fixture.expectOnePrimary(primary, begin);
  await fixture.healed();
});

story("back to the release of before: the guard follows", async (fixture) => {
  const { client, cluster } = fixture;
  const primary = await fixture.healed();
  const standby = cluster.others(primary)[0]!;
  const before = pids(standby);
  const begin = nowMs();
  renameSync(copyOf(binary), installed);
  await standby.killAgent();
  standby.start();
  await waitFor("its guard to follow", START_MS, () => standby.log().includes(`before ${NEXT}`));
  expect(pids(standby)).toEqual(before);
  await client.waitForWrite(nowMs() + 500, WRITES_MS, primary.name);
  expect(client.failures.filter((one) => one.sentMs > begin)).toEqual([]);
});

function copyOf(file: string): string {
  const copy = join(directory, "earlier");
  copyFileSync(file, copy);
  return copy;
}
