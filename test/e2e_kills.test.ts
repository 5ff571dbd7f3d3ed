/**
 * Processes killed at random, one after the other without a pause to recover: agents, guards, postmasters, backends, on any
 * host. A client on each node writes all the time. Never two that confirm, and nothing confirmed is lost but what the last
 * moment before a failover may cost, since replication is asynchronous.
 */
import { expect } from "bun:test";
import type { Client } from "../src/demo/client.ts";
import type { Host } from "../src/demo/host.ts";
import { nowMs } from "../src/demo/now.ts";
import type { Acknowledged } from "../src/demo/outage.ts";
import { lostIds } from "../src/demo/outage.ts";
import { signal } from "../src/demo/processes.ts";
import { sleep } from "../src/demo/wait_for.ts";
import { Prng } from "../raft/sim/mod.ts";
import { type Fixture, withCluster, WRITES_MS } from "./e2e/harness.ts";

const KILLS = 60;
/** Until the next one. */
const PACE_MS = [50, 1200] as const;
/** A service manager's. */
const RESTART_MS = [100, 600] as const;
/** No lock goes to another member and comes back within this time. */
const THERE_AND_BACK_MS = 300;
/** Of a standby behind its primary, on a loaded test machine with processes that die. */
const LAST_MOMENT_MS = 1000;

const { story } = withCluster({ dcs: { ttl: 2 } });

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

/** Each change of the node that confirms: the last confirmation before it, and the first after it. */
function changes(acks: readonly Acknowledged[]): [before: Acknowledged, after: Acknowledged][] {
  return acks.slice(1).flatMap((after, i) => {
    const before = acks[i]!;
    return before.node === after.node ? [] : [[before, after] as [Acknowledged, Acknowledged]];
  });
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

function maybeLost(acks: readonly Acknowledged[]): Set<number> {
  return new Set(
    changes(acks).flatMap(([last]) =>
      acks.filter(({ node, ackMs }) =>
        node === last.node && ackMs <= last.ackMs && ackMs > last.ackMs - LAST_MOMENT_MS
      ).map(({ id }) => id)
    ),
  );
}

story(
  "sixty processes killed in a row: one writer at a time, nothing confirmed is lost",
  async (fixture: Fixture) => {
    const { cluster } = fixture;
    await fixture.healed();
    const clients: Client[] = [...cluster.hosts.map((host) => cluster.startClient([host])), fixture.client];
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
    await fixture.client.waitForWrite(nowMs(), WRITES_MS, primary.name);
    const askedMs = nowMs();
    const present = await cluster.presentIds(primary);
    for (const client of clients) client.read();
    const acks = clients.flatMap((client) => client.acks).filter(({ ackMs }) => ackMs >= beginMs)
      .sort((a, b) => a.ackMs - b.ackMs);
    const excused = maybeLost(acks);
    const asked = acks.filter(({ id, ackMs }) => !excused.has(id) && ackMs < askedMs);
    try {
      expectOneWriter(acks);
      expect(lostIds(asked, present)).toEqual([]);
      expect(acks.length).toBeGreaterThan(KILLS);
    } catch (error) {
      console.error(`killed: ${done.join(", ")}`);
      throw error;
    }
  },
);
