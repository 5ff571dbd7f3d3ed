/**
 * The lock is free: be ready to report the end of the node's own WAL, and change nothing that matters for the
 * choice.
 */
import { isPromised } from "../../sync/record.ts";
import { FRESH_MS } from "../cluster/successor_view.ts";
import { cloneRemote } from "./bootstrap_standby.ts";
import { restore } from "./copy_source.ts";
import { isArchiveOnly } from "./follow_source.ts";
import { decide, type NodeRule, type Outcome } from "./outcome.ts";
import { isUncompared, type NodeView, retryLater, upstreamOf } from "./view.ts";
import { isVouched, needsWal } from "./vouched.ts";

const WAITS_FOR_WAL = "its data is not consistent without more WAL: waiting for a primary";

const isDown = ({ tenure, dcs, postgres }: NodeView) =>
  tenure !== "holding" && dcs.lock.holder === null && postgres.process === "none";

function withoutDirectory(view: NodeView): Outcome | null {
  if (!isDown(view) || view.postgres.directory.kind === "valid") return null;
  return restore(view) ?? copyRemote(view) ?? decide("waiting for a leader to copy from");
}

/**
 * In a standby cluster of which no reachable member has data left, or only members that are never chosen: the
 * remote primary has it. Without that nobody would ever hold the lock.
 */
function copyRemote(view: NodeView): Outcome | null {
  const { dcs: { initialize }, statuses, postgres: { last }, nowMs } = view;
  const hasData = statuses.some(({ status, ageMs }) =>
    ageMs < FRESH_MS && status.directoryUsable && !status.nofailover
  );
  if (initialize === null || hasData || retryLater(last.clone, nowMs)) return null;
  return cloneRemote(view, initialize.systemId);
}

/** Started as a standby, it would replay WAL that may not be the cluster's, and look like a candidate. */
function formerPrimary(view: NodeView): Outcome | null {
  const { directory } = view.postgres;
  if (!isDown(view) || directory.kind !== "valid" || directory.standbySignal) return null;
  return decide("a former primary, waiting for the coordinator's choice");
}

/**
 * What is acknowledged to a holder whose epoch is over could be missing in the choice of the next one, so the
 * WAL receiver ends before this member's end of WAL is read (src/sync/DESIGN.md).
 */
function cut({ tenure, dcs, postgres, syncWithout }: NodeView): Outcome | null {
  const { process, inRecovery, writable, following, cutOff } = postgres;
  if (tenure === "holding" || dcs.lock.holder !== null || !isPromised(dcs.sync) || syncWithout?.cut) {
    return null;
  }
  if (process !== "running" || inRecovery !== true || writable || cutOff) return null;
  return decide(`the lock is free: acknowledging nothing to ${following ?? dcs.lock.lastHolder} any more`, {
    kind: "follow",
    follow: null,
  });
}

function start(view: NodeView): Outcome | null {
  if (!isDown(view)) return null;
  if (isPromised(view.dcs.sync) && !view.syncWithout?.cut) {
    if (needsWal(view)) return decide(WAITS_FOR_WAL);
    return decide("starting as a secondary of nobody", { kind: "start-standby", follow: null });
  }
  // Otherwise WAL is compared once there is a holder.
  const { lastHolder } = view.dcs.lock;
  const isKnown = view.postgres.following === lastHolder && isVouched(view) && !isUncompared(view);
  if (!isKnown && needsWal(view)) return decide(WAITS_FOR_WAL);
  return decide("starting as a secondary", {
    kind: "start-standby",
    follow: isArchiveOnly(view.name, view) || !isKnown ? null : upstreamOf(view, lastHolder),
  });
}

export const WAITING: readonly NodeRule[] = [
  {
    name: "await-leader",
    when: "The lock is free, and this node has no data directory.",
    then:
      "Restores a backup by a method with `no_leader`, copies the remote primary of a standby cluster where no other member that may lead has data, or waits for a primary to copy from.",
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
  {
    name: "cut",
    when:
      "The lock is free, acknowledged transactions are promised to survive, and this node's standby has an upstream.",
    then: "Takes its upstream away and ends its WAL receiver: its end of WAL counts as a vote after that.",
    decide: cut,
  },
];
