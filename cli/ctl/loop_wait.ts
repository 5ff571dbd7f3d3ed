/** The longest time that a member takes to notice a change, for messages and waits. */
import type { Json } from "../../src/model/json.ts";
import { parseQuantity } from "../../src/model/time_units.ts";
import type { ClusterAccess } from "./access.ts";
import { parseConfig } from "./remote_config.ts";

const DEFAULT_TTL_S = 5;

export async function loopWaitSeconds(access: ClusterAccess): Promise<number> {
  const reply = await access.get("/config");
  const { loop_wait: given, ttl } = reply.status === 200 ? parseConfig(reply.text) : {};
  // Where it is left out it follows from ttl (docs/configuration.md).
  return seconds(given) ?? Math.max(1, Math.floor((seconds(ttl) ?? DEFAULT_TTL_S) / 5));
}

function seconds(value: Json | undefined): number | null {
  const found = parseQuantity(value, "s");
  return found === null ? null : Math.max(1, found);
}
