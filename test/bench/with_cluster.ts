/** A cluster for a measurement: made, healthy, measured, removed. */
import { Cluster, type ClusterOptions } from "../../src/demo/cluster.ts";
import type { JsonObject } from "../../src/model/json.ts";
import { prepareCables } from "../chaos/cable.ts";
import { binary, user } from "../e2e/environment.ts";
import { hasNamespaces, Network } from "../e2e/network.ts";

const HEALTHY_MS = 60_000;

type Options = Pick<ClusterOptions, "size" | "place" | "override" | "clientCertificate" | "wrap">;

/** `healthyMs`: many nodes on one machine take longer to become healthy. */
export async function withCluster(
  dcs: JsonObject,
  action: (cluster: Cluster) => Promise<void>,
  options: Options = {},
  healthyMs = HEALTHY_MS,
): Promise<void> {
  const cluster = await Cluster.create({ binary, user, dcs, ...options });
  try {
    cluster.start();
    await cluster.waitHealthy(healthyMs);
    await action(cluster);
  } catch (error) {
    say(cluster.logs());
    throw error;
  } finally {
    await cluster.destroy();
  }
}

/** The same with a network namespace for each node, whose cables may be made bad. */
export async function withNetwork(
  what: string,
  size: number,
  dcs: JsonObject,
  action: (cluster: Cluster, network: Network) => Promise<void>,
  healthyMs = HEALTHY_MS,
): Promise<void> {
  if (!hasNamespaces()) throw new Error(`${what} needs network namespaces: run it as root, with iproute2`);
  const network = new Network(size);
  try {
    await prepareCables(network, size);
    const place = (index: number) => network.place(index);
    await withCluster(dcs, (cluster) => action(cluster, network), { size, place }, healthyMs);
  } finally {
    network.close();
  }
}

export function say(text: string): void {
  process.stderr.write(`${text}\n`);
}
