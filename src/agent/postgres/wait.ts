/** Waits in asynchronous effects: always with a way to be cut short, and on the agent's clock. */
import type { Clock } from "../../../raft/mod.ts";
import type { GuardDone, GuardReply } from "../../guard/port.ts";

/** Resolves after the time, or at once when aborted: the caller looks at the signal. */
export function sleep(clock: Clock, ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve();
    const timer = clock.after(ms, () => {
      signal?.removeEventListener("abort", cut);
      resolve();
    });
    const cut = () => {
      timer.cancel();
      resolve();
    };
    signal?.addEventListener("abort", cut, { once: true });
  });
}

/** Resolves to the result of `work`, or to null when it takes longer; the work goes on then. */
export function atMost<T>(clock: Clock, ms: number, work: Promise<T>): Promise<T | null> {
  return new Promise((resolve, reject) => {
    const timer = clock.after(ms, () => resolve(null));
    work.then(resolve, reject).finally(() => timer.cancel());
  });
}

/** A request to the guard as a promise; it always answers. */
export function ask(request: (done: GuardDone) => void): Promise<GuardReply> {
  return new Promise((resolve) => request(resolve));
}
