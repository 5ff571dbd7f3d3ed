/**
 * What each fault of the table does to a running cluster, by real means. Each one looks whether it had its
 * effect, and fails the run where it had none: a fault that does nothing would prove nothing.
 */
import { nowMs } from "../../src/demo/now.ts";
import type { Host } from "../../src/demo/host.ts";
import { signal } from "../../src/demo/processes.ts";
import { waitFor } from "../../src/demo/wait_for.ts";
import { isAlive, isDead, isStopped, readProcess } from "../../src/lib/process_table.ts";
import { Freezer } from "../e2e/freezer.ts";
import type { ChaosCluster } from "./chaos_cluster.ts";
import type { Effect } from "./effect.ts";
import type { FaultName, PlannedFault } from "./schedule.ts";
import { badCable, clockStep, comesOrGoes, filledDisk, raftLost, removedMember } from "./lasting_faults.ts";
import { hears } from "./wires.ts";

/** For an effect to show on a loaded machine. */
const EFFECT_MS = 15_000;

type Fault = (
  chaos: ChaosCluster,
  host: Host,
  planned: PlannedFault,
) => Promise<Effect | null> | Effect | null;

/** null: there was nothing to hit. */
export const INJECT: { readonly [name in FaultName]: Fault } = {
  "kill agent": async (chaos, host) => {
    const up = chaos.keepDown(host);
    const effect = await killed(host.name, host.agentPid());
    if (effect === null) up();
    return effect === null ? null : { ...effect, end: up };
  },
  "kill guard": (_, host) => killed(host.name, host.guardPid()),
  "kill postmaster": (_, host) => killed(host.name, host.postmasterPid()),
  "kill node": killNode,
  "stop agent": (_, host) => stopped(host.name, host.agentPid()),
  "stop guard": (_, host) => stopped(host.name, host.guardPid()),
  "stop postmaster": async (_, host) => {
    const pid = host.postmasterPid();
    return pid === null ? null : await frozen(`${host.name} (${pid})`, () => [pid]);
  },
  "stop node": (_, host) =>
    host.processes().length === 0
      ? Promise.resolve(null)
      : frozen(`${host.name}, whole`, () => host.processes()),
  "cut node": async (chaos, host) => {
    const number = chaos.numberOf(host);
    const mend = chaos.wires.cut(number);
    await unheard(chaos, host, chaos.cluster.others(host)[0]!);
    return { what: host.name, end: mend };
  },
  "split": (chaos, host, { others, seed }) => {
    const size = 1 + seed % Math.floor(chaos.cluster.hosts.length / 2);
    const side = [host, ...hostsOf(chaos, others).filter((one) => one !== host)].slice(0, size);
    const rest = chaos.cluster.hosts.filter((one) => !side.includes(one));
    return wayCut(chaos, [[side, rest], [rest, side]], `${namesOf(side)} from ${namesOf(rest)}`);
  },
  "deaf": (chaos, host) =>
    wayCut(chaos, [[chaos.cluster.others(host), [host]]], `${host.name} hears no other node`),
  "mute": (chaos, host) =>
    wayCut(chaos, [[[host], chaos.cluster.others(host)]], `no other node hears ${host.name}`),
  "one way": (chaos, host, { others, seed }) => {
    const other = hostsOf(chaos, others).find((one) => one !== host)!;
    const [from, to] = seed % 2 === 0 ? [host, other] : [other, host];
    return wayCut(chaos, [[[from], [to]]], `${to.name} does not hear ${from.name}`);
  },
  "slow cable": (chaos, host, { seed }) =>
    badCable(chaos, host, { delayMs: 5 + seed % 150, jitterMs: seed % 40, lossPart: 0 }),
  "lossy cable": (chaos, host, { seed }) =>
    badCable(chaos, host, { delayMs: 0, jitterMs: 0, lossPart: 0.05 + (seed % 40) / 100 }),
  "clock step": (chaos, host, { seed }) => clockStep(chaos, host, seed),
  "full disk": (_, host) => filledDisk(host),
  "raft directory lost": (chaos, host) => raftLost(chaos, host),
  "member replaced": (chaos, host) => removedMember(chaos, host),
  "member comes or goes": (chaos) => comesOrGoes(chaos),
  "power cycle": async (chaos) => {
    const { hosts } = chaos.cluster;
    const ups = hosts.map((host) => chaos.keepDown(host));
    await Promise.all(hosts.map((host) => host.powerOff()));
    await waitFor("nothing to run", EFFECT_MS, () => hosts.every((host) => host.processes().length === 0));
    return { what: "all nodes", end: () => ups.forEach((up) => up()) };
  },
};

