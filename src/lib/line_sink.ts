/** Where log lines go. A sink never throws and never waits. */
import { writeSync } from "node:fs";
import { pollNow, POLLOUT } from "./ffi.ts";

export interface LineSink {
  /** `line` without its newline. */
  write(line: string): void;
  close(): void;
}

/** For tests. */
export class MemorySink implements LineSink {
  readonly lines: string[] = [];

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
 * again.
 */
export class StreamSink implements LineSink {
  readonly #queue: Uint8Array[] = [];
  #dropped = 0;
  #retry: ReturnType<typeof setTimeout> | null = null;
  readonly #fd: number;
  readonly #maxQueued: number;

  constructor(fd: number, maxQueued = 1000) {
    this.#fd = fd;
    this.#maxQueued = maxQueued;
  }

  write(line: string): void {
    if (this.#queue.length >= this.#maxQueued) this.#dropped++;
    else this.#queue.push(new TextEncoder().encode(`${line}\n`));
    this.#flush();
  }

  close(): void {
    this.#flush();
    if (this.#retry !== null) clearTimeout(this.#retry);
    this.#retry = null;
  }

  #flush(): void {
    while (this.#queue.length > 0) {
      const bytes = this.#queue[0] ?? new Uint8Array();
      const written = writeSome(this.#fd, bytes);
      if (written === null) {
        this.#queue.length = 0; // the reader is gone for good
        return;
      }
      if (written === 0) return this.#wait();
      if (written < bytes.length) this.#queue[0] = bytes.subarray(written);
      else this.#queue.shift();
      if (this.#queue.length === 0 && this.#dropped > 0) {
        this.#queue.push(new TextEncoder().encode(`(${this.#dropped} log lines lost: they were not read)\n`));
        this.#dropped = 0;
      }
    }
  }

  #wait(): void {
    this.#retry ??= setTimeout(() => {
      this.#retry = null;
      this.#flush();
    }, RETRY_MS);
    this.#retry.unref();
  }
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
