/**
 * What this member's PostgreSQL must do next: a pure decision with its reason (design.md 5). Rules stand in order of
 * urgency; the first that applies decides. Long actions appear in the next view as running; nothing waits here.
 *
 * Never decides to start or promote a server that may acknowledge writes unless this member holds the lock, its first
 * renewal is acknowledged, its lease is running, the guard is armed with it, and no wait of failsafe mode is left.
 */
import type { DynamicConfig } from "../model/config.ts";
import type { MemberStatus } from "../model/member_status.ts";
import { pauseAfter } from "../model/pause_after.ts";
import type { PostgresView } from "../model/postgres_view.ts";
import { type DcsState, knownMember, type LockRecord } from "../model/records.ts";
import type { Action, Decision, Upstream } from "./actions.ts";
import { LEFTOVERS_AFTER_RELEASE_MS, LEFTOVERS_MS, shutdownStep } from "./shutdown.ts";
import { FRESH_MS, ineligible, positionOf, type SeenStatus } from "./successor.ts";

/** The pause after a failed action of a kind; it grows with each failure in a row. */
const RETRY_MS = 2000;
const MAX_RETRY_MS = 60_000;
/** How long a server that was known to be down when its member was granted the lock has to start at the least. */
const GRANTED_START_MS = 10_000;
/** A standby that does not stream from a reachable primary for this long has its history compared. */
const NOT_STREAMING_MS = 3000;
/** A verdict on its history is good for so long, as long as it does not stream. */
const COMPARED_MS = 10_000;

export interface NodeView {
  readonly nowMs: number;
  readonly name: string;
  readonly incarnation: number;
  readonly dcs: DcsState;
  readonly dynamic: DynamicConfig;
  /** Our own record of this start has been applied: what we know of the cluster is not older than our start. */
  readonly joined: boolean;
  readonly postgres: PostgresView;
  /** We hold the lock by the rules of tenure.ts, renewals go out for this epoch. */
  readonly tenure: "none" | "holding" | "to-release";
  /** When we began to hold the present epoch in this start of the agent; -Infinity when it was adopted, or none is held. */
  readonly heldSinceMs: number;
  /** The lease is acknowledged, runs, and the guard has confirmed that it is armed with it. */
  readonly leaseUsable: boolean;
  /** The holder of a logged failsafe set may still write: nothing that could write may begin here. */
  readonly failsafeWait?: boolean;
  /** A watchdog is required here and cannot be used: no leadership. */
  readonly watchdogFailed?: boolean;
  /** True in the simulator's variant that promotes before the first renewal is acknowledged. */
  readonly skipLeaseCheck: boolean;
  /** Any process of the data directory lives. */
  readonly anyProcess: boolean;
  readonly guardOk: boolean;
  readonly statuses: readonly SeenStatus[];
  /** ms for which a running standby has not been streaming from the present holder on its timeline. */
  readonly notStreamingForMs: number;
  /** postgresql.pg_ctl_timeout: what a step of a shutdown may take that has no limit of its own. */
  readonly pgCtlTimeoutS: number;
  /** When the end of received WAL was last seen to grow on any other member. */
  readonly receivedGrewMs: number;
  /** ms since a raft leader was known here. */
  readonly raftLostForMs: number;
  /** SIGTERM: stop PostgreSQL, hand over, leave. */
  readonly stopping: boolean;
  readonly wantsRestart: boolean;
  /** Operator's reinitialize: member to copy from (null: choose). */
  readonly wantsReinit: { readonly fromLeader: boolean } | null;
  /** From that request until the new copy runs. */
  readonly reinitializing?: boolean;
}

const decide = (reason: string, ...actions: Action[]): Decision => ({ reason, actions });
const mayLeave = (reason: string): Decision => ({ reason, actions: [], mayLeave: true });

function ordinarily(view: NodeView): Decision {
  if (view.tenure === "holding") return asHolder(view);
  return view.dcs.lock.holder === null ? asWaiting(view) : asStandby(view);
}

/**
 * Maintenance mode (compatibility.md 4.7): PostgreSQL is neither started nor stopped of our own accord. What an operator
 * asks for is carried out, and a primary that stepped down for it rejoins.
 */
function inPause(view: NodeView): Decision {
  const { postgres, dcs } = view;
  const paused = (decision: Decision): Decision => ({ ...decision, reason: `PAUSE: ${decision.reason}` });
  const onRequest = dcs.failover?.accepted ?? false;
  if (view.tenure === "holding") {
    if (onRequest || (postgres.process === "running" && !postgres.writable)) return paused(asHolder(view));
    return paused(decide(
      postgres.process === "none"
        ? "PostgreSQL does not run, and is not started"
        : `no action. I am (${view.name}), the leader with the lock`,
    ));
  }
  const steppedDown = postgres.last.stop?.ok ?? false;
  if (postgres.process === "none" && !steppedDown && !view.reinitializing) {
    return paused(decide("PostgreSQL does not run, and is not started"));
  }
  return paused(dcs.lock.holder === null ? asWaiting(view) : asStandby(view));
}

