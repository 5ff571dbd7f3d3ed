/**
 * The node holds the lock of a standby cluster: its PostgreSQL follows the remote primary, as a standby, and
 * the other members follow it. These rules come before those that start or promote a primary, and the last of
 * them decides whatever is left: as long as the records name a remote primary, no rule below is asked.
 *
 * A lease that runs out needs no fence here, as this server acknowledges nothing. The promotion that follows
 * the end of `standby_cluster` is a promotion like any other (may_write.ts): it waits for a lease that runs,
 * with which the guard is armed for this epoch.
 */
import { historyOf } from "../../model/records.ts";
import { isPromised } from "../../sync/record.ts";
import { isReachable } from "../../model/standby_cluster.ts";
import type { Upstream } from "../../model/upstream.ts";
import { decide, letGo, type NodeRule, type Outcome, release } from "./outcome.ts";
import { isFromBeforeChange, isVerdictOld, noCopy, noRewind, setAside, waitsInVain } from "./rejoin.ts";
import {
  isUncompared,
  type NodeView,
  remoteUpstream,
  retryLater,
  someoneElseCan,
  stepDownWanted,
} from "./view.ts";

/** A standby leader that does not stream from a remote primary for this long has its history compared. */
const NOT_STREAMING_MS = 3000;

/** The remote primary, on the member that is to follow it; null: another member, or no standby cluster. */
function remoteHere(view: NodeView): Upstream | null {
  return view.tenure === "holding" ? remoteUpstream(view) : null;
}

function demote(view: NodeView): Outcome | null {
  const { process, writable, last } = view.postgres;
  if (remoteHere(view) === null || !writable || process !== "running") return null;
  if (retryLater(last.stop, view.nowMs)) return decide("stopping PostgreSQL failed, trying again soon");
  return decide("demoting the cluster: it becomes a standby cluster", {
    kind: "stop",
    how: "fast",
    checkpoint: true,
  });
}

/** A standby has nothing to shut down for: the successor takes over while it runs, and it follows. */
function handOver(view: NodeView): Outcome | null {
  const { process, writable } = view.postgres;
  if (remoteHere(view) === null || writable || process !== "running" || !stepDownWanted(view)) return null;
  return release(`${view.dcs.failover!.kind} requested`, view);
}

/** The verdict on this server's history against the remote one; null: none, or it is old. */
function verdict({ postgres: { divergence }, nowMs }: NodeView, { name }: Upstream) {
  if (divergence === null || divergence.from !== name) return null;
  // A divergence does not go away by itself.
  const isOld = divergence.verdict !== "diverged" && isVerdictOld(divergence, nowMs);
  return isOld ? null : divergence.verdict;
}

function isStopped({ postgres: { process, directory } }: NodeView): boolean {
  return process === "none" && directory.kind === "valid";
}

/** What was a primary, or took writes alone, may have WAL that the remote primary lacks. */
function mayDiffer({ postgres: { directory } }: NodeView): boolean {
  return directory.kind === "valid" && (!directory.standbySignal || directory.wroteAlone === true);
}

function compareStopped(view: NodeView): Outcome | null {
  const remote = remoteHere(view);
  if (remote === null || !isStopped(view) || !mayDiffer(view) || !isReachable(remote)) return null;
  if (verdict(view, remote) !== null) return null;
  return decide(`comparing histories with ${remote.name}`, { kind: "compare-history", with: remote });
}

function rewind(view: NodeView): Outcome | null {
  const remote = remoteHere(view);
  if (remote === null || !isStopped(view) || verdict(view, remote) !== "diverged") return null;
  // If the wish is taken back before the promise has ended, this data may be all that keeps it.
  if (isPromised(view.dcs.sync)) {
    return decide(
      "waiting until it is logged that nothing is promised, before this member's own WAL is given up",
    );
  }
  const why = noRewind(view);
  if (why === null) {
    return decide(`history differs from that of ${remote.name}: running pg_rewind`, {
      kind: "rewind",
      from: remote,
    });
  }
  const stays = noCopy(view);
  // What is moved aside is to come back from that server. The verdict may be from before its address led to
  // a server of another database system, or to none, and no copy would follow.
  if (stays === null && mayBeOfAnother(view, view.postgres.divergence!)) {
    return decide(`comparing histories with ${remote.name} once more, before a copy of it`, {
      kind: "compare-history",
      with: remote,
    });
  }
  if (stays === null) return setAside(why, view);
  const needs = `needs reinit: its history differs from that of ${remote.name}; ${why}; ${stays}`;
  // Alone it keeps the lock: nobody else could lead, and a release would be granted back to it.
  return someoneElseCan(view) ? letGo(needs, view) : decide(needs);
}

/** Also after any change of the configuration: the cluster may have been told to follow another server. */
function mayBeOfAnother(view: NodeView, verdict: { readonly atMs: number }): boolean {
  return isVerdictOld(verdict, view.nowMs) || isFromBeforeChange(verdict, view);
}

/** Also while the remote primary does not answer: reads are served, and nothing is lost by it. */
function start(view: NodeView): Outcome | null {
  const remote = remoteHere(view);
  if (remote === null || !isStopped(view)) return null;
  return decide("starting as the standby leader", { kind: "start-standby", follow: remote });
}

