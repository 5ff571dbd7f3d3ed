/**
 * The events in the records: the last ones, bounded in number and size, since every snapshot carries them.
 * Deterministic like the rest of the state machine. A command that changes anything else is never refused for
 * its event.
 */
import { type ClusterEvent, eventId, isLost, MAX_EVENTS, type NotedEvent } from "../model/event.ts";
import type { DcsState } from "../model/records.ts";
import type { Command } from "./command.ts";
import { MAX_EVENT_TEXT } from "./command_schema.ts";
import { cutText } from "./commands.ts";
import type { CommandEvent } from "./command_events.ts";
import { lossesWith } from "./losses.ts";
import type { Outcome } from "./outcome.ts";

/** Characters of all of them as JSON: one has some 250. */
export const MAX_EVENT_CHARACTERS = 64 * 1024;
/** Before events were typed. Members that apply such an entry must come to the same records. */
const MAX_UNTYPED = 100;

type Events = readonly ClusterEvent[];
type Stamp = Pick<Command, "by" | "at">;

/** The event that a command is. `typed`: at this place of the log. */
export function withCommandEvent(
  events: Events,
  { untyped, ...event }: CommandEvent,
  command: Pick<Command, "op"> & Stamp,
  index: number,
  typed: boolean,
): Events {
  if (typed) return recorded(events, { ...event, at: command.at }, { index, by: command.by });
  const text = untyped === undefined ? event.text : untyped;
  if (text === null) return events;
  const { op: kind, by: member, at } = command;
  return [...events, { index, at, member, kind, text: cutText(text, MAX_EVENT_TEXT) }].slice(-MAX_UNTYPED);
}

/** The events that a member notes. One that is in the records already is passed over: its answer was lost. */
export function addEvents(
  state: Pick<DcsState, "events" | "losses">,
  { events: noted, by }: Extract<Command, { op: "addEvents" }>,
  index: number,
): Outcome {
  const { events } = state;
  let after = events;
  for (const event of noted) {
    if (!isKnown(after, event)) after = repeated(after, event) ?? recorded(after, event, { index, by });
  }
  if (after === events) return { refuse: "these events are in the records", code: "events-known" };
  const losses = lossesWith(state, noted);
  return { change: { events: after, ...(losses === null ? {} : { losses }) } };
}

export function recorded(
  events: Events,
  { kind, member, at, text, facts, times }: Omit<NotedEvent, "kind"> & Pick<ClusterEvent, "kind">,
  { index, by }: { readonly index: number; readonly by: string },
): Events {
  const last = events.at(-1);
  const made: ClusterEvent = {
    index,
    id: last === undefined ? 1 : eventId(last) + 1,
    at,
    member,
    ...(by === member ? {} : { by }),
    kind,
    text: cutText(text, MAX_EVENT_TEXT),
    ...(facts === undefined ? {} : { facts }),
    ...(times === undefined ? {} : { times }),
  };
  return bounded([...events, made]);
}

/** The latest ones, without a gap; the last one in any case, as its id is counted on from. */
function bounded(events: Events): Events {
  let characters = 0;
  let first = events.length;
  while (first > 0 && events.length - first < MAX_EVENTS) {
    characters += sizeOf(events[first - 1]!);
    if (characters > MAX_EVENT_CHARACTERS && first < events.length) break;
    first--;
  }
  return events.slice(first);
}

const sizes = new WeakMap<ClusterEvent, number>();

/** Events do not change, and with each new one the others are measured again. */
function sizeOf(event: ClusterEvent): number {
  const known = sizes.get(event);
  if (known !== undefined) return known;
  const size = JSON.stringify(event).length;
  sizes.set(event, size);
  return size;
}

function isKnown(events: Events, { kind, member, at, text }: NotedEvent): boolean {
  // Two raft leaders in a row may notice the same silence.
  if (kind === "member-lost" && isLost(events, member)) return true;
  if (kind === "member-back" && !isLost(events, member)) return true;
  return events.some((one) =>
    one.kind === kind && one.member === member && one.at === at && one.text === text
  );
}

/**
 * The same once more, with nothing else of that member in between: it is counted, in its place. null: it is
 * another event.
 */
function repeated(events: Events, event: NotedEvent): Events | null {
  const place = events.findLastIndex(({ member }) => member === event.member);
  const before = events[place];
  if (before === undefined || before.id === undefined || before.kind !== event.kind) return null;
  if (before.text !== event.text || before.facts?.epoch !== event.facts?.epoch) return null;
  const times = (before.times ?? 1) + (event.times ?? 1);
  return events.with(place, {
    ...before,
    ...(event.facts === undefined ? {} : { facts: event.facts }),
    at: event.at,
    times,
    firstAt: before.firstAt ?? before.at,
  });
}