export function keep(view: NodeView): Decision {
  const decision = unknownCluster(view) ?? fence(view) ?? shuttingDown(view) ?? leave(view) ?? busy(view) ??
    withoutWatchdog(view) ?? displaced(view) ?? unusableDirectory(view) ?? uninitialized(view) ??
    mismatch(view) ?? operatorRequest(view) ?? (view.dynamic.pause ? inPause(view) : ordinarily(view));
  return tooSoon(view, decision) ?? decision;
}

/**
 * What has failed is not begun again before its pause is over, whichever rule asks for it. Not so what ends a server:
 * that may be urgent; and a restart, which its requester asks for once.
 */
function tooSoon(view: NodeView, { actions }: Decision): Decision | null {
  for (const { kind } of actions) {
    const tried = kind === "start-primary" || kind === "start-standby" ? "start" : kind;
    if (!isRepeated(tried)) continue;
    const last = view.postgres.last[tried];
    if (retryLater(last, view.nowMs)) return decide(`${tried} failed, trying again soon: ${last!.detail}`);
  }
  return null;
}

const REPEATED = [
  "bootstrap",
  "finish-bootstrap",
  "seal-bootstrap",
  "clone",
  "start",
  "promote",
  "rewind",
  "set-aside",
  "joined-history",
] as const;

function isRepeated(kind: string): kind is typeof REPEATED[number] {
  return (REPEATED as readonly string[]).includes(kind);
}

/**
 * The server works in a directory that is not at its place any more: what it writes would be found by nobody after a
 * restart. It is stopped in order, where there is still something to be in order, and goes on with what lies there.
 */
function displaced({ postgres, dynamic }: NodeView): Decision | null {
  if (postgres.displaced === null || postgres.process !== "running") return null;
  const { why, removed } = postgres.displaced;
  if (dynamic.pause) return decide(`PAUSE: ${why}`);
  return decide(`${why}: stopping it`, {
    kind: "stop",
    how: removed ? "immediate" : "fast",
    checkpoint: false,
  });
}

/**
 * Before our own record of this start is applied, the records we know may be older than the start: nothing is begun or
 * ended by them. A running primary is bounded by the guard's deadline meanwhile.
 */
function unknownCluster(view: NodeView): Decision | null {
  if (view.joined) return null;
  if (!view.stopping) return decide("waiting for the cluster's records");
  if (view.postgres.process === "none") return mayLeave("stopped");
  const step = shuttingDown(view);
  if (step !== null) return step;
  if (view.postgres.action?.kind === "stop") return decide("stopping PostgreSQL");
  return decide("the agent is stopping", { kind: "stop", how: "fast", checkpoint: view.postgres.writable });
}

/** A server that may acknowledge writes without our holding its epoch: ended at once, before anything else. */
function fence(view: NodeView): Decision | null {
  const { postgres, dcs } = view;
  if (postgres.writable && postgres.epoch === null && postgres.process !== "none") return undeclared(view);
  if (postgres.writable && (view.tenure !== "holding" || postgres.epoch !== dcs.lock.epoch)) {
    if (postgres.action?.kind === "stop" && postgres.action.detail === "kill") {
      return decide("ending PostgreSQL: the lock is lost");
    }
    // A graceful stop of ours may go on while we still hold the epoch; without it nothing may be acknowledged.
    return decide("the lock is lost: PostgreSQL is ended", { kind: "stop", how: "kill", checkpoint: false });
  }
  if (view.tenure === "to-release") {
    if (postgres.process !== "none" && postgres.writable) return null;
    const harmless = postgres.shutdown?.stage === "closed" || isDoomed(view);
    if (postgres.process === "orphans" || (postgres.process === "stopping" && !harmless)) {
      return decide("waiting for the last process of PostgreSQL", {
        kind: "stop",
        how: "kill",
        checkpoint: false,
      });
    }
    return decide(`giving back epoch ${dcs.lock.epoch}`, {
      kind: "release",
      epoch: dcs.lock.epoch,
    });
  }
  return null;
}

/** Killed as a primary, with processes that the kernel keeps: they run nothing any more, by word of the guard. */
function isDoomed({ postgres }: NodeView): boolean {
  const { process, writable, epoch, shutdown, action } = postgres;
  const killing = action?.kind !== "stop" || action.detail === "kill";
  return process === "stopping" && !writable && epoch !== null && killing && shutdown?.stage !== "closed";
}

