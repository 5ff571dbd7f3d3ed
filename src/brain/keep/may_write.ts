/**
 * The gate of a holder. Nothing that may write is started or promoted before the first renewal is
 * acknowledged, the lease runs, the guard is armed with it, no wait of failsafe mode is left, and in
 * synchronous modes its commits would wait for standbys that count in the next choice.
 */
import { syncNotReady } from "../sync.ts";
import { decide, type Outcome } from "./outcome.ts";
import type { NodeView } from "./view.ts";

/** After so many failures in a row another member is to try. */
export const FAILURES = 3;

/** Why a holder may not begin to write yet; null: it may. */
export function notYet(view: NodeView): Outcome | null {
  if (!view.leaseUsable && !view.skipLeaseCheck) {
    return decide("this member holds the lock, waiting for the first acknowledged renewal");
  }
  const unsafe = view.syncWithout?.ready ? null : syncNotReady(view);
  if (unsafe !== null) return decide(`this member holds the lock, waiting until ${unsafe}`);
  if (!view.failsafeWait) return null;
  const before = view.dcs.failsafe?.holder;
  return decide(
    `this member holds the lock, waiting: ${before} may still be the primary in failsafe mode for up to a ttl`,
  );
}

/** As soon as it may. */
export function startPrimary(view: NodeView): Outcome {
  return notYet(view) ??
    decide("starting as primary", { kind: "start-primary", epoch: view.dcs.lock.epoch });
}
