/**
 * Milliseconds of CLOCK_MONOTONIC, the same in every process of this host: client and injector compare their
 * times.
 */
import { CLOCK_MONOTONIC, clockMs } from "../lib/ffi.ts";

export function nowMs(): number {
  return clockMs(CLOCK_MONOTONIC);
}
