/**
 * The duties of a node for as long as a state lasts, beside the one urgent action that the rules decide. They
 * are decided anew with each look, since a server that was started in between knows nothing of them; done
 * twice, they change nothing. Pure.
 */
import { lastGrantOf } from "../model/event.ts";
import type { PostgresView, RunningAction } from "../model/postgres_view.ts";
import { FRESH_MS } from "./cluster/successor_view.ts";
import { statusOf } from "./cluster/view.ts";
import type { DutyView } from "./duty_view.ts";
import { cascadeOf, isArchiveOnly } from "./keep/follow_source.ts";
import { isReachable, isRemoteName } from "../model/standby_cluster.ts";
import { isStandbyOfCluster } from "./keep/found_running.ts";
import { type NodeView, remoteUpstream } from "./keep/view.ts";
import { type RestartDuty, scheduledRestart } from "./scheduled_restart.ts";
import { slots, type SlotsDuty } from "./slots.ts";
import { type SyncDuty, synchronous } from "./sync.ts";
import { leaseFromTtl } from "../lease/timing.ts";

/** A copy from a member that has been silent for so long would wait for TCP to notice its end. */
const SOURCE_SILENT_MS = 10 * FRESH_MS;
/**
 * A copy of which nothing has come for so long, although its source is heard, will not go on: a process or a
 * disk there hangs. Long, since the copy begins anew then. At its end it waits for its own disk.
 */
const COPY_STALLED_MS = 300_000;

export type Duty =
  /** Tell the guard that the server which it found running is a standby. */
  | { readonly kind: "declare-standby" }
  /** End the copy or rewind under way. `sourceFails`: the next copy had better come from another member. */
  | { readonly kind: "cancel-copy"; readonly why: string; readonly sourceFails: boolean }
  | SlotsDuty
  | RestartDuty
  | SyncDuty
  /**
   * Log the line of this member's timeline history. `at`: when the epoch was granted; null: not known any
   * more.
   */
  | {
    readonly kind: "record-history";
    readonly epoch: number;
    readonly line: PostgresView["timelineHistory"][number];
    readonly at: string | null;
  }
  /** Make the crash recovery short that may follow when the lease runs out at `leaseUntilMs`. */
  | { readonly kind: "checkpoint"; readonly leaseUntilMs: number };

export function duties(view: DutyView): readonly Duty[] {
  return [declareStandby, cancelCopy, slots, recordHistory, checkpoint, scheduledRestart, synchronous]
    .map((duty) => duty(view)).filter((duty) => duty !== null);
}

/**
 * A standby that a new guard found running counts as writable until the agent has asked it and declares it a
 * standby.
 */
function declareStandby(view: DutyView): Duty | null {
  return isStandbyOfCluster(view) ? { kind: "declare-standby" } : null;
}

/**
 * A copy from a primary ends with its lock. One from a standby goes on without a primary: hours of work are
 * not lost to a failover. One that a command of the user's own makes goes on too: from a backup it needs no
 * member, and what it does need ends it. But PostgreSQL refuses to complete a backup of a standby that was
 * promoted meanwhile, and says so only at the end.
 */
function cancelCopy({ postgres: { action }, statuses, dcs, stopping, nowMs }: DutyView): Duty | null {
  if (action?.kind !== "clone" && action?.kind !== "rewind") return null;
  if (stopping) return { kind: "cancel-copy", why: "the agent is stopping", sourceFails: false };
  // A restore without a leader, and what a command makes: neither ends with a member.
  if (action.kind === "clone" && (action.copy === undefined || action.copy.by !== undefined)) return null;
  const ofRemote = isRemoteName(action.copy?.from ?? null);
  const cancel = (why: string): Duty => ({ kind: "cancel-copy", why, sourceFails: true });
  const { holder } = dcs.lock;
  const from = action.copy?.from ?? holder;
  const isStandby = action.copy?.fromStandby ?? false;
  if (isStandby && from === holder) {
    return cancel(`${from} is promoted, and a copy of a standby must end before that`);
  }
  if (stalledForMs(action, nowMs) >= COPY_STALLED_MS) {
    return cancel(`nothing has come from ${from} for ${COPY_STALLED_MS / 60_000} min`);
  }
  // No status tells of a server outside.
  if (ofRemote) return null;
  const source = statusOf({ statuses }, from);
  const isLost = !isStandby && holder === null;
  const isGone = isLost || source === undefined || source.ageMs > SOURCE_SILENT_MS;
  return isGone ? cancel(`${from ?? "the primary"}, which is copied, is gone`) : null;
}

/** 0 before the source sends, and when all has come as far as is known. */
function stalledForMs({ copy, movedMs }: RunningAction, nowMs: number): number {
  if (copy === undefined || movedMs === undefined || copy.totalBytes === null) return 0;
  return copy.doneBytes > 0 && copy.doneBytes < copy.totalBytes ? nowMs - movedMs : 0;
}

function recordHistory({ tenure, postgres, dcs }: DutyView): Duty | null {
  const { process, writable, inRecovery, timelineHistory } = postgres;
  if (tenure !== "holding" || process !== "running" || !writable || inRecovery !== false) return null;
  const line = timelineHistory.at(-1);
  if (line === undefined || dcs.history.some((known) => known[0] >= line[0])) return null;
  const at = lastGrantOf(dcs.events)?.at ?? null;
  return { kind: "record-history", epoch: dcs.lock.epoch, line, at };
}

/** Renewals have failed for half of the lease: if it runs out, PostgreSQL ends without a shutdown. */
function checkpoint(view: DutyView): Duty | null {
  const { tenure, postgres: { process, writable }, leaseUntilMs, dcs } = view;
  if (tenure !== "holding" || process !== "running" || !writable) return null;
  if (leaseUntilMs === null || leaseUntilMs === view.checkpointedForMs) return null;
  if (leaseUntilMs - view.nowMs > leaseFromTtl(dcs.grantTtlMs) / 2) return null;
  return { kind: "checkpoint", leaseUntilMs };
}

/**
 * A running standby is pointed at the holder, or at the standby that its tag names, or is a standby leader
 * that is pointed at the remote primary, and WAL does not come. A standby whose history left the primary's
 * streams the old timeline to its end, again and again, which does not count as streaming.
 */
export function missesWal(
  view: Pick<NodeView, "name" | "dcs" | "statuses" | "postgres" | "dynamic">,
): boolean {
  const { name, dcs, statuses, postgres, dynamic } = view;
  const { lock } = dcs;
  const { process, following } = postgres;
  if (dynamic.standbyCluster !== null && lock.holder === name) return missesRemoteWal(view);
  const timelineOfHolder = statusOf({ statuses }, lock.holder)?.status.timeline ?? 0;
  if (process === "running" && lock.holder !== null && isArchiveOnly(name, { dcs, statuses })) {
    // The archive leads on to the holder's timeline, unless the histories have parted.
    return (postgres.timeline ?? 0) < timelineOfHolder;
  }
  if (process !== "running" || lock.holder === null || following === null) return false;
  if (following !== lock.holder && following !== cascadeOf({ name, dcs, statuses, postgres })) return false;
  return postgres.replicationState !== "streaming" || (postgres.timeline ?? 0) < timelineOfHolder;
}

function missesRemoteWal({ postgres, dynamic }: Pick<NodeView, "postgres" | "dynamic">): boolean {
  const remote = remoteUpstream({ dynamic });
  if (remote === null || !isReachable(remote) || postgres.following !== remote.name) return false;
  return postgres.process === "running" && postgres.replicationState !== "streaming";
}
