/** An operator's request to this node. */
import { decide, type NodeRule, type Outcome } from "./outcome.ts";
import { compared, comparison } from "./rejoin.ts";
import { livingHolder, type NodeView, sourceOf } from "./view.ts";

/** The primary has so long to notice that a synchronous standby is about to end. */
const RELEASE_MS = 3000;

/**
 * No commit is to wait for a server that an operator's request ends: the primary has others acknowledge
 * first, if there are others. Where it does not come to it, the request is not held up for long.
 */
function onDuty({ name, dcs, nowMs, askedMs = 0, tenure }: NodeView): boolean {
  const isDue = nowMs - askedMs >= RELEASE_MS;
  return tenure !== "holding" && dcs.lock.holder !== null && dcs.sync.syncStandby.includes(name) && !isDue;
}

const OFF_DUTY = "waiting until no commit waits for this synchronous standby";

/** Without a primary to copy from, this directory may be the one that the cluster needs. */
function reinitialize(view: NodeView): Outcome | null {
  if (view.wantsReinit === null || view.tenure === "holding" || livingHolder(view) === null) return null;
  const { process, directory } = view.postgres;
  if (process !== "none") {
    if (onDuty(view)) return decide(OFF_DUTY);
    return decide("reinitialize", { kind: "stop", how: "immediate", checkpoint: false });
  }
  if (directory.kind !== "valid") return null;
  const comparing = toTellLoss(view);
  if (comparing !== null) return comparing;
  const [first] = view.dynamic.postgresql.createReplicaMethods;
  const keeps = first !== undefined && first !== "basebackup" && first.keepData &&
    !view.wantsReinit.fromLeader;
  return decide("reinitialize", {
    kind: "set-aside",
    why: "reinitialize",
    onRequest: true,
    ...(keeps ? { keep: true } : {}),
  });
}

/**
 * What a former primary has beyond the cluster's history is told and kept before its directory goes. One
 * comparison has to do: the operator does not wait for a primary that does not answer.
 */
function toTellLoss(view: NodeView): Outcome | null {
  const { directory } = view.postgres;
  const wasPrimary = directory.kind === "valid" &&
    (!directory.standbySignal || directory.formerPrimary === true);
  const [primary, upstream] = [livingHolder(view), sourceOf(view)];
  if (!wasPrimary || primary === null || upstream === null) return null;
  if (compared(view, upstream.name, primary) !== null) return null;
  return decide("reinitialize: comparing histories first, to tell what is lost", comparison(view, upstream));
}

function restart(view: NodeView): Outcome | null {
  const { wantsRestart, postgres: { process, writable }, leaseUsable } = view;
  if (!wantsRestart || process !== "running" || (writable && !leaseUsable)) return null;
  return onDuty(view) ? decide(OFF_DUTY) : decide("restart requested", { kind: "restart" });
}

export const REQUEST: readonly NodeRule[] = [
  {
    name: "reinitialize",
    when: "An operator asked for a new copy, this node is not the holder, and a primary runs to copy from.",
    then:
      "Stops PostgreSQL, a synchronous standby's once others acknowledge in its place or after 3 s. Compares a former primary's history once, to tell what is lost. Moves the directory aside, or leaves it to a method with `keep_data`; a copy follows.",
    decide: reinitialize,
  },
  {
    name: "restart",
    when: "A restart is asked for or due, PostgreSQL runs, and a primary has a lease.",
    then:
      "Restarts PostgreSQL in place; a synchronous standby once others acknowledge in its place, or after 3 s.",
    decide: restart,
  },
];
