/**
 * What can befall agent and guard of a primary, by real means, with a client on each node that writes all the
 * time. After each: never two that confirm, and nothing confirmed by the former primary after its lease.
 */
import { expect, test } from "bun:test";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { closeSync, constants, openSync, readFileSync, renameSync, rmSync, writeSync } from "node:fs";
import type { Host } from "../src/demo/host.ts";
import { nowMs } from "../src/demo/now.ts";
import { overlapMs } from "../src/demo/outage.ts";
import { signal } from "../src/demo/processes.ts";
import { waitFor } from "../src/demo/wait_for.ts";
import { isAlive, readProcess } from "../src/lib/process_table.ts";
import { Freezer, whyNoFreezer } from "./e2e/freezer.ts";
import { type Fixture, START_MS, withCluster, WRITES_MS } from "./e2e/harness.ts";

const TTL_S = 5;
const TTL_MS = 1000 * TTL_S;
/** Between two renewals, at this ttl. */
const RENEW_MS = 500;

/** Takes the kernel's lease on a file, as a server of files does, and keeps it: F_SETLEASE, F_WRLCK. */
const LEASE = `$| = 1; $SIG{IO} = "IGNORE"; open(F, "+<", $ARGV[0]) or die $!; fcntl(F, 1024, 1) or die $!;
  print "leased\\n"; sleep`;

const { story } = withCluster({ dcs: { ttl: TTL_S } });

function skipped(name: string): void {
  test.skip(name, () => {});
}

/**
 * Expects that a primary, whose lease nobody renews from `beginMs` on, is fenced before another one leads.
 */
function expectFenced(fixture: Fixture, old: Host, beginMs: number, withinMs = TTL_MS): void {
  const acks = fixture.acks().filter((ack) => ack.ackMs >= beginMs);
  expect(overlapMs(acks, old.name, beginMs)).toBe(0);
  const first = acks.find((ack) => ack.node !== old.name);
  expect(first).toBeDefined();
  const last = acks.findLast((ack) => ack.node === old.name && ack.ackMs < first!.ackMs);
  expect((last?.ackMs ?? beginMs) - beginMs).toBeLessThan(withinMs);
}

/** The successor, once it confirms; the former primary joins it when it can. */
async function succeeded(fixture: Fixture, old: Host, beginMs: number, withinMs?: number): Promise<Host> {
  const successor = await fixture.successorOf(old, beginMs);
  await fixture.clientOf(successor).waitForWrite(nowMs(), WRITES_MS);
  expectFenced(fixture, old, beginMs, withinMs);
  expect(await fixture.lostEarlierOn(successor, old, beginMs)).toEqual([]);
  return successor;
}

story(
  "an event loop that is blocked for two leases: a read that waits, with every thread alive",
  async (fixture) => {
    const old = await fixture.healedWithClients();
    // An open of it waits until the lease is given up.
    const leased = spawn("perl", ["-e", LEASE, old.configFile], { stdio: ["ignore", "pipe", "inherit"] });
    try {
      const [said] = await once(leased.stdout, "data");
      expect(String(said)).toBe("leased\n");
      const begin = nowMs();
      // Reads its file again.
      const agent = old.signalAgent("SIGHUP");
      const successor = await succeeded(fixture, old, begin);
      await fixture.client.waitForWrite(begin + 2 * TTL_MS, WRITES_MS, successor.name);
      expect(old.agentPid()).toBe(agent);
      leased.kill("SIGKILL");
      expect(await fixture.cluster.waitHealthy(START_MS)).toBe(successor);
      expect(old.agentPid()).toBe(agent);
      expectFenced(fixture, old, begin);
    } finally {
      leased.kill("SIGKILL");
    }
  },
);

story("an agent that crashes in its runtime: dead at once, and its PostgreSQL fenced", async (fixture) => {
  const old = await fixture.healedWithClients();
  const begin = nowMs();
  const agent = old.signalAgent("SIGSEGV");
  await waitFor("its end", START_MS, () => !isAlive(agent));
  const successor = await succeeded(fixture, old, begin);
  old.start();
  expect(await fixture.cluster.waitHealthy(START_MS)).toBe(successor);
});

