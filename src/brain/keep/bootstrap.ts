/**
 * The cluster has no data yet: one member claims the bootstrap, makes or adopts a directory, and names it in
 * the records.
 */
import { FRESH_MS } from "../cluster/successor_view.ts";
import { startPrimary } from "./holder.ts";
import { decide, kill, type NodeRule, type Outcome, release } from "./outcome.ts";
import { type NodeView, ownBootstrap } from "./view.ts";

const isInitialized = ({ dcs: { initialize } }: NodeView) =>
  initialize !== null && initialize.systemId !== "";

/** Nothing is there to be a primary with. */
const isEmpty = ({ postgres: { directory } }: NodeView) =>
  directory.kind === "absent" || directory.kind === "empty";

/**
 * Nobody was told of this server as a primary, and nobody is. The directory is kept aside, the lock and the
 * claim are given back, and the process ends with the reason, as Patroni's does: what failed once will fail
 * again, and a script may not bear to run twice.
 */
function undo(view: NodeView): Outcome | null {
  const { postgres } = view;
  const finish = postgres.last["finish-bootstrap"];
  if (isInitialized(view) || !ownBootstrap(view) || finish === undefined || finish.ok) return null;
  const reason = `the bootstrap failed and is undone: ${finish.detail}`;
  if (postgres.process !== "none") return kill(reason);
  if (!isEmpty(view)) return decide(reason, { kind: "set-aside", why: "the bootstrap failed" });
  if (view.tenure === "holding") return release(reason, view);
  return decide(reason, { kind: "clear-initialize" }, {
    kind: "exit",
    message: `Failed to bootstrap cluster: ${finish.detail}`,
  });
}

/** A member that bootstraps now could never be granted the lock. */
function staleGrant(view: NodeView): Outcome | null {
  if (isInitialized(view) || view.tenure !== "holding" || ownBootstrap(view)) return null;
  const reason = "holding the lock for a bootstrap that is not this member's any more";
  if (view.postgres.process === "none") return release(reason, view);
  // Begun before the agent was restarted: nobody else can finish it, and it is cleared once the lock is free.
  return decide(reason, { kind: "stop", how: "fast", checkpoint: false });
}

/**
 * The member that claims first decides which data the cluster has: never an empty directory before existing
 * data.
 */
function claim(view: NodeView): Outcome | null {
  if (view.dcs.initialize !== null) return null;
  const { directory } = view.postgres;
  if (directory.kind === "valid") {
    if (directory.standbySignal) {
      return decide("a standby without an initialized cluster: waiting for its primary");
    }
    return decide("adopting an existing primary's data directory", { kind: "claim-initialize" });
  }
  if (view.watchdogFailed) {
    return decide("a watchdog is required and cannot be used: not bootstrapping a cluster");
  }
  const adopter = view.statuses.find(({ status, ageMs }) =>
    status.name !== view.name && ageMs < FRESH_MS && (status.primaryDirectory || status.writable)
  );
  if (adopter !== undefined) {
    return decide(
      `waiting for ${adopter.status.name}, which has a primary's data directory, to form the cluster`,
    );
  }
  return decide("trying to bootstrap a new cluster", { kind: "claim-initialize" });
}

function othersBootstrap(view: NodeView): Outcome | null {
  if (isInitialized(view) || ownBootstrap(view)) return null;
  return decide(`waiting for leader to bootstrap (${view.dcs.initialize?.by})`);
}

function initdbFailed(view: NodeView): Outcome | null {
  const made = view.postgres.last.bootstrap;
  if (isInitialized(view) || made === undefined || made.ok) return null;
  // Granted meanwhile: given back first, or nobody could be chosen next before the lease is over.
  if (view.tenure === "holding") return release("bootstrap failed", view);
  return decide("bootstrap failed", { kind: "clear-initialize" }, {
    kind: "exit",
    message: `initdb failed: ${made.detail}`,
  });
}

function firstPrimary(view: NodeView): Outcome | null {
  if (isInitialized(view) || view.tenure !== "holding" || isEmpty(view)) return null;
  const { process, writable, directory, systemId, last } = view.postgres;
  if (process === "none") return startPrimary(view);
  if (process !== "running" || !writable) return decide("starting the first primary");
  // The mark of a half-written directory stays until the records name its system identifier: ended in
  // between, it must not look like another cluster's.
  if (directory.kind === "half-written" && last["finish-bootstrap"] === undefined) {
    return decide("creating roles", { kind: "finish-bootstrap" });
  }
  if (systemId === null) return decide("reading the system identifier");
  return decide("roles created", { kind: "complete-initialize", systemId });
}

function initdb(view: NodeView): Outcome | null {
  if (isInitialized(view)) return null;
  return isEmpty(view)
    ? decide("bootstrapping a new cluster", { kind: "bootstrap" })
    : decide("initdb done, waiting for the lock");
}

export const BOOTSTRAP: readonly NodeRule[] = [
  {
    name: "undo-bootstrap",
    when: "Creating roles or post_bootstrap failed.",
    then:
      "Kills PostgreSQL, moves the directory aside, gives back lock and claim; the agent ends with exit code 1.",
    decide: undo,
  },
  {
    name: "stale-grant",
    when: "The lock was granted for a bootstrap that is not this start's.",
    then: "Stops PostgreSQL if it runs, then releases the lock.",
    decide: staleGrant,
  },
  {
    name: "claim-bootstrap",
    when: "Nobody has claimed the bootstrap.",
    then:
      "Claims it, with a primary's directory or with none. An empty node waits for a node that has a primary's directory.",
    decide: claim,
  },
  {
    name: "await-bootstrap",
    when: "Another member bootstraps, or an earlier start of this node did.",
    then: "Waits.",
    decide: othersBootstrap,
  },
  {
    name: "initdb-failed",
    when: "The initdb of this start failed.",
    then: "Gives back lock and claim; the agent ends with exit code 1.",
    decide: initdbFailed,
  },
  {
    name: "first-primary",
    when: "The directory of this node's own bootstrap is made, and it holds the lock.",
    then: "Starts the primary, makes its roles, and names its system identifier in the records.",
    decide: firstPrimary,
  },
  {
    name: "initdb",
    when: "This node has claimed the bootstrap.",
    then: "Makes the directory, then waits for the lock.",
    decide: initdb,
  },
];
