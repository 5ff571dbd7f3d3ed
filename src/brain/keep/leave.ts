/**
 * The agent is to end: PostgreSQL is stopped, the lock handed over. In pause PostgreSQL stays, if its epoch
 * may.
 */
import { decide, mayLeave, type NodeRule, type Outcome, release } from "./outcome.ts";
import type { NodeView } from "./view.ts";

function stopped(view: NodeView): Outcome | null {
  if (!view.stopping || view.postgres.process !== "none") return null;
  return view.tenure === "holding" ? release("stopped; handing over the lock", view) : mayLeave("stopped");
}

/** The guard stays with PostgreSQL, and the epoch, unfenced, stays this node's. */
function leaveRunning(view: NodeView): Outcome | null {
  if (!view.stopping || !view.dynamic.pause) return null;
  const needsLease = view.tenure !== "none" && !view.dcs.lock.unfenced;
  // A standby leader acknowledges nothing: its lock runs out, and nothing is harmed.
  const isStandbyLeader = view.dynamic.standbyCluster !== null && !view.postgres.writable;
  if (needsLease && !isStandbyLeader) return null;
  return mayLeave("PAUSE: PostgreSQL is left running");
}

function stopPostgres({ stopping, postgres: { action, writable } }: NodeView): Outcome | null {
  if (!stopping) return null;
  if (action?.kind === "stop") return decide("stopping PostgreSQL");
  // It is cancelled meanwhile.
  if (action?.kind === "clone" || action?.kind === "rewind") return decide("stopping");
  return decide("the agent is stopping", { kind: "stop", how: "fast", checkpoint: writable });
}

export const LEAVE: readonly NodeRule[] = [
  {
    name: "stopped",
    when: "The agent is to end, and PostgreSQL does not run.",
    then: "Releases the lock if it is held; then the agent ends.",
    decide: stopped,
  },
  {
    name: "leave-running",
    when: "The agent is to end in pause, and PostgreSQL needs no lease: a standby, or an unfenced epoch.",
    then: "The agent ends and leaves PostgreSQL running.",
    decide: leaveRunning,
  },
  {
    name: "stop-to-leave",
    when: "The agent is to end, and PostgreSQL runs.",
    then: "Stops PostgreSQL in order, a primary after a checkpoint.",
    decide: stopPostgres,
  },
];
