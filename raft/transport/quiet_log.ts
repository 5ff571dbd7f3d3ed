/** Log lines about strangers and lost peers, each at most once a minute: a port scanner must not fill a disk. */
import type { LogLevel, LogSink } from "../node/raft_options.ts";

const REPEAT_AFTER_MS = 60_000;
const MAX_REMEMBERED = 256;

export class QuietLog {
  #sink: LogSink;
  #now: () => number;
  #last = new Map<string, { atMs: number; suppressed: number }>();

  constructor(sink: LogSink, now: () => number) {
    this.#sink = sink;
    this.#now = now;
  }

  /** Writes the line unless an equal one was written within the last minute. */
  add(level: LogLevel, event: string, text: string): void {
    const key = `${event} ${text}`;
    const last = this.#last.get(key);
    const now = this.#now();
    if (last && now - last.atMs < REPEAT_AFTER_MS) {
      last.suppressed++;
      return;
    }
    if (this.#last.size >= MAX_REMEMBERED) this.#last.clear();
    const more = last && last.suppressed > 0 ? ` (and ${last.suppressed} times since the last line)` : "";
    this.#last.set(key, { atMs: now, suppressed: 0 });
    this.#sink(level, event, text + more);
  }

  /** What has ended may be reported again when it comes back. */
  forget(event: string, text: string): void {
    this.#last.delete(`${event} ${text}`);
  }
}
