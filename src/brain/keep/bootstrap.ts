/**
 * The cluster has no data yet: one member claims the bootstrap, makes or adopts a directory, and names it in
 * the records.
 */
import { isInitialized } from "../../model/records.ts";
import { founding } from "./founder.ts";
import { notYet, startPrimary } from "./may_write.ts";
import { INITDB_FAILED, STALE_GRANT, UNDO_BOOTSTRAP } from "./bootstrap_failed.ts";
import { BOOTSTRAP_STANDBY, CLAIM_STANDBY } from "./bootstrap_standby.ts";
import { decide, make, type NodeRule, type Outcome } from "./outcome.ts";
import { isEmpty, type NodeView, ownBootstrap } from "./view.ts";

function claim(view: NodeView): Outcome | null {
  return view.dcs.initialize === null ? founding(view) : null;
}

function othersBootstrap(view: NodeView): Outcome | null {
  if (isInitialized(view.dcs) || ownBootstrap(view)) return null;
  return decide(`waiting for leader to bootstrap (${view.dcs.initialize?.by})`);
}

function firstPrimary(view: NodeView): Outcome | null {
  if (isInitialized(view.dcs) || view.tenure !== "holding" || isEmpty(view)) return null;
  if (view.dynamic.standbyCluster !== null) return null;
  const { process, writable, inRecovery, directory, systemId, last } = view.postgres;
  // The copy that a standby cluster began with, which is none any more.
  if (directory.kind === "valid" && directory.standbySignal && !writable) return promoteCopy(view);
  if (process === "none") return startPrimary(view);
  if (process !== "running" || !writable) return decide("starting the first primary");
  // A restored cluster. It may take writes at any moment, and is fenced as a primary from its start on.
  if (inRecovery !== false) return decide("waiting for end of recovery after bootstrap");
  // The mark of a half-written directory stays until the records name its system identifier: ended in
  // between, it must not look like another cluster's.
  if (directory.kind === "half-written" && last["finish-bootstrap"] === undefined) {
    return decide("creating roles", { kind: "finish-bootstrap" });
  }
  // Adopted while it ran. Before the records name it, the directory must show that it is an agent's: after the
  // death of agent and guard only that tells it from a primary that must not be stopped (found_running.ts).
  if (directory.kind === "valid" && directory.unmanaged) {
    return decide("taking over the configuration of the running primary");
  }
  if (systemId === null) return decide("reading the system identifier");
  const done = directory.kind === "half-written" ? "roles created" : "forming the cluster with the data here";
  return decide(done, { kind: "complete-initialize", systemId });
}

/** Started as a primary, it would go on with the timeline of the server that was copied. */
function promoteCopy(view: NodeView): Outcome {
  const { process } = view.postgres;
  if (process === "none") return decide("starting to be promoted", { kind: "start-standby", follow: null });
  if (process !== "running") return decide("standby is starting");
  return notYet(view) ??
    decide("promoting the copied standby", { kind: "promote", epoch: view.dcs.lock.epoch });
}

function initdb(view: NodeView): Outcome | null {
  if (isInitialized(view.dcs) || view.dynamic.standbyCluster !== null) return null;
  return isEmpty(view)
    ? make("bootstrapping a new cluster", view, { kind: "bootstrap" })
    : decide("the data directory is made, waiting for the lock");
}

export const BOOTSTRAP: readonly NodeRule[] = [
  UNDO_BOOTSTRAP,
  STALE_GRANT,
  CLAIM_STANDBY,
  {
    name: "claim-bootstrap",
    when: "No member has claimed the bootstrap.",
    then:
      "Claims it, with a primary's directory or with none. A node waits for one whose data goes before its own, and where two primaries could be meant, and for 2 s to 5 minutes after a bootstrap that failed there.",
    decide: claim,
  },
  {
    name: "await-bootstrap",
    when: "Another member bootstraps, or an earlier start of this node did.",
    then: "Waits.",
    decide: othersBootstrap,
  },
  ...BOOTSTRAP_STANDBY,
  INITDB_FAILED,
  {
    name: "first-primary",
    when: "The directory of this node's own bootstrap is made, and it holds the lock.",
    then:
      "Starts the primary, waits for the end of its recovery if it was restored, makes its roles, and names its system identifier in the records.",
    decide: firstPrimary,
  },
  {
    name: "initdb",
    when: "This node has claimed the bootstrap.",
    then: "Makes the directory once it is known that no server runs here, then waits for the lock.",
    decide: initdb,
  },
];
