/** The lock is free: be ready to report the end of the node's own WAL, change nothing that could matter. */
import { decide, type NodeRule, type Outcome } from "./outcome.ts";
import { type NodeView, upstreamOf } from "./view.ts";

const isDown = ({ tenure, dcs, postgres }: NodeView) =>
  tenure !== "holding" && dcs.lock.holder === null && postgres.process === "none";

function withoutDirectory(view: NodeView): Outcome | null {
  if (!isDown(view) || view.postgres.directory.kind === "valid") return null;
  return decide("waiting for a leader to copy from");
}

/** Started as a standby, it would replay WAL that may not be the cluster's, and look like a candidate. */
function formerPrimary(view: NodeView): Outcome | null {
  const { directory } = view.postgres;
  if (!isDown(view) || directory.kind !== "valid" || directory.standbySignal) return null;
  return decide("a former primary, waiting for the coordinator's choice");
}

function start(view: NodeView): Outcome | null {
  if (!isDown(view)) return null;
  return decide("starting as a secondary", {
    kind: "start-standby",
    follow: upstreamOf(view, view.dcs.lock.lastHolder),
  });
}

export const WAITING: readonly NodeRule[] = [
  {
    name: "await-leader",
    when: "The lock is free, and this node has no data directory.",
    then: "Waits for a primary to copy from.",
    decide: withoutDirectory,
  },
  {
    name: "await-choice",
    when: "The lock is free, and this node's PostgreSQL is a stopped former primary.",
    then: "Leaves it stopped: only the lock makes it a primary again.",
    decide: formerPrimary,
  },
  {
    name: "start-to-report",
    when: "The lock is free, and this node's PostgreSQL is a stopped standby.",
    then: "Starts it, so that its WAL counts in the choice of a successor.",
    decide: start,
  },
];