/** A server that this guard did not start: nobody has said yet what it is. A primary among them has no epoch. */
function undeclared(view: NodeView): Decision {
  const { postgres } = view;
  if (postgres.action?.kind === "stop") return decide("stopping a server that was found running");
  if (postgres.inRecovery === null && postgres.process === "starting") {
    return decide("a server was found running: looking at it");
  }
  if (postgres.inRecovery === true) return decide("a standby was found running");
  // Its clients must not write without a lease. A clean stop loses nothing, and it is started again under an epoch.
  return decide("a primary was found running without the lock: stopping it cleanly", {
    kind: "stop",
    how: "fast",
    checkpoint: true,
  });
}

/**
 * A shutdown under way. It waits for processes that PostgreSQL does not control, so each step has a limit (shutdown.ts),
 * and the lock is handed over as soon as nothing can be acknowledged and a standby has the shutdown checkpoint:
 * archiver and WAL senders may live on for a while (guard/fence.ts says why that is safe).
 */
function shuttingDown(view: NodeView): Decision | null {
  const { postgres, dynamic, nowMs } = view;
  const { shutdown, action } = postgres;
  if (postgres.process !== "stopping") return null;
  if (action === null && !view.anyProcess) return decide("PostgreSQL has ended: reading what it has left");
  if (action === null) {
    // Begun by an agent before this one, or by somebody else: should it hang, nobody else would end it.
    if (dynamic.pause && !view.stopping) {
      return decide("PAUSE: PostgreSQL is being shut down, not by this agent");
    }
    if (retryLater(postgres.last.stop, nowMs)) return decide("stopping PostgreSQL failed, trying again soon");
    return decide("PostgreSQL is being shut down: seeing to its end", {
      kind: "stop",
      how: "fast",
      checkpoint: false,
    });
  }
  if (isDoomed(view) && view.tenure === "holding" && (handsOver(view) || someoneElseCan(view))) {
    return decide(
      "PostgreSQL is killed, and the kernel keeps processes of it that run no more: handing over",
      {
        kind: "release",
        epoch: view.dcs.lock.epoch,
      },
    );
  }
  const how = action.kind === "stop" ? STOPS.find((each) => each === action.detail) : undefined;
  if (shutdown === null || how === undefined) return null;
  if (shutdown.stage === "closed") return how === "kill" ? null : pastCheckpoint(view, shutdown.stageMs);
  const step = shutdownStep(shutdown, how, action.sinceMs, nowMs, {
    primary: postgres.writable,
    primaryStopTimeoutS: dynamic.primaryStopTimeoutS,
    pgCtlTimeoutS: view.pgCtlTimeoutS,
  });
  if (step === null || (step.early && successorWith(view, postgres.walLsn) === null)) return null;
  const word = step.how === "kill" ? "PostgreSQL is killed" : "PostgreSQL is told to end at once";
  return decide(`${word}: ${step.why}`, { kind: "stop", how: step.how, checkpoint: false });
}

const STOPS = ["fast", "immediate", "kill"] as const;

/** A primary that acknowledges nothing any more, with archiver or WAL senders left. */
function pastCheckpoint(view: NodeView, sinceMs: number): Decision {
  const { postgres, dcs, nowMs } = view;
  const end = (why: string) => decide(why, { kind: "stop", how: "kill", checkpoint: false });
  if (view.tenure === "holding" && handsOver(view)) {
    const { directory } = postgres;
    // The record begins there: a standby that has it has received more.
    const lsn = directory.kind === "valid" ? directory.control.checkpointLsn + 1 : null;
    const next = successorWith(view, lsn);
    if (next !== null) {
      return decide(`past its shutdown checkpoint, which ${next} has: handing over the lock`, {
        kind: "release",
        epoch: dcs.lock.epoch,
      });
    }
    // WAL senders that still send are what a successor lives on; those of a hung receiver are not waited for.
    if (
      nowMs - Math.max(sinceMs, view.receivedGrewMs) < LEFTOVERS_MS &&
      nowMs - sinceMs < view.pgCtlTimeoutS * 1000
    ) {
      return decide("past its shutdown checkpoint, waiting until a standby has it");
    }
    return end("no standby receives the shutdown checkpoint: ending what is left of PostgreSQL");
  }
  const limitMs = view.tenure === "holding" ? LEFTOVERS_MS : LEFTOVERS_AFTER_RELEASE_MS;
  if (nowMs - sinceMs < limitMs) {
    return decide("PostgreSQL has shut down, waiting for its archiver and WAL senders");
  }
  return end(
    `archiver or WAL senders have not ended ${limitMs / 1000} s after the shutdown checkpoint: ending them`,
  );
}

/** The present stop, if there is one, is to give the lock to another member. */
function handsOver(view: NodeView): boolean {
  return view.stopping || stepDownWanted(view) || view.watchdogFailed === true;
}

