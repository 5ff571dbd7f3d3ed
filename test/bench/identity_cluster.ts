/**
 * A cluster whose members may be met by a machine of the same name: three founders, and a fourth host that is
 * switched off. Each host has a network namespace; with `certificates` every port but PostgreSQL's asks for a
 * certificate.
 */
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Authority } from "../../raft/transport/testing_certificates.ts";
import type { Client } from "../../src/demo/client.ts";
import { Cluster, type ClusterOptions } from "../../src/demo/cluster.ts";
import type { Host } from "../../src/demo/host.ts";
import { sleep } from "../../src/demo/wait_for.ts";
import type { JsonObject } from "../../src/model/json.ts";
import { binary, user } from "../e2e/environment.ts";
import { Network } from "../e2e/network.ts";

const FOUNDERS = 3;
const START_MS = 120_000;
/**
 * Between two looks: many clusters share this host, and so do their clients, which ask every 24 ms at most.
 */
const LOOK_MS = 500;
const CLIENT_SLOWNESS = 8;

export interface IdentityClusterOptions {
  readonly ttlMs: number;
  readonly certificates: boolean;
  /** An empty directory, for the certificates. */
  readonly directory: string;
  readonly say: (text: string) => void;
}

export class IdentityCluster {
  readonly cluster: Cluster;
  readonly network: Network;
  readonly client: Client;
  readonly ttlMs: number;

  private constructor(
    cluster: Cluster,
    network: Network,
    client: Client,
    ttlMs: number,
  ) {
    this.cluster = cluster;
    this.network = network;
    this.client = client;
    this.ttlMs = ttlMs;
  }

  static async create(options: IdentityClusterOptions): Promise<IdentityCluster> {
    const network = new Network(FOUNDERS + 1);
    let cluster: Cluster | null = null;
    try {
      cluster = await Cluster.create({
        binary,
        user,
        size: FOUNDERS + 1,
        founders: FOUNDERS,
        dcs: { ttl: options.ttlMs / 1000 },
        place: (index) => network.place(index),
        lookEveryMs: LOOK_MS,
        clientSlowness: CLIENT_SLOWNESS,
        ...(options.certificates ? certified(options.directory, network) : {}),
      });
      const founders = cluster.hosts.slice(0, FOUNDERS);
      for (const host of founders) host.start();
      await cluster.waitHealthy(START_MS, founders);
      return new IdentityCluster(cluster, network, cluster.startClient(), options.ttlMs);
    } catch (error) {
      options.say(cluster?.logs(60) ?? "");
      await cluster?.destroy();
      network.close();
      throw error;
    }
  }

  get founders(): readonly Host[] {
    return this.cluster.hosts.slice(0, FOUNDERS);
  }

  /** Switched off, without directories, outside the cluster. */
  get spare(): Host {
    return this.cluster.hosts[FOUNDERS]!;
  }

  indexOf(host: Host): number {
    return this.cluster.hosts.indexOf(host) + 1;
  }

  /** Everything is as it was: the founders are healthy, and the spare host is gone and no member any more. */
  async restored(): Promise<Host> {
    const { spare, cluster } = this;
    await spare.powerOff();
    for (const directory of [join(spare.directory, "raft"), spare.dataDir]) {
      rmSync(directory, { recursive: true, force: true });
    }
    const address = `${spare.addresses.address}:${spare.addresses.raftPort}`;
    // A service manager; an agent whose name was taken over ends once.
    const keeper = { on: true };
    const kept = this.#keepRunning(keeper);
    try {
      const end = Date.now() + START_MS;
      while (true) {
        const primary = await cluster.waitHealthy(START_MS, this.founders);
        const { members } = JSON.parse((await primary.rest("/agent/raft")).text) as {
          members: readonly { id: number; addr: string; voter: boolean }[];
        };
        const left = members.find(({ addr }) => addr === address);
        const votes = members.filter(({ voter }) => voter).length;
        if (left === undefined && votes === FOUNDERS) return primary;
        if (Date.now() > end) throw new Error(`the members are not as before: ${JSON.stringify(members)}`);
        if (left !== undefined) await cluster.tryCtl("raft", "remove", String(left.id), "--force");
        await sleep(LOOK_MS);
      }
    } finally {
      keeper.on = false;
      await kept;
    }
  }

  async destroy(): Promise<void> {
    await this.cluster.destroy();
    this.network.close();
  }

  async #keepRunning(keeper: { on: boolean }): Promise<void> {
    while (keeper.on) {
      for (const host of this.founders) if (host.agentPid() === null) host.start();
      await sleep(LOOK_MS);
    }
  }
}

/** `raft.tls` for the members, and a REST API that hears nobody without a certificate. */
function certified(
  directory: string,
  network: Network,
): Pick<ClusterOptions, "override" | "clientCertificate"> {
  const authority = new Authority("members");
  const override = (name: string): JsonObject => {
    const { address } = network.place(Number(name.slice("node".length)));
    const files = authority.issue({ commonName: name, names: [address] });
    const home = join(directory, name);
    mkdirSync(home, { recursive: true });
    // Readable by the agents' user: these keys protect nothing.
    for (const part of ["ca", "cert", "key"] as const) writeFileSync(join(home, `${part}.pem`), files[part]);
    const paths = {
      certfile: join(home, "cert.pem"),
      keyfile: join(home, "key.pem"),
      cafile: join(home, "ca.pem"),
    };
    return { raft: { tls: paths }, restapi: { ...paths, verify_client: "required" } };
  };
  return {
    override,
    clientCertificate: authority.issue({ commonName: "bench", usages: ["clientAuth"] }),
  };
}
