/** What the end-to-end tests share: the compiled program, a cluster for each file, a client that writes all the time. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import type { Client } from "../../src/demo/client.ts";
import { Cluster, type ClusterOptions } from "../../src/demo/cluster.ts";
import type { Host } from "../../src/demo/host.ts";
import { nowMs } from "../../src/demo/now.ts";
import { lostIds, overlapMs } from "../../src/demo/outage.ts";
import { findUser } from "../../src/demo/system_user.ts";
import { waitFor } from "../../src/demo/wait_for.ts";
import { binary, isRoot, user } from "./environment.ts";

export const START_MS = 60_000;
export const WRITES_MS = 45_000;
/** Of a standby behind its primary, on a loaded test machine. */
const LAST_MOMENT_MS = 100;

export function newCluster(options: Partial<ClusterOptions> = {}): Promise<Cluster> {
  if (!existsSync(binary)) throw new Error(`${binary} does not exist: run ./compile.sh first`);
  if (isRoot && findUser(user!) === null) {
    throw new Error(`there is no user ${user} to run PostgreSQL: run test/setup.sh`);
  }
  return Cluster.create({ binary, user, ...options });
}

export class Fixture {
  #cluster: Cluster | null = null;
  #client: Client | null = null;

  get cluster(): Cluster {
    if (this.#cluster === null) throw new Error("the cluster of this file did not start");
    return this.#cluster;
  }

  /** Writes from the first test on. */
  get client(): Client {
    this.#client ??= this.cluster.startClient();
    return this.#client;
  }

  async open(
    options: Partial<ClusterOptions>,
    begin: (cluster: Cluster) => Promise<unknown>,
    create = newCluster,
  ): Promise<void> {
    this.#cluster = await create(options);
    await explained(this.#cluster, () => begin(this.cluster));
  }

  async close(): Promise<void> {
    await this.#cluster?.destroy();
  }

  /** Everything runs again and is healthy; returns the primary, which confirms writes. */
  async healed(): Promise<Host> {
    for (const host of this.cluster.hosts) if (host.agentPid() === null) host.start();
    const primary = await this.cluster.waitHealthy(START_MS);
    await this.client.waitForWrite(nowMs(), WRITES_MS, primary.name);
    return primary;
  }

  /** Waits for a confirmed write on a node other than `old` that was sent after `sinceMs`; returns that node. */
  async successorOf(old: Host, sinceMs: number): Promise<Host> {
    const ack = await waitFor("writes on another node", WRITES_MS, () => {
      this.client.read();
      return this.client.acks.findLast((one) => one.sentMs > sinceMs && one.node !== old.name);
    });
    return this.cluster.host(ack.node);
  }

  /** The old primary confirmed nothing after the new one's first confirmation. */
  expectOnePrimary(old: Host, sinceMs: number): void {
    this.client.read();
    expect(overlapMs(this.client.acks, old.name, sinceMs)).toBe(0);
  }

  /** Confirmed writes, of those confirmed since `sinceMs`, that `host` does not hold. */
  async lostOn(host: Host, sinceMs: number): Promise<number[]> {
    this.client.read();
    const acks = this.client.acks.filter((ack) => ack.ackMs >= sinceMs);
    return lostIds(acks, await this.cluster.presentIds(host));
  }

  /**
   * As lostOn, after `old` has failed: without what it confirmed in its last moment. Replication is asynchronous, so nobody
   * else may have had that.
   */
  async lostEarlierOn(host: Host, old: Host, sinceMs: number): Promise<number[]> {
    const lost = await this.lostOn(host, sinceMs);
    const ofOld = this.client.acks.filter((ack) => ack.node === old.name && ack.ackMs >= sinceMs);
    const lastMs = ofOld.at(-1)?.ackMs ?? sinceMs;
    const late = new Set(ofOld.filter((ack) => ack.ackMs > lastMs - LAST_MOMENT_MS).map(({ id }) => id));
    return lost.filter((id) => !late.has(id));
  }
}

/** A cluster that lives through all tests of a file, and a `test` that prints the logs of a failure. */
export function withCluster(
  options: Partial<ClusterOptions>,
  begin: (cluster: Cluster) => Promise<unknown> = startHealthy,
): { fixture: Fixture; story: (name: string, tell: (fixture: Fixture) => Promise<void> | void) => void } {
  const fixture = new Fixture();
  beforeAll(() => fixture.open(options, begin), START_MS * 2);
  afterAll(() => fixture.close(), START_MS);
  return {
    fixture,
    story: (name, tell) => test(name, () => explained(fixture.cluster, () => tell(fixture)), 4 * START_MS),
  };
}

export async function startHealthy(cluster: Cluster): Promise<void> {
  cluster.start();
  await cluster.waitHealthy(START_MS);
}

/** A failure comes with the last lines of every node's log. */
export async function explained<T>(cluster: Cluster, action: () => Promise<T> | T): Promise<T> {
  try {
    return await action();
  } catch (error) {
    console.error(cluster.logs(60));
    throw error;
  }
}
