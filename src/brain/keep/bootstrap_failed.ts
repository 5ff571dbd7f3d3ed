/** A bootstrap that failed, or that is not this start's: what it has taken is given back. */
import { isInitialized } from "../../model/records.ts";
import { FAILURES } from "./may_write.ts";
import { decide, kill, type NodeRule, type Outcome, release } from "./outcome.ts";
import { isEmpty, type NodeView, ownBootstrap } from "./view.ts";

/**
 * This server was never announced as a primary. The directory is kept aside, the lock and the claim are given
 * back, and the process ends with the reason, as Patroni's does: the same failure would come again, and a
 * script may not be safe to run twice.
 */
function undo(view: NodeView): Outcome | null {
  const { postgres } = view;
  const failed = whyNotToBe(view);
  if (isInitialized(view.dcs) || !ownBootstrap(view) || failed === null) return null;
  const reason = `the bootstrap failed and is undone: ${failed}`;
  if (postgres.process !== "none") return kill(reason);
  if (!isEmpty(view)) return decide(reason, { kind: "set-aside", why: "the bootstrap failed" });
  if (view.tenure === "holding") return release(reason, view);
  return decide(reason, { kind: "clear-initialize" }, {
    kind: "exit",
    message: `Failed to bootstrap cluster: ${failed}`,
  });
}

/** Why the cluster that was made here is given up; null: it may still come up, or was there before. */
function whyNotToBe({ postgres: { last, process, directory } }: NodeView): string | null {
  const { start, "finish-bootstrap": finish } = last;
  if (finish !== undefined && !finish.ok) return finish.detail;
  if (directory.kind === "valid" || start === undefined || start.ok) return null;
  // An archive may be out of reach for a moment. A server that lives, and whose start failed, does not let the
  // agent in, and never will.
  const refuses = process === "starting" || process === "running";
  return start.failures >= FAILURES || refuses ? start.detail : null;
}

/** A member that bootstraps now could never be granted the lock. */
function staleGrant(view: NodeView): Outcome | null {
  if (isInitialized(view.dcs) || view.tenure !== "holding" || ownBootstrap(view)) return null;
  const reason = "holding the lock for a bootstrap that is not this member's any more";
  if (view.postgres.process === "none") return release(reason, view);
  // Begun before the agent was restarted: no other start can finish it, and it is cleared once the lock is
  // free.
  return decide(reason, { kind: "stop", how: "fast", checkpoint: false });
}

function nothingMade(view: NodeView): Outcome | null {
  const made = view.postgres.last.bootstrap;
  if (isInitialized(view.dcs) || made === undefined || made.ok) return null;
  // Granted meanwhile: given back first, or no member could be chosen before the lease is over.
  if (view.tenure === "holding") return release("bootstrap failed", view);
  return decide("bootstrap failed", { kind: "clear-initialize" }, {
    kind: "exit",
    message: `Failed to bootstrap cluster: ${made.detail}`,
  });
}

export const UNDO_BOOTSTRAP: NodeRule = {
  name: "undo-bootstrap",
  when:
    `Creating roles or post_bootstrap failed, or the server that was made did not start ${FAILURES} times in a row or does not let the agent in.`,
  then:
    "Kills PostgreSQL, moves the directory aside, gives back lock and claim; the agent ends with exit code 1.",
  decide: undo,
};

export const STALE_GRANT: NodeRule = {
  name: "stale-grant",
  when: "The lock was granted for a bootstrap that is not this start's.",
  then: "Stops PostgreSQL if it runs, then releases the lock.",
  decide: staleGrant,
};

export const INITDB_FAILED: NodeRule = {
  name: "initdb-failed",
  when: "The initdb of this start, or the command in place of it, failed.",
  then: "Gives back lock and claim; the agent ends with exit code 1.",
  decide: nothingMade,
};
