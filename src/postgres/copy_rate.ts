/** Measures how fast a copy goes on: over a window, so that one stall or burst does not make the figure. */
import { beginCopy, type CopyStatus } from "../model/copy_status.ts";

const WINDOW_MS = 10_000;
/** Over a shorter time the figure says more about the reports than about the copy. */
const LEAST_MS = 1000;

export class CopyRate {
  readonly #begun: CopyStatus;
  readonly #seen: { readonly atMs: number; readonly bytes: number }[];

  constructor(from: string, fromStandby: boolean, nowMs: number) {
    this.#begun = beginCopy(from, fromStandby);
    this.#seen = [{ atMs: nowMs, bytes: 0 }];
  }

  /** What the program has just reported. */
  reported(nowMs: number, doneBytes: number, totalBytes: number): CopyStatus {
    const seen = this.#seen;
    // What was spent waiting for the source's checkpoint says nothing about the rate.
    if (doneBytes === 0 || seen.at(-1)!.bytes === 0 && seen.length > 1) seen.length = 0;
    seen.push({ atMs: nowMs, bytes: doneBytes });
    while (seen.length > 2 && nowMs - seen[1]!.atMs >= WINDOW_MS) seen.shift();
    const tookMs = nowMs - seen[0]!.atMs;
    const bytesPerSecond = tookMs < LEAST_MS ? null : (doneBytes - seen[0]!.bytes) / tookMs * 1000;
    return { ...this.#begun, doneBytes, totalBytes, bytesPerSecond };
  }
}
