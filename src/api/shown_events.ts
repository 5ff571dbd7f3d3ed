/** Events of the cluster as they are answered: linked with what led to them, and chosen by a query. */
import { type LinkedEvent, linkEvents } from "../brain/cluster/event_causes.ts";
import { withOffset } from "../model/iso_time.ts";
import { formatLsn } from "../model/lsn.ts";
import type { ClusterEvent } from "../model/event.ts";
import type { EventJson } from "./shapes.ts";

const DEFAULT_LIMIT = 50;

/** `query`: without a flaw (EVENTS_QUERY). */
export function shownEvents(
  events: readonly ClusterEvent[],
  { limit = String(DEFAULT_LIMIT), since, member }: { readonly [name: string]: string | undefined },
): readonly EventJson[] {
  const sinceMs = since === undefined ? -Infinity : Date.parse(since);
  const chosen = linkEvents(events).filter((event) =>
    // A time that cannot be read is shown rather than hidden.
    !(Date.parse(event.at) < sinceMs) && (member === undefined || event.member === member)
  );
  return chosen.slice(-Number(limit)).map(eventJson);
}

export function eventJson(event: LinkedEvent): EventJson {
  const { id, at, member, by, kind, text, facts, times, firstAt, because, earlierGone } = event;
  return {
    id,
    at: withOffset(at),
    member,
    ...(by === undefined ? {} : { by }),
    kind,
    text,
    ...(facts === undefined ? {} : { facts: factsJson(facts) }),
    ...(times === undefined ? {} : { times }),
    ...(firstAt === undefined ? {} : { first_at: withOffset(firstAt) }),
    because,
    ...(earlierGone ? { earlier_gone: true as const } : {}),
  };
}

function factsJson({ lsn, end, tookMs, ...facts }: NonNullable<LinkedEvent["facts"]>): EventJson["facts"] {
  return {
    ...facts,
    ...(lsn === undefined ? {} : { lsn: formatLsn(lsn) }),
    ...(end === undefined ? {} : { end: formatLsn(end) }),
    ...(tookMs === undefined ? {} : { took_ms: tookMs }),
  };
}
