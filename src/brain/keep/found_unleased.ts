/**
 * A server that was found running before this node knows the cluster's records: a host boots while it is cut
 * off, and its system service starts the PostgreSQL that was the primary before. Nothing fences such a
 * server, and the records that would end it come only with a majority, which may have another primary by now.
 *
 * A directory that an agent has managed belongs to a cluster, whatever this node's raft directory knows of
 * it. So a server that takes writes there has no right to: it is stopped at once, and started again under an
 * epoch when the records are known. Clients are cut off within milliseconds; the rest of an orderly stop
 * acknowledges nothing. A server that does not answer may be such a primary; killing it loses nothing.
 *
 * Left to run are:
 * - a standby, which acknowledges nothing;
 * - a server that no agent has managed, as there may be no cluster yet (found_running.ts);
 * - one that took the place of a primary whose guard lives on, and is fenced with the epoch of that one;
 * - in maintenance mode the primary of an epoch that is unfenced, and was granted to this very machine since
 *   its boot. These records may be old. But no leader expires such an epoch, to take it away an operator has
 *   to say that its host is off, and what this node itself has given up since, it had an accepted request
 *   for. A copy of the machine, or one that booted anew, cannot know that: it stops the server.
 */
import { decide, kill, type NodeRule, type Outcome } from "./outcome.ts";
import { shuttingDown } from "./shutdown.ts";
import { isUndeclared, isUnmanaged, type NodeView, stepDownWanted } from "./view.ts";

/** A server that was found running has this long to show its role, where another member may write. */
export const DECLARE_MS = 3000;

function unleased(view: NodeView): Outcome | null {
  if (view.joined || view.stopping || !isUndeclared(view) || isUnmanaged(view)) return null;
  const { postgres: { inRecovery, process, action, directory }, undeclaredForMs } = view;
  if (process === "stopping" || action?.kind === "stop") {
    return shuttingDown(view) ?? decide("stopping a primary that was found running");
  }
  if (directory.kind !== "valid" || inRecovery === true || isFenced(view) || isOwnPause(view)) return null;
  if (inRecovery === false) {
    return decide(
      "a primary was found running, and another member may hold the lock: stopping it until the records are known",
      { kind: "stop", how: "fast", checkpoint: false },
    );
  }
  if (directory.standbySignal || undeclaredForMs < DECLARE_MS) return null;
  return kill("a server was found running that does not answer, and another member may hold the lock");
}

function isFenced({ postgres: { foundUnder } }: NodeView): boolean {
  return foundUnder !== undefined && foundUnder !== null;
}

function isOwnPause(view: NodeView): boolean {
  return view.dynamic.pause && view.ownsUnfenced && !stepDownWanted(view);
}

export const FOUND_UNLEASED: NodeRule = {
  name: "found-unleased",
  when:
    "The cluster's records are not known yet, and a primary, or a server that does not answer for 3 s, was found running in a directory that an agent has managed. Not where the guard fences it, nor with an unfenced epoch that this boot of the machine holds, in pause.",
  then: "Stops the primary at once, without a checkpoint before; kills the silent server.",
  decide: unleased,
};
