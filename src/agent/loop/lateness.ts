/**
 * Counts how late events came: in all, for Prometheus, and over the last minutes, for quantiles. Buckets of
 * fixed bounds on a logarithmic scale, so a record costs two increments and the memory is some kilobytes for
 * ever. Pure: the caller brings the time.
 */
import type { Quantiles } from "../../model/timing.ts";
import type { HistogramReading } from "../../model/measures.ts";

/** The first bucket ends here; every further one at 2^(1/4) times the one before: 0.25 ms to 16 s. */
const FIRST_MS = 0.25;
const PER_OCTAVE = 4;
const OCTAVES = 16;
/** The last one takes everything beyond. */
const BUCKETS = OCTAVES * PER_OCTAVE + 2;
/** Prometheus gets one bound an octave, from 1 ms on. */
const FIRST_SHOWN = 2 * PER_OCTAVE;

const SLICE_MS = 60_000;
const SLICES = 5;
/** Quantiles look back at least so far, less one slice that has just begun. */
export const WINDOW_S = (SLICES * SLICE_MS) / 1000;

interface Slice {
  readonly counts: Uint32Array;
  /** Which minute it counts. */
  minute: number;
  samples: number;
  maxMs: number;
}

export class LatenessHistogram {
  readonly #totals = new Float64Array(BUCKETS);
  #sumMs = 0;
  #count = 0;
  readonly #slices: readonly Slice[] = Array.from({ length: SLICES }, () => ({
    counts: new Uint32Array(BUCKETS),
    minute: -1,
    samples: 0,
    maxMs: 0,
  }));

  /** Early is not late: a negative value counts as 0. */
  record(ms: number, nowMs: number): void {
    const value = Math.max(0, ms);
    const bucket = bucketOf(value);
    this.#totals[bucket]!++;
    this.#sumMs += value;
    this.#count++;
    const minute = Math.floor(nowMs / SLICE_MS);
    const slice = this.#slices[((minute % SLICES) + SLICES) % SLICES]!;
    if (slice.minute !== minute) {
      slice.counts.fill(0);
      slice.minute = minute;
      slice.samples = slice.maxMs = 0;
    }
    slice.counts[bucket]!++;
    slice.samples++;
    slice.maxMs = Math.max(slice.maxMs, value);
  }

  quantiles(nowMs: number): Quantiles {
    const minute = Math.floor(nowMs / SLICE_MS);
    const recent = this.#slices.filter((slice) => slice.minute >= 0 && slice.minute > minute - SLICES);
    const samples = recent.reduce((sum, slice) => sum + slice.samples, 0);
    if (samples === 0) return { samples, p50Ms: null, p99Ms: null, p999Ms: null, maxMs: null };
    const maxMs = Math.max(...recent.map((slice) => slice.maxMs));
    const at = (share: number) => {
      // Not a product of the two: 0.999 * 1000 is more than 999.
      let left = samples - Math.floor(samples * (1 - share) + 1e-9);
      for (let bucket = 0; bucket < BUCKETS - 1; bucket++) {
        for (const { counts } of recent) left -= counts[bucket]!;
        if (left <= 0) return Math.min(maxMs, boundMs(bucket));
      }
      return maxMs;
    };
    return { samples, p50Ms: at(0.5), p99Ms: at(0.99), p999Ms: at(0.999), maxMs };
  }

  /** Since the beginning, as Prometheus counts. */
  reading(): HistogramReading {
    const buckets: { leS: number; count: number }[] = [];
    let count = 0;
    for (let bucket = 0; bucket < BUCKETS - 1; bucket++) {
      count += this.#totals[bucket]!;
      if (bucket >= FIRST_SHOWN && (bucket - FIRST_SHOWN) % PER_OCTAVE === 0) {
        buckets.push({ leS: boundMs(bucket) / 1000, count });
      }
    }
    return { buckets, count: this.#count, sumS: this.#sumMs / 1000 };
  }
}

/** Everything in it is at most this. */
function boundMs(bucket: number): number {
  return FIRST_MS * 2 ** (bucket / PER_OCTAVE);
}

function bucketOf(ms: number): number {
  if (ms <= FIRST_MS) return 0;
  return Math.min(BUCKETS - 1, Math.ceil(PER_OCTAVE * Math.log2(ms / FIRST_MS) - 1e-9));
}
