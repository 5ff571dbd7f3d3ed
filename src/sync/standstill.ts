/**
 * How long each standby's flushed position has stood still while the primary had more WAL, as the primary
 * sees it look by look. One that moves is slow at worst, however far behind it is, and does not stand still.
 * Pure: the times are those of the looks.
 */
import { ownValue } from "../lib/own_value.ts";
import type { Lsn } from "../model/lsn.ts";

/** So long a standstill is held against a standby even after it moves again, until it has made up for it. */
export const STANDSTILL_MS = 2000;
/**
 * The last standby, without which commits would be on the primary alone, is waited for longer: a slow disk
 * that has to take a whole WAL segment answers nothing meanwhile.
 */
export const LAST_STANDSTILL_MS = 5000;
/** It has made up for it after it has moved for so long at the earliest: it does not go to and fro. */
export const STEADY_MS = 5000;

/** While writes come, a standstill is noticed within so long of its beginning. */
const LOOK_MS = 500;
/** One that stands is looked at more often, and once more when the time is over that counts. */
const CLOSE_LOOK_MS = 250;
const SHORTEST_LOOK_MS = 20;

/**
 * Between two looks so much counts at the most: where they are further apart, the primary itself was held up,
 * and may have sent nothing.
 */
const GAP_MS = 1500;

export interface Standstill {
  /** How long it has stood there although there is more, ms; 0: it moves, or has everything. */
  readonly standsMs: number;
  /** The longest standstill that is held against it, ms; 0: none. */
  readonly stoodMs: number;
}

export interface Course extends Standstill {
  /** When it was looked at. */
  readonly atMs: number;
  readonly lsn: Lsn;
  readonly isBehind: boolean;
  /** Since when it moves after a standstill that is held against it, and how far the primary was then. */
  readonly back: { readonly sinceMs: number; readonly lsn: Lsn } | null;
}

export type Courses = { readonly [standby: string]: Course };

export interface FlushLook {
  /** How far each standby that streams has flushed. */
  readonly flushed: { readonly [standby: string]: Lsn };
  /** How far the primary has flushed. */
  readonly walLsn: Lsn;
  readonly atMs: number;
}

/**
 * In how many ms the next look is due after this one. `awaited`: the standbys that commits wait for.
 * `writes`: the primary has more WAL than at the look before. Infinity: nothing is in a hurry.
 */
export function nextLookInMs(courses: Courses, awaited: readonly string[], writes: boolean): number {
  const behind = awaited.flatMap((name) => ownValue(courses, name) ?? []).filter(({ isBehind }) => isBehind);
  const isActive = awaited.length > 0 && writes;
  return Math.min(isActive ? LOOK_MS : Infinity, ...behind.map(({ standsMs }) => closeLookInMs(standsMs)));
}

function closeLookInMs(standsMs: number): number {
  const limitMs = [STANDSTILL_MS, LAST_STANDSTILL_MS].find((limit) => standsMs < limit);
  if (limitMs === undefined) return Infinity;
  if (standsMs === 0) return LOOK_MS;
  return Math.max(SHORTEST_LOOK_MS, Math.min(CLOSE_LOOK_MS, limitMs - standsMs));
}

/** A standby that does not stream any more is forgotten: with a new stream it begins anew. */
export function afterLook(courses: Courses, { flushed, walLsn, atMs }: FlushLook): Courses {
  const names = Object.keys(flushed);
  return Object.fromEntries(names.map((name) => {
    const before = ownValue(courses, name) ?? null;
    return [name, next(before, flushed[name]!, walLsn, atMs)];
  }));
}

function next(before: Course | null, lsn: Lsn, walLsn: Lsn, atMs: number): Course {
  const held = before !== null && before.stoodMs >= STANDSTILL_MS ? before : null;
  const isBehind = lsn < walLsn;
  const stands = before !== null && before.isBehind && isBehind && lsn <= before.lsn;
  const standsMs = stands ? before.standsMs + Math.min(GAP_MS, atMs - before.atMs) : 0;
  const stoodMs = Math.max(held?.stoodMs ?? 0, standsMs);
  const course = { atMs, lsn: Math.max(lsn, before?.lsn ?? 0), isBehind, standsMs, stoodMs, back: null };
  if (held === null || standsMs >= STANDSTILL_MS) return course;
  if (stands) return { ...course, back: held.back };
  const back = held.back ?? { sinceMs: atMs, lsn: walLsn };
  const hasMadeUp = lsn >= back.lsn && atMs - back.sinceMs >= STEADY_MS;
  return hasMadeUp ? { ...course, stoodMs: 0 } : { ...course, back };
}
