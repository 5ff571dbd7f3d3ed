/** A line in this node's log for each event of the cluster, and how many there were of each kind. */
import type { Log } from "../../lib/log.ts";
import {
  type ClusterEvent,
  COMMAND_EVENTS,
  eventId,
  eventKind,
  NOTED_EVENTS,
  type NotedEvent,
} from "../../model/event.ts";
import type { HandOvers } from "../../model/measures.ts";
import { HandOverTally } from "./hand_overs.ts";

/** Clocks of members may differ by so much. What is older comes from before this start: its line is there. */
const LATE_MS = 10_000;
const MAX_OWN = 100;
const KINDS: ReadonlySet<string> = new Set([...COMMAND_EVENTS, ...NOTED_EVENTS]);

export class EventLines {
  readonly #name: string;
  readonly #log: Pick<Log, "info">;
  readonly #startedMs: () => number;
  #lastId = 0;
  readonly #own = new Set<string>();
  /** By id, of the events in the records. */
  #times: ReadonlyMap<number, number> = new Map();
  readonly #counts: { [kind: string]: number } = {};
  readonly #handOvers = new HandOverTally();

  /**
   * `startedMs`: when the agent started, by the wall clock of now. A host may start with a clock that is
   * years ahead and is put right later: by that time nothing would be new.
   */
  constructor(name: string, log: Pick<Log, "info">, startedMs: () => number) {
    this.#name = name;
    this.#log = log;
    this.#startedMs = startedMs;
  }

  /** Events that came into the records since the start of the agent, by kind. */
  get counts(): { readonly [kind: string]: number } {
    return this.#counts;
  }

  get handOvers(): HandOvers {
    return this.#handOvers.counts;
  }

  /** This node knows of it, at once: whether the others will be told is not known yet. */
  noted(event: NotedEvent): void {
    this.#own.add(keyOf(event));
    // One that was counted with a later one of its kind, or got lost, is not met again.
    if (this.#own.size > MAX_OWN) this.#own.delete(this.#own.values().next().value!);
    this.#line(event);
  }

  /** The records hold these events now. */
  applied(events: readonly ClusterEvent[]): void {
    const before = this.#times;
    const lastId = this.#lastId;
    this.#times = new Map(events.map((event) => [eventId(event), event.times ?? 1]));
    const last = events.at(-1);
    if (last !== undefined) this.#lastId = Math.max(lastId, eventId(last));
    const oldestMs = this.#startedMs() - LATE_MS;
    for (const event of events) {
      const id = eventId(event);
      const known = before.get(id);
      // One that is counted in its place has happened again; it has no line of its own.
      if (known !== undefined) this.#count(event, (event.times ?? 1) - known);
      if (id <= lastId || Date.parse(event.at) < oldestMs) continue;
      this.#count(event, event.times ?? 1);
      this.#handOvers.see(event, events);
      if (!this.#own.delete(keyOf(event))) this.#line({ ...event, kind: eventKind(event) });
    }
  }

  #count(event: ClusterEvent, times: number): void {
    if (times <= 0) return;
    const kind = eventKind(event);
    // Records that a strange program has made must not give a metric labels without end.
    const label = KINDS.has(kind) ? kind : "other";
    this.#counts[label] = (this.#counts[label] ?? 0) + times;
  }

  #line({ kind, member, text, facts }: Pick<ClusterEvent, "kind" | "member" | "text" | "facts">): void {
    const about = member === this.#name ? "this member" : member;
    this.#log.info(`event.${kind}`, `event ${kind} of ${about}: ${text}`, {
      member,
      epoch: facts?.epoch ?? null,
    });
  }
}

function keyOf({ kind, member, at }: Pick<ClusterEvent, "kind" | "member" | "at">): string {
  return `${kind} ${member} ${at}`;
}
