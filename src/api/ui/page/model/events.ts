/** Events, the latest first, each with the chain of what led to it. */
import type { EventJson } from "../../../shapes.ts";

export interface EventView {
  readonly id: number;
  readonly at: string;
  readonly member: string;
  readonly kind: string;
  readonly text: string;
  readonly level: "bad" | "good" | "plain";
  readonly often: string;
  /** What led to it, the first cause first. */
  readonly causes: readonly EventJson[];
  readonly earlierGone: boolean;
  readonly figures: string;
}

const BAD =
  /lost|expired|failed|crashed|frozen|killed|needs-reinit|abandoned|(?:ailment|trouble)-began|cannot|blocked/;
const GOOD = /granted|promoted|done$|back$|ended$|joined|resumed|thawed|cloned|rewound/;

export function eventViews(events: readonly EventJson[], most: number): readonly EventView[] {
  const byId = new Map(events.map((event) => [event.id, event]));
  return events.slice(-most).reverse().map((event) => ({
    id: event.id,
    at: event.at,
    member: event.member,
    kind: event.kind,
    text: event.text,
    level: BAD.test(event.kind) ? "bad" : GOOD.test(event.kind) ? "good" : "plain",
    often: event.times === undefined ? "" : `${event.times} times`,
    causes: chainTo(event, byId),
    earlierGone: event.earlier_gone === true,
    figures: figuresOf(event),
  }));
}

/** A chain of another version could have a circle: no event is in it twice. */
function chainTo(event: EventJson, byId: ReadonlyMap<number, EventJson>): readonly EventJson[] {
  const chain: EventJson[] = [];
  const seen = new Set([event.id]);
  let at: EventJson | undefined = event;
  while (at !== undefined) {
    const cause: EventJson | undefined = at.because.map((id) => byId.get(id)).find((one) =>
      one !== undefined
    );
    if (cause === undefined || seen.has(cause.id)) break;
    seen.add(cause.id);
    chain.unshift(cause);
    at = cause;
  }
  return chain;
}

function figuresOf({ facts }: EventJson): string {
  if (facts === undefined) return "";
  const { epoch, timeline, lsn, took_ms, revision, bytes } = facts;
  const named: readonly (readonly [string, string | number | undefined])[] = [
    ["epoch", epoch],
    ["timeline", timeline],
    ["at", lsn],
    ["took", took_ms === undefined ? undefined : `${took_ms} ms`],
    ["revision", revision],
    ["bytes", bytes],
  ];
  return named.filter(([, value]) => value !== undefined).map(([name, value]) => `${name} ${value}`).join(
    ", ",
  );
}
