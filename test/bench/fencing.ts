/**
 * Two primaries: how long two nodes confirm writes side by side, and whether a former primary confirms
 * anything after its lease. Each node has a client of its own, at its own end of the network, which writes to
 * it whenever it can.
 */
import { leaseFromTtl } from "../../src/lease/timing.ts";
import type { Client } from "../../src/demo/client.ts";
import type { Cluster } from "../../src/demo/cluster.ts";
import type { Host } from "../../src/demo/host.ts";
import { nowMs } from "../../src/demo/now.ts";
import { type Acknowledged, longestGap, lostIds, overlapMs } from "../../src/demo/outage.ts";
import { signal } from "../../src/demo/processes.ts";
import { sleep, waitFor } from "../../src/demo/wait_for.ts";
import type { Network } from "../e2e/network.ts";
import { atMost, type Measurement, measurement, NO_GOAL } from "./measurement.ts";

const DEADLINE_MS = 60_000;
/** A fault comes at any moment of the renewals' rhythm, and of a checkpoint's. */
const JITTER_MS = 700;
/** The ttl of the measured cluster. */
export const TTL_MS = 2000;
/** How long the former primary is watched after the new one has confirmed its first write. */
const WATCH_MS = 400;

interface Fault {
  readonly name: string;
  /** Share of the requested repetitions: 1 all, 0.5 half of them. */
  readonly share: number;
  /** "other": the former primary must not come back by itself. */
  readonly writesGoOn: "other" | "any";
  /** The guard cannot prevent it: what is confirmed when the host goes on is measured, and no failure. */
  readonly beyondGuard?: boolean;
  /** Not healed before, ms. */
  readonly lastsMs?: number;
  harm(primary: Host, network: Network | null, cluster: Cluster): Promise<void> | void;
  heal(primary: Host, network: Network | null, cluster: Cluster): Promise<void> | void;
}

const start = (host: Host) => {
  if (host.agentPid() === null) host.start();
};

function pidOfGuard(host: Host): number {
  const pid = host.guardPid();
  if (pid === null) throw new Error(`the guard of ${host.name} does not run`);
  return pid;
}

const FAULTS: readonly Fault[] = [
  {
    name: "agent stopped",
    share: 1,
    writesGoOn: "other",
    harm: (primary) => void primary.signalAgent("SIGSTOP"),
    heal: (primary) => void (primary.agentPid() === null || primary.signalAgent("SIGCONT")),
  },
  {
    name: "agent killed for good",
    share: 0.5,
    writesGoOn: "other",
    harm: (primary) => primary.killAgent(),
    heal: start,
  },
  {
    name: "agent killed, started again",
    share: 0.5,
    writesGoOn: "any",
    async harm(primary) {
      await primary.killAgent();
      // Within the lease, at its end and after it.
      await sleep(3000 * Math.random());
      start(primary);
    },
    heal: start,
  },
  {
    name: "guard killed",
    share: 0.5,
    writesGoOn: "any",
    harm: (primary) => void process.kill(pidOfGuard(primary), "SIGKILL"),
    heal: start,
  },
  {
    name: "agent and guard killed",
    share: 0.5,
    writesGoOn: "other",
    async harm(primary) {
      process.kill(pidOfGuard(primary), "SIGKILL");
      // At any moment of what the agent does about it.
      await sleep(30 * Math.random());
      await primary.killAgent();
    },
    heal: start,
  },
  {
    name: "partition",
    share: 0.5,
    writesGoOn: "other",
    harm: (primary, network) => network!.cut(indexOf(primary)),
    heal: (primary, network) => network!.mend(indexOf(primary)),
  },
  {
    name: "whole host stopped for 3 ttl",
    share: 0.2,
    writesGoOn: "other",
    beyondGuard: true,
    lastsMs: 3 * TTL_MS,
    harm: (primary) => {
      // Again and again: one may fork while the others are looked at.
      for (let round = 0; round < 3; round++) for (const pid of primary.processes()) signal(pid, "SIGSTOP");
    },
    heal: (primary) => {
      // The order in which a scheduler lets them go on is anybody's guess.
      const pids = primary.processes().sort(() => Math.random() - 0.5);
      for (const pid of pids) signal(pid, "SIGCONT");
    },
  },
];

const indexOf = (host: Host) => Number(host.name.slice("node".length));

interface Result {
  readonly outageMs: number;
  readonly overlapMs: number;
  readonly lateMs: number;
  /** How many writes the former primary has confirmed beside the new one, and how many of them are gone. */
  readonly besideCount: number;
  readonly lostCount: number;
}

/**
 * `network` null: no partitions. `reps`: of a fault with the full share. `only`: a part of the name of the
 * faults wanted.
 */
