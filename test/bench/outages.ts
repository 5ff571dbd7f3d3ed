/**
 * Write outages as a client in a process of its own sees them: the longest time between two confirmations.
 */
import type { Client } from "../../src/demo/client.ts";
import type { Cluster } from "../../src/demo/cluster.ts";
import type { Host } from "../../src/demo/host.ts";
import { nowMs } from "../../src/demo/now.ts";
import { longestGap, overlapMs } from "../../src/demo/outage.ts";
import { waitFor } from "../../src/demo/wait_for.ts";
import { type Goal, type Measurement, measurement } from "./measurement.ts";

export interface OutageScenario {
  readonly name: string;
  readonly goal: Goal;
  /** Before each repetition; what it returns is called in the end. @default nothing */
  readonly prepare?: (cluster: Cluster, primary: Host) => Promise<() => Promise<void>>;
  /** Does the harm. "other": writes must go on at another node; "same": at this one; "any": wherever. */
  readonly harm: (cluster: Cluster, primary: Host) => Promise<"other" | "same" | "any">;
  /** How long to look for gaps after the harm at least, ms. */
  readonly watchMs: number;
}

const DEADLINE_MS = 60_000;

/** `reps` repetitions on a healthy cluster; what runs no more is started again in between. */
export async function measureOutage(
  cluster: Cluster,
  client: Client,
  scenario: OutageScenario,
  reps: number,
  say: (text: string) => void,
): Promise<Measurement> {
  const samples: number[] = [];
  const failures: string[] = [];
  for (let rep = 1; rep <= reps; rep++) {
    try {
      const outageMs = await once(cluster, client, scenario);
      samples.push(outageMs / 1000);
      say(`${scenario.name}, ${rep} of ${reps}: ${(outageMs / 1000).toFixed(3)} s`);
    } catch (error) {
      failures.push((error as Error).message);
      say(`${scenario.name}, ${rep} of ${reps}: FAILED, ${(error as Error).message}`);
    }
  }
  return measurement(scenario.name, "s", scenario.goal, samples, failures);
}

async function once(cluster: Cluster, client: Client, scenario: OutageScenario): Promise<number> {
  for (const host of cluster.hosts) if (host.agentPid() === null) host.start();
  const primary = await cluster.waitHealthy(DEADLINE_MS);
  const end = await scenario.prepare?.(cluster, primary);
  try {
    return await outageOf(cluster, client, scenario, primary);
  } finally {
    await end?.();
  }
}

async function outageOf(
  cluster: Cluster,
  client: Client,
  scenario: OutageScenario,
  primary: Host,
): Promise<number> {
  // Undisturbed service first: one repetition's end must not be the next one's outage.
  await client.waitForWrite(nowMs() + 3000, DEADLINE_MS, primary.name);
  const beginMs = nowMs();
  const where = await scenario.harm(cluster, primary);
  await waitFor(`writes on the ${where} node`, DEADLINE_MS, () => {
    client.read();
    return client.acks.findLast((ack) =>
      ack.sentMs > beginMs + 50 && (where === "any" || (ack.node === primary.name) === (where === "same"))
    );
  });
  await client.waitForWrite(Math.max(beginMs + scenario.watchMs, nowMs() + 1000), DEADLINE_MS);
  const endMs = nowMs();
  const gap = longestGap(client.acks, beginMs, endMs);
  if (gap === null) throw new Error("no write was confirmed");
  const bothMs = overlapMs(client.acks, primary.name, beginMs, endMs);
  if (bothMs > 0) throw new Error(`two primaries confirmed writes for ${bothMs.toFixed(0)} ms`);
  return gap.lengthMs;
}
