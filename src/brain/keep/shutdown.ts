/**
 * A shutdown that is under way. It waits for processes that PostgreSQL does not control, so each step has a
 * limit (../shutdown.ts). The lock is handed over as soon as nothing can be acknowledged and a standby has
 * the shutdown checkpoint: archiver and WAL senders may live on for a while (guard/fence.ts says why that is
 * safe).
 */
import { LEFTOVERS_AFTER_RELEASE_MS, LEFTOVERS_MS, shutdownStep } from "../shutdown.ts";
import { positionOf } from "../cluster/candidate.ts";
import { restartGaveUp } from "./busy.ts";
import { decide, kill, type NodeRule, type Outcome, release } from "./outcome.ts";
import { handsOverSick } from "./sick.ts";
import {
  isDoomed,
  type NodeView,
  othersThatCan,
  retryLater,
  someoneElseCan,
  stepDownWanted,
} from "./view.ts";

const STOPS = ["fast", "immediate", "kill"] as const;

/** Begun by an earlier agent, or by others: if it hung, nothing else would end it. */
function unattended(view: NodeView): Outcome | null {
  const { postgres, dynamic } = view;
  if (postgres.process !== "stopping" || postgres.action !== null) return null;
  if (!view.anyProcess) return decide("PostgreSQL has ended: reading what it has left");
  if (dynamic.pause && !view.stopping) {
    return decide("PAUSE: PostgreSQL is being shut down, not by this agent");
  }
  if (retryLater(postgres.last.stop, view.nowMs)) {
    return decide("stopping PostgreSQL failed, trying again soon");
  }
  return decide("PostgreSQL is being shut down: seeing to its end", {
    kind: "stop",
    how: "fast",
    checkpoint: false,
  });
}

/**
 * It is not known when it can start again: the lock is handed over whenever a member can take over, requested
 * or not.
 */
function doomed(view: NodeView): Outcome | null {
  if (!isDoomed(view) || view.tenure !== "holding") return null;
  // In pause no member would be promoted for it.
  if (!handsOver(view) && (view.dynamic.pause || !someoneElseCan(view))) return null;
  return release(
    "PostgreSQL is killed, and the kernel keeps processes of it that run no more: handing over",
    view,
  );
}

/**
 * How the stop that this agent has begun is done at present; null: none is under way, or its server is not
 * told yet.
 */
function presentStep({ postgres: { process, action, shutdown } }: NodeView) {
  if (process !== "stopping" || action?.kind !== "stop" || shutdown === null) return null;
  const how = STOPS.find((each) => each === action.detail);
  return how === undefined ? null : { how, sinceMs: action.sinceMs, shutdown };
}

/** A primary that acknowledges nothing any more, with archiver or WAL senders left. */
function pastCheckpoint(view: NodeView): Outcome | null {
  const step = presentStep(view);
  if (step === null || step.how === "kill" || step.shutdown.stage !== "closed") return null;
  const sinceMs = step.shutdown.stageMs;
  const { nowMs, tenure, dynamic } = view;
  if (tenure === "holding" && handsOver(view)) {
    const { directory } = view.postgres;
    // The record begins there: a standby that has it has received more.
    const lsn = directory.kind === "valid" ? directory.control.checkpointLsn + 1 : null;
    const next = successorWith(view, lsn);
    if (next !== null) {
      return release(`past its shutdown checkpoint, which ${next} has: handing over the lock`, view);
    }
    // A successor needs the WAL senders that still send. Senders of a hung receiver are not waited for.
    const quietMs = nowMs - Math.max(sinceMs, view.receivedGrewMs);
    if (quietMs < LEFTOVERS_MS && nowMs - sinceMs < dynamic.postgresql.pgCtlTimeoutS * 1000) {
      return decide("past its shutdown checkpoint, waiting until a standby has it");
    }
    return kill("no standby receives the shutdown checkpoint: ending the remaining processes of PostgreSQL");
  }
  const limitMs = tenure === "holding" ? LEFTOVERS_MS : LEFTOVERS_AFTER_RELEASE_MS;
  if (nowMs - sinceMs < limitMs) {
    return decide("PostgreSQL has shut down, waiting for its archiver and WAL senders");
  }
  return kill(
    `archiver or WAL senders have not ended ${limitMs / 1000} s after the shutdown checkpoint: ending them`,
  );
}

function overdue(view: NodeView): Outcome | null {
  const present = presentStep(view);
  if (present === null) return null;
  const { postgres, dynamic, nowMs } = view;
  const step = shutdownStep(present.shutdown, present.how, present.sinceMs, nowMs, {
    primary: postgres.writable,
    primaryStopTimeoutS: dynamic.primaryStopTimeoutS,
    pgCtlTimeoutS: dynamic.postgresql.pgCtlTimeoutS,
  });
  if (step === null || (step.early && successorWith(view, postgres.walLsn) === null)) return null;
  const word = step.how === "kill" ? "PostgreSQL is killed" : "PostgreSQL is told to end at once";
  return decide(`${word}: ${step.why}`, { kind: "stop", how: step.how, checkpoint: false });
}

/** The present stop, if there is one, is to give the lock to another member. */
function handsOver(view: NodeView): boolean {
  return view.stopping || stepDownWanted(view) || view.watchdogFailed === true || restartGaveUp(view) ||
    handsOverSick(view);
}

/**
 * A member that could be the next primary and has this member's WAL up to `lsn`; null: none, or `lsn` is not
 * known.
 */
function successorWith(view: NodeView, lsn: number | null): string | null {
  if (lsn === null) return null;
  const wanted = stepDownWanted(view) ? view.dcs.failover?.candidate ?? null : null;
  const found = othersThatCan(view).find((status) =>
    (wanted === null || status.name === wanted) &&
    (status.timeline ?? 0) >= (view.postgres.timeline ?? 0) && (positionOf(status) ?? 0) >= lsn
  );
  return found?.name ?? null;
}

export const SHUTDOWN: readonly NodeRule[] = [
  {
    name: "shutdown-unattended",
    when: "PostgreSQL is being shut down, and not by this start of the agent.",
    then: "Stops it itself, so that it cannot hang without a limit. In pause it only watches.",
    decide: unattended,
  },
  {
    name: "doomed",
    when:
      "PostgreSQL was killed, and the kernel keeps processes of it that can run nothing any more (state D).",
    then: "Hands the lock over if another member could serve.",
    decide: doomed,
  },
  {
    name: "past-checkpoint",
    when: "The shutdown checkpoint is on disk, and archiver or WAL senders are left.",
    then:
      "Hands the lock over once a standby has that checkpoint; kills the remaining processes when their time is over.",
    decide: pastCheckpoint,
  },
  {
    name: "shutdown-overdue",
    when: "A step of the shutdown has taken longer than its limit.",
    then: "Goes on to the next step: immediate, then kill.",
    decide: overdue,
  },
];

/** The outcome of these rules, for the one rule that comes before them; null: none. */
export function shuttingDown(view: NodeView): Outcome | null {
  return unattended(view) ?? doomed(view) ?? pastCheckpoint(view) ?? overdue(view);
}