/** A member that could be the next primary and has our WAL up to `lsn`; null: none, or `lsn` is not known. */
function successorWith(view: NodeView, lsn: number | null): string | null {
  if (lsn === null) return null;
  const wanted = stepDownWanted(view) ? view.dcs.failover?.candidate ?? null : null;
  const found = view.statuses.find(({ status, ageMs }) =>
    status.name !== view.name && ageMs < FRESH_MS && (wanted === null || status.name === wanted) &&
    ineligible(status, view) === null && (status.timeline ?? 0) >= (view.postgres.timeline ?? 0) &&
    (positionOf(status) ?? 0) >= lsn
  );
  return found?.status.name ?? null;
}

function leave(view: NodeView): Decision | null {
  if (!view.stopping) return null;
  const { postgres, dcs, dynamic } = view;
  if (postgres.process === "none") {
    if (view.tenure === "holding") {
      return decide("stopped; handing over the lock", { kind: "release", epoch: dcs.lock.epoch });
    }
    return mayLeave("stopped");
  }
  // In pause PostgreSQL survives the agent: the guard stays with it, and the epoch, unfenced, stays ours.
  if (dynamic.pause && (view.tenure === "none" || dcs.lock.unfenced)) {
    return mayLeave("PAUSE: PostgreSQL is left running");
  }
  if (postgres.action?.kind === "stop") return decide("stopping PostgreSQL");
  if (postgres.action?.kind === "clone" || postgres.action?.kind === "rewind") return decide("stopping");
  return decide("the agent is stopping", { kind: "stop", how: "fast", checkpoint: postgres.writable });
}

function busy(view: NodeView): Decision | null {
  const { action } = view.postgres;
  if (action === null) return null;
  const late = action.kind === "start" && view.tenure === "holding" &&
    startTakesTooLong(view, action.sinceMs);
  if (late && someoneElseCan(view)) {
    return decide(
      `primary_start_timeout of ${view.dynamic.primaryStartTimeoutS} s is over: handing over`,
      { kind: "stop", how: "kill", checkpoint: false },
    );
  }
  return decide(`${action.kind} in progress${action.detail === "" ? "" : ` (${action.detail})`}`);
}

/** A required watchdog that cannot be used: an orderly end, as the guard still stands behind PostgreSQL. */
function withoutWatchdog(view: NodeView): Decision | null {
  if (!view.watchdogFailed || view.tenure !== "holding") return null;
  const reason = "a watchdog is required and cannot be used";
  const { process, writable } = view.postgres;
  if (process === "frozen") return null;
  if (process !== "none" && writable) {
    return decide(`${reason}: demoting self`, { kind: "stop", how: "fast", checkpoint: true });
  }
  if (process === "orphans" || process === "stopping") return null;
  return decide(`${reason}: handing over the lock`, { kind: "release", epoch: view.dcs.lock.epoch });
}

function unusableDirectory(view: NodeView): Decision | null {
  const { postgres, dcs } = view;
  const { directory } = postgres;
  if (directory.kind === "foreign") {
    const reason = `data directory cannot be used: ${directory.reason}`;
    return view.tenure === "holding"
      ? decide(reason, { kind: "release", epoch: dcs.lock.epoch })
      : decide(reason);
  }
  if (directory.kind !== "half-written") return null;
  if (directory.what === "bootstrap") {
    if (ownBootstrap(view)) return null;
    // The records were completed from this very directory, and we were ended before the mark was removed.
    const { initialize } = dcs;
    if (initialize !== null && initialize.systemId !== "" && initialize.by === view.name) {
      return decide("bootstrap done", { kind: "seal-bootstrap" });
    }
  }
  if (postgres.process !== "none") {
    return decide("ending a half-made server", { kind: "stop", how: "kill", checkpoint: false });
  }
  if (view.tenure === "holding") {
    return decide("half-written data directory", { kind: "release", epoch: dcs.lock.epoch });
  }
  return decide(`a ${directory.what} did not finish`, {
    kind: "set-aside",
    why: `${directory.what} did not finish`,
  });
}

/** We claimed the bootstrap in this start of the agent, and it is still in progress. */
function ownBootstrap(view: NodeView): boolean {
  const { initialize } = view.dcs;
  return initialize !== null && initialize.systemId === "" && initialize.by === view.name &&
    initialize.incarnation === view.incarnation;
}

