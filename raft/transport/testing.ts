/** For tests of the transport: a clock on real time, and waiting for conditions. */
import type { Clock } from "../node/ports.ts";

export const realClock: Clock = {
  now: () => performance.now(),
  after(delayMs, fire) {
    const handle = setTimeout(fire, Math.max(0, delayMs));
    return { cancel: () => clearTimeout(handle) };
  },
};

/** Resolves when the condition holds; throws after `deadlineMs`. */
export async function until(what: string, condition: () => boolean, deadlineMs = 8000): Promise<void> {
  const end = performance.now() + deadlineMs;
  while (!condition()) {
    if (performance.now() > end) throw new Error(`not within ${deadlineMs} ms: ${what}`);
    await Bun.sleep(5);
  }
}
