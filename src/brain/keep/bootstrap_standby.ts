/**
 * A standby cluster has no data yet: one member claims the bootstrap, copies the remote primary, or takes a
 * standby's directory that is there, and runs it as the standby leader. No member makes a new database
 * system.
 */
import { isInitialized } from "../../model/records.ts";
import { isReachable } from "../../model/standby_cluster.ts";
import { FRESH_MS } from "../cluster/successor_view.ts";
import { onceHeard } from "./founder.ts";
import { decide, make, type NodeRule, type Outcome } from "./outcome.ts";
import { isEmpty, type NodeView, ownBootstrap, remoteUpstream, retryLater } from "./view.ts";

/** Its writes would be lost to those of the remote primary. */
export const KEEPS_PRIMARY =
  "a primary's data does not become a standby cluster's by itself: start without " +
  'bootstrap.dcs.standby_cluster, then "agent ctl demote-cluster"; or move the data directory away';

function claim(view: NodeView): Outcome | null {
  if (view.dcs.initialize !== null || remoteUpstream(view) === null) return null;
  return onceHeard(view, claimed(view));
}

function claimed(view: NodeView): Outcome {
  const { directory, last } = view.postgres;
  if (directory.kind === "valid") {
    return directory.standbySignal
      ? decide("adopting an existing standby's data directory", { kind: "claim-initialize" })
      : decide(KEEPS_PRIMARY);
  }
  if (retryLater(last.clone, view.nowMs)) {
    return decide(`copying failed, trying again soon: ${last.clone!.detail}`);
  }
  const other = view.statuses.find(({ status, ageMs }) =>
    status.name !== view.name && ageMs < FRESH_MS && status.directoryUsable && !status.primaryDirectory
  );
  if (other !== undefined) {
    return decide(
      `waiting for ${other.status.name}, which has a standby's data directory, to form the cluster`,
    );
  }
  return make("trying to bootstrap a new standby leader", view, { kind: "claim-initialize" });
}

/** This member's own bootstrap of a standby cluster is in progress. */
function remoteOfOwn(view: NodeView) {
  return !isInitialized(view.dcs) && ownBootstrap(view) ? remoteUpstream(view) : null;
}

/** Another member may reach the remote primary. */
function cloneFailed(view: NodeView): Outcome | null {
  const { clone } = view.postgres.last;
  if (remoteOfOwn(view) === null || !isEmpty(view) || view.tenure === "holding") return null;
  if (clone === undefined || clone.ok || !retryLater(clone, view.nowMs)) return null;
  return decide(`the copy of the remote primary failed: ${clone.detail}`, { kind: "clear-initialize" });
}

/** Copies the remote primary; without its address, by the methods that need no connection to it. */
export function cloneRemote(view: NodeView, systemId: string | null): Outcome | null {
  const remote = remoteUpstream(view);
  if (remote === null || !isEmpty(view)) return null;
  const { remoteMethods } = view.dynamic.postgresql;
  const able = isReachable(remote) || remoteMethods.some((one) => one !== "basebackup" && one.noLeader);
  if (!able) return decide("no method of standby_cluster.create_replica_methods works without a host");
  const from = isReachable(remote) ? `remote primary ${remote.name}` : "an archive";
  return make(`trying to bootstrap the standby leader from ${from}`, view, {
    kind: "clone",
    from: remote,
    leader: remote,
    of: systemId === null ? null : { systemId, timeline: null },
  });
}

function first(view: NodeView): Outcome | null {
  const remote = remoteOfOwn(view);
  if (remote === null) return null;
  if (isEmpty(view)) return view.tenure === "holding" ? null : cloneRemote(view, null);
  const { process, directory, systemId } = view.postgres;
  if (process === "none" && directory.kind === "half-written") {
    return decide("a standby cluster begins with a copy of its remote primary", {
      kind: "set-aside",
      why: "the cluster has become a standby cluster",
    });
  }
  if (view.tenure !== "holding") return decide("the standby leader's data is there, waiting for the lock");
  if (process === "none") {
    return decide("starting as the standby leader", { kind: "start-standby", follow: remote });
  }
  if (process !== "running") return decide("starting the first standby leader");
  if (systemId === null) return decide("reading the system identifier");
  return decide("the standby leader runs", { kind: "complete-initialize", systemId });
}

export const CLAIM_STANDBY: NodeRule = {
  name: "claim-standby-bootstrap",
  when: "A standby cluster has no data, and no member has claimed its bootstrap.",
  then: "Claims it, with a standby's directory or with none. A primary's directory is left alone.",
  decide: claim,
};

export const BOOTSTRAP_STANDBY: readonly NodeRule[] = [
  {
    name: "remote-copy-failed",
    when:
      "This node has claimed the bootstrap of a standby cluster, and its copy of the remote primary failed.",
    then: "Gives back the claim, so that another member can try.",
    decide: cloneFailed,
  },
  {
    name: "first-standby-leader",
    when: "This node has claimed the bootstrap of a standby cluster.",
    then:
      "Copies the remote primary, waits for the lock, starts as its standby, and names its system identifier in the records.",
    decide: first,
  },
];
