/** Another member holds the lock: copy from it, follow it, and find out why its WAL does not come. */
import { decide, type NodeRule, type Outcome } from "./outcome.ts";
import { diverged, mustCompare } from "./rejoin.ts";
import { livingHolder, type NodeView, retryLater, sourceOf } from "./view.ts";

/** A standby that does not stream from a reachable primary for this long has its history compared. */
const NOT_STREAMING_MS = 3000;
/** A verdict on its history is good for so long, as long as it does not stream. */
const COMPARED_MS = 10_000;

function withoutAddress(view: NodeView): Outcome | null {
  const { holder } = view.dcs.lock;
  if (view.tenure === "holding" || holder === null || sourceOf(view) !== null) return null;
  return decide(`Lock owner: ${holder}; I am ${view.name}: waiting for its address`);
}

function copy(view: NodeView): Outcome | null {
  const { directory, last } = view.postgres;
  const from = sourceOf(view);
  if (from === null || (directory.kind !== "absent" && directory.kind !== "empty")) return null;
  if (livingHolder(view) === null) {
    return decide(`waiting for ${from.name} to be a running primary, to copy from it`);
  }
  if (retryLater(last.clone, view.nowMs)) {
    return decide(`copying failed, trying again soon: ${last.clone!.detail}`);
  }
  return decide(`trying to bootstrap from leader '${from.name}'`, { kind: "clone", from });
}

function start(view: NodeView): Outcome | null {
  const { directory, process } = view.postgres;
  const follow = sourceOf(view);
  if (follow === null || process !== "none" || directory.kind !== "valid") return null;
  if (!directory.standbySignal || diverged(view)) return null;
  return decide(`starting as a secondary of ${follow.name}`, { kind: "start-standby", follow });
}

function notRunning(view: NodeView): Outcome | null {
  const { process } = view.postgres;
  if (sourceOf(view) === null || process === "running" || process === "none") return null;
  return decide(`PostgreSQL is ${process}`);
}

function follow(view: NodeView): Outcome | null {
  const { process, following, followingUrl } = view.postgres;
  const upstream = sourceOf(view);
  if (upstream === null || process !== "running") return null;
  if (following !== upstream.name) {
    return decide(`following a different leader: ${upstream.name}`, { kind: "follow", follow: upstream });
  }
  if (followingUrl === upstream.connUrl) return null;
  return decide(`following ${upstream.name} at its new address`, { kind: "follow", follow: upstream });
}

/** It streams on the holder's own timeline: everything here is a part of that history. */
function joinedHistory(view: NodeView): Outcome | null {
  const { directory, process, replicationState, timeline } = view.postgres;
  const primary = livingHolder(view);
  if (sourceOf(view) === null || process !== "running" || primary === null) return null;
  if (directory.kind !== "valid" || !directory.formerPrimary) return null;
  if (replicationState !== "streaming" || (timeline ?? 0) < (primary.timeline ?? Infinity)) return null;
  return decide(`streams from ${primary.name}: a standby like any other`, { kind: "joined-history" });
}

function doesNotStream(view: NodeView): Outcome | null {
  const upstream = sourceOf(view);
  const primary = livingHolder(view);
  const { process, divergence } = view.postgres;
  if (upstream === null || primary === null || process !== "running") return null;
  if (view.notStreamingForMs <= NOT_STREAMING_MS) return null;
  if (diverged(view)) {
    return decide("history has diverged: stopping to rejoin", {
      kind: "stop",
      how: "fast",
      checkpoint: false,
    });
  }
  // "The same" was said of what was there then; what keeps it from streaming may say otherwise.
  const isOld = divergence !== null && view.nowMs - divergence.atMs > COMPARED_MS;
  if (!isOld && !mustCompare(view, upstream.name, primary)) return null;
  return decide("does not stream: comparing histories", { kind: "compare-history", with: upstream });
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
    then: "Copies from the holder as soon as it is a running primary.",
    decide: copy,
  },
  {
    name: "start-standby",
    when:
      "Another member holds the lock, and this node's PostgreSQL is a stopped standby of the same history.",
    then: "Starts it, following the holder.",
    decide: start,
  },
  {
    name: "not-running",
    when: "Another member holds the lock, and this node's PostgreSQL is starting, stopping or frozen.",
    then: "Waits.",
    decide: notRunning,
  },
  {
    name: "follow",
    when: "The standby follows another member than the holder, or an address that the holder has no more.",
    then: "Points it at the holder.",
    decide: follow,
  },
  {
    name: "joined-history",
    when: "A former primary streams from the holder on its timeline.",
    then: "Takes the mark of a former primary away: it may be chosen again.",
    decide: joinedHistory,
  },
  {
    name: "does-not-stream",
    when: `The standby has not streamed from a running primary for ${NOT_STREAMING_MS / 1000} s.`,
    then: "Compares histories. One that has diverged is stopped, to rejoin.",
    decide: doesNotStream,
  },
];
