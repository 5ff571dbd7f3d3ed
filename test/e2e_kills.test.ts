/**
 * Processes killed at random, one after the other without a pause to recover: agents, guards, postmasters,
 * backends, on any host. A client on each node writes all the time. Never two that confirm, and of what was
 * confirmed only the end of a reign may be lost, since replication is asynchronous.
 */
import { expect } from "bun:test";
import { join } from "node:path";
import type { Host } from "../src/demo/host.ts";
import { nowMs } from "../src/demo/now.ts";
import type { Acknowledged } from "../src/demo/outage.ts";
import { signal } from "../src/demo/processes.ts";
import { run } from "../src/demo/run.ts";
import { sleep } from "../src/demo/wait_for.ts";
import { Prng } from "../raft/sim/mod.ts";
import { binary } from "./e2e/environment.ts";
import { type Fixture, withCluster } from "./e2e/harness.ts";
import { changes, lostAmid, THERE_AND_BACK_MS } from "./e2e/reigns.ts";

const KILLS = 60;
/** Until the next one. */
const PACE_MS = [50, 1200] as const;
/** A service manager's. */
const RESTART_MS = [100, 600] as const;
/** In the directory of each host, where its agent runs. */
const DECISIONS = "decisions";

const { fixture, story } = withCluster({
  dcs: { ttl: 2 },
  override: () => ({ log: { decisions: DECISIONS } }),
});

type Victim = "agent" | "guard" | "postmaster" | "process of PostgreSQL";

/** null: there is none on that host now. */
function kill(host: Host, victim: Victim, random: Prng): number | null {
  const pids = victim === "agent"
    ? [host.agentPid()]
    : victim === "guard"
    ? [host.guardPid()]
    : victim === "postmaster"
    ? [host.postmasterPid()]
    : host.postgresProcesses();
  const living = pids.filter((pid) => pid !== null);
  if (living.length === 0) return null;
  const pid = random.pick(living);
  return signal(pid, "SIGKILL") ? pid : null;
}

function expectOneWriter(acks: readonly Acknowledged[]): void {
  const seen = changes(acks);
  for (const [i, [before]] of seen.entries()) {
    const back = seen.slice(i).find(([, after]) => after.node === before.node)?.[1];
    const awayMs = (back?.ackMs ?? Infinity) - before.ackMs;
    expect({ node: before.node, away: awayMs > THERE_AND_BACK_MS ? "long enough" : `${awayMs} ms` })
      .toEqual({ node: before.node, away: "long enough" });
  }
}

/**
 * One process after the other, and each agent started again; what was confirmed meanwhile, and what is there
 * in the end.
 */
async function killInARow(
  fixture: Fixture,
): Promise<{ acks: Acknowledged[]; present: Set<number>; done: string[] }> {
  const { cluster } = fixture;
  await fixture.healedWithClients();
  const random = new Prng(Math.floor(Math.random() * 2 ** 32));
  const beginMs = nowMs();
  const done: string[] = [];
  const restarts: Promise<void>[] = [];
  while (done.length < KILLS) {
    const host = random.pick(cluster.hosts);
    const victim = random.weighted({ agent: 3, guard: 2, postmaster: 2, "process of PostgreSQL": 3 });
    const pid = kill(host, victim, random);
    if (pid !== null) {
      done.push(`${victim} of ${host.name} (${pid})`);
      if (victim === "agent") {
        restarts.push(
          sleep(random.between(...RESTART_MS)).then(() => {
            if (host.agentPid() === null) host.start();
          }),
        );
      }
    }
    await sleep(random.between(...PACE_MS));
  }
  await Promise.all(restarts);
  const primary = await fixture.healed();
  const askedMs = nowMs();
  const present = await cluster.presentIds(primary);
  const acks = fixture.acks().filter(({ ackMs }) => ackMs >= beginMs && ackMs < askedMs);
  return { acks, present, done };
}

story(
  "sixty processes killed in a row: one writer at a time, and nothing confirmed is lost but the end of a reign",
  async (fixture) => {
    const { acks, present, done } = await killInARow(fixture);
    try {
      expectOneWriter(acks);
      expect(lostAmid(acks, present)).toEqual([]);
      expect(acks.length).toBeGreaterThan(KILLS);
    } catch (error) {
      console.error(`killed: ${done.join(", ")}`);
      throw error;
    }
  },
);

story("every decision that was made meanwhile is decided anew as it was", async () => {
  for (const host of fixture.cluster.hosts) {
    const { code, output } = await run(binary, ["replay", join(host.directory, DECISIONS)], "/");
    expect({ code, output }).toEqual({
      code: 0,
      output: expect.stringMatching(/: (\d+) decisions, \1 as recorded$/m),
    });
  }
});
