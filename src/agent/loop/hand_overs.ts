/** Tells failovers and switchovers from the events of the records, and counts them, for the metrics. */
import { type ClusterEvent, eventId, eventKind } from "../../model/event.ts";
import { type FailoverReason, type HandOvers, NO_HAND_OVERS } from "../../model/measures.ts";

export type HandOver =
  | { readonly kind: "switchover" }
  /** `fromMs`: the first sign of trouble, by the clock of the member that told of it. */
  | { readonly kind: "failover"; readonly reason: FailoverReason; readonly fromMs: number };

/** Troubles of a holder, the reason that they are, and what ends them. */
const SIGNS: { readonly [kind: string]: { readonly reason?: FailoverReason; readonly endedBy?: string } } = {
  "agent-stopping": { reason: "agent_stopped" },
  "cannot-lead": { reason: "cannot_lead" },
  "postgres-crashed": { reason: "postgres_crashed", endedBy: "postgres-back" },
  "postgres-killed": { reason: "postgres_crashed", endedBy: "postgres-back" },
  "postgres-frozen": { endedBy: "postgres-thawed" },
  "ailment-began": { reason: "ailment", endedBy: "ailment-ended" },
  "member-lost": { endedBy: "member-back" },
  "lock-expired": {},
  "lock-released": {},
};

export class HandOverTally {
  #counts: HandOvers = NO_HAND_OVERS;

  get counts(): HandOvers {
    return this.#counts;
  }

  /** A new event of the records, which hold `events`. */
  see(event: ClusterEvent, events: readonly ClusterEvent[]): void {
    const kind = eventKind(event);
    if (kind === "lock-granted") this.#granted(handOverOf(event, events));
    else if (kind === "promoted") {
      const tookMs = failoverMs(event, events);
      if (tookMs !== null) this.#counts = { ...this.#counts, lastFailoverMs: tookMs };
    }
  }

  #granted(handOver: HandOver | null): void {
    if (handOver === null) return;
    const { failovers, switchovers } = this.#counts;
    this.#counts = handOver.kind === "switchover"
      ? { ...this.#counts, switchovers: switchovers + 1 }
      : { ...this.#counts, failovers: { ...failovers, [handOver.reason]: failovers[handOver.reason] + 1 } };
  }
}

/** What a grant of the lock is; null: the first one, or to the same member again. */
export function handOverOf(granted: ClusterEvent, events: readonly ClusterEvent[]): HandOver | null {
  const id = eventId(granted);
  const isBefore = (event: ClusterEvent) => eventId(event) < id;
  const previous = events.findLast((event) => isBefore(event) && eventKind(event) === "lock-granted");
  if (previous === undefined || previous.member === granted.member) return null;
  const since = events.filter((event) => isBefore(event) && eventId(event) > eventId(previous));
  const asked = requestOf(since, events);
  if (asked === "switchover") return { kind: "switchover" };
  const signs = openSigns(since.filter(({ member }) => member === previous.member));
  const first = asked === "failover" ? requestedAtMs(since) : Infinity;
  const fromMs = Math.min(first, ...signs.map(({ at }) => Date.parse(at)));
  return { kind: "failover", reason: asked === "failover" ? "operator" : reasonOf(signs), fromMs };
}

/** From the first sign of trouble to the first write of the new primary; null: it was no failover. */
export function failoverMs(promoted: ClusterEvent, events: readonly ClusterEvent[]): number | null {
  const epoch = promoted.facts?.epoch;
  const granted = events.findLast((event) =>
    eventKind(event) === "lock-granted" && event.facts?.epoch === epoch
  );
  if (epoch === undefined || granted === undefined || granted.member !== promoted.member) return null;
  const handOver = handOverOf(granted, events);
  if (handOver?.kind !== "failover" || !Number.isFinite(handOver.fromMs)) return null;
  return Math.max(0, Date.parse(promoted.at) - handOver.fromMs);
}

/** The request of an operator that was accepted and has not failed; null: there was none. */
function requestOf(
  since: readonly ClusterEvent[],
  events: readonly ClusterEvent[],
): "switchover" | "failover" | null {
  const last = since.findLast((event) => /^request-(?:accepted|failed)$/.test(eventKind(event)));
  if (last === undefined || eventKind(last) === "request-failed") return null;
  const asked = events.findLast((event) =>
    /^(?:switch|fail)over-requested$/.test(eventKind(event)) && event.facts?.request === last.facts?.request
  );
  return asked !== undefined && eventKind(asked) === "failover-requested" ? "failover" : "switchover";
}

function requestedAtMs(since: readonly ClusterEvent[]): number {
  const accepted = since.findLast((event) => eventKind(event) === "request-accepted");
  return accepted === undefined ? Infinity : Date.parse(accepted.at);
}

/** The signs of trouble that nothing has ended. */
function openSigns(own: readonly ClusterEvent[]): readonly ClusterEvent[] {
  return own.filter((event, place) => {
    const sign = Object.hasOwn(SIGNS, eventKind(event)) ? SIGNS[eventKind(event)] : undefined;
    if (sign === undefined) return false;
    return !own.slice(place + 1).some((later) => eventKind(later) === sign.endedBy);
  });
}

/** An expiry speaks for itself: the holder did not give the lock back, whatever it met before. */
function reasonOf(signs: readonly ClusterEvent[]): FailoverReason {
  if (signs.some((event) => eventKind(event) === "lock-expired")) return "lease_expired";
  const named = signs.map((event) => SIGNS[eventKind(event)]?.reason).filter((reason) =>
    reason !== undefined
  );
  return named.includes("agent_stopped") ? "agent_stopped" : named[0] ?? "released";
}
