/**
 * Which member's data a new cluster begins with. The member that claims first decides, so a member claims
 * only where no better data is known: a running primary goes before everything, a stopped primary's directory
 * before none, and a standby founds nothing. Where two could be meant, neither claims: an operator must
 * choose. That includes a primary whose WAL ends before that of another member on the same timeline: it was
 * restored, or is an older copy, since a standby never has more than the primary that it followed. Nobody
 * claims before each member has said what it has, or has had a moment to be there and say it.
 *
 * What a member has said holds when it falls silent, as long as it is in the raft group: its agent may be
 * restarted for a new password while its PostgreSQL serves users, and an empty cluster that is founded
 * meanwhile would never take that server in. Only of two primaries that run, the silent one does not count:
 * its agent was stopped to choose the other.
 */
import type { MemberStatus } from "../../model/member_status.ts";
import { formatLsn } from "../../model/lsn.ts";
import { positionOf } from "../cluster/candidate.ts";
import { FRESH_MS } from "../cluster/successor_view.ts";
import { decide, make, type Outcome } from "./outcome.ts";
import type { NodeView } from "./view.ts";

/** Only a server out of recovery has a position of its own WAL. */
export const runsPrimary = (status: MemberStatus) =>
  status.writable || (status.running && status.walLsn !== null);

/**
 * A server that may run there, and that its agent knows nothing of yet: found a moment ago, or it does
 * not let the agent in (a password). It may be a primary that answers its clients.
 */
export const mayRun = ({ state, running, directoryUsable }: MemberStatus) =>
  !running && directoryUsable && (state === "starting" || state === "stopping");

/** Claims the right to found the cluster with what this member has, or waits and says for what. */
export function founding(view: NodeView): Outcome {
  return onceHeard(view, founded(view));
}

/** A claim, but not before each member has had a moment to say what it has: that may go before this. */
export function onceHeard({ unheard = [] }: NodeView, claim: Outcome): Outcome {
  if (unheard.length === 0 || claim.actions.length === 0) return claim;
  return decide(`waiting a moment to hear what the other members have (${unheard.length} have not said it)`);
}

/**
 * What the other members have. Of one that is silent only data in a usable directory: a bootstrap that was
 * never finished is nobody's.
 */
function known(view: NodeView): readonly MemberStatus[] {
  return view.statuses.filter(({ status: { name, directoryUsable }, ageMs }) =>
    name !== view.name && (ageMs < FRESH_MS || (directoryUsable && !view.left?.includes(name)))
  ).map(({ status }) => status);
}

function isHeard(view: NodeView, { name }: MemberStatus): boolean {
  return view.statuses.some(({ status, ageMs }) => status.name === name && ageMs < FRESH_MS);
}

/** Waits for that member, and says what to do when it is silent. */
function waitFor(view: NodeView, member: MemberStatus, reason: string): Outcome {
  return decide(
    isHeard(view, member)
      ? reason
      : `${reason}. It is not heard now: start its agent. If its data is not to be this cluster's, ` +
        `agent ctl raft remove ${member.name}`,
  );
}

function founded(view: NodeView): Outcome {
  const others = known(view);
  const { directory, process, inRecovery } = view.postgres;
  const isPrimary = process === "none"
    ? directory.kind === "valid" && !directory.standbySignal
    : inRecovery === false;
  if (directory.kind === "valid" && !isPrimary) {
    return decide(
      "a standby without an initialized cluster: waiting for its primary. Start the agent on the primary's host",
    );
  }
  if (view.watchdogFailed) {
    return decide("a watchdog is required and cannot be used: not bootstrapping a cluster");
  }
  if (directory.kind === "valid") {
    return process === "none" ? withStopped(view, others) : withRunning(view, others);
  }
  const found = others.find((status) => status.primaryDirectory || runsPrimary(status)) ??
    others.find(mayRun) ?? others.find(({ directoryUsable }) => directoryUsable);
  if (found === undefined) {
    return (view.postgres.bootstrapDueMs ?? 0) > view.nowMs
      ? decide("the last bootstrap on this node failed: waiting before the next one")
      : make("trying to bootstrap a new cluster", view, { kind: "claim-initialize" });
  }
  return waitFor(
    view,
    found,
    found.primaryDirectory || runsPrimary(found)
      ? `waiting for ${found.name}, which has a primary's data directory, to form the cluster`
      : mayRun(found)
      ? mayBePrimary(found)
      : `waiting: ${found.name} has a standby's data. Start the agent on its primary's host, or move that directory away`,
  );
}

