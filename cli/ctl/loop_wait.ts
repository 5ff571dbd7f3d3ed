/** The longest time that a member takes to notice a change, for messages and waits. */
import type { ClusterAccess } from "./access.ts";
import { parseConfig } from "./remote_config.ts";

const DEFAULT_S = 1;

export async function loopWaitSeconds(access: ClusterAccess): Promise<number> {
  const reply = await access.get("/config");
  const config = reply.status === 200 ? parseConfig(reply.text) : {};
  return typeof config.loop_wait === "number" ? config.loop_wait : DEFAULT_S;
}