story("an agent without memory: it goes on or ends, and nobody confirms beside another", async (fixture) => {
  const old = await fixture.healedWithClients();
  const agent = old.agentPid()!;
  const begin = nowMs();
  // What it has, and not a page more: neither mapped anew nor taken from what it has only reserved.
  const status = readFileSync(`/proc/${agent}/status`, "utf8");
  const bytes = (name: string) => 1024 * Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(status)![1]);
  // As the agent's user: a root without every right may not limit others.
  const limits = [`--as=${bytes("VmSize")}`, `--data=${bytes("VmData")}`];
  const [program, ...args] = [...old.settings.prefix, "prlimit", "--pid", String(agent), ...limits];
  const limited = spawnSync(program!, args);
  expect(`${limited.status} ${limited.stderr}`).toBe("0 ");
  const until = begin + 2 * TTL_MS;
  while (nowMs() < until && isAlive(agent)) {
    // Answers of some size, many at once.
    await Promise.allSettled(Array.from({ length: 50 }, () => old.rest("/metrics")));
  }
  if (isAlive(agent)) signal(agent, "SIGKILL");
  await fixture.client.waitForWrite(nowMs(), WRITES_MS);
  await fixture.healed();
  fixture.expectOnePrimary(old, begin);
});

const noFreezer = whyNoFreezer();
if (noFreezer !== null) console.warn(`skipped: ${noFreezer}`);

(noFreezer === null ? story : skipped)(
  "a guard that cannot run, nor be woken: the agent freezes PostgreSQL and renews no lease",
  async (fixture) => {
    const old = await fixture.healedWithClients();
    const guard = old.guardPid()!;
    const postmaster = old.postmasterPid()!;
    const begin = nowMs();
    const freezer = new Freezer(guard);
    try {
      await waitFor("the freeze", START_MS, () => readProcess(postmaster)?.state === "T", 2);
      await waitFor(
        "a word about it",
        START_MS,
        () => old.log().includes("PostgreSQL is frozen by the agent"),
      );
      // It had answered the last renewal: one more is sent, which it does not answer.
      const successor = await succeeded(fixture, old, begin, TTL_MS + RENEW_MS);
      await waitFor("another guard", START_MS, () => old.guardPid() !== null && old.guardPid() !== guard);
      expect(await fixture.cluster.waitHealthy(START_MS)).toBe(successor);
    } finally {
      await freezer.thaw();
    }
  },
);

story("agent and guard killed with busy backends: nothing is confirmed after a second", async (fixture) => {
  const old = await fixture.healedWithClients();
  const spin = "DO $$ BEGIN LOOP PERFORM sum(i) FROM generate_series(1, 100000) i; END LOOP; END $$";
  const busy = Array.from({ length: 4 }, () => fixture.cluster.query(old, spin).then(() => null, String));
  await waitFor("busy backends", START_MS, async () => {
    const sql =
      "SELECT count(*)::int AS n FROM pg_stat_activity WHERE query LIKE 'DO $$%' AND state = 'active'";
    return (await fixture.cluster.query<{ n: number }>(old, sql))[0]!.n === 4;
  });
  const guard = old.guardPid()!;
  const begin = nowMs();
  old.signalAgent("SIGKILL");
  signal(guard, "SIGKILL");
  await waitFor("the end of PostgreSQL", START_MS, () => old.postgresProcesses().length === 0);
  const successor = await succeeded(fixture, old, begin, 1000);
  expect((await Promise.all(busy)).every((error) => error !== null)).toBe(true);
  old.start();
  expect(await fixture.cluster.waitHealthy(START_MS)).toBe(successor);
});

story("a log that nobody reads: the pipe is full, and the lease is renewed all the same", async (fixture) => {
  const old = await fixture.healedWithClients();
  await old.powerOff();
  const log = `${old.logFile}.kept`;
  renameSync(old.logFile, log);
  expect(spawnSync("mkfifo", ["-m", "666", old.logFile]).status).toBe(0);
  // Both ends open, and no read.
  const pipe = openSync(old.logFile, constants.O_RDWR | constants.O_NONBLOCK);
  try {
    fillPipe(pipe);
    const { client, cluster } = fixture;
    old.start();
    const leader = await cluster.waitHealthy(START_MS);
    await cluster.ctl("switchover", "--leader", leader.name, "--candidate", old.name, "--force");
    const begin = nowMs();
    await client.waitForWrite(begin + 2 * TTL_MS, WRITES_MS, old.name);
    await cluster.query(old, "CHECKPOINT");
    expect(await cluster.waitHealthy(START_MS)).toBe(old);
    expect(client.failures.filter((one) => one.sentMs > begin + 1000)).toEqual([]);
  } finally {
    closeSync(pipe);
    rmSync(old.logFile);
    renameSync(log, old.logFile);
  }
});

function fillPipe(fd: number): void {
  for (const bytes of [4096, 1]) {
    for (let full = false; !full;) {
      try {
        writeSync(fd, new Uint8Array(bytes).fill(10));
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "EAGAIN") throw error;
        full = true;
      }
    }
  }
}
