/**
 * The cluster of a chaos run: nodes in network namespaces, a service manager that starts their agents again,
 * and the faults that are in effect.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { Client } from "../../src/demo/client.ts";
import type { Cluster } from "../../src/demo/cluster.ts";
import type { Host } from "../../src/demo/host.ts";
import { nowMs } from "../../src/demo/now.ts";
import { rest } from "../../src/demo/rest.ts";
import { sleep } from "../../src/demo/wait_for.ts";
import { newCluster } from "../e2e/harness.ts";
import { Network } from "../e2e/network.ts";
import { raftOf } from "../e2e/shown.ts";
import { adviceFor } from "./advice.ts";
import { prepareCables } from "./cable.ts";
import type { Mode, Target } from "./schedule.ts";
import { TABLES } from "./tables.ts";
import { TransactionClient } from "./transactions.ts";
import { forgetClocks, setClock, withClock } from "./wall_clock.ts";
import { Wires } from "./wires.ts";

export interface ChaosOptions {
  readonly nodes: number;
  readonly seed: number;
  readonly mode: Mode;
  readonly ttlS: number;
  /** The library that sets clocks; null: they stay as they are. */
  readonly faketime: string | null;
}

/** In the directory of each host, where its agent runs. */
export const DECISIONS = "decisions";
const START_MS = 120_000;
/** How often an operator looks whether advice is given. */
const OPERATOR_MS = 2000;
/** A service manager's, and how often it looks. */
const RESTART_MS = 250;
/**
 * So many transactions side by side, and the pause between two of them: from everywhere, and beside a node.
 */
const OUTSIDE = { workers: 5, paceMs: 40 };
const INSIDE = { workers: 2, paceMs: 60 };
/** Room of a node for its data, its raft log and its records. */
const DISK_MB = 1024;
/** The client with unique values leaves some of the two cores to the cluster. */
const CLIENT_SLOWNESS = 4;

export class ChaosCluster {
  readonly cluster: Cluster;
  readonly network: Network;
  readonly wires: Wires;
  /** Writes unique values, and has a connection to every node. */
  client!: Client;
  readonly transactions: TransactionClient[] = [];
  readonly badCables = new Set<Host>();
  /** Nodes whose raft directory was taken away in this round: they cannot prove what their data has. */
  readonly unproven = new Set<Host>();
  #leaveSpareUp: (() => void) | null = null;
  #spareHasRun = false;
  /** Host to the number of faults that keep its agent from being started. */
  readonly #down = new Map<Host, number>();
  #manager: ReturnType<typeof setInterval> | null = null;

  private constructor(cluster: Cluster, network: Network) {
    this.cluster = cluster;
    this.network = network;
    this.wires = new Wires(network);
  }

  static async create({ nodes, mode, ttlS, faketime }: ChaosOptions): Promise<ChaosCluster> {
    // The last one is a member for a while only.
    const size = nodes + 1;
    const network = new Network(size);
    try {
      await prepareCables(network, size);
      const cluster = await newCluster({
        size,
        founders: nodes,
        dcs: { ttl: ttlS, synchronous_mode: mode },
        override: () => ({
          log: { decisions: DECISIONS, file_num: 40 },
          // Disks of tests are small, and hold directories that were replaced. Conflicts between transactions are
          // what clients are told.
          postgresql: {
            parameters: { max_wal_size: "192MB", min_wal_size: "64MB", log_min_messages: "log" },
          },
        }),
        place: (index) => network.place(index),
        disk: (directory) => {
          const remove = smallDisk(directory);
          setClock(directory, 0);
          return remove;
        },
        wrap: (directory) => faketime === null ? [] : withClock(faketime, directory),
        clientSlowness: CLIENT_SLOWNESS,
      });
      const chaos = new ChaosCluster(cluster, network);
      chaos.wantSpare(false);
      return chaos;
    } catch (error) {
      network.close();
      throw error;
    }
  }

  async start(seed: number): Promise<void> {
    this.#manager = setInterval(() => this.#manage(), RESTART_MS);
    const primary = await this.cluster.waitHealthy(START_MS, this.active);
    for (const sql of TABLES) await this.cluster.query(primary, sql);
    this.client = this.cluster.startClient();
    const { hosts } = this.cluster;
    this.transactions.push(new TransactionClient(this.cluster, hosts, [], { client: 1, seed, ...OUTSIDE }));
    for (const [i, host] of hosts.entries()) {
      const options = { client: i + 2, seed, ...INSIDE };
      this.transactions.push(new TransactionClient(this.cluster, [host], this.inside(host), options));
    }
    await this.client.waitForWrite(nowMs(), START_MS);
  }

  /** The node that did not found the cluster. */
  get spare(): Host {
    return this.cluster.hosts.at(-1)!;
  }

  get isSpareWanted(): boolean {
    return this.#leaveSpareUp === null;
  }

  /** Whether the spare node is to run. */
  wantSpare(wanted: boolean): void {
    if (wanted === this.isSpareWanted) return;
    this.#leaveSpareUp?.();
    this.#leaveSpareUp = wanted ? null : this.keepDown(this.spare);
    this.#spareHasRun ||= wanted;
  }