async function killNode(chaos: ChaosCluster, host: Host): Promise<Effect | null> {
  if (host.processes().length === 0) return null;
  const up = chaos.keepDown(host);
  await host.powerOff();
  if (host.processes().length > 0) throw new Error(`processes of ${host.name} outlive its power`);
  return { what: host.name, end: up };
}

/** SIGKILL, and the process is gone. */
export async function killed(what: string, pid: number | null): Promise<Effect | null> {
  if (pid === null || !isAlive(pid) || !signal(pid, "SIGKILL")) return null;
  await waitFor(`the death of ${pid}`, EFFECT_MS, () => !isAlive(pid), 2);
  return { what: `${what} (${pid})` };
}

/** SIGSTOP until the end, and the process stands still. */
export async function stopped(what: string, pid: number | null): Promise<Effect | null> {
  const before = pid === null ? null : readProcess(pid);
  if (pid === null || isDead(before) || !signal(pid, "SIGSTOP")) return null;
  const isSame = () => readProcess(pid)?.startTicks === before?.startTicks;
  await waitFor(`${pid} to stand still`, EFFECT_MS, () => !isSame() || standsStill(pid), 2);
  return {
    what: `${what} (${pid})`,
    end: () => {
      if (isSame()) signal(pid, "SIGCONT");
    },
  };
}

export function standsStill(pid: number): boolean {
  const process = readProcess(pid);
  return process !== null && isStopped(process);
}

/**
 * Processes that no signal wakes. Not by SIGSTOP: the end of that would wake a PostgreSQL, too, that its
 * guard has stopped meanwhile.
 */
export async function frozen(what: string, list: () => readonly number[]): Promise<Effect | null> {
  const freezer = new Freezer();
  const beginMs = nowMs();
  await waitFor(`${what} to be frozen`, EFFECT_MS, () => {
    // Some may fork until they stand still, and another fault may end some first.
    const left = list().filter((pid) => isAlive(pid) && !freezer.pids().includes(pid));
    for (const pid of left) freezer.addIfAlive(pid);
    return left.length === 0;
  }, 2);
  if (freezer.pids().length === 0) {
    await freezer.thaw();
    return null;
  }
  await freezer.frozen();
  return { what: `${what}, ${(nowMs() - beginMs).toFixed(0)} ms`, end: () => freezer.thaw() };
}

async function wayCut(
  chaos: ChaosCluster,
  ways: readonly (readonly [from: readonly Host[], to: readonly Host[]])[],
  what: string,
): Promise<Effect> {
  const numbers = (hosts: readonly Host[]) => hosts.map((host) => chaos.numberOf(host));
  const mends = ways.map(([from, to]) => chaos.wires.cutWays(numbers(from), numbers(to)));
  await unheard(chaos, ways[0]![0][0]!, ways[0]![1][0]!);
  return { what, end: () => mends.forEach((mend) => mend()) };
}

/** No connection comes about between them: each needs both ways. @throws when one does */
export async function unheard(
  chaos: Pick<ChaosCluster, "inside">,
  one: Pick<Host, "name">,
  other: Pick<Host, "name" | "addresses">,
): Promise<void> {
  const { address, raftPort } = other.addresses;
  if (await hears(chaos.inside(one as Host), address, raftPort)) {
    throw new Error(`${one.name} still reaches ${other.name}`);
  }
}

function hostsOf(chaos: ChaosCluster, numbers: readonly number[]): Host[] {
  return numbers.map((number) => chaos.cluster.hosts[number]!);
}

function namesOf(hosts: readonly Host[]): string {
  return hosts.map(({ name }) => name).join(", ");
}
