/** A cluster of hosts with network namespaces of their own, for tests that cut them off from each other. */
import { afterAll, beforeAll, test } from "bun:test";
import type { Client } from "../../src/demo/client.ts";
import type { Cluster, ClusterOptions } from "../../src/demo/cluster.ts";
import type { Host } from "../../src/demo/host.ts";
import { Fixture, newCluster, START_MS, startHealthy, TEST_MS } from "./harness.ts";
import { hasNamespaces, Network } from "./network.ts";

export class NetworkFixture extends Fixture {
  #network: Network | null = null;

  /** `withAddresses`: more options, of what needs the addresses of the hosts. */
  async openWithNetwork(
    options: Partial<ClusterOptions>,
    begin: (cluster: Cluster) => Promise<unknown> = startHealthy,
    withAddresses: (network: Network) => Partial<ClusterOptions> = () => ({}),
  ): Promise<void> {
    await this.open(options, begin, (options) => {
      const network = new Network(3);
      this.#network = network;
      return newCluster({ ...options, ...withAddresses(network), place: (index) => network.place(index) });
    });
  }

  override async close(): Promise<void> {
    await super.close();
    this.#network?.close();
    this.#network = null;
  }

  /** Put before a command: it runs at the host's own place, where the host is reached when it is cut off. */
  inside(host: Host): string[] {
    return this.#wires.inside(this.#indexOf(host));
  }

  /** Writes to the host from its own place. */
  clientInside(host: Host): Client {
    return this.cluster.startClient([host], this.inside(host));
  }

  cut(host: Host): void {
    this.#wires.cut(this.#indexOf(host));
  }

  mend(host: Host): void {
    this.#wires.mend(this.#indexOf(host));
  }

  cutPort(host: Host, port: number): void {
    this.#wires.cutPort(this.#indexOf(host), port);
  }

  mendPort(host: Host, port: number): void {
    this.#wires.mendPort(this.#indexOf(host), port);
  }

  mendAll(): void {
    for (const host of this.cluster.hosts) {
      this.mend(host);
      this.mendPort(host, host.addresses.raftPort);
      this.mendPort(host, host.addresses.restPort);
    }
  }

  get #wires(): Network {
    if (this.#network === null) throw new Error("the network of this file was not made");
    return this.#network;
  }

  #indexOf(host: Host): number {
    return this.cluster.hosts.indexOf(host) + 1;
  }
}

/** A story in which hosts are cut off: mended after it; skipped and counted where it is not possible. */
export function cutStory(
  fixture: NetworkFixture,
  name: string,
  possible: boolean,
  tell: () => Promise<void>,
): void {
  test.skipIf(!possible)(name, () =>
    fixture.tell(async () => {
      try {
        await tell();
      } finally {
        fixture.mendAll();
      }
    }), TEST_MS);
}

/** As withCluster; whatever a story cut is mended after it. Only as root; skipped and counted otherwise. */
export function withNetworkCluster(
  options: Partial<ClusterOptions>,
): { fixture: NetworkFixture; story: (name: string, tell: () => Promise<void>) => void } {
  const possible = hasNamespaces();
  const fixture = new NetworkFixture();
  beforeAll(async () => {
    if (possible) await fixture.openWithNetwork(options);
  }, 2 * START_MS);
  afterAll(() => fixture.close(), START_MS);
  const story = (name: string, tell: () => Promise<void>) => cutStory(fixture, name, possible, tell);
  return { fixture, story };
}
