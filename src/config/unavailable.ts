/**
 * The features that Patroni's dynamic configuration can ask for and this version does not have. In a change
 * they are refused; in a file they are reported at every start: silence would let somebody believe in a
 * protection that is not there.
 */
import type { BootstrapConfig, DynamicConfig } from "../model/config.ts";
import { DYNAMIC_KEYS } from "./keys/dynamic.ts";
import type { DynamicKey, RootConfig } from "./keys/dynamic.ts";

export function unavailableFeatures(config: DynamicConfig): string[] {
  return Object.entries<DynamicKey<unknown>>(DYNAMIC_KEYS).flatMap(([field, { key, type, unavailable }]) => {
    const asked = JSON.stringify(config[field as keyof RootConfig]) !== JSON.stringify(type.fallback(config));
    return unavailable !== undefined && asked
      ? [`${key} is not available in this version: ${unavailable}`]
      : [];
  });
}

/**
 * Why an empty directory cannot become what the file asks for; null: it can. An empty cluster that takes
 * writes, where somebody asked for a restore, or for one that follows another cluster, would look like
 * success.
 */
export function unavailableBootstrap(
  { custom }: Pick<BootstrapConfig, "custom">,
  { standbyCluster }: Pick<DynamicConfig, "standbyCluster">,
): string | null {
  if (custom) {
    return `bootstrap.method ${custom.name} is not available in this version: restore into postgresql.data_dir by hand, or use initdb`;
  }
  return standbyCluster === null
    ? null
    : "bootstrap.dcs.standby_cluster is not available in this version: no empty cluster is made in its place. Remove it to make one";
}
