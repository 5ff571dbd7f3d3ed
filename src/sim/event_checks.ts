/**
 * The invariant of the events in the records: they are in order and bounded, no chain of causes leads nowhere
 * or back to itself, and each new holder's chain goes back to the end of the epoch before, or says that this
 * is not kept any more.
 */
import { Violation } from "../../raft/sim/mod.ts";
import { chainOf, type LinkedEvent, linkEvents } from "../brain/cluster/event_causes.ts";
import { MAX_EVENTS } from "../model/event.ts";
import type { DcsState } from "../model/records.ts";

export const EVENTS_INVARIANT = "events name their causes";

/** Throws a Violation. */
export function checkEvents({ events }: Pick<DcsState, "events">): void {
  const fail = (detail: string): never => {
    throw new Violation(EVENTS_INVARIANT, detail);
  };
  const linked = linkEvents(events);
  if (events.length > MAX_EVENTS) fail(`${events.length} events are kept`);
  const known = new Set<number>();
  for (const event of linked) {
    if (known.has(event.id)) fail(`two events have the id ${event.id}`);
    known.add(event.id);
  }
  for (const event of linked) {
    const stray = event.because.find((id) => !known.has(id));
    if (stray !== undefined) fail(`#${event.id} names #${stray}, which is not there`);
    const chain = chainOf(linked, event);
    if (new Set(chain).size < chain.length) fail(`#${event.id} leads to itself`);
    if (event.kind === "promoted") checkPromotion(event, chain, fail);
  }
}

function checkPromotion(
  { id, facts }: LinkedEvent,
  chain: readonly LinkedEvent[],
  fail: (detail: string) => never,
): void {
  const granted = chain.at(-2);
  if (granted?.kind !== "lock-granted" || granted.facts?.epoch !== facts?.epoch) {
    fail(`#${id} is a primary without a grant`);
  }
  const ended = chain.at(-3);
  const isEnd = ["lock-expired", "lock-released", "bootstrap-began"].includes(ended?.kind ?? "");
  if (!isEnd && !granted!.earlierGone) fail(`#${id}: how the epoch before ended is not known`);
}
