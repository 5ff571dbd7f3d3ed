/**
 * Another member holds the lock: copy its data, from it or from a standby of it, follow it, and find out why
 * its WAL does not come.
 */
import { historyOf } from "../../model/records.ts";
import type { Upstream } from "../../model/upstream.ts";
import { copySource } from "./copy_source.ts";
import { followed, isArchiveOnly } from "./follow_source.ts";
import { decide, make, type NodeRule, type Outcome } from "./outcome.ts";
import {
  compared,
  compareWith,
  comparison,
  diverged,
  isVerdictOld,
  mustCompare,
  waitsInVain,
} from "./rejoin.ts";
import { isUncompared, isUnjoined, livingHolder, type NodeView, retryLater, sourceOf } from "./view.ts";
import { isOnHistory, isOnRemotes, isToBePromoted, needsWal } from "./vouched.ts";

/** A standby that does not stream from a reachable primary for this long has its history compared. */
const NOT_STREAMING_MS = 3000;

function withoutAddress(view: NodeView): Outcome | null {
  const { holder } = view.dcs.lock;
  if (view.tenure === "holding" || holder === null || sourceOf(view) !== null) return null;
  return decide(`Lock owner: ${holder}; I am ${view.name}: waiting for its address`);
}

function copy(view: NodeView): Outcome | null {
  const { directory, last } = view.postgres;
  const leader = sourceOf(view);
  if (leader === null || (directory.kind !== "absent" && directory.kind !== "empty")) return null;
  const primary = livingHolder(view);
  const systemId = view.dcs.initialize?.systemId;
  if (primary === null || primary.timeline === null || systemId === undefined) {
    return decide(`waiting for ${leader.name} to be a running primary, to copy its data`);
  }
  if (retryLater(last.clone, view.nowMs)) {
    return decide(`copying failed, trying again soon: ${last.clone!.detail}`);
  }
  const { from, why } = copySource(view, leader, primary);
  const basebackupOnly = view.reinitializing?.fromLeader ? { basebackupOnly: true } as const : {};
  return make(
    `trying to bootstrap from ${from.name === leader.name ? "leader" : "replica"} '${from.name}'${why}`,
    view,
    {
      kind: "clone",
      from,
      leader,
      of: { systemId, timeline: primary.timeline },
      ...basebackupOnly,
    },
  );
}

function start(view: NodeView): Outcome | null {
  const { directory, process } = view.postgres;
  const follow = followed(view);
  if (follow === null || process !== "none" || directory.kind !== "valid") return null;
  if (!directory.standbySignal || diverged(view) || isUncompared(view)) return null;
  const afterFailure = compareAfterFailure(view);
  if (afterFailure !== null) return afterFailure;
  if (isArchiveOnly(view.name, view)) {
    return decide("starting as a secondary that does not stream", { kind: "start-standby", follow: null });
  }
  if (isOnHistory(view)) {
    return decide(`starting as a secondary of ${follow.name}`, { kind: "start-standby", follow });
  }
  // The rules of a rejoin compare first. A primary that cannot be asked keeps nobody's reads away.
  const { holder } = view.dcs.lock;
  const primary = livingHolder(view);
  const isAsked = primary !== null && compared(view, holder!, primary) !== "unknown";
  if (isAsked || needsWal(view)) return null;
  return decide(
    `starting as a secondary of nobody: WAL is compared when ${holder} is a running primary that answers`,
    {
      kind: "start-standby",
      follow: null,
    },
  );
}

/**
 * PostgreSQL refuses to start where its last checkpoint lies beyond the fork of the timeline that it is to
 * follow: a former primary that was killed again before its history was compared. No retry mends that.
 */
function compareAfterFailure(view: NodeView): Outcome | null {
  const { start } = view.postgres.last;
  const holder = sourceOf(view);
  const primary = livingHolder(view);
  if (start === undefined || start.ok || holder === null || primary === null) return null;
  // In maintenance mode a server is started as it was asked for, and nothing else is begun.
  if (view.dynamic.pause) return null;
  if (!mustCompare(view, holder.name, primary)) return null;
  return decide("the start failed: comparing histories", comparison(view, holder));
}

function notRunning(view: NodeView): Outcome | null {
  const { process } = view.postgres;
  if (sourceOf(view) === null || process === "running" || process === "none") return null;
  return decide(`PostgreSQL is ${process}`);
}

