/** A long action is under way: it is waited for, unless it keeps the lock from a member that could serve. */
import { decide, kill, type NodeRule, type Outcome } from "./outcome.ts";
import { promotionLimitMs } from "../promotion.ts";
import { followed, isArchiveOnly } from "./follow_source.ts";
import { livingHolder, type NodeView, someoneElseCan } from "./view.ts";

/**
 * How long a server that was known to be down when its member was granted the lock has to start at the least.
 */
const GRANTED_START_MS = 10_000;

/**
 * primary_start_timeout is over for a server that began to start at `startedMs`, or would begin now. A grant
 * that was made in the knowledge that the server is down brings a start of its own, however short the
 * timeout. The rules for a start under way and for one that is due must agree, or one would start the server
 * that the other ends. So both ask here, also for a server whose crash this start of the agent has not seen.
 */
export function startTakesTooLong(view: NodeView, startedMs: number): boolean {
  const { nowMs, heldSinceMs } = view;
  const timeoutMs = view.dynamic.primaryStartTimeoutS * 1000;
  if (wasDownAtGrant(view)) return nowMs - heldSinceMs >= Math.max(timeoutMs, GRANTED_START_MS);
  return nowMs - (view.postgres.crashedAtMs ?? startedMs) >= timeoutMs;
}

/** The server has not run since this member was granted the present epoch. */
function wasDownAtGrant({ heldSinceMs, postgres: { crashedAtMs, last } }: NodeView): boolean {
  if (crashedAtMs !== null) return crashedAtMs < heldSinceMs;
  const ups = [last.start, last.restart, last.promote];
  return heldSinceMs > -Infinity && !ups.some((up) => up?.ok === true && up.atMs >= heldSinceMs);
}

/**
 * A server that is starting, for whatever reason: by a start, in the second half of a restart, or since
 * before this start of the agent. The last two may have served a moment ago, so that even a timeout of 0
 * leaves them time.
 */
function isStartOverdue(view: NodeView): boolean {
  const { postgres: { action, process }, dynamic, startingForMs } = view;
  if (action?.kind === "start") return startTakesTooLong(view, action.sinceMs);
  if (process !== "starting" || (action !== null && action.kind !== "restart")) return false;
  return startingForMs >= Math.max(dynamic.primaryStartTimeoutS * 1000, GRANTED_START_MS);
}

function startOverdue(view: NodeView): Outcome | null {
  if (view.dynamic.pause || view.tenure !== "holding") return null;
  const lacksWal = isRewoundForNobody(view);
  if ((!lacksWal && !isStartOverdue(view)) || !someoneElseCan(view)) return null;
  return kill(
    lacksWal
      ? "it was rewound to follow another cluster, and does not come up without that one's WAL: handing over"
      : `primary_start_timeout of ${view.dynamic.primaryStartTimeoutS} s is over: handing over`,
  );
}

/**
 * The leader of a standby cluster was rewound, and the cluster was told to follow nobody before its server
 * had come up. It may never do: its data is not consistent before it has had more of the remote primary's
 * WAL.
 */
function isRewoundForNobody({ postgres: { action, last }, dynamic, nowMs, heldSinceMs }: NodeView): boolean {
  if (dynamic.standbyCluster !== null || action?.kind !== "start") return false;
  if (nowMs - action.sinceMs < GRANTED_START_MS) return false;
  const { rewind, start } = last;
  if (rewind === undefined || !rewind.ok || rewind.atMs < heldSinceMs) return false;
  return start === undefined || !start.ok || start.atMs < rewind.atMs;
}

/**
 * An operator's restart with a time limit. A primary that still runs, or shuts down, is left to end in order,
 * so that a standby gets the last of its WAL. One that starts acknowledges nothing, and is killed.
 */
function restartOverdue(view: NodeView): Outcome | null {
  const { postgres: { action, process }, restartTimeoutS = null, dynamic } = view;
  if (action?.kind !== "restart" || view.tenure !== "holding" || restartTimeoutS === null) return null;
  const endsInOrder = process === "running" || process === "stopping";
  if (dynamic.pause || view.nowMs - action.sinceMs < restartTimeoutS * 1000) return null;
  if (!someoneElseCan(view, endsInOrder)) return null;
  const why = `the restart has taken longer than its timeout of ${restartTimeoutS} s: handing over`;
  if (!endsInOrder) return kill(why);
  return decide(why, { kind: "stop", how: "fast", checkpoint: false });
}

/**
 * A stop has put an end to a restart with a time limit, under this tenure, and PostgreSQL was not started
 * since: another member is to have the lock.
 */