function uninitialized(view: NodeView): Decision | null {
  const { postgres, dcs } = view;
  const { initialize } = dcs;
  if (initialize !== null && initialize.systemId !== "") return null;
  const directory = postgres.directory;
  const finish = postgres.last["finish-bootstrap"];
  if (ownBootstrap(view) && finish !== undefined && !finish.ok) return undoBootstrap(view, finish.detail);
  // Granted for a bootstrap that was given up meanwhile: whoever bootstraps now could never be granted the lock.
  if (view.tenure === "holding" && !ownBootstrap(view)) {
    const reason = "holding the lock for a bootstrap that is not ours any more";
    if (postgres.process === "none") return decide(reason, { kind: "release", epoch: dcs.lock.epoch });
    // Our own, begun before the agent was restarted: nobody else can finish it, and it is cleared once the lock is free.
    return decide(reason, { kind: "stop", how: "fast", checkpoint: false });
  }
  if (initialize === null) {
    if (directory.kind === "valid") {
      if (directory.standbySignal) {
        return decide("a standby without an initialized cluster: waiting for its primary");
      }
      return decide("adopting an existing primary's data directory", { kind: "claim-initialize" });
    }
    if (view.watchdogFailed) {
      return decide("a watchdog is required and cannot be used: not bootstrapping a cluster");
    }
    // Whoever claims first decides which data the cluster has: never an empty directory before existing data.
    const adopter = view.statuses.find(({ status, ageMs }) =>
      status.name !== view.name && ageMs < FRESH_MS && (status.primaryDirectory || status.writable)
    );
    if (adopter !== undefined) {
      return decide(
        `waiting for ${adopter.status.name}, which has a primary's data directory, to form the cluster`,
      );
    }
    return decide("trying to bootstrap a new cluster", { kind: "claim-initialize" });
  }
  if (!ownBootstrap(view)) return decide(`waiting for leader to bootstrap (${initialize.by})`);
  const made = postgres.last.bootstrap;
  if (made !== undefined && !made.ok) {
    // Granted meanwhile: given back first, or nobody could be chosen after us before the lease is over.
    if (view.tenure === "holding") {
      return decide("bootstrap failed", { kind: "release", epoch: dcs.lock.epoch });
    }
    const message = `initdb failed: ${made.detail}`;
    return decide("bootstrap failed", { kind: "clear-initialize" }, { kind: "exit", message });
  }
  if (view.tenure === "holding" && directory.kind !== "absent" && directory.kind !== "empty") {
    if (postgres.process === "none") return startPrimary(view);
    if (postgres.process !== "running" || !postgres.writable) return decide("starting the first primary");
    // The mark of a half-written directory stays until the records name its system identifier: ended in between, it
    // must not look like another cluster's.
    if (directory.kind === "half-written" && finish === undefined) {
      return decide("creating roles", { kind: "finish-bootstrap" });
    }
    const { systemId } = postgres;
    if (systemId === null) return decide("reading the system identifier");
    return decide("roles created", { kind: "complete-initialize", systemId });
  }
  if (directory.kind === "absent" || directory.kind === "empty") {
    return decide("bootstrapping a new cluster", { kind: "bootstrap" });
  }
  return decide("initdb done, waiting for the lock");
}

/**
 * Roles or post_bootstrap failed: nobody was told of this server as a primary, and nobody is. The directory is kept aside,
 * the lock and the claim are given back, and the process ends with the reason, as Patroni's does: what failed once will
 * fail again, and a script may not bear to run twice.
 */
function undoBootstrap(view: NodeView, why: string): Decision {
  const { postgres, dcs } = view;
  const reason = `the bootstrap failed and is undone: ${why}`;
  if (postgres.process !== "none") return decide(reason, { kind: "stop", how: "kill", checkpoint: false });
  if (postgres.directory.kind !== "absent" && postgres.directory.kind !== "empty") {
    return decide(reason, { kind: "set-aside", why: "the bootstrap failed" });
  }
  if (view.tenure === "holding") return decide(reason, { kind: "release", epoch: dcs.lock.epoch });
  return decide(reason, { kind: "clear-initialize" }, {
    kind: "exit",
    message: `Failed to bootstrap cluster: ${why}`,
  });
}

function mismatch(view: NodeView): Decision | null {
  const expected = view.dcs.initialize?.systemId;
  const found = view.postgres.systemId;
  if (!expected || found === null || found === expected) return null;
  return decide("system identifier mismatch", {
    kind: "exit",
    message:
      `system ID mismatch, node ${view.name} belongs to a different cluster: ${expected} != ${found}. ` +
      "Its data directory was not touched: move it away to copy this member anew, or correct scope and data_dir",
  });
}