function isUp({ postgres: { process, writable } }: NodeView): boolean {
  return process === "running" && !writable;
}

/**
 * Compared first: on a timeline of the same number that the remote cluster has begun elsewhere, PostgreSQL
 * would stream WAL that does not fit, and not notice at once. A remote primary that does not answer is
 * followed all the same, as its address is the last that is known.
 */
function follow(view: NodeView): Outcome | null {
  const remote = remoteHere(view);
  const { following, followingUrl } = view.postgres;
  if (remote === null || !isUp(view)) return null;
  if (following === remote.name && followingUrl === remote.connUrl) return null;
  const found = verdict(view, remote);
  if (found === "diverged") return null;
  if (found === null && following !== remote.name && isReachable(remote)) {
    return decide(`comparing histories with ${remote.name}, to follow it`, {
      kind: "compare-history",
      with: remote,
    });
  }
  return decide(`following ${remote.name} as the standby leader`, { kind: "follow", follow: remote });
}

function stopDiverged(view: NodeView): Outcome | null {
  const remote = remoteHere(view);
  if (remote === null || !isUp(view) || view.dynamic.pause) return null;
  const waits = view.notStreamingForMs > NOT_STREAMING_MS && waitsInVain(view.postgres, remote.name);
  if (!waits && verdict(view, remote) !== "diverged") return null;
  const why = waits
    ? `it waits for a timeline that ${remote.name} will not come to`
    : `history differs from that of ${remote.name}`;
  return decide(`${why}: stopping to rejoin`, { kind: "stop", how: "fast", checkpoint: false });
}

function compareRunning(view: NodeView): Outcome | null {
  const remote = remoteHere(view);
  if (remote === null || !isUp(view) || !isReachable(remote) || verdict(view, remote) !== null) return null;
  if (view.notStreamingForMs <= NOT_STREAMING_MS && !mayDiffer(view)) return null;
  return decide(`does not stream from ${remote.name}: comparing histories`, {
    kind: "compare-history",
    with: remote,
  });
}

function rest(view: NodeView): Outcome | null {
  const { dcs: { initialize }, postgres: { process, replicationState } } = view;
  if (remoteHere(view) === null) return null;
  if (
    initialize !== null && process === "running" && replicationState === "streaming" && isUncompared(view)
  ) {
    const founding = historyOf(initialize, view.dcs.clusterEpoch);
    return decide("this directory is the cluster's from now on", { kind: "joined-history", founding });
  }
  if (process !== "running") {
    return decide(`standby leader: PostgreSQL is ${process === "none" ? "stopped" : process}`);
  }
  const { divergence } = view.postgres;
  const isNoted = replicationState !== "streaming" && divergence?.from === remoteHere(view)!.name &&
    divergence.verdict === "unknown";
  const why = isNoted ? `; it does not stream: ${divergence.detail}` : "";
  return decide(`no action. I am (${view.name}), the standby leader with the lock${why}`);
}

export const STANDBY_LEADER: readonly NodeRule[] = [
  {
    name: "demote-cluster",
    when: "The cluster has become a standby cluster, and the holder's PostgreSQL takes writes.",
    then: "Stops PostgreSQL after a checkpoint.",
    decide: demote,
  },
  {
    name: "standby-hand-over",
    when: "In a standby cluster, an accepted switchover or failover wants another standby leader.",
    then: "Releases the lock; PostgreSQL runs on, and follows the next standby leader.",
    decide: handOver,
  },
  {
    name: "compare-remote",
    when: "The standby leader's PostgreSQL is stopped, and may have WAL that the remote primary lacks.",
    then: "Compares its history with the remote primary's.",
    decide: compareStopped,
  },
  {
    name: "rewind-remote",
    when: "The standby leader's PostgreSQL is stopped, and its history differs from the remote primary's.",
    then:
      "Waits until it is logged that no transactions are promised. Runs pg_rewind; where that cannot be used or failed, and a comparison of the last 10 s and since the last change of the configuration says the same, moves the directory aside and keeps it, or hands the lock over where `rejoin` allows no copy.",
    decide: rewind,
  },
  {
    name: "start-standby-leader",
    when: "The standby leader's PostgreSQL is stopped.",
    then: "Starts it as a standby of the remote primary.",
    decide: start,
  },
  {
    name: "follow-remote",
    when: "The standby leader follows another server than the remote primary.",
    then: "Compares histories, then points it there; one whose history differs it leaves to the next rule.",
    decide: follow,
  },
  {
    name: "diverged-remote",
    when:
      "The running standby leader's history differs from the remote primary's, or it waits for a timeline that was given up. Not in pause.",
    then: "Stops it, to rejoin.",
    decide: stopDiverged,
  },
  {
    name: "no-remote-stream",
    when: `The standby leader has not streamed from the remote primary for ${NOT_STREAMING_MS / 1000} s.`,
    then: "Compares histories.",
    decide: compareRunning,
  },
  {
    name: "standby-leader",
    when: "The node holds the lock of a standby cluster.",
    then:
      "Nothing, but that its directory is noted as the cluster's when it streams for the first time. No rule below is asked, so that nothing is promoted.",
    decide: rest,
  },
];