export async function measureFencing(
  cluster: Cluster,
  network: Network | null,
  reps: number,
  only: string,
  say: (text: string) => void,
): Promise<Measurement[]> {
  const faults = FAULTS.filter(({ name }) => name.includes(only));
  if (faults.length === 0) {
    throw new Error(`no fault is called "${only}"; there are ${FAULTS.map(({ name }) => name).join(", ")}`);
  }
  const clients = cluster.hosts.map((host) =>
    cluster.startClient(
      [host],
      network === null ? [] : network.inside(indexOf(host)),
    )
  );
  const found: Measurement[] = [];
  for (const fault of faults) {
    if (fault.name === "partition" && network === null) {
      say("partition: left out, network namespaces cannot be made here");
      continue;
    }
    const results: Result[] = [];
    const failures: string[] = [];
    const wanted = Math.max(1, Math.round(reps * fault.share));
    for (let rep = 1; rep <= wanted; rep++) {
      const title = `${fault.name}, ${rep} of ${wanted}`;
      try {
        const result = await once(cluster, clients, network, fault);
        results.push(result);
        const { outageMs, overlapMs, lateMs, besideCount, lostCount } = result;
        say(
          `${title}: outage ${
            outageMs.toFixed(0)
          } ms, overlap ${overlapMs} ms (${besideCount} writes, ${lostCount} lost), ` +
            `after the lease ${lateMs} ms`,
        );
        if (fault.beyondGuard) continue;
        if (overlapMs > 0) failures.push(`${title}: two primaries confirmed writes for ${overlapMs} ms`);
        if (lateMs > 0) {
          failures.push(`${title}: confirmed a write ${lateMs} ms after the lease at the latest`);
        }
      } catch (error) {
        failures.push(`${title}: ${(error as Error).message}`);
        say(`${title}: FAILED, ${(error as Error).message}\n${cluster.logs(60)}`);
        for (const host of cluster.hosts) await fault.heal(host, network, cluster);
      }
    }
    const samples = (of: (result: Result) => number) => results.map((result) => of(result) / 1000);
    found.push(
      measurement(
        `${fault.name}: two primaries`,
        "s",
        atMost(0, "s"),
        samples((one) => one.overlapMs),
        failures,
      ),
      measurement(`${fault.name}: write outage`, "s", NO_GOAL, samples((one) => one.outageMs)),
    );
    if (fault.beyondGuard) {
      found.push(
        measurement(
          `${fault.name}: writes confirmed beside the new primary`,
          "",
          NO_GOAL,
          results.map((one) => one.besideCount),
          [],
          `in ${results.filter((one) => one.besideCount > 0).length} of ${results.length}`,
        ),
        measurement(
          `${fault.name}: of these lost`,
          "",
          NO_GOAL,
          results.map((one) => one.lostCount),
          [],
          `in ${results.filter((one) => one.lostCount > 0).length} of ${results.length}`,
        ),
      );
    }
  }
  return found;
}

async function once(
  cluster: Cluster,
  clients: readonly Client[],
  network: Network | null,
  fault: Fault,
): Promise<Result> {
  for (const host of cluster.hosts) start(host);
  const primary = await cluster.waitHealthy(DEADLINE_MS);
  const acks = () => merged(clients);
  const fromMs = nowMs();
  await waitFor("undisturbed writes", DEADLINE_MS, () => acks().some((ack) => ack.sentMs > fromMs + 500));
  await sleep(JITTER_MS * Math.random());
  const harmMs = nowMs();
  await fault.harm(primary, network, cluster);
  const first = await waitFor(
    `writes on ${fault.writesGoOn} node`,
    DEADLINE_MS,
    () =>
      acks().find((ack) =>
        ack.sentMs > harmMs && (ack.node !== primary.name ||
          // Not the confirmations of a lease that has not run out yet.
          (fault.writesGoOn === "any" && ack.sentMs > harmMs + TTL_MS + 500))
      ),
  );
  const watchedMs = Math.max(nowMs() + WATCH_MS, harmMs + (fault.lastsMs ?? 0));
  await waitFor("the end of the watch", DEADLINE_MS, () => nowMs() > watchedMs);
  await fault.heal(primary, network, cluster);
  for (const host of cluster.hosts) start(host);
  const healMs = nowMs();
  const next = await cluster.waitHealthy(DEADLINE_MS);
  await waitFor("writes after the fault", DEADLINE_MS, () => acks().some((ack) => ack.sentMs > healMs));
  const all = acks();
  // Given back to the former primary, that one may confirm again; otherwise never.
  const untilMs = next === primary && !fault.beyondGuard ? healMs : nowMs();
  const moved = first.node !== primary.name;
  const bothMs = moved ? overlapMs(all, primary.name, harmMs, untilMs) : 0;
  // The lease was sent for before the harm, so it ends within L of it; killed and started again, it may go
  // on.
  const leaseEndMs = harmMs + leaseFromTtl(TTL_MS);
  const own = all.filter((ack) => ack.node === primary.name && ack.ackMs >= harmMs && ack.ackMs <= untilMs);
  const lastMs = own.at(-1)?.ackMs ?? harmMs;
  const lateMs = fault.writesGoOn === "other" ? Math.max(0, lastMs - leaseEndMs) : 0;
  const gap = longestGap(all, harmMs, first.ackMs);
  const beside = moved ? own.filter((ack) => ack.ackMs > first.ackMs) : [];
  return {
    outageMs: gap?.lengthMs ?? 0,
    overlapMs: round(bothMs),
    lateMs: round(lateMs),
    besideCount: beside.length,
    lostCount: beside.length === 0 ? 0 : lostIds(beside, await cluster.presentIds(next)).length,
  };
}

const round = (ms: number) => Math.round(ms * 10) / 10;

/** What all clients have seen so far of the last minute or so, in the order of the confirmations. */
function merged(clients: readonly Client[]): Acknowledged[] {
  const sinceMs = nowMs() - 120_000;
  return clients.flatMap((client) => {
    client.read();
    const begin = client.acks.findLastIndex((ack) => ack.ackMs < sinceMs) + 1;
    return client.acks.slice(begin);
  }).sort((a, b) => a.ackMs - b.ackMs);
}