/**
 * A server that others have promoted follows nobody: to point it at the holder, or to stop it since it does
 * not stream, would do to it in maintenance mode what promoted-by-others leaves to the end of that mode.
 */
function isStandby({ postgres: { process, inRecovery } }: NodeView): boolean {
  return process === "running" && inRecovery !== false;
}

function follow(view: NodeView): Outcome | null {
  const { following, followingUrl, cutOff } = view.postgres;
  const upstream = followed(view);
  if (upstream === null || !isStandby(view)) return null;
  const first = compareFirst(view, upstream);
  if (first !== null) return first;
  if (isArchiveOnly(view.name, view)) {
    if (following === null && cutOff !== false) return null;
    return decide(`not streaming from ${following ?? upstream.name}: the tag nostream is set`, {
      kind: "follow",
      follow: null,
    });
  }
  if (following !== upstream.name) {
    const what = upstream.name === view.dcs.lock.holder ? "a different leader" : "another standby";
    return decide(`following ${what}: ${upstream.name}`, { kind: "follow", follow: upstream });
  }
  if (followingUrl === upstream.connUrl) return null;
  return decide(`following ${upstream.name} at its new address`, { kind: "follow", follow: upstream });
}

/**
 * A running standby is pointed at a member only after its WAL was compared with the holder's, unless that is
 * known to continue it. On timelines of one number PostgreSQL may stream over WAL that differs.
 */
function compareFirst(view: NodeView, upstream: Upstream): Outcome | null {
  if (isContinued(view, upstream)) return null;
  const holder = sourceOf(view)!;
  const primary = livingHolder(view);
  if (primary === null) {
    return decide(`waiting for ${holder.name} to be a running primary, to compare histories`);
  }
  // Since an old verdict it may have streamed from somebody else.
  const isOld = compared(view, holder.name, primary) === "same" && hasOldVerdict(view);
  const comparing = isOld
    ? decide("comparing histories again", comparison(view, holder))
    : compareWith(view, holder, primary);
  if (comparing !== null) return comparing;
  return compared(view, holder.name, primary) === "diverged" ? stopToRejoin("history has diverged") : null;
}

/** What it would stream is known to continue the WAL that it has. */
function isContinued(view: NodeView, upstream: Upstream): boolean {
  const { following, replicationState } = view.postgres;
  // The rule let-go has seen to that.
  if (following === upstream.name) return true;
  // One that has not joined this cluster, and streams already, is found out by that stream.
  if (isUnjoined(view)) return replicationState === "streaming";
  const holder = view.dcs.lock.holder;
  // From the holder to a standby of it.
  if (following === holder || isArchiveOnly(view.name, view)) return true;
  return isOnRemotes(holder, view) || isToBePromoted(holder, view);
}

/**
 * It streams on the holder's own timeline: everything here is a part of that history. So it is on the primary
 * itself.
 */
function joinedHistory(view: NodeView): Outcome | null {
  const { directory, process, replicationState, timeline, writable, inRecovery } = view.postgres;
  if (process !== "running" || directory.kind !== "valid") return null;
  const { initialize } = view.dcs;
  const isPrimary = view.tenure === "holding" && writable && inRecovery === false;
  if (initialize !== null && isPrimary && isUncompared(view)) {
    return decide("this directory is the cluster's from now on", {
      kind: "joined-history",
      founding: historyOf(initialize, view.dcs.clusterEpoch),
    });
  }
  const primary = livingHolder(view);
  if (initialize === null || sourceOf(view) === null || primary === null) return null;
  if (!directory.formerPrimary && !isUncompared(view)) return null;
  if (replicationState !== "streaming" || (timeline ?? 0) < (primary.timeline ?? Infinity)) return null;
  return decide(`streams from ${primary.name}: a standby like any other`, {
    kind: "joined-history",
    founding: historyOf(initialize, view.dcs.clusterEpoch),
  });
}

function stopToRejoin(why: string): Outcome {
  return decide(`${why}: stopping to rejoin`, { kind: "stop", how: "fast", checkpoint: false });
}

/**
 * A standby that somebody had promoted, and that was started as a standby again: what it streams may not
 * continue what it wrote, and on a timeline of the same number PostgreSQL does not notice.
 */
