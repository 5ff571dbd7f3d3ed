/**
 * Whether a logical subscriber keeps all rows over many failovers: PostgreSQL killed, the host's power lost
 * and switchovers in turn, while a client writes all the time. After each of them everything that is on the
 * primary must be at the subscriber, once and in order, and the slot usable.
 */
import type { Client } from "../../src/demo/client.ts";
import type { Cluster } from "../../src/demo/cluster.ts";
import type { Host } from "../../src/demo/host.ts";
import { nowMs } from "../../src/demo/now.ts";
import { waitFor } from "../../src/demo/wait_for.ts";
import { type Received, Subscriber } from "../e2e/subscriber.ts";
import { eachAtMost, type Measurement, measurement, NO_GOAL } from "./measurement.ts";

const LIMIT_MS = 60_000;

export const SUBSCRIBER_DCS = {
  ttl: 2,
  primary_start_timeout: 0,
  postgresql: { parameters: { wal_level: "logical" } },
};

const HARMS: readonly { readonly name: string; do(cluster: Cluster, primary: Host): Promise<unknown> }[] = [
  { name: "PostgreSQL killed", do: (_, primary) => primary.killPostgres() },
  { name: "power lost", do: (_, primary) => primary.powerOff() },
  {
    name: "switchover",
    do: (cluster, primary) => cluster.ctl("switchover", "--leader", primary.name, "--force"),
  },
];

export async function measureSubscriber(
  cluster: Cluster,
  reps: number,
  say: (text: string) => void,
): Promise<Measurement[]> {
  const client = cluster.startClient();
  await client.waitForWrite(nowMs(), LIMIT_MS);
  const subscriber = await Subscriber.start(cluster, client);
  const failures: string[] = [];
  const copiedS: number[] = [];
  const againS: number[] = [];
  const found: Received[] = [];
  try {
    for (let rep = 1; rep <= reps; rep++) {
      const harm = HARMS[rep % HARMS.length]!;
      const title = `logical subscriber, ${rep} of ${reps}, ${harm.name}`;
      try {
        const one = await failover(cluster, client, subscriber, harm.do);
        const before = found.at(-1);
        found.push(one.received);
        copiedS.push(one.copiedS);
        againS.push(one.againS);
        const harmed = describe(one.received, before);
        if (harmed !== "") throw new Error(harmed);
        say(`${title}: ${one.text}`);
      } catch (error) {
        failures.push(`${title}: ${(error as Error).message}`);
        say(`${title}: FAILED, ${(error as Error).message}\n${cluster.logs(60)}`);
      }
    }
  } finally {
    await subscriber.stop();
  }
  const last = found.at(-1);
  const count = (part: (received: Received) => readonly number[]) => last ? [part(last).length] : [];
  const name = `logical subscriber, ${reps} failovers`;
  return [
    measurement(`${name}: rows missing`, "", eachAtMost(0, ""), count((one) => one.missing), failures),
    measurement(`${name}: rows twice`, "", eachAtMost(0, ""), count((one) => one.twice)),
    measurement(`${name}: rows out of order`, "", eachAtMost(0, ""), count((one) => one.late)),
    measurement(`${name}: rows in all`, "", NO_GOAL, last ? [last.rows] : []),
    measurement(`${name}: rows lost by the cluster`, "", NO_GOAL, count((one) => one.lostByCluster)),
    measurement(`${name}: until the first new row at the subscriber`, "s", NO_GOAL, againS),
    measurement(`${name}: until every member has the slot again`, "s", NO_GOAL, copiedS),
  ];
}

async function failover(
  cluster: Cluster,
  client: Client,
  subscriber: Subscriber,
  harm: (cluster: Cluster, primary: Host) => Promise<unknown>,
) {
  const old = await cluster.waitHealthy();
  await client.waitForWrite(nowMs(), LIMIT_MS, old.name);
  const beginMs = nowMs();
  await harm(cluster, old);
  const first = await waitFor("writes on another node", LIMIT_MS, () => {
    client.read();
    return client.acks.find((ack) => ack.sentMs > beginMs && ack.node !== old.name);
  });
  const primary = cluster.host(first.node);
  await subscriber.untilReceived((await client.waitForWrite(nowMs(), LIMIT_MS, primary.name)).id);
  const againS = (nowMs() - beginMs) / 1000;
  for (const host of cluster.hosts) if (host.agentPid() === null) host.start();
  await cluster.waitHealthy();
  await subscriber.untilCopied();
  const copiedS = (nowMs() - beginMs) / 1000;
  await subscriber.mustBeUsableOn(primary);
  const received = await subscriber.compare(client, primary);
  const text = `${received.rows} rows, again after ${againS.toFixed(1)} s, copied after ${
    copiedS.toFixed(1)
  } s`;
  return { received, againS, copiedS, text };
}

/** Empty when nothing has been added to what an earlier failover did. */
function describe(received: Received, before: Received | undefined): string {
  const kinds = ["missing", "twice", "late"] as const;
  return kinds.flatMap((kind) => {
    const known = new Set(before?.[kind]);
    const fresh = received[kind].filter((id) => !known.has(id));
    return fresh.length === 0 ? [] : [`${kind}: ${fresh.length} rows, ${fresh.slice(0, 10).join(", ")}`];
  }).join("; ");
}
