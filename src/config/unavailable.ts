/**
 * What Patroni's dynamic configuration can ask for and this version does not do. Asked for by a change, it is refused;
 * found in a file, it is said at every start: silence would let somebody believe in a protection that is not there.
 */
import type { DynamicConfig } from "../model/config.ts";

export function unavailableFeatures(config: DynamicConfig): string[] {
  const found: string[] = [];
  if (config.synchronousMode !== "off") {
    found.push("synchronous_mode is not available in this version: replication stays asynchronous");
  }
  if (config.standbyCluster !== null) found.push("standby_cluster is not available in this version");
  if (Object.keys(config.slots).length > 0) {
    found.push("slots: permanent replication slots are not available in this version");
  }
  return found;
}
