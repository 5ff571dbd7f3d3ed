/** The production log of a simulated member: its lines go to the run's event log. */
import type { World } from "../../raft/sim/mod.ts";
import type { Log } from "../lib/log.ts";

export function simLog(world: World, name: string): Log {
  const add = (_event: string, text: string) => world.log.add(name, text);
  return { debug() {}, info: add, warning: add, error: add, critical: add };
}
