/**
 * A clock for programs that need raft alone. It is enough for elections. A program that measures leases needs
 * a clock that is neither slewed nor stands still while the host is suspended, as the contract of `Clock`
 * says.
 */
import type { Clock } from "./ports.ts";

/**
 * Clock of this process: `performance.now` and timers of the event loop. Counts from the start of the
 * process; stands still in a suspended host.
 */
export const monotonicClock: Clock = {
  now: () => performance.now(),
  after(delayMs, fire) {
    const handle = setTimeout(fire, Math.max(0, delayMs));
    return { cancel: () => clearTimeout(handle) };
  },
  soon: (fire) => void setImmediate(fire),
};
