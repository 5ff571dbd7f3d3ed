/** The node holds the lock, and its PostgreSQL does not run: it is started, or the lock is released. */
import { restartGaveUp, startTakesTooLong } from "./busy.ts";
import { FAILURES, startPrimary } from "./may_write.ts";
import { isReachable } from "../../model/standby_cluster.ts";
import type { Upstream } from "../../model/upstream.ts";
import { hasOtherData } from "../other_data.ts";
import { decide, letGo, type NodeRule, type Outcome, release } from "./outcome.ts";
import { standbyAhead } from "./short_data.ts";
import { needsWal } from "./vouched.ts";
import { type NodeView, someoneElseCan, stepDownWanted } from "./view.ts";

/** These rules are about a holder whose PostgreSQL does not run. */
const isDown = ({ tenure, postgres }: NodeView) => tenure === "holding" && postgres.process === "none";

function withoutDirectory(view: NodeView): Outcome | null {
  if (!isDown(view) || view.postgres.directory.kind === "valid") return null;
  return letGo("no data directory to be a primary with", view);
}

/** Also with nobody else: an operator is needed, who may name this member, or put its data back. */
function withOtherData(view: NodeView): Outcome | null {
  if (!isDown(view) || !hasOtherData(view)) return null;
  return letGo("the data directory is not the one that the lock was granted for", view);
}

function withShortData(view: NodeView): Outcome | null {
  const ahead = isDown(view) ? standbyAhead(view) : null;
  if (ahead === null) return null;
  return letGo(`the data directory holds less than ${ahead} has replayed from it`, view, { unclean: true });
}

function steppedDown(view: NodeView): Outcome | null {
  if (!isDown(view) || !stepDownWanted(view)) return null;
  return release(`${view.dcs.failover!.kind} requested`, view);
}

/** Also one that crashed, or was stopped, while no agent ran: a start would be ended as soon as it began. */
function crashed(view: NodeView): Outcome | null {
  const { crashedAtMs, directory } = view.postgres;
  if (!isDown(view) || directory.kind !== "valid") return null;
  // A standby leader's is down while it is compared and rewound, too.
  if (crashedAtMs === null && directory.standbySignal) return null;
  if (!startTakesTooLong(view, view.nowMs) || !someoneElseCan(view)) return null;
  const what = crashedAtMs === null ? "is down" : "crashed";
  return letGo(`PostgreSQL ${what} and primary_start_timeout is over`, view);
}

function notRestarted(view: NodeView): Outcome | null {
  if (!isDown(view) || !restartGaveUp(view) || !someoneElseCan(view)) return null;
  return release(`PostgreSQL was not restarted within ${view.restartTimeoutS} s`, view);
}

function doesNotStart(view: NodeView): Outcome | null {
  const { last: { start: last } } = view.postgres;
  if (!isDown(view) || last === undefined || last.ok) return null;
  if ((last.failures < FAILURES && !startWasEnded(view)) || !someoneElseCan(view)) return null;
  return letGo(`PostgreSQL does not start: ${last.detail}`, view);
}

/** Killed by start-overdue under the present epoch: another try would only take as long once more. */
function startWasEnded({ heldSinceMs, postgres: { last: { start, stop } } }: NodeView): boolean {
  if (start === undefined || start.ok || start.atMs < heldSinceMs) return false;
  return stop !== undefined && stop.ok && stop.detail === "kill" && stop.atMs >= start.atMs;
}

/**
 * A promotion that hung or failed here may succeed elsewhere. Without another member it is tried again:
 * start-to-promote.
 */
function promotionGaveUp(view: NodeView): Outcome | null {
  const { last: { promote: last, stop }, directory } = view.postgres;
  if (!isDown(view) || directory.kind !== "valid" || !directory.standbySignal) return null;
  if (last === undefined || last.ok || last.atMs < view.heldSinceMs) return null;
  // Stopped because of that, and not for a restart: a server that ended by itself is started again first.
  if (stop === undefined || !stop.ok || stop.atMs < last.atMs || !someoneElseCan(view)) return null;
  return letGo(`PostgreSQL was not promoted: ${last.detail}`, view);
}

/**
 * It was rewound to follow another cluster, which was called off meanwhile: without more WAL of that one it
 * would never come up.
 */
