/**
 * What a synchronous mode costs beside none: the write outage of a host's death, in each mode in turn on one
 * cluster; and commits, which are to take PostgreSQL's own time: the same servers with the same settings are
 * measured with their agents, and without them in maintenance mode.
 */
import type { Client } from "../../src/demo/client.ts";
import type { Cluster } from "../../src/demo/cluster.ts";
import type { Host } from "../../src/demo/host.ts";
import { sleep, waitFor } from "../../src/demo/wait_for.ts";
import { sortedQuantile } from "./histogram.ts";
import { atMost, type Measurement, measurement, NO_GOAL, quantile } from "./measurement.ts";
import { measureOutage, type OutageScenario } from "./outages.ts";
import { Pgbench } from "./pgbench.ts";

export const SYNC_COST_DCS = { ttl: 3 };

const MODES = ["off", "on", "quorum"] as const;
type Mode = (typeof MODES)[number];

const DEADLINE_MS = 60_000;
/** One round of commits, with the agents and without. */
const ROUND_MS = 8000;
/** One client, so that a commit waits for its own flush and for nobody's before it. */
const ONE_CLIENT = { clients: 1, rate: 0 };

/** `reps` deaths of the primary's host in each mode, the modes in turn. */
export async function measureSyncFailovers(
  cluster: Cluster,
  client: Client,
  reps: number,
  say: (text: string) => void,
): Promise<Measurement[]> {
  const found = new Map<Mode, Measurement>();
  for (let rep = 0; rep < reps; rep++) {
    for (const mode of MODES) {
      const once = await measureOutage(cluster, client, death(mode), 1, say);
      const before = found.get(mode);
      found.set(
        mode,
        measurement(
          once.name,
          "s",
          NO_GOAL,
          [...before?.samples ?? [], ...once.samples],
          [...before?.failures ?? [], ...once.failures],
        ),
      );
    }
  }
  const median = (mode: Mode) => quantile(found.get(mode)!.samples, 0.5);
  const more = (mode: Mode) =>
    measurement(`synchronous_mode ${mode}: more than off, of the medians`, "s", atMost(0.3, "s"), [
      median(mode) - median("off"),
    ]);
  return [...found.values(), more("on"), more("quorum")];
}

function death(mode: Mode): OutageScenario {
  return {
    name: `host death, synchronous_mode ${mode}`,
    goal: NO_GOAL,
    watchMs: 0,
    prepare: async (cluster, primary) => {
      await setMode(cluster, primary, mode);
      return () => Promise.resolve();
    },
    harm: async (_, primary) => {
      await primary.powerOff();
      return "other";
    },
  };
}

/** Commits of `reps` rounds in each mode, with the agents and without them. */
export async function measureSyncCommits(
  cluster: Cluster,
  reps: number,
  say: (text: string) => void,
): Promise<Measurement[]> {
  await Pgbench.prepare(cluster, await cluster.waitHealthy(DEADLINE_MS));
  const found: Measurement[] = [];
  for (const mode of MODES) {
    const [agents, alone] = [[] as number[], [] as number[]];
    for (let rep = 1; rep <= reps; rep++) {
      const primary = await cluster.waitHealthy(DEADLINE_MS);
      await setMode(cluster, primary, mode);
      agents.push(await commits(cluster, primary));
      await withoutAgents(cluster, async () => {
        alone.push(await commits(cluster, primary));
      });
      say(`${mode}, ${rep} of ${reps}: ${agents.at(-1)!.toFixed(2)} and ${alone.at(-1)!.toFixed(2)} ms`);
    }
    const ratio = quantile(agents, 0.5) / quantile(alone, 0.5);
    found.push(
      measurement(
        `commit, synchronous_mode ${mode}, with agents: medians of the rounds`,
        "ms",
        NO_GOAL,
        agents,
      ),
      measurement("the same servers without agents", "ms", NO_GOAL, alone),
      measurement("the one by the other", "", atMost(1.1, ""), [ratio]),
    );
  }
  return found;
}

/** The median time of a transaction of one round, ms. */
async function commits(cluster: Cluster, primary: Host): Promise<number> {
  const pgbench = Pgbench.start(cluster, primary, ONE_CLIENT);
  await sleep(ROUND_MS);
  const { errors, latenciesMs } = await pgbench.stop();
  if (errors.length > 0) throw new Error(errors.join("\n"));
  return sortedQuantile(latenciesMs, 0.5);
}

/** In maintenance mode PostgreSQL outlives its agent, with the settings that it has. */
async function withoutAgents(cluster: Cluster, action: () => Promise<void>): Promise<void> {
  await cluster.ctl("pause", "--wait");
  try {
    for (const host of cluster.hosts) await host.stopAgent(DEADLINE_MS);
    await action();
  } finally {
    for (const host of cluster.hosts) host.start();
    await cluster.waitHealthy(DEADLINE_MS);
    await cluster.ctl("resume", "--wait");
  }
}

/** Sets the mode, and waits until PostgreSQL waits as it says. */
async function setMode(cluster: Cluster, primary: Host, mode: Mode): Promise<void> {
  await cluster.ctl("edit-config", "-q", "-s", `synchronous_mode=${mode}`, "--force");
  const waits: Record<Mode, RegExp> = {
    off: /^$/,
    on: /^"[^"]+"$|^[\w-]+$|^(FIRST )?1 \(/,
    quorum: /^ANY 1 \(.*,/,
  };
  await waitFor(`synchronous_mode ${mode}`, DEADLINE_MS, async () => {
    const [row] = await cluster.query<{ names: string; sync: number }>(
      primary,
      "SELECT current_setting('synchronous_standby_names') AS names, " +
        "(SELECT count(*)::int FROM pg_stat_replication WHERE sync_state IN ('sync', 'quorum')) AS sync",
    );
    return waits[mode].test(row!.names) && row!.sync === { off: 0, on: 1, quorum: 2 }[mode];
  });
}
