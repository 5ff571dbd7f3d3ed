/**
 * The node holds the lock. Nothing that may write is started or promoted before the first renewal is
 * acknowledged, the lease runs, the guard is armed with it, and no wait of failsafe mode is left.
 */
import { knownMember } from "../../model/records.ts";
import { startTakesTooLong } from "./busy.ts";
import { decide, type NodeRule, type Outcome, release } from "./outcome.ts";
import { awaitsPromotion, type NodeView, retryLater, someoneElseCan, stepDownWanted } from "./view.ts";

/** So often in a row it may fail before another member is to try. */
const FAILURES = 3;

/** Why a holder may not begin to write yet; null: it may. */
function notYet(view: NodeView): Outcome | null {
  if (!view.leaseUsable && !view.skipLeaseCheck) {
    return decide("lock is ours, waiting for the first acknowledged renewal");
  }
  if (!view.failsafeWait) return null;
  const before = view.dcs.failsafe?.holder;
  return decide(`lock is ours, waiting: ${before} may still be the primary in failsafe mode for up to a ttl`);
}

/** As soon as it may. */
export function startPrimary(view: NodeView): Outcome {
  return notYet(view) ??
    decide("starting as primary", { kind: "start-primary", epoch: view.dcs.lock.epoch });
}

/** These rules are about a holder whose PostgreSQL does not run. */
const isDown = ({ tenure, postgres }: NodeView) => tenure === "holding" && postgres.process === "none";

function withoutDirectory(view: NodeView): Outcome | null {
  if (!isDown(view) || view.postgres.directory.kind === "valid") return null;
  return release("no data directory to be a primary with", view);
}

function steppedDown(view: NodeView): Outcome | null {
  if (!isDown(view) || !stepDownWanted(view)) return null;
  return release(`${view.dcs.failover!.kind} requested`, view);
}

function crashed(view: NodeView): Outcome | null {
  const { crashedAtMs } = view.postgres;
  if (!isDown(view) || crashedAtMs === null) return null;
  if (!startTakesTooLong(view, crashedAtMs) || !someoneElseCan(view)) return null;
  return release("PostgreSQL crashed and primary_start_timeout is over", view);
}

function doesNotStart(view: NodeView): Outcome | null {
  const last = view.postgres.last.start;
  if (!isDown(view) || last === undefined || last.ok) return null;
  if (last.failures < FAILURES || !someoneElseCan(view)) return null;
  return release(`PostgreSQL does not start: ${last.detail}`, view);
}

/**
 * A promotion that hung or failed here may succeed elsewhere. With nobody else it is tried again:
 * start-to-promote.
 */
function promotionGaveUp(view: NodeView): Outcome | null {
  const { last: { promote: last, stop }, directory } = view.postgres;
  if (!isDown(view) || directory.kind !== "valid" || !directory.standbySignal) return null;
  if (last === undefined || last.ok || last.atMs < view.heldSinceMs) return null;
  // Stopped because of that, and not for a restart: what ended by itself is started again first.
  if (stop === undefined || !stop.ok || stop.atMs < last.atMs || !someoneElseCan(view)) return null;
  return release(`PostgreSQL was not promoted: ${last.detail}`, view);
}

function startStandbyFirst(view: NodeView): Outcome | null {
  const { directory } = view.postgres;
  if (!isDown(view) || directory.kind !== "valid" || !directory.standbySignal) return null;
  return decide("starting to be promoted", { kind: "start-standby", follow: null });
}

/**
 * A primary that lost raft was ended with its lease; as a standby of nobody it serves reads until raft is
 * back, as Patroni's does. Why that needs no quorum: a server in recovery acknowledges no write and forks no
 * history, the guard counts it as one that cannot, and it becomes a primary only by a promotion, which needs
 * the lease. It replays what is in its own pg_wal, and receives nothing. Its WAL may not be the cluster's, if
 * another primary followed meanwhile: the directory is marked as a former primary's until it has streamed
 * from the holder, so that it is no candidate in between (successor.ts), nor after a restart of the agent.
 */
function readOnly(view: NodeView): Outcome | null {
  if (!isDown(view) || view.leaseUsable || view.raftLostForMs < view.dcs.grantTtlMs) return null;
  return decide("raft is not accessible and I was the primary: starting read-only, as a standby of nobody", {
    kind: "start-standby",
    follow: null,
  });
}

function frozen({ tenure, postgres: { process } }: NodeView): Outcome | null {
  if (tenure !== "holding" || process !== "frozen") return null;
  return decide("PostgreSQL is frozen until the lease is renewed");
}

