/**
 * The data directory is not what the rules after these may take for granted: a whole one, at its place, this
 * agent's own.
 */
import { decide, kill, type NodeRule, type Outcome, release } from "./outcome.ts";
import { type NodeView, ownBootstrap } from "./view.ts";

/**
 * Nobody would find the server's writes after a restart. The server is stopped in order, where there is
 * still something to be in order, and goes on with the directory that lies at the place.
 */
function displaced({ postgres, dynamic }: NodeView): Outcome | null {
  if (postgres.displaced === null || postgres.process !== "running") return null;
  const { why, removed } = postgres.displaced;
  if (dynamic.pause) return decide(`PAUSE: ${why}`);
  return decide(`${why}: stopping it`, {
    kind: "stop",
    how: removed ? "immediate" : "fast",
    checkpoint: false,
  });
}

function foreign(view: NodeView): Outcome | null {
  const { directory } = view.postgres;
  if (directory.kind !== "foreign") return null;
  const reason = `data directory cannot be used: ${directory.reason}`;
  return view.tenure === "holding" ? release(reason, view) : decide(reason);
}

/**
 * The records were completed from this very directory, and the agent was ended before the mark was removed.
 */
function unsealed(view: NodeView): Outcome | null {
  const { directory } = view.postgres;
  if (directory.kind !== "half-written" || directory.what !== "bootstrap") return null;
  const { initialize } = view.dcs;
  return initialize !== null && initialize.systemId !== "" && initialize.by === view.name
    ? decide("bootstrap done", { kind: "seal-bootstrap" })
    : null;
}

function halfWritten(view: NodeView): Outcome | null {
  const { directory, process } = view.postgres;
  if (directory.kind !== "half-written") return null;
  if (directory.what === "bootstrap" && ownBootstrap(view)) return null;
  if (process !== "none") return kill("ending a half-made server");
  if (view.tenure === "holding") return release("half-written data directory", view);
  const why = `${directory.what} did not finish`;
  return decide(`a ${why}`, { kind: "set-aside", why });
}

/** Nothing of another cluster's is touched. */
function otherCluster(view: NodeView): Outcome | null {
  const expected = view.dcs.initialize?.systemId;
  const found = view.postgres.systemId;
  if (!expected || found === null || found === expected) return null;
  return decide("system identifier mismatch", {
    kind: "exit",
    message:
      `system ID mismatch, node ${view.name} belongs to a different cluster: ${expected} != ${found}. ` +
      "Its data directory was not touched: move it away to copy this member anew, or correct scope and data_dir",
  });
}

export const DIRECTORY: readonly NodeRule[] = [
  {
    name: "displaced",
    when: "PostgreSQL works in a directory that was moved away or removed.",
    then: "Stops it. In pause it only says so.",
    decide: displaced,
  },
  {
    name: "foreign-directory",
    when: "The data directory cannot be read, or is no PostgreSQL directory.",
    then: "Touches nothing, and releases the lock if it is held.",
    decide: foreign,
  },
  {
    name: "seal-bootstrap",
    when:
      "The records name this node's bootstrap as done, and the directory is still marked as half-written.",
    then: "Removes the mark.",
    decide: unsealed,
  },
  {
    name: "half-written",
    when: "A bootstrap, copy or rewind in the directory did not finish, and is not this start's own.",
    then: "Ends its server, releases the lock if it is held, and moves the directory aside.",
    decide: halfWritten,
  },
];

export const OTHER_CLUSTER: NodeRule = {
  name: "other-cluster",
  when: "The data directory has another system identifier than the cluster.",
  then: "The agent ends with exit code 1. Nothing is touched.",
  decide: otherCluster,
};
