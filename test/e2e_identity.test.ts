/**
 * Names that come twice, and guards that are silent while an agent starts: an epoch belongs to one life of
 * one machine, so nobody else ends it, and nothing is "not running" because somebody does not answer. A
 * client on each node writes all the time.
 */
import { expect } from "bun:test";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Host } from "../src/demo/host.ts";
import { nowMs } from "../src/demo/now.ts";
import { waitFor } from "../src/demo/wait_for.ts";
import { isAlive } from "../src/lib/process_table.ts";
import { type Fixture, START_MS, withCluster, WRITES_MS } from "./e2e/harness.ts";

const TTL_MS = 5000;

const { story } = withCluster({ dcs: { ttl: TTL_MS / 1000 } });

async function ready(fixture: Fixture): Promise<{ primary: Host; other: Host; third: Host }> {
  const primary = await fixture.healedWithClients();
  const [other, third] = fixture.cluster.hosts.filter((host) => host !== primary) as [Host, Host];
  return { primary, other, third };
}

function rename(host: Host, name: string): void {
  const text = readFileSync(host.configFile, "utf8");
  const renamed = text.replace(/^name: .*$/m, `name: ${name}`);
  expect(renamed).not.toBe(text);
  writeFileSync(host.configFile, renamed);
}

story(
  "an agent with the living primary's name ends with the message, and the primary's epoch goes on",
  async (fixture) => {
    const { primary, other } = await ready(fixture);
    const begin = nowMs();
    const history = (await primary.rest("/history")).text;
    await other.stopAgent(START_MS);
    rename(other, primary.name);
    try {
      other.start();
      expect(await other.exitCode(START_MS)).toBe(1);
      expect(other.log()).toContain(`Can't start; there is already a node named '${primary.name}' running`);
    } finally {
      if (other.agentPid() !== null) await other.killAgent();
      rename(other, other.name);
    }
    expect(await fixture.healed()).toBe(primary);
    expect((await primary.rest("/history")).text).toBe(history);
    fixture.expectOnePrimary(primary, begin);
  },
);

story("an agent with the name of a primary whose agent is stopped waits for its lease", async (fixture) => {
  const { primary, other, third } = await ready(fixture);
  await other.stopAgent(START_MS);
  rename(other, primary.name);
  const begin = nowMs();
  primary.signalAgent("SIGSTOP");
  try {
    other.start();
    // The guard fences the primary at the end of its lease, and only then the third one is promoted.
    const successor = await fixture.successorOf(primary, begin);
    expect(successor).toBe(third);
    await fixture.clientOf(third).waitForWrite(nowMs(), WRITES_MS);
    fixture.expectOnePrimary(primary, begin);
    // Then the name is its own, until it is given another one again: that keeps nobody from it.
    await waitFor("the newcomer as a standby", START_MS, () => other.answers("/replica"));
  } finally {
    if (other.agentPid() !== null) await other.killAgent();
    rename(other, other.name);
    primary.signalAgent("SIGCONT");
  }
  // Its name was taken over while it was silent: it ends, and a service manager starts it again.
  await waitFor(
    "the end or the return of the former primary",
    START_MS,
    async () => primary.agentPid() === null || await primary.answers("/replica"),
  );
  await fixture.healed();
  fixture.expectOnePrimary(primary, begin);
});

story("an agent that starts while its guard is stopped gives nothing back", async (fixture) => {
  const { primary } = await ready(fixture);
  const guard = primary.guardPid()!;
  const begin = nowMs();
  process.kill(guard, "SIGSTOP");
  await primary.killAgent();
  primary.start();
  // Woken by the agent, it still has the epoch armed, if the lease has not run out meanwhile.
  await fixture.healed();
  fixture.expectOnePrimary(primary, begin);
  expect(primary.log()).not.toContain("giving back epoch");
});

story("what an agent froze that ended before its guard spoke goes on under the next one", async (fixture) => {
  const { other } = await ready(fixture);
  const guard = other.guardPid()!;
  const before = other.log().length;
  process.kill(guard, "SIGSTOP");
  try {
    await other.killAgent();
    other.start();
    // It wakes the guard itself, if it is left the time for it.
    await waitFor("the freeze", START_MS, () => other.log().slice(before).includes("they are frozen"), 1);
    await other.killAgent();
  } finally {
    process.kill(guard, "SIGCONT");
  }
  await fixture.healed();
  expect(await other.answers("/replica")).toBe(true);
});

story(
  "a guard that has lost its socket makes it anew for the next agent: no other guard, the same PostgreSQL",
  async (fixture) => {
    // A standby: no lease ends its PostgreSQL, however long the next agent takes to come up.
    const { other } = await ready(fixture);
    const guard = other.guardPid()!;
    const postmaster = other.postmasterPid()!;
    const socket = join(other.directory, "raft", "run", "guard.sock");
    expect(existsSync(socket)).toBe(true);
    const before = other.log().length;
    rmSync(socket);
    await other.killAgent();
    other.start();
    await waitFor(
      "the agent has its guard",
      START_MS,
      () => other.log().slice(before).includes(`connected to the guard (pid ${guard})`),
    );
    await fixture.healed();
    expect(other.log().slice(before)).toContain("has made it anew");
    expect(other.log().slice(before)).not.toContain("another guard serves");
    expect([isAlive(guard), isAlive(postmaster)]).toEqual([true, true]);
  },
);
