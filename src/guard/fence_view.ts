/** The fence's knowledge of the postmaster, as its controller sees it. Pure. */
import { type FenceState, isWritable } from "./fence.ts";
import type { Postmaster } from "./port.ts";

export function postmasterOf({ postmaster }: FenceState): Postmaster | null {
  if (postmaster === null) return null;
  const { pid, authority, child, ending, killing, frozenAtMs, closedUntilMs } = postmaster;
  return {
    pid,
    writable: isWritable(postmaster),
    epoch: authority.kind === "primary" ? authority.epoch : null,
    phase: killing ? "ending" : frozenAtMs !== null ? "frozen" : ending ? "ending" : "running",
    child,
    ...(closedUntilMs === undefined ? {} : { closed: true }),
  };
}