function wroteAlone(view: NodeView): Outcome | null {
  const { directory, process, inRecovery } = view.postgres;
  if (directory.kind !== "valid" || directory.wroteAlone !== true) return null;
  if (sourceOf(view) === null || livingHolder(view) === null || process !== "running" || !inRecovery) {
    return null;
  }
  return stopToRejoin("it took writes without the lock");
}

function hasOldVerdict({ postgres: { divergence }, nowMs }: NodeView): boolean {
  return divergence !== null && isVerdictOld(divergence, nowMs);
}

function doesNotStream(view: NodeView): Outcome | null {
  const upstream = sourceOf(view);
  const primary = livingHolder(view);
  if (upstream === null || primary === null || !isStandby(view)) return null;
  if (view.notStreamingForMs <= NOT_STREAMING_MS) return null;
  if (diverged(view)) {
    return stopToRejoin("history has diverged");
  }
  if (waitsInVain(view.postgres, upstream.name)) {
    return stopToRejoin(`it waits for a timeline that ${upstream.name} will not come to`);
  }
  // The verdict "same" is about the WAL of that time. The reason why it does not stream may be a newer
  // difference.
  if (!hasOldVerdict(view) && !mustCompare(view, upstream.name, primary)) return null;
  return decide("does not stream: comparing histories", comparison(view, upstream));
}

/** A server reads its slots when it starts. Another standby must be there meanwhile, or be missing anyway. */
function installSlots(view: NodeView): Outcome | null {
  const { process, replicationState, stagedSlots } = view.postgres;
  const primary = livingHolder(view);
  if (stagedSlots.length === 0 || primary === null || sourceOf(view) === null || process !== "running") {
    return null;
  }
  if (view.dynamic.pause || replicationState !== "streaming" || view.dcs.failover !== null) return null;
  const others = view.statuses.filter(({ status }) => ![view.name, primary.name].includes(status.name));
  if (others.some(({ status }) => status.state === "restarting")) return null;
  return decide(`restarting to take over logical slots of ${primary.name}: ${stagedSlots.join(", ")}`, {
    kind: "restart",
  });
}

export const STANDBY: readonly NodeRule[] = [
  {
    name: "await-address",
    when: "Another member holds the lock, and its record is not there yet.",
    then: "Waits.",
    decide: withoutAddress,
  },
  {
    name: "copy",
    when: "Another member holds the lock, and this node has no data.",
    then:
      "As soon as the holder is a running primary, copies from a standby with the tag clonefrom, or else from the holder.",
    decide: copy,
  },
  {
    name: "start-standby",
    when:
      "Another member holds the lock, and this node's PostgreSQL is a stopped standby of the same history. Not one whose directory is older than the cluster, or than its last recovery.",
    then:
      "Starts it, following the holder, or the standby that its tag replicatefrom names, or, with the tag nostream, nobody. After a start that failed it compares histories first.",
    decide: start,
  },
  {
    name: "not-running",
    when: "Another member holds the lock, and this node's PostgreSQL is starting, stopping or frozen.",
    then: "Waits.",
    decide: notRunning,
  },
  {
    name: "wrote-alone",
    when:
      "A standby that somebody had promoted was started as a standby again, and the holder is a running primary.",
    then: "Stops it, to rejoin as a former primary does.",
    decide: wroteAlone,
  },
  {
    name: "follow",
    when:
      "The standby follows another member than the holder, or than the standby that its tag replicatefrom names, or " +
      "an address that the member has no more, or streams although it has the tag nostream.",
    then:
      "Points it there, or ends its stream. WAL is compared first, unless the holder is a standby that is about to be promoted.",
    decide: follow,
  },
  {
    name: "joined-history",
    when:
      "A former primary, or a member whose directory is older than the cluster, streams from the holder on its timeline; or the holder is such a member.",
    then: "Notes in the directory that it is a part of the cluster's history: it may be chosen again.",
    decide: joinedHistory,
  },
  {
    name: "does-not-stream",
    when: `The standby has not streamed from a running primary for ${NOT_STREAMING_MS / 1000} s.`,
    then:
      "Compares histories. One that has diverged, or waits for a timeline that was given up, is stopped, to rejoin.",
    decide: doesNotStream,
  },
  {
    name: "install-slots",
    when:
      "Copies of the primary's logical slots wait for a start of this standby, and no other one restarts.",
    then: "Restarts it.",
    decide: installSlots,
  },
];
