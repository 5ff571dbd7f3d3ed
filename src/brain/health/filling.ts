/**
 * How soon the file systems of PostgreSQL's files would be full, if they went on filling as they did in the
 * last hour. Pure; the time comes in.
 */
import type { PlaceReading } from "../../model/place_reading.ts";

interface Sample {
  readonly atMs: number;
  readonly freeBytes: number;
}

/** By device. */
export type Filling = { readonly [device: number]: readonly Sample[] };

const WINDOW_MS = 3_600_000;
/** Samples that are closer together say nothing more. */
const APART_MS = 60_000;
/** A shorter time says nothing of a rate. */
const LEAST_MS = 300_000;
/** Nobody acts on what is further away. */
const HORIZON_MS = 48 * 3_600_000;

export function noteRoom(filling: Filling, places: readonly PlaceReading[], nowMs: number): Filling {
  return Object.fromEntries(places.map(({ device, freeBytes }) => {
    const before = (filling[device] ?? []).filter(({ atMs }) => nowMs - atMs <= WINDOW_MS);
    const last = before.at(-1);
    const isNew = last === undefined || nowMs - last.atMs >= APART_MS;
    return [device, isNew ? [...before, { atMs: nowMs, freeBytes }] : before];
  }));
}

/** ms until the file system is full; null: it does not fill, or not soon, or that is not known yet. */
export function fullInMs(
  filling: Filling,
  { device, freeBytes }: PlaceReading,
  nowMs: number,
): number | null {
  const first = filling[device]?.[0];
  if (first === undefined || nowMs - first.atMs < LEAST_MS || freeBytes >= first.freeBytes) return null;
  const ms = freeBytes / ((first.freeBytes - freeBytes) / (nowMs - first.atMs));
  return ms <= HORIZON_MS ? ms : null;
}

/** "full in about 3 h at this rate" */
export function fullText(ms: number): string {
  const minutes = Math.max(1, Math.round(ms / 60_000));
  const time = minutes < 120 ? `${minutes} min` : `${Math.round(minutes / 60)} h`;
  return `full in about ${time} at this rate`;
}
