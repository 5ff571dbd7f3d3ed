/**
 * Before anything else: nothing is decided by records that may be older than this start, and a server that
 * may acknowledge writes without the epoch being held here is ended.
 */
import { isPromotedByOthers } from "../../model/postgres_view.ts";
import { FRESH_MS } from "../cluster/successor_view.ts";
import { decide, kill, mayLeave, type NodeRule, type Outcome, release } from "./outcome.ts";
import { shuttingDown } from "./shutdown.ts";
import { isDoomed, type NodeView } from "./view.ts";

/**
 * Before its own record of this start is applied, the records that a node knows may be older than the start:
 * nothing is begun or ended by them. The guard's deadline bounds a running primary meanwhile.
 */
function recordsUnknown(view: NodeView): Outcome | null {
  if (view.joined) return null;
  if (!view.stopping) return decide("waiting for the cluster's records");
  if (view.postgres.process === "none") return mayLeave("stopped");
  const step = shuttingDown(view);
  if (step !== null) return step;
  if (view.postgres.action?.kind === "stop") return decide("stopping PostgreSQL");
  return decide("the agent is stopping", { kind: "stop", how: "fast", checkpoint: view.postgres.writable });
}

/**
 * This guard did not start it, so nobody has said yet what it is. A primary among such servers has no epoch.
 */
/** A server that was found running has this long to say what it is, once somebody else may write. */
const DECLARE_MS = 3000;

function foundRunning(view: NodeView): Outcome | null {
  const { postgres, dcs: { lock }, tenure, undeclaredForMs, dynamic } = view;
  if (!postgres.writable || postgres.epoch !== null || postgres.process === "none") return null;
  if (postgres.action?.kind === "stop") return decide("stopping a server that was found running");
  if (postgres.inRecovery === null && postgres.process === "starting") {
    // It may be a primary whose clients it answers, and this agent not (a password, a hook): no lease bounds
    // what it acknowledges. A standby that is killed loses nothing.
    const isOthers = lock.holder !== null && tenure === "none" && !dynamic.pause;
    if (isOthers && undeclaredForMs >= DECLARE_MS) {
      return kill("a server was found running that does not answer, and another member holds the lock");
    }
    return decide("a server was found running: looking at it");
  }
  if (postgres.inRecovery === true) return decide("a standby was found running");
  // Its clients must not write without a lease. A clean stop loses nothing, and it is started again under an
  // epoch.
  return decide("a primary was found running without the lock: stopping it cleanly", {
    kind: "stop",
    how: "fast",
    checkpoint: true,
  });
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
 * No lease bounds what it acknowledges beside the holder. Where no holder is heard it is left to run: it may
 * be all that is left, and is chosen then after all others (successor.ts). In pause an operator may mean it.
 */
function promotedByOthers({ postgres, dynamic, dcs, tenure, statuses }: NodeView): Outcome | null {
  const { action } = postgres;
  if (!isPromotedByOthers(postgres) || dynamic.pause || tenure === "holding") return null;
  const { holder } = dcs.lock;
  if (!statuses.some(({ status, ageMs }) => status.name === holder && ageMs < FRESH_MS)) return null;
  if (action?.kind === "stop" && action.detail === "kill") {
    return decide("ending a standby that others promoted");
  }
  return kill(`promoted without the lock, which ${holder} holds, and not by this agent: PostgreSQL is ended`);
}

/** Rules above this one have ended whatever may write: what is left here cannot. */
function giveBack(view: NodeView): Outcome | null {
  if (view.tenure !== "to-release") return null;
  const { process, shutdown } = view.postgres;
  const isHarmless = shutdown?.stage === "closed" || isDoomed(view);
  if ((process === "orphans" || process === "stopping") && !isHarmless) {
    return kill("waiting for the last process of PostgreSQL");
  }
  if (view.stopping && process === "none" && view.raftLostForMs >= view.dcs.grantTtlMs) {
    // The guard has been told the end of the epoch, and nothing runs. For a majority it ends by expiry.
    return mayLeave("stopped; without a majority the lock cannot be handed over, and runs out by itself");
  }
  return release(`giving back epoch ${view.dcs.lock.epoch}`, view);
}

export const FENCE: readonly NodeRule[] = [
  {
    name: "records-unknown",
    when: "The node's own record of this start is not applied yet.",
    then: "Waits. Asked to stop, it stops PostgreSQL in order and ends.",
    decide: recordsUnknown,
  },
  {
    name: "found-running",
    when: "PostgreSQL runs, its guard did not start it, and nobody has declared what it is.",
    then:
      "Looks at it. A standby is left to run; a primary is stopped cleanly; one that does not answer for 3 s is killed " +
      "while another member holds the lock.",
    decide: foundRunning,
  },
  {
    name: "lock-lost",
    when: "PostgreSQL may write, and this node does not hold the epoch that it writes under.",
    then: "Kills PostgreSQL.",
    decide: lockLost,
  },
  {
    name: "promoted-by-others",
    when:
      "PostgreSQL, started as a standby, takes writes, and not because its agent has promoted it. Not in pause.",
    then: "Kills PostgreSQL. It rejoins as a former primary does.",
    decide: promotedByOthers,
  },
  {
    name: "give-back",
    when: "The lock names this node, which does not go on with that epoch.",
    then:
      "Ends what is left of PostgreSQL, then releases the epoch. Asked to stop without a majority, the agent ends.",
    decide: giveBack,
  },
];
