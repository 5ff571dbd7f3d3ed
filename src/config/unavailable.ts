/**
 * What Patroni's dynamic configuration can ask for and this version does not do. Asked for by a change, it is refused;
 * found in a file, it is said at every start: silence would let somebody believe in a protection that is not there.
 */
import type { DynamicConfig } from "../model/config.ts";
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
