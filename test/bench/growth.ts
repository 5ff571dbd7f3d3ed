/**
 * What a node costs at rest as the cluster grows: its processor time, what it sends and receives, and what a
 * scrape and a look at the cluster cost. Each node has a network namespace, so its bytes can be counted.
 */
import { readFileSync } from "node:fs";
import type { Cluster } from "../../src/demo/cluster.ts";
import type { Host } from "../../src/demo/host.ts";
import { nowMs } from "../../src/demo/now.ts";
import { cpuMs, endedChildrenCpuMs, pssBytes } from "../../src/demo/processes.ts";
import { sleep } from "../../src/demo/wait_for.ts";
import { type Measurement, measurement, NO_GOAL } from "./measurement.ts";
import { costOfScrape } from "./scrape.ts";

const MIB = 1024 * 1024;
/** The runtime's compiler is busy so long after the start. */
const SETTLE_MS = 30_000;
const HEALTHY_MS = 300_000;

/** 15 members have 14 standbys. */
export const GROWTH_DCS = {
  ttl: 5,
  postgresql: { parameters: { max_wal_senders: 30, max_replication_slots: 30 } },
};

/** Nothing writes meanwhile. Samples: one a node. */
export async function measureGrowth(cluster: Cluster, watchMs: number): Promise<Measurement[]> {
  const primary = await cluster.waitHealthy(HEALTHY_MS);
  await sleep(SETTLE_MS);
  const before = cluster.hosts.map(look);
  await sleep(watchMs);
  const after = cluster.hosts.map(look);
  const ofEach = (part: (one: Look) => number) =>
    after.map((one, i) => (part(one) - part(before[i]!)) / ((one.atMs - before[i]!.atMs) / 1000));
  const title = `${cluster.hosts.length} nodes`;
  const memory = cluster.hosts.map(memoryMib);
  const scraped = await costOfScrape(cluster, "/metrics");
  const listed = await costOfScrape(cluster, "/cluster");
  const plain = (name: string, unit: string, samples: number[], note = "") =>
    measurement(`${title}: ${name}`, unit, NO_GOAL, samples, [], note);
  const cpu = ofEach(({ cpuMs }) => cpuMs / 10);
  const holder = cluster.hosts.indexOf(primary);
  return [
    plain("CPU at rest, agent and guard of a node", "%", cpu, `the primary's: ${cpu[holder]!.toFixed(2)} %`),
    plain("sent by a node", "bytes/s", ofEach(({ sentBytes }) => sentBytes)),
    plain("packets sent by a node", "/s", ofEach(({ sentPackets }) => sentPackets)),
    plain("memory, agent and guard (PSS)", "MiB", memory),
    plain("a scrape of a member, CPU of its agent", "ms", [scraped.cpuMs]),
    plain("a scrape of a member, body", "bytes", [scraped.bytes]),
    plain("GET /cluster, CPU of the agent", "ms", [listed.cpuMs]),
    plain("GET /cluster, body", "bytes", [listed.bytes]),
  ];
}

interface Look {
  readonly atMs: number;
  readonly cpuMs: number;
  readonly sentBytes: number;
  readonly sentPackets: number;
}

function look(host: Host): Look {
  const [agent, guard] = pidsOf(host);
  return {
    atMs: nowMs(),
    cpuMs: cpuMs(agent) + endedChildrenCpuMs(agent) + cpuMs(guard),
    ...sentBy(agent),
  };
}

function memoryMib(host: Host): number {
  return pidsOf(host).reduce((sum, pid) => sum + pssBytes(pid), 0) / MIB;
}

function pidsOf(host: Host): [agent: number, guard: number] {
  const agent = host.agentPid();
  const guard = host.guardPid();
  if (agent === null || guard === null) throw new Error(`agent or guard of ${host.name} does not run`);
  return [agent, guard];
}

/** Through the card of the process's network namespace, with headers, and with what its PostgreSQL sends. */
function sentBy(pid: number): { sentBytes: number; sentPackets: number } {
  const line = /^\s*eth0:\s*(.*)$/m.exec(readFileSync(`/proc/${pid}/net/dev`, "latin1"))?.[1];
  if (line === undefined) {
    throw new Error(`process ${pid} has no card eth0: it is in no namespace of the bench`);
  }
  // Eight columns of what came in, then bytes and packets that went out.
  const numbers = line.trim().split(/\s+/).map(Number);
  return { sentBytes: numbers[8]!, sentPackets: numbers[9]! };
}
