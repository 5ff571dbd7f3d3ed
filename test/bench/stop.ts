/**
 * Stops of the primary while one of PostgreSQL's helpers hangs: the time from the request until another node
 * confirms a write, for each helper and each way of stopping. /primary of the former primary must not answer
 * 200 again once it has answered something else, nobody confirms beside the next primary, and nothing that
 * was confirmed before is lost.
 */
import type { Client } from "../../src/demo/client.ts";
import type { Cluster } from "../../src/demo/cluster.ts";
import type { Host } from "../../src/demo/host.ts";
import { nowMs } from "../../src/demo/now.ts";
import { lostIds, overlapMs } from "../../src/demo/outage.ts";
import { sleep, waitFor } from "../../src/demo/wait_for.ts";
import { eachAtMost, type Measurement, measurement } from "./measurement.ts";
import { type Hang, HANGS } from "./stop_hang.ts";

const DEADLINE_MS = 120_000;
const LIMIT_S = 10;
/** A standby may not have what an asynchronous primary confirmed last, when that had to be killed. */
const LAST_MOMENT_MS = 200;

interface Way {
  readonly name: string;
  /** "any": the same node may go on. */
  readonly writesGoOn: "other" | "any";
  /** Returns at once, or when it is done. */
  act(cluster: Cluster, primary: Host): Promise<unknown>;
}

const WAYS: readonly Way[] = [
  {
    name: "SIGTERM to the agent",
    writesGoOn: "other",
    act: (_, primary) => primary.stopAgent(DEADLINE_MS),
  },
  {
    name: "switchover",
    writesGoOn: "other",
    act: (cluster, primary) =>
      cluster.tryCtl(
        "switchover",
        "--leader",
        primary.name,
        "--candidate",
        cluster.others(primary)[0]!.name,
        "--force",
      ),
  },
  {
    name: "restart",
    writesGoOn: "any",
    act: (cluster, primary) => cluster.tryCtl("restart", "demo", primary.name, "--force"),
  },
  { name: "agent killed", writesGoOn: "other", act: (_, primary) => primary.killAgent() },
];

interface Result {
  /**
   * From the request to the first confirmation of a write that was sent after the last one of the former
   * primary.
   */
  readonly nextMs: number;
  /** From the last confirmation before to the first one after. */
  readonly outageMs: number;
}

/** `only`: parts of the names of ways and helpers wanted, "restart/archive". */
export async function measureStops(
  cluster: Cluster,
  reps: number,
  only: string,
  say: (text: string) => void,
): Promise<Measurement[]> {
  const [way = "", hang = ""] = only.split("/");
  const client = cluster.startClient();
  const found: Measurement[] = [];
  for (const each of WAYS.filter(({ name }) => name.includes(way))) {
    for (const one of HANGS.filter(({ name }) => name.includes(hang))) {
      found.push(...await measureStop(cluster, client, each, one, reps, say));
    }
  }
  if (found.length === 0) {
    const names = (of: readonly { name: string }[]) => of.map(({ name }) => name).join(", ");
    throw new Error(`nothing is called "${only}"; there are ${names(WAYS)} / ${names(HANGS)}`);
  }
  return found;
}

async function measureStop(
  cluster: Cluster,
  client: Client,
  way: Way,
  hang: Hang,
  reps: number,
  say: (text: string) => void,
): Promise<Measurement[]> {
  const results: Result[] = [];
  const failures: string[] = [];
  for (let rep = 1; rep <= reps; rep++) {
    const title = `${way.name}, ${hang.name} hangs, ${rep} of ${reps}`;
    try {
      const result = await once(cluster, client, way, hang);
      results.push(result);
      say(`${title}: ${seconds(result.nextMs)} s, outage ${seconds(result.outageMs)} s`);
    } catch (error) {
      failures.push((error as Error).message);
      say(`${title}: FAILED, ${(error as Error).message}\n${cluster.logs(40)}`);
    }
  }
  const name = `${way.name}, ${hang.name} hangs`;
  const samples = (of: (result: Result) => number) => results.map((result) => of(result) / 1000);
  return [
    measurement(
      `${name}: writes again`,
      "s",
      eachAtMost(LIMIT_S, "s"),
      samples((one) => one.nextMs),
      failures,
    ),
    measurement(`${name}: outage`, "s", eachAtMost(LIMIT_S, "s"), samples((one) => one.outageMs)),
  ];
}

const seconds = (ms: number) => (ms / 1000).toFixed(2);

async function once(cluster: Cluster, client: Client, way: Way, hang: Hang): Promise<Result> {
  for (const host of cluster.hosts) if (host.agentPid() === null) host.start();
  const old = await cluster.waitHealthy(DEADLINE_MS);
  await client.waitForWrite(nowMs() + 500, DEADLINE_MS, old.name);
  const goOn = await hang.hang(cluster, old);
  try {
    return await stopAndWatch(cluster, client, way, old);
  } finally {
    await goOn();
  }
}

async function stopAndWatch(cluster: Cluster, client: Client, way: Way, old: Host): Promise<Result> {
  const beginMs = nowMs();
  const watch = watchPrimary(old);
  const acted = way.act(cluster, old);
  const first = await waitFor("writes after the stop", DEADLINE_MS, () => {
    client.read();
    const since = client.acks.findIndex((ack) => ack.sentMs > beginMs);
    if (since < 0) return null;
    const later = client.acks.slice(since);
    if (way.writesGoOn === "other") return later.find((ack) => ack.node !== old.name);
    // The same node may go on: after a gap in which it was down.
    return later.find((ack) =>
      ack.node !== old.name ||
      client.failures.some(({ node, endMs }) => node === old.name && endMs > beginMs && endMs < ack.sentMs)
    );
  });
  const before = client.acks.filter((ack) => ack.ackMs < first.ackMs && ack.node === old.name);
  const lastMs = Math.max(beginMs, before.at(-1)?.ackMs ?? beginMs);
  const answers = await watch.end();
  await acted;
  // What is left of the former primary has some time to do harm.
  await sleep(300);
  client.read();
  if (first.node !== old.name) {
    const bothMs = overlapMs(client.acks, old.name, beginMs);
    if (bothMs > 0) throw new Error(`two primaries confirmed writes for ${bothMs.toFixed(0)} ms`);
    if (answers.lastIndexOf(true) > 0) {
      throw new Error(`/primary of the former primary answered 200 again: ${answers.join(" ")}`);
    }
    const kept = before.filter(({ ackMs }) => ackMs > beginMs - 2000 && ackMs < lastMs - LAST_MOMENT_MS);
    const lost = lostIds(kept, await cluster.presentIds(cluster.host(first.node)));
    if (lost.length > 0) throw new Error(`${lost.length} confirmed writes are lost`);
  }
  return { nextMs: first.ackMs - beginMs, outageMs: first.ackMs - lastMs };
}

/** The answers of /primary, without repetitions. */
function watchPrimary(host: Host): { end(): Promise<boolean[]> } {
  const answers: boolean[] = [];
  let over = false;
  const watching = (async () => {
    while (!over) {
      const answer = await host.answers("/primary");
      if (answers.at(-1) !== answer) answers.push(answer);
      await sleep(20);
    }
  })();
  return {
    async end() {
      over = true;
      await watching;
      return answers;
    },
  };
}
