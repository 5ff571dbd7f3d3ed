/**
 * Which members fell silent or are heard again, as the raft leader sees it, and the records do not say yet.
 * Pure. Told once for each change: the records themselves remember what was told.
 */
import { isLost, type NotedEvent } from "../../model/event.ts";
import type { DcsState } from "../../model/records.ts";
import { FRESH_MS, type SeenStatus } from "./successor_view.ts";
import { statusOf } from "./view.ts";

export interface PresenceView {
  readonly self: string;
  readonly dcs: DcsState;
  readonly statuses: readonly SeenStatus[];
  /** How long this node has led the raft group, ms. */
  readonly leadingForMs: number;
  /** Wall clock, ISO 8601. */
  readonly at: string;
}

export function presenceEvents(view: PresenceView): readonly NotedEvent[] {
  const { dcs, self } = view;
  return Object.keys(dcs.members).filter((name) => name !== self).flatMap((name) =>
    presenceOf(name, view) ?? []
  );
}

function presenceOf(name: string, view: PresenceView): NotedEvent | null {
  const { dcs, leadingForMs, at } = view;
  const seen = statusOf(view, name);
  const silentMs = seen?.ageMs ?? leadingForMs;
  const wasLost = isLost(dcs.events, name);
  if (wasLost && seen !== undefined && silentMs < FRESH_MS) {
    return { kind: "member-back", member: name, at, text: `${name} is heard again` };
  }
  if (wasLost || silentMs < silenceOf(name, dcs) || leadingForMs < FRESH_MS) return null;
  const text = seen?.status.shuttingDown === true
    ? `${name} has stopped, as it said`
    : `${name} is not heard any more`;
  const { epoch, lastHolder } = dcs.lock;
  return {
    kind: "member-lost",
    member: name,
    at,
    text,
    ...(name === lastHolder ? { facts: { epoch } } : {}),
  };
}

/** A member counts for a ttl after it was heard. A holder whose lease has expired is looked at then. */
function silenceOf(name: string, { lock, waitTtlMs }: DcsState): number {
  const hasExpired = lock.holder === null && lock.lastHolder === name && lock.ended?.how === "expired";
  return hasExpired ? FRESH_MS : Math.max(FRESH_MS, waitTtlMs);
}
