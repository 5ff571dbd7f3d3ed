/** How long a server has nothing to do by itself. Pure. */
import type { Raft } from "./raft.ts";
import { NONE } from "./types.ts";

/**
 * Number of ticks that may be fed together, at the end of their time, as none but the last has anything to
 * do: until a leader's next heartbeat, and on a follower for half of the shortest election timeout after it
 * has heard its leader. From then on each tick is to come at its own time, so that no election is late.
 */
export function restTicks({ leadership, leader, options, electionElapsed }: Raft): number {
  const { heartbeatTicks, electionTicks } = options;
  if (leadership !== null) return Math.max(1, heartbeatTicks - leadership.heartbeatTicks);
  return Math.max(1, (leader === NONE ? 0 : Math.floor(electionTicks / 2)) - electionElapsed);
}
