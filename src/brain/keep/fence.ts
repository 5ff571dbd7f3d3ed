/**
 * Before anything else: nothing is decided by records that may be older than this start, and a server that
 * may acknowledge writes without the epoch being held here is ended.
 */
import { isPromotedByOthers } from "../../model/postgres_view.ts";
import { FRESH_MS } from "../cluster/successor_view.ts";
import { NOT_TAKEN_OVER } from "./found_running.ts";
import { decide, kill, mayLeave, type NodeRule, type Outcome, release } from "./outcome.ts";
import { shuttingDown } from "./shutdown.ts";
import { isDoomed, isUnmanaged, type NodeView } from "./view.ts";

/**
 * Before its own record of this start is applied, the records that a node knows may be older than the start:
 * nothing is begun or ended by them. The guard's deadline bounds a running primary meanwhile.
 */
function recordsUnknown(view: NodeView): Outcome | null {
  if (view.joined) return null;
  if (!view.stopping) return decide("waiting for the cluster's records");
  if (view.postgres.process === "none") return mayLeave("stopped");
  if (isUnmanaged(view)) return mayLeave(NOT_TAKEN_OVER);
  const step = shuttingDown(view);
  if (step !== null) return step;
  if (view.postgres.action?.kind === "stop") return decide("stopping PostgreSQL");
  return decide("the agent is stopping", { kind: "stop", how: "fast", checkpoint: view.postgres.writable });
}

/** A graceful stop may go on while the epoch is still held; without it nothing may be acknowledged. */
function lockLost({ postgres, tenure, dcs }: NodeView): Outcome | null {
  if (!postgres.writable || (tenure === "holding" && postgres.epoch === dcs.lock.epoch)) return null;
  if (postgres.action?.kind === "stop" && postgres.action.detail === "kill") {
    return decide("ending PostgreSQL: the lock is lost");
  }
  return kill("the lock is lost: PostgreSQL is ended");
}

/**
 * No lease bounds its writes beside the holder. Where no holder is heard it is left to run: it may be the
 * only server left, and is then chosen after all others (successor.ts). In pause an operator may mean it. The
 * holder of the lock goes on as the primary, but not in a standby cluster, where nobody may write.
 */
function promotedByOthers({ postgres, dynamic, dcs, tenure, statuses }: NodeView): Outcome | null {
  const { action } = postgres;
  if (!isPromotedByOthers(postgres) || dynamic.pause) return null;
  if (tenure === "holding" && dynamic.standbyCluster === null) return null;
  const { holder } = dcs.lock;
  if (!statuses.some(({ status, ageMs }) => status.name === holder && ageMs < FRESH_MS)) return null;
  if (action?.kind === "stop" && action.detail === "kill") {
    return decide("ending a standby that others promoted");
  }
  const rule = tenure === "holding" ? "in a standby cluster" : `without the lock, which ${holder} holds`;
  return kill(`promoted ${rule}, and not by this agent: PostgreSQL is ended`);
}

/**
 * An agent that is to end waits so long for a majority: longer than an election takes, and short enough for
 * the shutdown of all hosts at once, in which no majority comes back.
 */
const MAJORITY_WAIT_MS = 3000;

/** Rules above this one have ended every server that may write. The processes left here cannot. */
function giveBack(view: NodeView): Outcome | null {
  if (view.tenure !== "to-release") return null;
  const { process, shutdown } = view.postgres;
  const isHarmless = shutdown?.stage === "closed" || isDoomed(view);
  if ((process === "orphans" || process === "stopping") && !isHarmless) {
    return kill("waiting for the last process of PostgreSQL");
  }
  const patienceMs = Math.min(view.dcs.grantTtlMs, MAJORITY_WAIT_MS);
  if (view.stopping && process === "none" && view.raftLostForMs >= patienceMs) {
    // The guard has been told the end of the epoch, and nothing runs. For a majority it ends by expiry.
    return mayLeave("stopped; without a majority the lock cannot be handed over, and runs out by itself");
  }
  return release(`giving back epoch ${view.dcs.lock.epoch}`, view);
}

export const RECORDS_UNKNOWN: NodeRule = {
  name: "records-unknown",
  when: "The node's own record of this start is not applied yet.",
  then:
    "Waits. Asked to stop, it stops PostgreSQL in order and ends; a server that no agent has managed runs on.",
  decide: recordsUnknown,
};

export const FENCE: readonly NodeRule[] = [
  {
    name: "lock-lost",
    when: "PostgreSQL may write, and this node does not hold the epoch that it writes under.",
    then: "Kills PostgreSQL.",
    decide: lockLost,
  },
  {
    name: "promoted-by-others",
    when:
      "PostgreSQL, started as a standby, takes writes, and not because its agent has promoted it: beside the holder, or on " +
      "the holder of a standby cluster. Also while it is told to end. Not in pause.",
    then: "Kills PostgreSQL. It rejoins as a former primary does.",
    decide: promotedByOthers,
  },
  {
    name: "give-back",
    when: "The lock names this node, which does not go on with that epoch.",
    then:
      "Ends the remaining processes of PostgreSQL, then releases the epoch. Asked to stop without a majority, the agent ends.",
    decide: giveBack,
  },
];
