/**
 * Freezes and thaws under pgbench: the agents of both standbys are stopped until the primary's lease has run
 * out for want of a majority, and go on before its guard gives up. No client may see more of that than a slow
 * transaction.
 */
import type { Cluster } from "../../src/demo/cluster.ts";
import type { Host } from "../../src/demo/host.ts";
import { sleep, waitFor } from "../../src/demo/wait_for.ts";
import { latencyMeasurement } from "./latency.ts";
import { eachAtMost, type Measurement, measurement } from "./measurement.ts";
import { Pgbench } from "./pgbench.ts";
import { describeChange, freezesIn, type Reign, reignOf } from "./reign.ts";

export const FREEZE_DCS = { ttl: 2, postgresql: { parameters: { max_connections: 200 } } };

const CLIENTS = 150;
/** Transactions a second: what is measured is the wait, not how fast this machine is. */
const RATE = 200;
/**
 * The lease ends 1.3 to 1.55 s after the last standby stopped; 2 s later PostgreSQL is killed, and an
 * election takes 1 s.
 */
const STOPPED_MS = { min: 1600, max: 2100 };
const PAUSE_MS = { min: 300, max: 1300 };
const DEADLINE_MS = 60_000;
const THAW_DEADLINE_MS = 8000;

/**
 * `reps` freezes. A repetition that costs a client its connection, or the primary its office, is a failure.
 */
export async function measureFreezes(
  cluster: Cluster,
  reps: number,
  say: (text: string) => void,
): Promise<Measurement[]> {
  await Pgbench.prepare(cluster, await cluster.waitHealthy());
  const failures: string[] = [];
  const frozeMs: number[] = [];
  const thawedMs: number[] = [];
  const latenciesMs: Float64Array[] = [];
  let failovers = 0;
  let clientErrors = 0;
  for (let rep = 0; rep < reps;) {
    const reign = await reignOf(await cluster.waitHealthy(DEADLINE_MS));
    const before = freezesIn(reign.host.log());
    const pgbench = Pgbench.start(cluster, reign.host, { clients: CLIENTS, rate: RATE });
    try {
      await everyClient(cluster, reign.host, pgbench);
      while (rep < reps) {
        rep++;
        const failure = await freeze(cluster, reign, pgbench);
        const count = freezesIn(reign.host.log()).thawedMs.length - before.thawedMs.length;
        if (failure === null) {
          if (rep % 10 === 0) say(`freeze ${rep} of ${reps}: ${count} thaws`);
          continue;
        }
        failures.push(`${rep} of ${reps}: ${failure}`);
        say(`freeze ${rep} of ${reps}: FAILED, ${failure}\n${cluster.logs(60)}`);
        if (describeChange(reign, await reignOf(await cluster.waitHealthy(DEADLINE_MS))) !== null) {
          failovers++;
        }
        break; // with new connections
      }
    } finally {
      const result = await pgbench.stop();
      latenciesMs.push(result.latenciesMs);
      clientErrors += result.errors.length;
      failures.push(...result.errors.slice(0, 3).map((error) => `a client: ${error}`));
    }
    const after = freezesIn(reign.host.log());
    frozeMs.push(...after.frozeMs.slice(before.frozeMs.length));
    thawedMs.push(...after.thawedMs.slice(before.thawedMs.length));
  }
  const under = `under pgbench, ${CLIENTS} clients`;
  return [
    measurement(`freezes ${under}: client errors`, "", eachAtMost(0, ""), [clientErrors], failures),
    measurement("freezes: failovers", "", eachAtMost(0, ""), [failovers]),
    measurement("freezes: stopping all processes", "ms", eachAtMost(100, "ms"), frozeMs),
    measurement("thaws: continuing all processes", "ms", eachAtMost(50, "ms"), thawedMs),
    latencyMeasurement(`freezes ${under}: transactions`, latenciesMs),
  ];
}

/** null: frozen and thawed, and nothing else has happened. */
async function freeze(cluster: Cluster, reign: Reign, pgbench: Pgbench): Promise<string | null> {
  const { host } = reign;
  await sleep(between(PAUSE_MS));
  const before = freezesIn(host.log()).thawedMs.length;
  const standbys = cluster.others(host).sort(() => Math.random() - 0.5);
  try {
    for (const standby of standbys) standby.signalAgent("SIGSTOP");
    await sleep(between(STOPPED_MS));
  } finally {
    for (const standby of standbys.reverse()) standby.signalAgent("SIGCONT");
  }
  try {
    await waitFor("a thaw", THAW_DEADLINE_MS, () => freezesIn(host.log()).thawedMs.length > before, 50);
    const change = describeChange(reign, await reignOf(host));
    if (change !== null) return change;
  } catch (error) {
    return (error as Error).message;
  }
  return pgbench.running && pgbench.errors().length === 0 ? null : "a client has lost its connection";
}

async function everyClient(cluster: Cluster, host: Host, pgbench: Pgbench): Promise<void> {
  await waitFor("pgbench's connections", DEADLINE_MS, async () => {
    if (!pgbench.running) throw new Error(pgbench.errors().join("\n"));
    const [row] = await cluster.query<{ n: number }>(
      host,
      "SELECT count(*)::int AS n FROM pg_stat_activity WHERE application_name = 'pgbench'",
    );
    return row!.n >= CLIENTS;
  }, 100);
}

const between = ({ min, max }: { min: number; max: number }) => min + (max - min) * Math.random();
