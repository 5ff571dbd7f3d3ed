/**
 * The story of `agent demo`, told while it happens, and its judgement: the outage that the client saw, and
 * lost writes.
 */
import type { Client } from "./client.ts";
import type { Cluster } from "./cluster.ts";
import type { Host } from "./host.ts";
import { nowMs } from "./now.ts";
import { longestGap, lostIds, overlapMs } from "./outage.ts";
import { waitFor } from "./wait_for.ts";

export interface StepResult {
  readonly name: string;
  /** Longest time without a confirmed write. */
  readonly outageMs: number;
  /** Confirmed writes that the new primary does not hold, of how many confirmed so far. */
  readonly lost: number;
  readonly confirmed: number;
  /** How long the old primary went on confirming beside the new one. */
  readonly twoPrimariesMs: number;
}

export interface DemoOutcome {
  readonly ttlS: number;
  readonly startMs: number;
  readonly returnMs: number;
  readonly switchover: StepResult;
  readonly hostDeath: StepResult;
  /** The failures of the cluster; empty when all is well. */
  readonly failures: readonly string[];
}

const STEADY_MS = 500;

/** Throws when the cluster does not carry out a step at all. */
export async function runDemo(
  cluster: Cluster,
  ttlS: number,
  say: (text: string) => void,
): Promise<DemoOutcome> {
  const begin = nowMs();
  const tell = (text: string) => say(`${((nowMs() - begin) / 1000).toFixed(1).padStart(6)} s  ${text}`);
  const table = async () => say(`\n${(await cluster.ctl("list")).trimEnd()}\n`);

  cluster.start();
  tell("three agents started on empty directories");
  const first = await cluster.waitHealthy();
  const startMs = nowMs() - begin;
  tell(`healthy: ${first.name} is the primary, the others stream from it`);
  await table();

  const client = cluster.startClient();
  await client.waitForWrite(nowMs(), 20_000);
  await steady(client);
  tell(`a client in a process of its own writes all the time: ${client.acks.length} writes confirmed so far`);

  const candidate = cluster.others(first)[0]!;
  tell(`switchover from ${first.name} to ${candidate.name}`);
  const switchover = await judged(cluster, client, "switchover", first, async () => {
    await cluster.ctl("switchover", "--leader", first.name, "--candidate", candidate.name, "--force");
    return candidate;
  });
  tell(`${candidate.name} is the primary; no write was confirmed for ${seconds(switchover.outageMs)}`);
  await cluster.waitHealthy();
  await table();

  tell(`the host of ${candidate.name} loses its power: agent, guard and PostgreSQL are killed`);
  const hostDeath = await judged(cluster, client, "death of the primary's host", candidate, async () => {
    await candidate.powerOff();
    return null;
  });
  const survivors = cluster.others(candidate);
  const successor = await cluster.waitHealthy(60_000, survivors);
  tell(
    `failover: ${successor.name} is the primary; no write was confirmed for ${seconds(hostDeath.outageMs)}`,
  );
  await table();

  tell(`the host of ${candidate.name} comes back`);
  const back = nowMs();
  candidate.start();
  const last = await cluster.waitHealthy();
  const returnMs = nowMs() - back;
  tell(`healthy again: ${candidate.name} follows ${last.name}, ${seconds(returnMs)} after its start`);
  await table();
  await client.stop();

  const failures = [switchover, hostDeath].filter((step) => step.twoPrimariesMs > 0).map((step) =>
    `${step.name}: two primaries confirmed writes for ${seconds(step.twoPrimariesMs)}`
  );
  if (switchover.lost > 0) failures.push(`switchover: ${switchover.lost} confirmed writes were lost`);
  if (last !== successor) {
    failures.push(`the return of a host changed the primary from ${successor.name} to ${last.name}`);
  }
  return { ttlS, startMs, returnMs, switchover, hostDeath, failures };
}

/**
 * Does `change`, waits until a node other than `old` (the one it returns, if any) confirms writes, and judges
 * the log.
 */
async function judged(
  cluster: Cluster,
  client: Client,
  name: string,
  old: Host,
  change: () => Promise<Host | null>,
): Promise<StepResult> {
  const beginMs = nowMs();
  const expected = await change();
  const successor = await waitFor("writes on another node", 60_000, () => {
    client.read();
    const ack = client.acks.findLast((one) => one.sentMs > beginMs && one.node !== old.name);
    return ack && (expected === null || ack.node === expected.name) ? cluster.host(ack.node) : null;
  });
  await steady(client);
  client.read();
  const acks = [...client.acks];
  const present = await cluster.presentIds(successor);
  return {
    name,
    outageMs: longestGap(acks, beginMs)?.lengthMs ?? Infinity,
    lost: lostIds(acks, present).length,
    confirmed: acks.length,
    twoPrimariesMs: overlapMs(acks, old.name, beginMs),
  };
}

/** A while of undisturbed service, so that a gap has an end and a beginning. */
async function steady(client: Client): Promise<void> {
  await client.waitForWrite(nowMs() + STEADY_MS, 20_000);
}

export function report(outcome: DemoOutcome): string {
  const { switchover, hostDeath } = outcome;
  return [
    `From empty directories to three healthy nodes: ${seconds(outcome.startMs)}`,
    `Write outage of the switchover:                ${seconds(switchover.outageMs)}`,
    `Write outage of the death of the host:         ${seconds(hostDeath.outageMs)} (ttl ${outcome.ttlS} s)`,
    `Return of the host until it follows again:     ${seconds(outcome.returnMs)}`,
    `Acknowledged writes lost in the switchover:    ${switchover.lost} of ${switchover.confirmed}`,
    `Acknowledged writes lost with the host:        ${hostDeath.lost} of ${hostDeath.confirmed} ` +
    "(replication is asynchronous: a tail may be lost)",
    outcome.failures.length === 0
      ? "Result: the cluster did all of it"
      : `Result: FAILED, ${outcome.failures.join("; ")}`,
  ].join("\n");
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(2)} s`;
}
