/** Waiting for a condition with a deadline; nothing in this folder waits for a fixed time instead. */
import { nowMs } from "./now.ts";

export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/**
 * Calls `probe` until it returns something truthy, and returns that. An error of the probe counts as "not yet".
 * Throws after `deadlineMs`, naming `what` and the last error or falsy value seen.
 */
export async function waitFor<T>(
  what: string,
  deadlineMs: number,
  probe: () => Promise<T> | T,
  everyMs = 20,
): Promise<NonNullable<T>> {
  const end = nowMs() + deadlineMs;
  let last = "";
  while (true) {
    try {
      const value = await probe();
      if (value) return value;
      last = "";
    } catch (error) {
      last = `: ${error instanceof Error ? error.message : String(error)}`;
    }
    if (nowMs() > end) {
      throw new Error(`waited ${Math.round(deadlineMs / 100) / 10} s in vain for ${what}${last}`);
    }
    await sleep(everyMs);
  }
}
