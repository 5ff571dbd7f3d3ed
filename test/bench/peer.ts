/**
 * The yardstick: this program's cluster at rest beside three Patronis with three etcds, and beside what the
 * runtime takes for as many wake-ups (floor.ts). All run at the same time on the same machine, and are
 * measured in the same seconds.
 */
import { readFileSync } from "node:fs";
import type { Cluster } from "../../src/demo/cluster.ts";
import { nowMs } from "../../src/demo/now.ts";
import { cpuMs, endedChildrenCpuMs, pssBytes, writtenBytes } from "../../src/demo/processes.ts";
import { run } from "../../src/demo/run.ts";
import { sleep, waitFor } from "../../src/demo/wait_for.ts";
import type { JsonObject } from "../../src/model/json.ts";
import { user } from "../e2e/environment.ts";
import { Floor } from "./floor.ts";
import { type Measurement, measurement, NO_GOAL } from "./measurement.ts";
import { PeerCluster, peerIsMissing, peerVersions } from "./peer_cluster.ts";
import { withCluster } from "./with_cluster.ts";

const MIB = 1024 * 1024;
const HEALTHY_MS = 120_000;
const DEAD_MS = 120_000;
/** By then the programs of the floor have let go of the code of their start (src/lib/idle_code.ts). */
const FLOOR_SETTLE_MS = 25_000;
/** How long wake-ups are counted before the floor is made to have as many. */
const COUNT_MS = 5000;
const LISTS = 10;

export interface PeerOptions {
  readonly ttlS: number;
  readonly settleMs: number;
  readonly watchMs: number;
  readonly say: (text: string) => void;
}

export async function measurePeer(given: JsonObject, options: PeerOptions): Promise<Measurement[]> {
  const { say } = options;
  const found: Measurement[] = [];
  const times = timesOf(options.ttlS);
  const missing = peerIsMissing();
  if (missing !== null) say(`no rows of Patroni and etcd: ${missing}`);
  else say(`${await peerVersions()}, ${JSON.stringify(times)}`);
  const floor = await Floor.create();
  const peer = missing === null ? await PeerCluster.create(user, times) : null;
  try {
    if (peer !== null) {
      const begin = nowMs();
      peer.start();
      await peer.waitHealthy(HEALTHY_MS);
      found.push(fromNothing("Patroni and etcd", begin));
    }
    const begin = nowMs();
    await withCluster({ ...given, ...times }, async (cluster) => {
      found.push(fromNothing("agent", begin));
      found.push(...await measureTogether(cluster, peer, floor, options));
    });
    return found;
  } catch (error) {
    if (peer !== null) say(peer.logs());
    throw error;
  } finally {
    floor.close();
    await peer?.destroy();
  }
}

/** In whole seconds: Patroni's rule loop_wait + 2 retry_timeout <= ttl, in the proportion of its defaults. */
function timesOf(ttlS: number) {
  const loopS = Math.max(1, Math.floor(ttlS / 3));
  return { ttl: ttlS, loop_wait: loopS, retry_timeout: Math.max(1, Math.floor((ttlS - loopS) / 2)) };
}

function fromNothing(who: string, beginMs: number): Measurement {
  return plain(`${who}: from empty directories to three healthy members`, "s", [(nowMs() - beginMs) / 1000]);
}

/** The processes that stand for one host. */
interface Group {
  readonly who: string;
  readonly hosts: readonly (readonly number[])[];
}

async function measureTogether(
  cluster: Cluster,
  peer: PeerCluster | null,
  floor: Floor,
  { settleMs, watchMs, say }: PeerOptions,
): Promise<Measurement[]> {
  await sleep(settleMs);
  const groups = await groupsOf(cluster, peer, floor, say);
  await sleep(FLOOR_SETTLE_MS);
  const before = groups.map(({ hosts }) => hosts.map(look));
  await sleep(watchMs);
  const found: Measurement[] = [];
  for (const [g, { who, hosts }] of groups.entries()) {
    const changes = hosts.map((pids, i) => changeOf(before[g]![i]!, look(pids)));
    found.push(
      plain(`${who}: CPU at rest of a host`, "%", changes.map((one) => one.cpuPerCent)),
      plain(`${who}: memory of a host (PSS)`, "MiB", changes.map((one) => one.pssMib)),
      plain(`${who}: of that, anonymous`, "MiB", changes.map((one) => one.anonMib)),
      plain(`${who}: written at rest by a host`, "bytes/s", changes.map((one) => one.writtenPerSecond)),
      plain(`${who}: sleeps of a host's main threads`, "/s", changes.map((one) => one.sleepsPerSecond)),
    );
  }
  found.push(...await measureLists(cluster, peer));
  found.push(...await measureDeaths(cluster, peer));
  return found;
}

