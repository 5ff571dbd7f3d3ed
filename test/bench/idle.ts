/** What a cluster costs when nothing happens: memory, CPU, bytes written. One sample for each node. */
import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import type { Cluster } from "../../src/demo/cluster.ts";
import type { Host } from "../../src/demo/host.ts";
import { nowMs } from "../../src/demo/now.ts";
import { commandLine, cpuMs, endedChildrenCpuMs, pssBytes, writtenBytes } from "../../src/demo/processes.ts";
import { sleep } from "../../src/demo/wait_for.ts";
import { atMost, type Measurement, measurement, NO_GOAL } from "./measurement.ts";
import { nextWakes, wakesTable } from "./wakes.ts";

const MIB = 1024 * 1024;
/**
 * Each look of a member at its disks writes a page, in a process of its own, which counts as the agent's; the
 * file system adds pages of its own now and then.
 */
const PROBE_BYTES = 4096;
const PROBE_EVERY_MS = 10_000;

/**
 * `settleMs` passes before the measurement of `watchMs` begins. Nothing else may use the cluster meanwhile.
 * `profile`: is told what wakes the agents, which count it (countingWakes); null: they don't.
 */
export async function measureIdle(
  cluster: Cluster,
  settleMs: number,
  watchMs: number,
  profile: ((table: string) => void) | null = null,
): Promise<Measurement[]> {
  const primary = await cluster.waitHealthy();
  await sleep(settleMs);
  const look = (host: Host) => {
    const agent = host.agentPid();
    const guard = host.guardPid();
    if (agent === null || guard === null) throw new Error(`agent or guard of ${host.name} does not run`);
    return {
      atMs: nowMs(),
      agentCpuMs: cpuMs(agent) + endedChildrenCpuMs(agent),
      guardCpuMs: cpuMs(guard),
      sqlCpuMs: sqlCpuMs(host),
      writtenBytes: writtenBytes(agent) + writtenBytes(guard),
      raft: newestChange(join(host.directory, "raft")),
    };
  };
  const wakesBefore = profile === null ? null : await nextWakes(cluster);
  const before = cluster.hosts.map(look);
  await sleep(watchMs);
  const after = cluster.hosts.map(look);
  if (profile !== null && wakesBefore !== null) {
    profile(wakesTable(await rolesOf(cluster, primary), wakesBefore, await nextWakes(cluster)));
  }
  const perCent = (part: (one: (typeof before)[number]) => number) =>
    after.map((one, i) => 100 * (part(one) - part(before[i]!)) / (one.atMs - before[i]!.atMs));
  const agentPss = cluster.hosts.map((host) => pssBytes(host.agentPid()!) / MIB);
  const guardPss = cluster.hosts.map((host) => pssBytes(host.guardPid()!) / MIB);
  const where = `one sample a node, ${primary.name} is the primary`;
  return [
    measurement(
      "memory, agent and guard (PSS)",
      "MiB",
      atMost(80, "MiB"),
      agentPss.map((one, i) => one + guardPss[i]!),
      [],
      where,
    ),
    measurement("memory, agent (PSS)", "MiB", NO_GOAL, agentPss),
    measurement("memory, guard (PSS)", "MiB", NO_GOAL, guardPss),
    measurement(
      "CPU at rest, agent and guard",
      "%",
      atMost(0.9, "%"),
      perCent((one) => one.agentCpuMs + one.guardCpuMs),
    ),
    measurement("CPU at rest, guard", "%", NO_GOAL, perCent((one) => one.guardCpuMs)),
    measurement(
      "CPU at rest, SQL of the agent in PostgreSQL",
      "%",
      atMost(0.3, "%"),
      perCent((one) => one.sqlCpuMs),
    ),
    measurement(
      "written at rest, agent and guard",
      "bytes",
      atMost(PROBE_BYTES * (Math.ceil(watchMs / PROBE_EVERY_MS) + 1), "bytes"),
      after.map((one, i) => one.writtenBytes - before[i]!.writtenBytes),
    ),
    measurement(
      "files of the consensus log changed at rest",
      "yes=1",
      atMost(0, ""),
      after.map((one, i) => one.raft > before[i]!.raft ? 1 : 0),
    ),
  ];
}

/** By PostgreSQL and by raft, which the costs differ by. */
async function rolesOf(cluster: Cluster, primary: Host): Promise<string[]> {
  const { text } = await primary.rest("/agent/raft", { timeoutMs: 5000 });
  const { leader } = JSON.parse(text) as { readonly leader: string | null };
  return cluster.hosts.map(({ name }) => {
    const role = name === primary.name ? "primary, holds the lease" : "standby";
    return name === leader ? `${role}, leads raft` : role;
  });
}

/**
 * What the sessions of the agent cost, which are all there are besides WAL senders: those that last, those
 * that have ended, and the postmaster, which makes them. Ended workers of autovacuum are in it, too.
 */
function sqlCpuMs(host: Host): number {
  const postmaster = host.postmasterPid();
  if (postmaster === null) throw new Error(`PostgreSQL of ${host.name} does not run`);
  const sessions = host.postgresProcesses().filter((pid) => SESSION.test(commandLine(pid).join(" ")));
  return [postmaster, ...sessions].reduce((sum, pid) => sum + cpuMs(pid), endedChildrenCpuMs(postmaster));
}

/** A title: cluster, user, database, where from, what it does. A WAL sender has its kind for the user. */
const SESSION = /^postgres: (?:\S+: )?(?!walsender )\S+ \S+ (?:\[local\]|\S+\(\d+\)) /;

/** Time of the last change of any file below a directory. */
function newestChange(directory: string): number {
  const names = readdirSync(directory, { recursive: true }) as string[];
  return Math.max(
    0,
    ...names.map((name) => statSync(join(directory, name), { throwIfNoEntry: false })?.mtimeMs ?? 0),
  );
}
