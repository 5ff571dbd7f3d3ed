/**
 * The duties of a node for as long as a state lasts, beside the one urgent action that the rules decide.
 * They are decided anew with each look, since a server that was started in between has been told nothing;
 * done twice, they change nothing. Pure.
 */
import type { MemberStatus } from "../model/member_status.ts";
import type { PostgresView } from "../model/postgres_view.ts";
import type { DcsState } from "../model/records.ts";
import { FRESH_MS, type SeenStatus } from "./cluster/successor_view.ts";
import type { NodeView } from "./keep/view.ts";
import { leaseFromTtl } from "../lease/timing.ts";

/** A copy from a member that has been silent for so long would wait for TCP to notice. */
const SOURCE_SILENT_MS = 10 * FRESH_MS;

export type Duty =
  /** Tell the guard that the server which it found running is a standby. */
  | { readonly kind: "declare-standby" }
  /** End the copy or rewind that is under way. */
  | { readonly kind: "cancel-copy"; readonly why: string }
  /** Physical replication slots for `members`; none for `gone`, which have been missing for too long. */
  | { readonly kind: "slots"; readonly members: readonly string[]; readonly gone: readonly string[] }
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

export interface DutyView extends NodeView {
  /** Deadline of the lease; null: none is acknowledged. */
  readonly leaseUntilMs: number | null;
  /** Deadline of the lease that a checkpoint was last made for. */
  readonly checkpointedForMs: number | null;
  /** When each member was last heard, or when this agent first knew of it. */
  readonly heardMs: ReadonlyMap<string, number>;
}

export function duties(view: DutyView): readonly Duty[] {
  return [declareStandby, cancelCopy, slots, recordHistory, checkpoint]
    .map((duty) => duty(view)).filter((duty) => duty !== null);
}

/**
 * A standby that a new guard found running counts as writable until somebody who has asked it says that it is
 * none.
 */
function declareStandby({ postgres }: DutyView): Duty | null {
  const { process, writable, epoch, inRecovery } = postgres;
  if (process === "none" || process === "orphans") return null;
  return writable && epoch === null && inRecovery === true ? { kind: "declare-standby" } : null;
}

function cancelCopy({ postgres: { action }, statuses, dcs, stopping }: DutyView): Duty | null {
  if (action?.kind !== "clone" && action?.kind !== "rewind") return null;
  if (stopping) return { kind: "cancel-copy", why: "the agent is stopping" };
  const { holder } = dcs.lock;
  const source = statuses.find((seen) => seen.status.name === holder);
  const isGone = holder === null || source === undefined || source.ageMs > SOURCE_SILENT_MS;
  return isGone ? { kind: "cancel-copy", why: "the member that we copy from is gone" } : null;
}

/**
 * As soon as the lock is held, not after the promotion: the others follow at once, and one that finds no slot
 * comes back only after wal_retrieve_retry_interval.
 *
 * A member that is missing keeps its slot for `member_slots_ttl` after a lease's time: without an end, the
 * WAL that it holds fills the disk of the primary. The time begins anew with each primary.
 */
function slots(view: DutyView): Duty | null {
  const { tenure, postgres: { process }, dcs, name, nowMs, dynamic, heardMs, heldSinceMs } = view;
  if (tenure !== "holding" || process !== "running") return null;
  const keptMs = dynamic.memberSlotsTtlS * 1000 + dcs.waitTtlMs;
  const isGone = (member: string) => nowMs - Math.max(heardMs.get(member) ?? nowMs, heldSinceMs) > keptMs;
  const others = Object.keys(dcs.members).filter((member) => member !== name).sort();
  return {
    kind: "slots",
    members: others.filter((member) => !isGone(member)),
    gone: others.filter(isGone),
  };
}

function recordHistory({ tenure, postgres, dcs }: DutyView): Duty | null {
  const { process, writable, inRecovery, timelineHistory } = postgres;
  if (tenure !== "holding" || process !== "running" || !writable || inRecovery !== false) return null;
  const line = timelineHistory.at(-1);
  if (line === undefined || dcs.history.some((known) => known[0] >= line[0])) return null;
  const at = dcs.events.findLast((event) => event.kind === "grant")?.at ?? null;
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
 * A running standby is pointed at the holder, and the holder's WAL does not come. A standby whose history
 * left the primary's streams the old timeline to its end, again and again: that is no streaming.
 */
export function missesWal(
  postgres: PostgresView,
  { lock }: Pick<DcsState, "lock">,
  statuses: readonly SeenStatus[],
): boolean {
  if (postgres.process !== "running" || postgres.following !== lock.holder) return false;
  const holder: MemberStatus | undefined = statuses.find(({ status }) => status.name === lock.holder)?.status;
  return postgres.replicationState !== "streaming" || (postgres.timeline ?? 0) < (holder?.timeline ?? 0);
}
