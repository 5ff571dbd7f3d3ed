/**
 * When a look may leave the decisions of the one before. Everything that a decision could follow from wakes a
 * member's loop, with one exception: time. At rest no rule counts time. So of the looks that only a status or
 * a renewal is due for, every other one decides nothing.
 *
 * What rules count from ends the rest before any of them does something about it: the silence of a member, of
 * PostgreSQL and of raft, a copy, a request, the end of a lease. The shortest of their limits is FRESH_MS. By
 * then looks decide as often as they would without rest. Pure.
 */
import { FRESH_MS } from "../../brain/cluster/successor_view.ts";
import type { SeenStatus } from "../../brain/cluster/successor_view.ts";
import type { NodeView } from "../../brain/keep/view.ts";

/** The longest time between two looks that decide. */
export const DECIDE_MS = 1000;
/** A look that comes so near to the end of that time decides: it spares the agent one of its own. */
export const NEAR_MS = 250;
/** Every member is heard twice a second. */
const HEARD_MS = 700;

/** All that a look saw was as it is for weeks. `heard`: see isHeard. */
export function isAtRest(node: NodeView): boolean {
  const { dcs: { lock, failover }, postgres, dynamic, nowMs, statuses, dcs } = node;
  const { process, action, lastLookMs } = postgres;
  if (lock.holder === null || lock.unfenced || failover !== null || dynamic.pause || !node.joined) {
    return false;
  }
  if (
    node.stopping || node.wantsRestart || node.wantsReinit !== null || (node.reinitializing ?? null) !== null
  ) {
    return false;
  }
  if (process !== "running" || action !== null || lastLookMs === null) return false;
  if (nowMs - lastLookMs >= FRESH_MS || node.watchdogFailed || node.failsafeWait) return false;
  if (!Object.keys(dcs.members).every((name) => statuses.some(({ status }) => status.name === name))) {
    return false;
  }
  return node.raftLostForMs === 0 && node.notStreamingForMs === 0 && node.startingForMs === 0 &&
    node.undeclaredForMs === 0;
}

/** No member has fallen silent. */
export function isHeard(statuses: readonly SeenStatus[]): boolean {
  return statuses.every(({ ageMs }) => ageMs < HEARD_MS);
}
