/**
 * The rules after these take for granted that the data directory is whole, at its place, and this agent's
 * own. These rules handle the other cases.
 */
import { decide, kill, letGo, type NodeRule, type Outcome } from "./outcome.ts";
import { whyReinit } from "./rejoin.ts";
import { type NodeView, ownBootstrap } from "./view.ts";

/**
 * The server's writes would not be found after a restart. It is stopped in order, as far as its directory
 * still allows, and goes on with the directory at the place.
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
  return view.tenure === "holding" ? letGo(reason, view) : decide(reason);
}

/**
 * The records were completed from this very directory, and the agent was ended before the mark was removed.
 * Claim and mark are of one incarnation. The name does not tell it: the member may have another one by now.
 * Another machine may have completed the records under its name, after a bootstrap of this one that failed.
 */
function unsealed(view: NodeView): Outcome | null {
  const { directory } = view.postgres;
  if (directory.kind !== "half-written" || directory.what !== "bootstrap") return null;
  const { initialize } = view.dcs;
  if (initialize === null || initialize.systemId === "") return null;
  const isThis = directory.by === undefined
    ? initialize.by === view.name
    : initialize.incarnation === directory.by;
  return isThis ? decide("bootstrap done", { kind: "seal-bootstrap" }) : null;
}

function halfWritten(view: NodeView): Outcome | null {
  const { directory, process } = view.postgres;
  if (directory.kind !== "half-written") return null;
  if (directory.what === "bootstrap" && ownBootstrap(view)) return null;
  if (process !== "none") return kill("ending a half-made server");
  if (view.tenure === "holding") return letGo("half-written data directory", view);
  const why = `${directory.what} did not finish`;
  if (directory.what !== "rewind") return decide(`a ${why}`, { kind: "set-aside", why });
  const isAsked = view.wantsReinit !== null || (view.reinitializing ?? null) !== null;
  if (!isAsked && !view.dynamic.postgresql.rejoin.includes("reclone")) {
    return decide(`needs reinit: ${whyReinit(view)}`);
  }
  return decide(`a ${why}`, {
    kind: "set-aside",
    why,
    after: "rewind-failure",
    ...(isAsked ? { onRequest: true } : {}),
  });
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
      "The records name this directory's bootstrap as done, and the directory is still marked as half-written.",
    then: "Removes the mark.",
    decide: unsealed,
  },
  {
    name: "half-written",
    when: "A bootstrap, copy or rewind in the directory did not finish, and is not this start's own.",
    then:
      "Ends its server, releases the lock if it is held, and moves the directory aside. One of a rewind stays, if `rejoin` " +
      "allows no copy.",
    decide: halfWritten,
  },
];

export const OTHER_CLUSTER: NodeRule = {
  name: "other-cluster",
  when: "The data directory has another system identifier than the cluster.",
  then: "The agent ends with exit code 1. Nothing is touched.",
  decide: otherCluster,
};