const mayBePrimary = ({ name }: MemberStatus) =>
  `waiting for ${name}: a server may run there that does not answer its agent, and it may be the primary`;

function withRunning(view: NodeView, all: readonly MemberStatus[]): Outcome {
  const { systemId, timeline } = view.postgres;
  const others = all.filter((other) => isHeard(view, other) || !runsPrimary(other));
  const second = others.find(runsPrimary);
  if (second !== undefined) {
    return decide(
      `two primaries run, here (system identifier ${systemId}) and on ${second.name} (${second.systemId}): neither is ` +
        "taken over. Decide whose data is to stay, and stop the other PostgreSQL with its agent",
    );
  }
  const later = others.find((other) =>
    other.systemId === systemId && (other.timeline ?? 0) > (timeline ?? 0)
  );
  if (later !== undefined) {
    return waitFor(
      view,
      later,
      `${later.name} has timeline ${later.timeline} of the same data, this primary timeline ${timeline}: it is not taken ` +
        "over, as another primary followed it. Start the agent on that one's host, and stop PostgreSQL here",
    );
  }
  return claimUnlessBehind(view, others, "a primary was found running: forming the cluster with it");
}

function withStopped(view: NodeView, others: readonly MemberStatus[]): Outcome {
  const { systemId, timeline } = view.postgres;
  const running = others.find(runsPrimary);
  if (running !== undefined) {
    return waitFor(view, running, `waiting for ${running.name}, which runs a primary, to form the cluster`);
  }
  const unknown = others.find(mayRun);
  if (unknown !== undefined) return waitFor(view, unknown, mayBePrimary(unknown));
  const second = others.find(({ primaryDirectory }) => primaryDirectory);
  if (second !== undefined) {
    return waitFor(
      view,
      second,
      `two directories of primaries, here and on ${second.name}: neither forms the cluster. Decide whose data is to stay, ` +
        "and move the other directory away",
    );
  }
  const later = others.find((other) => other.systemId === systemId && isAhead(other, timeline));
  if (later !== undefined) {
    return waitFor(
      view,
      later,
      `${later.name} runs a standby of the same data, whose primary runs elsewhere: waiting for that one's agent`,
    );
  }
  return claimUnlessBehind(view, others, "adopting an existing primary's data directory");
}

function claimUnlessBehind(view: NodeView, others: readonly MemberStatus[], reason: string): Outcome {
  const fuller = others.find((other) => hasMore(other, view));
  return fuller === undefined ? decide(reason, { kind: "claim-initialize" }) : behind(view, fuller);
}

/** It streams, so that a primary runs somewhere; or it has streamed from a later one than this. */
function isAhead({ running, replicationState, timeline }: MemberStatus, own: number | null): boolean {
  return (running && replicationState === "streaming") || (timeline ?? 0) > (own ?? 0);
}

/** The end of the WAL of this member's primary; null: not known. */
function ownEnd({ postgres: { process, walLsn, receivedLsn } }: NodeView): number | null {
  return process === "none" ? receivedLsn : walLsn;
}

/** One that streams may have been heard after this member's last look at its own server. */
function hasMore(other: MemberStatus, view: NodeView): boolean {
  const { systemId, timeline } = view.postgres;
  const own = ownEnd(view);
  if (own === null || other.systemId !== systemId || other.timeline !== timeline) return false;
  return other.replicationState !== "streaming" && (positionOf(other) ?? 0) > own;
}

function behind(view: NodeView, fuller: MemberStatus): Outcome {
  const at = (lsn: number | null) => lsn === null ? "?" : formatLsn(lsn);
  return waitFor(
    view,
    fuller,
    `${fuller.name} has WAL of the same data and timeline up to ${
      at(positionOf(fuller))
    }, this primary only up to ` +
      `${
        at(ownEnd(view))
      }: this is an older copy, and does not form the cluster. Decide whose data is to stay. To go on ` +
      `with this one's, move the directory of ${fuller.name} away`,
  );
}
