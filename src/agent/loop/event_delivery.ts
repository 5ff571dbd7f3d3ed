/**
 * Events that this node knows of, on their way into the records: kept while no majority is there, bounded,
 * and slowed down, so that a cause that comes and goes cannot fill the log. Nothing waits for them, and what
 * is lost is lost: the node's log has their lines.
 */
import type { Clock, Raft } from "../../../raft/mod.ts";
import { MAX_NOTED } from "../../dcs/command_schema.ts";
import { commandVersion, TYPED_EVENTS_SINCE } from "../../dcs/commands.ts";
import type { Log } from "../../lib/log.ts";
import type { NotedEvent } from "../../model/event.ts";
import { EventAllowance } from "../lease/event_allowance.ts";
import type { Proposer } from "../lease/proposer.ts";

const MAX_WAITING = 64;
const AGAIN_MS = 1000;
/** Refusals in a row, after which the events are given up. */
const MAX_REFUSALS = 10;

export interface EventDeliveryOptions {
  readonly raft: Pick<Raft, "status">;
  readonly proposer: Pick<Proposer, "propose">;
  readonly clock: Pick<Clock, "now">;
  readonly log: Pick<Log, "warning">;
}

interface Waiting {
  event: NotedEvent;
  readonly key: string;
  /** It may go, as others of its kind are long enough ago. */
  free: boolean;
}

export class EventDelivery {
  readonly #options: EventDeliveryOptions;
  #waiting: Waiting[] = [];
  readonly #allowance = new EventAllowance();
  #underWay = false;
  #dueMs = -Infinity;
  #refusals = 0;

  constructor(options: EventDeliveryOptions) {
    this.#options = options;
  }

  get length(): number {
    return this.#waiting.length;
  }

  add(event: NotedEvent): void {
    // What a holder met under its epoch may be why that ends: it does not wait for what was before.
    const { kind, member, facts } = event;
    const key = `${kind} ${member} ${facts?.cause ?? ""} ${facts?.epoch ?? ""}`;
    const held = this.#waiting.find((one) => one.key === key && !one.free);
    if (held !== undefined) {
      held.event = { ...event, times: (held.event.times ?? 1) + 1 };
      return;
    }
    this.#waiting.push({ event, key, free: this.#allowed(key) });
    if (this.#waiting.length > MAX_WAITING) this.#waiting.shift();
  }

  /** Called with each look. */
  deliver(): void {
    const { raft, proposer, clock } = this.#options;
    if (this.#underWay || this.#waiting.length === 0 || clock.now() < this.#dueMs) return;
    const { leader, agreedVersion } = raft.status();
    if (leader === null || agreedVersion < TYPED_EVENTS_SINCE) return;
    for (const one of this.#waiting) one.free ||= this.#allowed(one.key);
    // Members that do not know a kind yet would not take the command, and the others' news with it.
    const isKnown = ({ event }: Waiting) =>
      commandVersion({ op: "addEvents", events: [event] }) <= agreedVersion;
    const batch = this.#waiting.filter((one) => one.free && isKnown(one)).slice(0, MAX_NOTED);
    if (batch.length === 0) return;
    this.#underWay = true;
    proposer.propose({ op: "addEvents", events: batch.map(({ event }) => event) }, (outcome) => {
      this.#underWay = false;
      const isThere = outcome.kind === "done" ||
        (outcome.kind === "refused" && outcome.code === "events-known");
      if (isThere) {
        this.#refusals = 0;
        return this.#forget(batch);
      }
      // After "unknown" it may be in the log: the same once more is passed over there.
      this.#dueMs = clock.now() + AGAIN_MS;
      if (outcome.kind === "refused") this.#refused(batch, outcome.reason);
    });
  }

  #refused(batch: readonly Waiting[], reason: string): void {
    if (++this.#refusals < MAX_REFUSALS) return;
    this.#refusals = 0;
    this.#forget(batch);
    const { log } = this.#options;
    log.warning("event.lost", `events that the records do not get: ${batch.length} (${reason})`);
  }

  #forget(batch: readonly Waiting[]): void {
    this.#waiting = this.#waiting.filter((one) => !batch.includes(one));
  }

  #allowed(key: string): boolean {
    return this.#allowance.take(key, this.#options.clock.now());
  }
}