function remoteThatHasItsWal(view: NodeView): Upstream | null {
  const { lastRemote = null } = view;
  return lastRemote !== null && isReachable(lastRemote) && needsWal(view) ? lastRemote : null;
}

function startStandbyFirst(view: NodeView): Outcome | null {
  const { directory } = view.postgres;
  if (!isDown(view) || directory.kind !== "valid" || !directory.standbySignal) return null;
  const remote = remoteThatHasItsWal(view);
  const how = remote === null ? "" : `, with the WAL of ${remote.name} that its data needs`;
  return decide(`starting to be promoted${how}`, { kind: "start-standby", follow: remote });
}

/**
 * A primary that lost raft was ended with its lease; as a standby without an upstream it serves reads until
 * raft is back, as Patroni's does. Why that needs no quorum: a server in recovery acknowledges no write and
 * forks no history, the guard counts it as not writable, and it becomes a primary only by a promotion, which
 * needs the lease. It replays its own pg_wal, and receives nothing. Its WAL may not be the cluster's, if
 * another primary followed meanwhile: the directory is marked as a former primary's until it has streamed
 * from the holder, so that it is no candidate in between (candidate.ts), nor after a restart of the agent.
 */
function readOnly(view: NodeView): Outcome | null {
  if (!isDown(view) || view.leaseUsable || view.raftLostForMs < view.dcs.grantTtlMs) return null;
  const why = "demoting self because DCS is not accessible and I was a leader";
  return decide(`${why}: starting read-only, as a standby of nobody`, {
    kind: "start-standby",
    follow: null,
    readOnly: true,
  });
}

/** Rules that release the lock. */
export const HOLDER_GIVES_UP: readonly NodeRule[] = [
  {
    name: "no-directory",
    when: "The holder has no data directory.",
    then: "Releases the lock.",
    decide: withoutDirectory,
  },
  {
    name: "other-directory",
    when:
      "The holder's data directory is not the one that the lock was granted for, and acknowledged transactions are promised.",
    then: "Releases the lock, and sits out for a while.",
    decide: withOtherData,
  },
  {
    name: "short-directory",
    when:
      "The holder's PostgreSQL is a stopped primary, and a synchronous standby of it has replayed more than is on its disk.",
    then: "Releases the lock without an end of its WAL, and sits out for a while.",
    decide: withShortData,
  },
  {
    name: "stepped-down",
    when: "The holder's PostgreSQL is stopped, and an accepted switchover or failover wants another one.",
    then: "Releases the lock.",
    decide: steppedDown,
  },
  {
    name: "crash-hand-over",
    when:
      "The holder's PostgreSQL has been down for longer than primary_start_timeout, and another member could serve.",
    then: "Releases the lock, and sits out for a while.",
    decide: crashed,
  },
  {
    name: "restart-gave-up",
    when:
      "The holder's PostgreSQL was stopped because its restart took too long, and another member could serve.",
    then: "Releases the lock.",
    decide: notRestarted,
  },
  {
    name: "start-fails",
    when:
      `The holder's PostgreSQL did not start ${FAILURES} times in a row, or was killed by \`start-overdue\`, and another member could serve.`,
    then: "Releases the lock, and sits out for a while.",
    decide: doesNotStart,
  },
  {
    name: "promotion-gave-up",
    when:
      "The holder's PostgreSQL was stopped because its promotion failed or hung, and another member could serve.",
    then: "Releases the lock, and sits out for a while.",
    decide: promotionGaveUp,
  },
];

export const HOLDER_STOPPED: readonly NodeRule[] = [
  {
    name: "start-to-promote",
    when: "The holder's PostgreSQL is a stopped standby.",
    then:
      "Starts it as a standby; the promotion follows. One that was rewound to follow another cluster, and needs more WAL of that one to come up, gets it from there.",
    decide: startStandbyFirst,
  },
  {
    name: "read-only",
    when: "The holder's PostgreSQL is a stopped primary, and raft has been out of reach for a ttl.",
    then: "Starts it read-only, as a standby without an upstream.",
    decide: readOnly,
  },
  {
    name: "start-primary",
    when: "The holder's PostgreSQL is a stopped primary.",
    then: "Starts it once the lease runs and no wait of failsafe mode is left.",
    decide: (view) => isDown(view) ? startPrimary(view) : null,
  },
];
