/** A long action is under way: it is waited for, unless it keeps the lock from a member that could serve. */
import { decide, kill, type NodeRule, type Outcome } from "./outcome.ts";
import { promotionLimitMs } from "../promotion.ts";
import { type NodeView, someoneElseCan } from "./view.ts";

/**
 * How long a server that was known to be down when its member was granted the lock has to start at the least.
 */
const GRANTED_START_MS = 10_000;

/**
 * primary_start_timeout is over. A grant that was made in the knowledge of the crash brings a start of its
 * own, however short the timeout. The rules for a start under way and for one that is due must agree, or one
 * would start what the other ends.
 */
export function startTakesTooLong(view: NodeView, startedMs: number): boolean {
  const { nowMs, heldSinceMs } = view;
  const timeoutMs = view.dynamic.primaryStartTimeoutS * 1000;
  const sinceMs = view.postgres.crashedAtMs ?? startedMs;
  if (sinceMs >= heldSinceMs) return nowMs - sinceMs >= timeoutMs;
  return nowMs - heldSinceMs >= Math.max(timeoutMs, GRANTED_START_MS);
}

function startOverdue(view: NodeView): Outcome | null {
  const { action } = view.postgres;
  if (action?.kind !== "start" || view.tenure !== "holding") return null;
  if (!startTakesTooLong(view, action.sinceMs) || !someoneElseCan(view)) return null;
  return kill(`primary_start_timeout of ${view.dynamic.primaryStartTimeoutS} s is over: handing over`);
}

/**
 * Killed, and not stopped: what hangs does not end when it is asked to, and nothing was written that a
 * standby's crash recovery does not bring back. With nobody else it is given twice the time, and then tried
 * again here: what was stopped or stuck does not survive.
 */
function promotionHangs(view: NodeView): Outcome | null {
  const { action, last } = view.postgres;
  if (action?.kind !== "promote" || action.movedMs === undefined || view.tenure !== "holding") return null;
  const limitMs = promotionLimitMs(last.promote?.failures ?? 0) * (someoneElseCan(view) ? 1 : 2);
  if (view.nowMs - action.movedMs < limitMs) return null;
  return kill(`the promotion has stood still for ${limitMs / 1000} s: ending PostgreSQL`);
}

function busy({ postgres: { action } }: NodeView): Outcome | null {
  if (action === null) return null;
  return decide(`${action.kind} in progress${action.detail === "" ? "" : ` (${action.detail})`}`);
}

export const BUSY: readonly NodeRule[] = [
  {
    name: "start-overdue",
    when:
      "The holder's PostgreSQL has been starting for longer than primary_start_timeout, and another member could serve.",
    then: "Kills PostgreSQL, so that the lock can be handed over.",
    decide: startOverdue,
  },
  {
    name: "promotion-hangs",
    when:
      "The promotion of the holder's PostgreSQL has stood still for 4 s, longer after each failure in a row.",
    then: "Kills PostgreSQL; the lock is handed over, or with nobody else, the promotion is tried again.",
    decide: promotionHangs,
  },
  {
    name: "busy",
    when: "A long action is under way.",
    then: "Waits for its end.",
    decide: busy,
  },
];
