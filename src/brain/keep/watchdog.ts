/** A required watchdog that cannot be used: an orderly end, as the guard still stands behind PostgreSQL. */
import { decide, letGo, type NodeRule, type Outcome } from "./outcome.ts";
import type { NodeView } from "./view.ts";

const REASON = "a watchdog is required and cannot be used";

function demote({ watchdogFailed, tenure, postgres: { process, writable } }: NodeView): Outcome | null {
  if (!watchdogFailed || tenure !== "holding" || !writable) return null;
  if (process === "none" || process === "frozen") return null;
  return decide(`${REASON}: demoting self`, { kind: "stop", how: "fast", checkpoint: true });
}

function handOver(view: NodeView): Outcome | null {
  if (!view.watchdogFailed || view.tenure !== "holding") return null;
  const { process } = view.postgres;
  if (process === "frozen" || process === "orphans" || process === "stopping") return null;
  return letGo(`${REASON}: handing over the lock`, view);
}

export const WATCHDOG: readonly NodeRule[] = [
  {
    name: "watchdog-demote",
    when: "The holder's watchdog is required and cannot be used, and its PostgreSQL may write.",
    then: "Stops PostgreSQL in order.",
    decide: demote,
  },
  {
    name: "watchdog-hand-over",
    when: "The holder's watchdog is required and cannot be used, and its PostgreSQL cannot write.",
    then: "Releases the lock, and sits out for a while.",
    decide: handOver,
  },
];