  get everActive(): Host[] {
    return this.cluster.hosts.filter((host) => host !== this.spare || this.#spareHasRun);
  }

  /** The nodes that are members, or are to be: all, but for the spare one while it is not wanted. */
  get active(): Host[] {
    return this.cluster.hosts.filter((host) => host !== this.spare || this.isSpareWanted);
  }

  /** Each agent that has ended is started again, unless a fault keeps it down. */
  #manage(): void {
    for (const host of this.cluster.hosts) {
      if (host.agentPid() === null && !this.isKeptDown(host)) host.start();
    }
  }

  /** The host's agent is not started again until the returned function is called. */
  keepDown(host: Host): () => void {
    this.#down.set(host, (this.#down.get(host) ?? 0) + 1);
    return () => void this.#down.set(host, this.#down.get(host)! - 1);
  }

  isKeptDown(host: Host): boolean {
    return (this.#down.get(host) ?? 0) > 0;
  }

  /** The host that a fault is meant for. Where no primary answers, the first node stands for it. */
  async resolve(target: Target): Promise<Host> {
    const { hosts } = this.cluster;
    if (target.kind === "node") return hosts[target.number]!;
    const primary = await this.cluster.primary() ?? hosts[0]!;
    return target.kind === "primary" ? primary : hosts.filter((one) => one !== primary)[target.number]!;
  }

  /**
   * The raft ids of all members by name, as the primary shows them. @throws where there is no primary to
   * ask
   */
  async raftIds(): Promise<Map<string, string>> {
    const primary = await this.cluster.primary();
    if (primary === null) throw new Error("there is no primary to ask");
    return new Map((await raftOf(primary)).members.map(({ name, id }) => [name, String(id)]));
  }

  numberOf(host: Host): number {
    return this.cluster.hosts.indexOf(host) + 1;
  }

  inside(host: Host): string[] {
    return this.network.inside(this.numberOf(host));
  }

  /**
   * Every node is up and well, and a write is confirmed. Returns the primary. `tell`: of what an operator had
   * to do.
   */
  async healed(tell: (text: string) => void): Promise<Host> {
    let waits = true;
    const operator = (async () => {
      while (waits) {
        await sleep(OPERATOR_MS);
        const given = waits ? await this.#followAdvice() : null;
        if (given !== null) tell(given);
      }
    })();
    try {
      const primary = await this.cluster.waitHealthy(START_MS, this.active);
      await this.client.waitForWrite(nowMs(), START_MS, primary.name);
      this.unproven.clear();
      this.#makeRoom();
      return primary;
    } finally {
      waits = false;
      await operator;
    }
  }

  /**
   * As an operator does: a node may have acknowledged alone, and then lose its raft directory. Nobody else
   * has the end of its WAL, and it cannot prove to have it: the agents wait for a word, and say which.
   */
  async #followAdvice(): Promise<string | null> {
    for (const host of this.active) {
      const reply = await rest(host.restAddress, "/cluster", { timeoutMs: OPERATOR_MS }).catch(() => null);
      const advice = reply?.status === 200 ? String(JSON.parse(reply.text).agent?.operator_needed ?? "") : "";
      const named = adviceFor(advice);
      const candidate = [...this.unproven].find(({ name }) => name === named);
      if (candidate === undefined) continue;
      const { code } = await this.cluster.tryCtlAt(candidate, "failover", "--candidate", named!, "--force");
      return `operator: failover to ${named}, as was advised (exit code ${code})`;
    }
    return null;
  }

  /** As an operator does: directories that were moved aside would fill a small disk. */
  #makeRoom(): void {
    for (const { directory } of this.cluster.hosts) {
      for (const name of readdirSync(directory).filter((one) => /^data\.(?:failed|lost-wal)-/.test(one))) {
        rmSync(join(directory, name), { recursive: true, force: true });
      }
    }
  }

  async stopClients(): Promise<void> {
    await Promise.all([this.client.stop(), ...this.transactions.map((one) => one.stop())]);
  }

  /** The agents end by themselves, and stay down. */
  async stopAgents(): Promise<void> {
    this.#stopManager();
    await Promise.all(this.active.map((host) => host.stopAgent(START_MS)));
  }

  async destroy(): Promise<void> {
    this.#stopManager();
    await this.cluster.destroy();
    this.network.close();
    forgetClocks();
  }

  /** Copies all that a later look may need: logs, files, decisions, histories, and no data. */
  keepLogs(directory: string): void {
    const pack = ["-C", this.cluster.directory, "--exclude=./*/data*", "--exclude=*.sock", "-cf", "-", "."];
    const packed = spawnSync("tar", pack, { maxBuffer: 2 ** 32 - 1 });
    const unpacked = spawnSync("tar", ["-C", directory, "-xf", "-"], { input: packed.stdout });
    // Sockets are no files, which tar says as well.
    if (unpacked.status !== 0) throw new Error(`tar: ${packed.stderr}${unpacked.stderr}`);
  }

  #stopManager(): void {
    if (this.#manager !== null) clearInterval(this.#manager);
    this.#manager = null;
  }
}

/** A file system that can be filled without harm to others. */
function smallDisk(directory: string): () => void {
  execFileSync("mount", ["-t", "tmpfs", "-o", `size=${DISK_MB}m,mode=700`, "none", directory]);
  return () => void execFileSync("umount", ["--lazy", directory]);
}