async function groupsOf(
  cluster: Cluster,
  peer: PeerCluster | null,
  floor: Floor,
  say: (text: string) => void,
): Promise<Group[]> {
  const primary = await cluster.waitHealthy();
  const ours = cluster.hosts.map((host) => [host.agentPid()!, host.guardPid()!]);
  const sleepsBefore = ours.map((pids) => pids.map(sleepsOf));
  await sleep(COUNT_MS);
  const rates = ours.map((pids, i) =>
    pids.map((pid, k) => Math.max(0.1, (sleepsOf(pid) - sleepsBefore[i]![k]!) / (COUNT_MS / 1000)))
  ) as [number, number][];
  const shown = rates.map((pair) => pair.map((rate) => rate.toFixed(1)).join(" and "));
  say(`wake-ups a second, agent and guard: ${shown.join("; ")}; ${primary.name} is the primary`);
  const waking = [];
  for (const pair of rates) waking.push((await floor.waking(pair)).pids);
  const peers = peer === null ? [] : peer.nodes.map((node) => peer.daemons(node));
  const rest: Group[] = [
    { who: "agent and guard", hosts: ours },
    { who: "runtime, as many wake-ups", hosts: waking },
    { who: "runtime, doing nothing", hosts: ours.map(() => floor.idle().pids) },
  ];
  if (peers.length === 0) return rest;
  return [
    ...rest,
    { who: "Patroni and etcd", hosts: peers.map(({ patroni, etcd }) => [patroni, etcd]) },
    { who: "Patroni alone", hosts: peers.map(({ patroni }) => [patroni]) },
    { who: "etcd alone", hosts: peers.map(({ etcd }) => [etcd]) },
  ];
}

interface Look {
  readonly atMs: number;
  readonly cpuMs: number;
  readonly sleeps: number;
  readonly writtenBytes: number;
  readonly pssMib: number;
  readonly anonMib: number;
}

function look(pids: readonly number[]): Look {
  const sum = (of: (pid: number) => number) => pids.reduce((all, pid) => all + of(pid), 0);
  return {
    atMs: nowMs(),
    cpuMs: sum((pid) => cpuMs(pid) + endedChildrenCpuMs(pid)),
    sleeps: sum(sleepsOf),
    writtenBytes: sum(writtenBytes),
    pssMib: sum(pssBytes) / MIB,
    anonMib: sum(anonymousBytes) / MIB,
  };
}

function changeOf(before: Look, after: Look) {
  const seconds = (after.atMs - before.atMs) / 1000;
  return {
    cpuPerCent: (after.cpuMs - before.cpuMs) / seconds / 10,
    writtenPerSecond: (after.writtenBytes - before.writtenBytes) / seconds,
    sleepsPerSecond: (after.sleeps - before.sleeps) / seconds,
    pssMib: after.pssMib,
    anonMib: after.anonMib,
  };
}

/** How often the main thread has gone to sleep. */
function sleepsOf(pid: number): number {
  const status = readFileSync(`/proc/${pid}/task/${pid}/status`, "latin1");
  return Number(/^voluntary_ctxt_switches:\s+(\d+)/m.exec(status)?.[1] ?? 0);
}

function anonymousBytes(pid: number): number {
  const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, "latin1");
  return Number(/^Pss_Anon:\s+(\d+) kB/m.exec(rollup)?.[1] ?? 0) * 1024;
}

/** In turn, so that what else the machine does is the same for both. */
async function measureLists(cluster: Cluster, peer: PeerCluster | null): Promise<Measurement[]> {
  const ours = (
    { settings, configFile }: Cluster["hosts"][number],
  ) => [settings.binary, "ctl", "-c", configFile, "list"];
  const commands = new Map([["agent ctl list", (i: number) => ours(cluster.hosts[i]!)]]);
  if (peer !== null) commands.set("patronictl list", (i) => peer.listCommand(peer.nodes[i]!));
  const samples = new Map([...commands.keys()].map((name) => [name, [] as number[]]));
  const failures: string[] = [];
  for (let rep = 0; rep < LISTS; rep++) {
    for (const [name, command] of commands) {
      const [program, ...args] = command(rep % 3) as [string, ...string[]];
      const begin = nowMs();
      const result = await run(program, args, "/");
      samples.get(name)!.push(nowMs() - begin);
      if (result.code !== 0) failures.push(`${name}: ${result.output}`);
    }
  }
  return [...samples].map(([name, all]) => measurement(name, "ms", NO_GOAL, all, failures));
}

/** From the death of the primary's host until another one is the primary by its REST API. */
async function measureDeaths(cluster: Cluster, peer: PeerCluster | null): Promise<Measurement[]> {
  const found: Measurement[] = [];
  const primary = await cluster.waitHealthy();
  let begin = nowMs();
  await primary.powerOff();
  await cluster.waitForPrimary(DEAD_MS, (host) => host !== primary);
  found.push(plain("agent: host death to the next primary", "s", [(nowMs() - begin) / 1000]));
  if (peer === null) return found;
  const leader = await peer.waitHealthy(HEALTHY_MS);
  begin = nowMs();
  await peer.powerOff(leader);
  const others = peer.nodes.filter((node) => node !== leader);
  await waitFor("the next primary of Patroni", DEAD_MS, () => peer.primary(others));
  found.push(plain("Patroni and etcd: host death to the next primary", "s", [(nowMs() - begin) / 1000]));
  return found;
}

function plain(name: string, unit: string, samples: readonly number[]): Measurement {
  return measurement(name, unit, NO_GOAL, samples);
}
