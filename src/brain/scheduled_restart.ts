/**
 * The restart of this node's PostgreSQL that the records have for a time of day. It is taken off the records
 * first, and happens once that is applied: so it happens at most once, whichever agent is started meanwhile.
 */
import { restartConditionsMet } from "../model/restart_conditions.ts";
import { scheduledRestartOf } from "../model/records.ts";
import { statusOf } from "./cluster/view.ts";
import type { DutyView } from "./duty_view.ts";

/** Take the restart off the records. `restarts`: and then restart PostgreSQL. */
export interface RestartDuty {
  readonly kind: "scheduled-restart";
  readonly id: string;
  readonly restarts: boolean;
  readonly timeoutS: number | null;
  /** What becomes of it, for people. */
  readonly text: string;
}

/** In pause nothing that is scheduled takes place; what is late after that is dropped, as in Patroni. */
export function scheduledRestart(view: DutyView): RestartDuty | null {
  const { name, dcs, dynamic, joined, stopping, wallMs } = view;
  const scheduled = scheduledRestartOf(dcs, name);
  if (scheduled === null || !joined || stopping || dynamic.pause) return null;
  const lateMs = wallMs - Date.parse(scheduled.schedule);
  if (lateMs < 0) return null;
  const outcome = (restarts: boolean, text: string): RestartDuty => ({
    kind: "scheduled-restart",
    id: scheduled.id,
    restarts,
    timeoutS: scheduled.timeout ?? null,
    text,
  });
  if (Number.isNaN(lateMs)) return outcome(false, "dropped: that is no time");
  if (lateMs > 1500 * dynamic.loopWaitS) {
    return outcome(false, `dropped: it is too late by ${Math.round(lateMs / 1000)} s`);
  }
  const { action, inRecovery, serverVersion, pendingRestart } = view.postgres;
  // A restart under way would be taken for this one, and its time limit would be replaced by this one's.
  if (action !== null) return null;
  const role = inRecovery === false ? "primary" : statusOf(view, name)?.status.role ?? "replica";
  const isMeant = restartConditionsMet(scheduled, {
    role,
    serverVersion,
    pendingRestart: pendingRestart !== null,
  });
  return isMeant ? outcome(true, "its time has come") : outcome(false, "its conditions do not hold");
}

/** ms until the restart of this member is due, by the time of day; Infinity: none is scheduled. */
export function restartDueInMs({ name, dcs, wallMs }: Pick<DutyView, "name" | "dcs" | "wallMs">): number {
  const scheduled = scheduledRestartOf(dcs, name);
  const leftMs = scheduled === null ? Infinity : Date.parse(scheduled.schedule) - wallMs;
  return leftMs > 0 ? leftMs : Infinity;
}
