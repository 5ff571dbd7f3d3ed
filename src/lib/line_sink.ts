/** Where log lines go. A sink never throws and never waits. */
import { writeSync } from "node:fs";
import { pollNow, POLLOUT } from "./ffi.ts";

/** Makes a line in the layout of the log, for what a sink has to say of itself. */
export type Compose = (level: "warning" | "error", event: string, text: string) => string;

export interface LineSink {
  /** `line` without its newline. */
  write(line: string): void;
  close(): void;
  /** Lines that wait. */
  readonly queued: number;
  /** Lines that were not written, so far. */
  readonly lost: number;
  /** Set by the log that writes here; null: nothing is told between the lines. */
  compose: Compose | null;
}

/** For tests. */
export class MemorySink implements LineSink {
  readonly lines: string[] = [];
  readonly queued = 0;
  lost = 0;
  compose: Compose | null = null;

  write(line: string): void {
    this.lines.push(line);
  }

  close(): void {
    this.lines.length = 0;
  }
}

/** A pipe that is ready takes this much at once (PIPE_BUF). */
const PIPE_BYTES = 4096;
const RETRY_MS = 50;

/**
 * Standard output or error. An unread pipe would stop a program that writes to it, so a line is written only
 * when there is room. Meanwhile `maxQueued` lines wait; the rest is counted, and reported when there is room
 * again. Stays usable after its close: what waits is written all the same.
 */
export class StreamSink implements LineSink {
  readonly #queue: Uint8Array[] = [];
  #lost = 0;
  #unreported = 0;
  #retry: ReturnType<typeof setTimeout> | null = null;
  readonly #fd: number;
  maxQueued: number;
  compose: Compose | null = null;

  constructor(fd: number, maxQueued = 1000) {
    this.#fd = fd;
    this.maxQueued = maxQueued;
  }

  get queued(): number {
    return this.#queue.length;
  }

  get lost(): number {
    return this.#lost;
  }

  write(line: string): void {
    if (this.#queue.length >= this.maxQueued) this.#lose(1);
    else this.#queue.push(encoded(line));
    this.#flush();
  }

  close(): void {
    this.#flush();
  }

  #lose(lines: number): void {
    this.#lost += lines;
    this.#unreported += lines;
  }

  #flush(): void {
    while (this.#queue.length > 0) {
      const bytes = this.#queue[0] ?? new Uint8Array();
      const written = writeSome(this.#fd, bytes);
      if (written === null) {
        // The reader is gone for good.
        this.#lose(this.#queue.length);
        this.#queue.length = 0;
        return;
      }
      if (written === 0) return this.#wait();
      if (written < bytes.length) this.#queue[0] = bytes.subarray(written);
      else this.#queue.shift();
      if (this.#queue.length === 0) this.#report();
    }
  }

  #report(): void {
    if (this.#unreported === 0 || this.compose === null) return;
    const text = `${this.#unreported} log lines lost: they were not read`;
    this.#queue.push(encoded(this.compose("warning", "log.lost", text)));
    this.#unreported = 0;
  }

  #wait(): void {
    this.#retry ??= setTimeout(() => {
      this.#retry = null;
      this.#flush();
    }, RETRY_MS);
    this.#retry.unref();
  }
}

function encoded(line: string): Uint8Array {
  return new TextEncoder().encode(`${line}\n`);
}

/** Bytes written without waiting; 0 when there is no room now; null when the other end is gone. */
function writeSome(fd: number, bytes: Uint8Array): number | null {
  const ready = pollNow(fd, POLLOUT);
  if ((ready & POLLOUT) === 0) return ready === 0 ? 0 : null;
  try {
    return writeSync(fd, bytes.subarray(0, PIPE_BYTES));
  } catch (error) {
    return (error as { code?: string }).code === "EAGAIN" ? 0 : null;
  }
}
