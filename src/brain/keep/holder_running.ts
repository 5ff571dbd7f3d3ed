/** The node holds the lock, and its PostgreSQL runs: it is promoted, steps down, or waits. */
import { knownMember } from "../../model/records.ts";
import { hasOtherData } from "../other_data.ts";
import { PRE_PROMOTE } from "../promotion.ts";
import { FAILURES, notYet } from "./may_write.ts";
import { decide, type NodeRule, type Outcome } from "./outcome.ts";
import { awaitsPromotion, type NodeView, retryLater, someoneElseCan, stepDownWanted } from "./view.ts";

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
  // A hook that refuses means this member, and not this moment.
  const enough = last.detail.startsWith(PRE_PROMOTE) ? 1 : FAILURES;
  if (!retryLater(last, view.nowMs) || last.failures < enough || !someoneElseCan(view)) return null;
  return decide("promotion failed, and another member can be tried", {
    kind: "stop",
    how: "fast",
    checkpoint: false,
  });
}

/** Put there and started by hand, as the standby that it was. */
function runsOtherData(view: NodeView): Outcome | null {
  if (view.tenure !== "holding" || !awaitsPromotion(view) || !hasOtherData(view)) return null;
  return decide("the data directory is not the one that the lock was granted for", {
    kind: "stop",
    how: "fast",
    checkpoint: false,
  });
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

export const HOLDER_RUNNING: readonly NodeRule[] = [
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
    when:
      `The holder's promotion failed ${FAILURES} times in a row, or once by \`pre_promote\`, and another member could serve.`,
    then: "Stops PostgreSQL; the lock is handed over.",
    decide: promotionFails,
  },
  {
    name: "other-directory-runs",
    when:
      "The holder's PostgreSQL is a running standby in a data directory that is not the one that the lock was granted for, and acknowledged transactions are promised.",
    then: "Stops PostgreSQL; the lock is released.",
    decide: runsOtherData,
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