function operatorRequest(view: NodeView): Decision | null {
  const { postgres } = view;
  // Without a primary to copy from, this directory may be the one that the cluster needs.
  if (view.wantsReinit !== null && view.tenure !== "holding" && livingHolder(view) !== null) {
    if (postgres.process !== "none") {
      return decide("reinitialize", { kind: "stop", how: "immediate", checkpoint: false });
    }
    if (postgres.directory.kind === "valid") {
      return decide("reinitialize", { kind: "set-aside", why: "reinitialize", onRequest: true });
    }
  }
  if (view.wantsRestart && postgres.process === "running" && !(postgres.writable && !view.leaseUsable)) {
    return decide("restart requested", { kind: "restart" });
  }
  // In maintenance mode nothing else starts it.
  if (view.wantsRestart && postgres.process === "none" && view.dynamic.pause) {
    const decision = ordinarily(view);
    return { ...decision, reason: `PAUSE: restart requested: ${decision.reason}` };
  }
  return null;
}

/**
 * primary_start_timeout is over. A grant that was made in the knowledge of the crash brings a start of its own, however
 * short the timeout; busy() and asHolder() must agree, or one would start what the other ends.
 */
function startTakesTooLong(view: NodeView, startedMs: number): boolean {
  const { nowMs, heldSinceMs } = view;
  const timeoutMs = view.dynamic.primaryStartTimeoutS * 1000;
  const sinceMs = view.postgres.crashedAtMs ?? startedMs;
  if (sinceMs >= heldSinceMs) return nowMs - sinceMs >= timeoutMs;
  return nowMs - heldSinceMs >= Math.max(timeoutMs, GRANTED_START_MS);
}

/** Another member that is reachable could be promoted. */
function someoneElseCan(view: NodeView): boolean {
  return view.statuses.some(({ status, ageMs }) =>
    status.name !== view.name && ageMs < FRESH_MS && ineligible(status, view) === null
  );
}

function retryLater(
  last: { readonly ok: boolean; readonly atMs: number; readonly failures: number } | undefined,
  nowMs: number,
): boolean {
  return last !== undefined && !last.ok &&
    nowMs - last.atMs < pauseAfter(last.failures, RETRY_MS, MAX_RETRY_MS);
}

/** Why a holder may not begin to write yet; null: it may. */
function notYet(view: NodeView): Decision | null {
  if (!view.leaseUsable && !view.skipLeaseCheck) {
    return decide("lock is ours, waiting for the first acknowledged renewal");
  }
  if (!view.failsafeWait) return null;
  const before = view.dcs.failsafe?.holder;
  return decide(`lock is ours, waiting: ${before} may still be the primary in failsafe mode for up to a ttl`);
}

function startPrimary(view: NodeView): Decision {
  const wait = notYet(view);
  if (wait !== null) return wait;
  return decide("starting as primary", { kind: "start-primary", epoch: view.dcs.lock.epoch });
}

/**
 * A primary that lost raft was ended with its lease; as a standby of nobody it serves reads until raft is back, as
 * Patroni's does. Why that needs no quorum: a server in recovery acknowledges no write and forks no history, the guard
 * counts it as one that cannot, and it becomes a primary only by a promotion, which needs the lease. It replays what is
 * in its own pg_wal, and receives nothing. Its WAL may not be the cluster's, if another primary followed meanwhile: the
 * directory is marked as a former primary's until it has streamed from the holder, so that it is no candidate in
 * between (successor.ts), nor after a restart of the agent.
 */
function startReadOnly(view: NodeView): Decision | null {
  if (view.leaseUsable || view.raftLostForMs < view.dcs.grantTtlMs) return null;
  return decide("raft is not accessible and I was the primary: starting read-only, as a standby of nobody", {
    kind: "start-standby",
    follow: null,
  });
}

function asHolder(view: NodeView): Decision {
  const { postgres, dcs, nowMs } = view;
  const { lock } = dcs;
  const release = (reason: string) => decide(reason, { kind: "release", epoch: lock.epoch });
  const { directory, process } = postgres;
  if (process === "orphans") {
    return decide("ending what is left of PostgreSQL", { kind: "stop", how: "kill", checkpoint: false });
  }
  if (process === "none") {
    if (directory.kind !== "valid") return release("no data directory to be a primary with");
    if (stepDownWanted(view)) return release(`${dcs.failover!.kind} requested`);
    const { crashedAtMs } = postgres;
    if (crashedAtMs !== null && startTakesTooLong(view, crashedAtMs) && someoneElseCan(view)) {
      return release("PostgreSQL crashed and primary_start_timeout is over");
    }
    const last = postgres.last.start;
    if (last !== undefined && !last.ok && last.failures >= 3 && someoneElseCan(view)) {
      return release(`PostgreSQL does not start: ${last.detail}`);
    }
    if (retryLater(last, nowMs)) return decide("starting PostgreSQL failed, trying again soon");
    if (directory.standbySignal) {
      return decide("starting to be promoted", { kind: "start-standby", follow: null });
    }
    return startReadOnly(view) ?? startPrimary(view);
  }
  if (process === "frozen") return decide("PostgreSQL is frozen until the lease is renewed");
  if (!postgres.writable) {
    if (process !== "running") return decide("standby is starting");
    if (retryLater(postgres.last.promote, nowMs)) {
      return postgres.last.promote!.failures >= 3 && someoneElseCan(view)
        ? decide("promotion failed repeatedly", { kind: "stop", how: "fast", checkpoint: false })
        : decide("promotion failed, trying again soon");
    }
    const wait = notYet(view);
    if (wait !== null) return wait;
    return decide("promoting self to leader by acquiring session lock", {
      kind: "promote",
      epoch: lock.epoch,
    });
  }
  if (stepDownWanted(view) && process === "running") {
    if (retryLater(postgres.last.stop, nowMs)) return decide("stopping PostgreSQL failed, trying again soon");
    if (!streamsFromUs(view)) {
      const candidate = dcs.failover!.candidate ?? "no other member";
      return decide(
        `manual switchover: not stepping down, ${candidate} does not stream from here at present`,
      );
    }
    return decide(`manual ${dcs.failover!.kind}: demoting self`, {
      kind: "stop",
      how: "fast",
      checkpoint: true,
    });
  }
  return decide(`no action. I am (${view.name}), the leader with the lock`);
}