function standbyStarting({ tenure, postgres: { process, writable } }: NodeView): Outcome | null {
  if (tenure !== "holding" || writable || process === "running") return null;
  return decide("standby is starting");
}

function promotionFails(view: NodeView): Outcome | null {
  const { last: { promote: last } } = view.postgres;
  if (view.tenure !== "holding" || !awaitsPromotion(view) || last === undefined) return null;
  if (!retryLater(last, view.nowMs) || last.failures < FAILURES || !someoneElseCan(view)) return null;
  return decide("promotion failed repeatedly", { kind: "stop", how: "fast", checkpoint: false });
}

function promote(view: NodeView): Outcome | null {
  if (view.tenure !== "holding" || !awaitsPromotion(view)) return null;
  return notYet(view) ?? decide("promoting self to leader by acquiring session lock", {
    kind: "promote",
    epoch: view.dcs.lock.epoch,
  });
}

function stepDown(view: NodeView): Outcome | null {
  const { postgres: { process, last }, dcs: { failover } } = view;
  if (view.tenure !== "holding" || process !== "running" || !stepDownWanted(view)) return null;
  if (retryLater(last.stop, view.nowMs)) return decide("stopping PostgreSQL failed, trying again soon");
  if (!streamsFromUs(view)) {
    const candidate = failover!.candidate ?? "no other member";
    return decide(
      `manual switchover: not stepping down, ${candidate} does not stream from here at present`,
    );
  }
  return decide(`manual ${failover!.kind}: demoting self`, { kind: "stop", how: "fast", checkpoint: true });
}

/**
 * The successor in a switchover gets the last of the WAL only over a connection that stands when this primary
 * ends.
 */
function streamsFromUs({ dcs, postgres }: NodeView): boolean {
  const { failover } = dcs;
  if (failover?.kind !== "switchover") return true;
  return postgres.replication.some(({ state, application_name: name }) =>
    state === "streaming" &&
    (failover.candidate === null ? knownMember(dcs, name) !== undefined : name === failover.candidate)
  );
}

export const HOLDER: readonly NodeRule[] = [
  {
    name: "no-directory",
    when: "The holder has no data directory.",
    then: "Releases the lock.",
    decide: withoutDirectory,
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
      "The holder's PostgreSQL crashed longer than primary_start_timeout ago, and another member could serve.",
    then: "Releases the lock.",
    decide: crashed,
  },
  {
    name: "start-fails",
    when: `The holder's PostgreSQL did not start ${FAILURES} times in a row, and another member could serve.`,
    then: "Releases the lock.",
    decide: doesNotStart,
  },
  {
    name: "promotion-gave-up",
    when:
      "The holder's PostgreSQL was stopped because its promotion failed or hung, and another member could serve.",
    then: "Releases the lock.",
    decide: promotionGaveUp,
  },
  {
    name: "start-to-promote",
    when: "The holder's PostgreSQL is a stopped standby.",
    then: "Starts it as a standby; the promotion follows.",
    decide: startStandbyFirst,
  },
  {
    name: "read-only",
    when: "The holder's PostgreSQL is a stopped primary, and raft has been out of reach for a ttl.",
    then: "Starts it read-only, as a standby of nobody.",
    decide: readOnly,
  },
  {
    name: "start-primary",
    when: "The holder's PostgreSQL is a stopped primary.",
    then: "Starts it once the lease runs and no wait of failsafe mode is left.",
    decide: (view) => isDown(view) ? startPrimary(view) : null,
  },
  {
    name: "frozen",
    when: "The guard has frozen the holder's PostgreSQL, as its lease ran out.",
    then: "Waits for a renewal; the guard ends PostgreSQL if none comes.",
    decide: frozen,
  },
  {
    name: "standby-starting",
    when: "The holder's PostgreSQL is a standby that is not up yet.",
    then: "Waits.",
    decide: standbyStarting,
  },
  {
    name: "promotion-fails",
    when: `The holder's promotion failed ${FAILURES} times in a row, and another member could serve.`,
    then: "Stops PostgreSQL; the lock is handed over.",
    decide: promotionFails,
  },
  {
    name: "promote",
    when: "The holder's PostgreSQL is a running standby.",
    then: "Promotes it once the lease runs and no wait of failsafe mode is left.",
    decide: promote,
  },
  {
    name: "step-down",
    when: "An accepted switchover or failover wants another primary.",
    then: "Stops PostgreSQL after a checkpoint; in a switchover only while the candidate streams from it.",
    decide: stepDown,
  },
];
