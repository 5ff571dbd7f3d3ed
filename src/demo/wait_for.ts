/** Waiting for a condition with a deadline; nothing in this folder waits for a fixed time instead. */
import { nowMs } from "./now.ts";

export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/**
 * Calls `probe` until it returns something truthy, and returns that. An error of the probe counts as "not
 * yet", also a failed `expect`: what must hold all the time is for holdsFor. Throws after `deadlineMs`,
 * naming `what` and the last error seen, or that the last look has not ended.
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
    const beginMs = nowMs();
    try {
      const value = await beforeDeadline(probe, Math.max(LEAST_LOOK_MS, end - nowMs()));
      if (value) return value;
      last = "";
    } catch (error) {
      last = `: ${error instanceof Error ? error.message : String(error)}`;
    }
    if (nowMs() > end) {
      throw new Error(`waited ${Math.round(deadlineMs / 100) / 10} s in vain for ${what}${last}`);
    }
    await sleep(Math.max(everyMs, Math.min(MAX_REST_MS, 4 * (nowMs() - beginMs))));
  }
}

/**
 * Looks that cost much (a connection, a command) come less often than `everyMs`: what is waited for needs the
 * processor more than they do. They take a fifth of the time, but come at least this often.
 */
const MAX_REST_MS = 250;

/** Even a look that begins at the deadline may take so long: a connection may be slow, not the condition. */
const LEAST_LOOK_MS = 1000;

/** A look at a server that hangs must not hang the wait. */
async function beforeDeadline<T>(probe: () => Promise<T> | T, limitMs: number): Promise<T> {
  const answer = probe();
  if (!(answer instanceof Promise)) return answer;
  answer.catch(() => undefined);
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error("the last look has not ended")), limitMs);
  });
  return await Promise.race([answer, late]).finally(() => clearTimeout(timer));
}

/** Looks again and again for `forMs`, the last time at the end; throws at once what `look` throws. */
export async function holdsFor(
  forMs: number,
  look: () => Promise<unknown> | unknown,
  everyMs = 50,
): Promise<void> {
  const end = nowMs() + forMs;
  for (;;) {
    const isLast = nowMs() >= end;
    await look();
    if (isLast) return;
    await sleep(everyMs);
  }
}