/** An accepted request that this epoch is to end for. */
function stepDownWanted(view: NodeView): boolean {
  const { failover, lock } = view.dcs;
  return failover !== null && failover.accepted && failover.epoch === lock.epoch &&
    failover.candidate !== view.name;
}

/** Whoever takes over in a switchover gets the last of our WAL only over a connection that stands when we end. */
function streamsFromUs({ dcs, postgres }: NodeView): boolean {
  const { failover } = dcs;
  if (failover?.kind !== "switchover") return true;
  return postgres.replication.some(({ state, application_name: name }) =>
    state === "streaming" &&
    (failover.candidate === null ? knownMember(dcs, name) !== undefined : name === failover.candidate)
  );
}

/** The lock is free: be ready to report the end of our WAL, change nothing that could matter. */
function asWaiting(view: NodeView): Decision {
  const { postgres, dcs } = view;
  if (postgres.process === "orphans") {
    return decide("ending what is left of PostgreSQL", { kind: "stop", how: "kill", checkpoint: false });
  }
  if (postgres.process !== "none") return decide("the lock is free, waiting for the coordinator's choice");
  if (postgres.directory.kind !== "valid") return decide("waiting for a leader to copy from");
  // Started as a standby, a former primary would replay WAL that may not be the cluster's, and look like a candidate.
  if (!postgres.directory.standbySignal) {
    return decide("a former primary, waiting for the coordinator's choice");
  }
  if (retryLater(postgres.last.start, view.nowMs)) {
    return decide("starting PostgreSQL failed, trying again soon");
  }
  return decide("starting as a secondary", {
    kind: "start-standby",
    follow: upstreamOf(dcs, dcs.lock.lastHolder, view.name),
  });
}

function upstreamOf(dcs: DcsState, name: string | null, self: string): Upstream | null {
  if (name === null || name === self) return null;
  const facts = knownMember(dcs, name);
  return facts === undefined ? null : { name, connUrl: facts.connUrl };
}

/** The holder's status, if it is reachable and a running primary under the present epoch. */
function livingHolder(view: NodeView): MemberStatus | null {
  const { lock } = view.dcs;
  const seen = view.statuses.find((each) => each.status.name === lock.holder);
  if (seen === undefined || seen.ageMs >= FRESH_MS) return null;
  return seen.status.writable && seen.status.running && seen.status.epochSeen === lock.epoch
    ? seen.status
    : null;
}

