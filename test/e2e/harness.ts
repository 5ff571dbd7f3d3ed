/**
 * What the end-to-end tests share: the compiled program, a cluster for each file, a client that writes all
 * the time.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import type { Client } from "../../src/demo/client.ts";
import { Cluster, type ClusterOptions } from "../../src/demo/cluster.ts";
import type { Host } from "../../src/demo/host.ts";
import { nowMs } from "../../src/demo/now.ts";
import { type Acknowledged, lostIds, overlapMs } from "../../src/demo/outage.ts";
import { findUser } from "../../src/demo/system_user.ts";
import { waitFor } from "../../src/demo/wait_for.ts";
import { binary, isRoot, user } from "./environment.ts";

/** The patience with whatever should come: far more than a loaded machine needs. */
export const START_MS = 120_000;
export const WRITES_MS = 90_000;
/** A story that takes longer fails, and says so. */
const STORY_MS = 2 * START_MS;
/**
 * For bun, of a story: its own limit counts, after the start of another cluster where the story before has
 * failed.
 */
export const TEST_MS = STORY_MS + 3 * START_MS;
/** How far a standby may be behind its primary on a loaded test machine. */
const LAST_MOMENT_MS = 1000;

export function newCluster(options: Partial<ClusterOptions> = {}): Promise<Cluster> {
  if (!existsSync(binary)) throw new Error(`${binary} does not exist: run ./compile.sh first`);
  if (isRoot && findUser(user!) === null) {
    throw new Error(`there is no user ${user} to run PostgreSQL: run test/setup.sh`);
  }
  return Cluster.create({ binary, user, clientSlowness: CLIENT_SLOWNESS, ...options });
}

/** The stories ask who confirms what, not how much: two suites and all their servers share two processors. */
const CLIENT_SLOWNESS = 4;

export class Fixture {
  #cluster: Cluster | null = null;
  #client: Client | null = null;
  #clients = new Map<Host, Client>();
  /** Begins anew with another cluster. */
  #again: (() => Promise<void>) | null = null;
  #spoiled = false;

  get cluster(): Cluster {
    if (this.#cluster === null) throw new Error("the cluster of this file did not start");
    return this.#cluster;
  }

  /** Writes from the first test on. */
  get client(): Client {
    this.#client ??= this.cluster.startClient();
    return this.#client;
  }

  /** `begin` is called again for each cluster that takes the place of one in which a story has failed. */
  async open(
    options: Partial<ClusterOptions>,
    begin: (cluster: Cluster) => Promise<unknown>,
    create = newCluster,
  ): Promise<void> {
    this.#again = () => this.open(options, begin, create);
    this.#spoiled = true;
    this.#cluster = await create(options);
    await explained(this.#cluster, () => begin(this.cluster));
    this.#spoiled = false;
  }

  async close(): Promise<void> {
    await this.#cluster?.destroy();
    this.#cluster = null;
    this.#client = null;
    this.#clients.clear();
  }

  /**
   * Runs a story; a failure comes with the logs of all nodes. After a story that failed the next one gets a
   * cluster of its own, so that nothing the failed one left behind (a stopped process, a pause, a member
   * more) fails that too.
   */
  async tell(story: () => Promise<void> | void): Promise<void> {
    if (this.#spoiled && this.#again !== null) {
      await this.close();
      await this.#again();
    }
    this.#spoiled = true;
    await explained(this.cluster, () => inTime(story));
    this.#spoiled = false;
  }

  /**
   * A client that writes to this node only: nodes that confirm side by side are seen by such clients alone.
   */
  clientOf(host: Host): Client {
    const client = this.#clients.get(host) ?? this.cluster.startClient([host]);
    this.#clients.set(host, client);
    return client;
  }

  /** As healed, with a client of each node, too. */
  async healedWithClients(): Promise<Host> {
    const primary = await this.healed();
    for (const host of this.cluster.hosts) this.clientOf(host);
    await this.clientOf(primary).waitForWrite(nowMs(), WRITES_MS);
    return primary;
  }

  /**
   * What was confirmed to `client` and the clients of the nodes, in the order in which they took note of it.
   */
  acks(): Acknowledged[] {
    const clients = [this.client, ...this.#clients.values()];
    for (const client of clients) client.read();
    return clients.flatMap((client) => client.acks).sort((a, b) => a.ackMs - b.ackMs);
  }

  /** Everything runs again and is healthy; returns the primary, which confirms writes. */
  async healed(): Promise<Host> {
    const startAll = () => {
      for (const host of this.cluster.hosts) if (!host.runs()) host.start();
    };
    startAll();
    // One that was killed a moment ago may still be about to end.
    const again = setInterval(startAll, 500);
    try {
      const primary = await this.cluster.waitHealthy(START_MS);
      await this.client.waitForWrite(nowMs(), WRITES_MS, primary.name);
      return primary;
    } finally {
      clearInterval(again);
    }
  }

  /**
   * Waits for a confirmed write on a node other than `old` that was sent after `sinceMs`; returns that node.
   */
  async successorOf(old: Host, sinceMs: number): Promise<Host> {
    const ack = await waitFor("writes on another node", WRITES_MS, () => {
      this.client.read();
      return this.client.acks.findLast((one) => one.sentMs > sinceMs && one.node !== old.name);
    });
    return this.cluster.host(ack.node);
  }

  /** The old primary confirmed nothing after the new one's first confirmation. */
  expectOnePrimary(old: Host, sinceMs: number): void {
    expect(overlapMs(this.acks(), old.name, sinceMs)).toBe(0);
  }

  /**
   * The output of `agent ctl list` once it shows `what`. Any member may be asked, and hears of a change a
   * moment after the one that has answered it.
   */
  async listed(what: string | RegExp, ...options: string[]): Promise<string> {
    return await waitFor(`${what} in the list`, START_MS, async () => {
      const output = await this.cluster.ctl("list", ...options);
      return (typeof what === "string" ? output.includes(what) : what.test(output)) ? output : null;
    });
  }

  /** Confirmed writes, of those confirmed since `sinceMs`, that `host` does not hold. */
  async lostOn(host: Host, sinceMs: number): Promise<number[]> {
    this.client.read();
    const acks = this.client.acks.filter((ack) => ack.ackMs >= sinceMs);
    return lostIds(acks, await this.cluster.presentIds(host));
  }

  /**
   * As lostOn, after `old` has failed: without what it confirmed in its last moment. Replication is
   * asynchronous, so nobody else may have had that.
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
    story: (name, tell) => test(name, () => fixture.tell(() => tell(fixture)), TEST_MS),
  };
}

export async function startHealthy(cluster: Cluster): Promise<void> {
  cluster.start();
  await cluster.waitHealthy(START_MS);
}

/** bun says of a test that it gives up only that it took long, and not what it waited for. */
async function inTime(story: () => Promise<void> | void): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`the story took more than ${STORY_MS / 1000} s`)), STORY_MS);
  });
  try {
    await Promise.race([story(), late]);
  } finally {
    clearTimeout(timer);
  }
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