export function restartGaveUp({ tenure, heldSinceMs, restartTimeoutS = null, ...view }: NodeView): boolean {
  const { action, last: { restart, stop, start } } = view.postgres;
  if (tenure !== "holding" || restartTimeoutS === null || view.dynamic.pause) return false;
  if (restart === undefined || restart.ok || restart.atMs < heldSinceMs) return false;
  const stoppedMs = action?.kind === "stop" ? action.sinceMs : stop?.atMs ?? -Infinity;
  const isBack = start !== undefined && start.ok && start.atMs >= restart.atMs;
  return stoppedMs >= restart.atMs && !isBack;
}

/**
 * Killed, and not stopped: a hanging server does not end when it is asked to, and a standby's crash recovery
 * brings back everything that was written. Without another member it gets twice the time, and is then tried
 * again here: the stuck process does not survive.
 */
function promotionHangs(view: NodeView): Outcome | null {
  const { action, last } = view.postgres;
  if (action?.kind !== "promote" || action.movedMs === undefined || view.tenure !== "holding") return null;
  const limitMs = promotionLimitMs(last.promote?.failures ?? 0) * (someoneElseCan(view) ? 1 : 2);
  if (view.nowMs - action.movedMs < limitMs) return null;
  return kill(`the promotion has stood still for ${limitMs / 1000} s: ending PostgreSQL`);
}

/**
 * A standby that was started without an upstream, or with one that is its upstream no more, and whose data is
 * not consistent without more WAL (after a rewind whose primary died), never comes up: nothing ends that
 * start, and a server that does not answer is pointed at nobody. Its former upstream may live: rewound
 * itself, it has that WAL no more. Stopped, it is compared and started with the present upstream. One with
 * much to replay loses a part of its replay, once.
 */
function startsInVain(view: NodeView): Outcome | null {
  const { postgres: { action, process, following, writable }, dynamic, tenure, name } = view;
  if (dynamic.pause || tenure === "holding" || process !== "starting" || writable) return null;
  if (action !== null && action.kind !== "start") return null;
  if (following !== null && mayBeRewound(view)) return anew(`${following} may have another history by now`);
  if (following !== null && following === followed(view)?.name) return null;
  if (view.startingForMs < GRANTED_START_MS || isArchiveOnly(name, view)) return null;
  const primary = livingHolder(view);
  return primary === null ? null : anew(`it does not come up without WAL of ${primary.name}`);
}

function anew(why: string): Outcome {
  return decide(`${why}: stopping, to start as the holder's standby after a comparison`, {
    kind: "stop",
    how: "immediate",
    checkpoint: false,
  });
}

/**
 * The leader of a cluster that follows another one is rewound where its data differs: it has other data then.
 * It may have been since the present start began, if the cluster was told so since, also where that was taken
 * back before this member heard of either. A server that does not
 * answer yet cannot be taken from it, and would stream from it again: on a timeline of the same number, which
 * it may begin when it is promoted, over WAL that differs.
 */
function mayBeRewound({ nowMs, startingForMs, upstreamRewoundMs = null }: NodeView): boolean {
  return upstreamRewoundMs !== null && upstreamRewoundMs > nowMs - startingForMs;
}

function busy({ postgres: { action } }: NodeView): Outcome | null {
  if (action === null) return null;
  return decide(`${action.kind} in progress${action.detail === "" ? "" : ` (${action.detail})`}`);
}

export const BUSY: readonly NodeRule[] = [
  {
    name: "restart-overdue",
    when:
      "The holder's restart has taken longer than the timeout of its request, and another member could serve. Not in pause.",
    then: "Stops PostgreSQL, or kills it if it is starting, so that the lock can be handed over.",
    decide: restartOverdue,
  },
  {
    name: "start-overdue",
    when:
      "The holder's PostgreSQL has been starting for longer than primary_start_timeout, or for 10 s after it was rewound to follow a cluster that it is not to follow any more, and another member could serve. Not in pause.",
    then: "Kills PostgreSQL, so that the lock can be handed over.",
    decide: startOverdue,
  },
  {
    name: "promotion-hangs",
    when:
      "The promotion of the holder's PostgreSQL has stood still for 4 s, longer after each failure in a row.",
    then: "Kills PostgreSQL; the lock is handed over. Without another member the promotion is tried again.",
    decide: promotionHangs,
  },
  {
    name: "starts-in-vain",
    when:
      "A standby that was started without an upstream, or with one that it is to follow no more, has not come up for 10 s, and the holder is a running primary or standby leader. Or its upstream has other data since the start began, or the cluster was told to follow another one since. Not in pause.",
    then: "Stops it: it is compared, and started as a standby of the holder.",
    decide: startsInVain,
  },
  {
    name: "busy",
    when: "A long action is under way.",
    then: "Waits for its end.",
    decide: busy,
  },
];
