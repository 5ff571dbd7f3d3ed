/**
 * Maintenance mode: PostgreSQL is never started or stopped on the agent's own initiative. An operator's
 * request is carried out, and a primary that stepped down for it rejoins: then the rules after these decide
 * as usual.
 */
import { decide, type NodeRule, type Outcome } from "./outcome.ts";
import { awaitsPromotion, type NodeView } from "./view.ts";

/** In maintenance mode nothing else starts a server that ended. */
export function startsOnRequest({ dynamic, wantsRestart, postgres }: NodeView): boolean {
  return dynamic.pause && wantsRestart && postgres.process === "none";
}

function holding(view: NodeView): Outcome | null {
  const { postgres: { process }, dcs } = view;
  if (!view.dynamic.pause || startsOnRequest(view) || view.tenure !== "holding") return null;
  if (dcs.failover?.accepted || (process === "running" && awaitsPromotion(view))) return null;
  return decide(
    process === "none"
      ? "PostgreSQL does not run, and is not started"
      : `no action. I am (${view.name}), the leader with the lock`,
  );
}

/** The agent stopped PostgreSQL for a request, and it has not come back as a standby since. */
function isSteppingDown({ stop, start }: NodeView["postgres"]["last"]): boolean {
  if (stop === undefined || !stop.ok) return false;
  return start === undefined || !start.ok || start.atMs < stop.atMs;
}

function stopped(view: NodeView): Outcome | null {
  const { postgres: { process, last } } = view;
  if (!view.dynamic.pause || startsOnRequest(view) || view.tenure === "holding") return null;
  if (process !== "none" || isSteppingDown(last) || view.reinitializing) return null;
  return decide("PostgreSQL does not run, and is not started");
}

export const PAUSE: readonly NodeRule[] = [
  {
    name: "pause-holder",
    when: "In pause, on the holder: neither a switchover is accepted nor a promotion due.",
    then: "Leaves PostgreSQL as it is.",
    decide: holding,
  },
  {
    name: "pause-stopped",
    when: "In pause, on another member: PostgreSQL does not run, and the agent did not stop it.",
    then: "Does not start it.",
    decide: stopped,
  },
];
