/**
 * The WAL that was lost with failovers, in the records: an event tells of it, and is gone after 200 others,
 * while the history of timelines stays. Bounded, since every snapshot carries it.
 */
import type { NotedEvent } from "../model/event.ts";
import type { DcsState, LossRecord } from "../model/records.ts";

export const MAX_LOSSES = 64;

/** Null: these events tell nothing that is new. */
export function lossesWith(
  { losses = [] }: Pick<DcsState, "losses">,
  events: readonly NotedEvent[],
): readonly LossRecord[] | null {
  const found = events.reduce((all, event) => {
    const loss = lossOf(event);
    return loss === null || all.some((one) => isSame(one, loss)) ? all : [...all, loss];
  }, losses);
  return found === losses ? null : found.slice(-MAX_LOSSES);
}

/** Null: another event, or one that does not say where the WAL begins and ends. */
function lossOf({ kind, member, at, facts = {} }: NotedEvent): LossRecord | null {
  const { timeline, lsn, end, bytes, transactions, kept } = facts;
  if (kind !== "wal-lost" || timeline === undefined || lsn === undefined) return null;
  if (end === undefined || bytes === undefined) return null;
  return {
    member,
    at,
    timeline,
    lsn,
    end,
    bytes,
    ...(transactions === undefined ? {} : { transactions }),
    ...(kept === undefined ? {} : { kept }),
  };
}

/** Told once more, by an agent that was started again before the rejoin was done. */
function isSame(one: LossRecord, other: LossRecord): boolean {
  return one.member === other.member && one.timeline === other.timeline && one.lsn === other.lsn &&
    one.end === other.end;
}
