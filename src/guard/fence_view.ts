/** The fence's knowledge of the postmaster, as its controller sees it. Pure. */
import { type FenceState, isWritable } from "./fence_state.ts";
import type { Postmaster } from "../model/guard_view.ts";

export function postmasterOf({ postmaster }: FenceState): Postmaster | null {
  if (postmaster === null) return null;
  const { pid, authority, child, ending, killing, frozenAtMs, closedUntilMs } = postmaster;
  return {
    pid,
    writable: isWritable(postmaster),
    epoch: authority.kind === "primary" ? authority.epoch : null,
    phase: killing ? "ending" : frozenAtMs !== null ? "frozen" : ending ? "ending" : "running",
    child,
    ...(frozenAtMs === null ? {} : { frozenAtMs }),
    ...(closedUntilMs === undefined ? {} : { closed: true }),
    ...(authority.kind === "undeclared" && authority.epoch !== undefined
      ? { foundUnder: authority.epoch }
      : {}),
  };
}