function asStandby(view: NodeView): Decision {
  const { postgres, dcs, nowMs } = view;
  const holder = dcs.lock.holder!;
  const upstream = upstreamOf(dcs, holder, view.name);
  if (upstream === null) return decide(`Lock owner: ${holder}; I am ${view.name}: waiting for its address`);
  const primary = livingHolder(view);
  const { directory, process } = postgres;
  if (process === "orphans") {
    return decide("ending what is left of PostgreSQL", { kind: "stop", how: "kill", checkpoint: false });
  }
  if (directory.kind === "absent" || directory.kind === "empty") {
    if (primary === null) return decide(`waiting for ${holder} to be a running primary, to copy from it`);
    if (retryLater(postgres.last.clone, nowMs)) {
      return decide(`copying failed, trying again soon: ${postgres.last.clone!.detail}`);
    }
    return decide(`trying to bootstrap from leader '${holder}'`, { kind: "clone", from: upstream });
  }
  if (process === "none") {
    if (directory.kind === "valid" && directory.standbySignal && !diverged(view)) {
      if (retryLater(postgres.last.start, nowMs)) {
        return decide("starting PostgreSQL failed, trying again soon");
      }
      return decide(`starting as a secondary of ${holder}`, { kind: "start-standby", follow: upstream });
    }
    return rejoin(view, upstream, primary);
  }
  if (process !== "running") return decide(`PostgreSQL is ${process}`);
  if (postgres.following !== holder) {
    return decide(`following a different leader: ${holder}`, { kind: "follow", follow: upstream });
  }
  if (postgres.followingUrl !== upstream.connUrl) {
    return decide(`following ${holder} at its new address`, { kind: "follow", follow: upstream });
  }
  if (directory.kind === "valid" && directory.formerPrimary && primary !== null) {
    // Streaming on the holder's own timeline: everything here is a part of its history.
    if (
      postgres.replicationState === "streaming" && (postgres.timeline ?? 0) >= (primary.timeline ?? Infinity)
    ) {
      return decide(`streams from ${holder}: a standby like any other`, { kind: "joined-history" });
    }
  }
  if (primary !== null && view.notStreamingForMs > NOT_STREAMING_MS) {
    if (diverged(view)) {
      return decide("history has diverged: stopping to rejoin", {
        kind: "stop",
        how: "fast",
        checkpoint: false,
      });
    }
    // "The same" was said of what we had then; what keeps us from streaming may say otherwise.
    const old = postgres.divergence !== null && nowMs - postgres.divergence.atMs > COMPARED_MS;
    if (old || mustCompare(view, holder, primary)) {
      return decide("does not stream: comparing histories", { kind: "compare-history", with: upstream });
    }
  }
  return decide(`no action. I am (${view.name}), a secondary, and following a leader (${holder})`);
}

/** The verdict on our history against the present primary and its timeline; null: not compared yet. */
function compared(
  view: NodeView,
  holder: string,
  primary: MemberStatus,
): "same" | "diverged" | "unknown" | null {
  const { divergence } = view.postgres;
  if (divergence === null || divergence.from !== holder || divergence.timelineOfOther !== primary.timeline) {
    return null;
  }
  return divergence.verdict;
}

function diverged(view: NodeView): boolean {
  const { divergence } = view.postgres;
  return divergence !== null && divergence.from === view.dcs.lock.holder && divergence.verdict === "diverged";
}

/** There is no verdict, or the comparison failed a while ago: a primary that could not be asked then may answer now. */
function mustCompare(view: NodeView, holder: string, primary: MemberStatus): boolean {
  const verdict = compared(view, holder, primary);
  if (verdict !== "unknown") return verdict === null;
  return !retryLater({ ok: false, atMs: view.postgres.divergence!.atMs, failures: 1 }, view.nowMs);
}

/** A stopped former primary, or a standby found diverged: compare, then start, rewind or copy anew. */
function rejoin(view: NodeView, upstream: Upstream, primary: MemberStatus | null): Decision {
  const { postgres, nowMs, dynamic } = view;
  if (primary === null) return decide(`waiting for ${upstream.name} to be a running primary, to rejoin it`);
  const verdict = compared(view, upstream.name, primary);
  if (mustCompare(view, upstream.name, primary)) {
    return decide("comparing histories", { kind: "compare-history", with: upstream });
  }
  if (verdict === "unknown") {
    return decide(`comparing histories failed, trying again soon: ${postgres.divergence!.detail}`);
  }
  if (verdict === "same") {
    if (retryLater(postgres.last.start, nowMs)) {
      return decide("starting PostgreSQL failed, trying again soon");
    }
    return decide(`same history: starting as a secondary of ${upstream.name}`, {
      kind: "start-standby",
      follow: upstream,
    });
  }
  const rewound = postgres.last.rewind;
  const directory = postgres.directory;
  const possible = dynamic.postgresql.usePgRewind && directory.kind === "valid" &&
    (directory.control.walLogHints || directory.control.dataChecksums);
  if (possible && (rewound === undefined || rewound.ok)) {
    // Until the new primary's checkpoint is done, its control file names the old timeline and a rewind would do nothing.
    if (!primary.checkpointAfterPromote) {
      return decide("waiting for a checkpoint of the new primary before the rewind");
    }
    return decide("running pg_rewind", { kind: "rewind", from: upstream });
  }
  const why = possible
    ? `pg_rewind failed: ${rewound!.detail}`
    : dynamic.postgresql.usePgRewind
    ? "pg_rewind needs wal_log_hints or data checksums"
    : "use_pg_rewind is off";
  return decide(`diverged and ${why}: copying anew, the old directory is kept`, { kind: "set-aside", why });
}

/** For lock records shown to people. */
export function describeLock(lock: LockRecord): string {
  return lock.holder === null ? `free (${lock.reason})` : `${lock.holder}, epoch ${lock.epoch}`;
}
