/** Says in the log of the lock's holder what failsafe mode lacks, once it has lacked it for a while, and when that is over. */
import type { Clock } from "../../raft/mod.ts";
import type { Log } from "../lib/log.ts";

/** Members that start together join within seconds. */
const SETTLE_MS = 30_000;

/** `gap`: null while nothing is missing, or when it is not ours to say. Returns what is to be called now and then. */
export function watchFailsafeGap(gap: () => string | null, clock: Pick<Clock, "now">, log: Log): () => void {
  let since: { readonly text: string; readonly atMs: number } | null = null;
  let said: string | null = null;
  return () => {
    const text = gap();
    if (text === null) {
      since = null;
      if (said !== null) log.info("failsafe", "failsafe mode lacks nothing any more");
      said = null;
      return;
    }
    if (since?.text !== text) since = { text, atMs: clock.now() };
    if (said === text || clock.now() - since.atMs < SETTLE_MS) return;
    said = text;
    log.warning("failsafe", `failsafe mode: ${text}`);
  };
}
