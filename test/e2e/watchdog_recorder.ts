/**
 * The other end of `watchdog.driver: testing`: a FIFO in a host's directory, and everything that was written
 * to it.
 */
import { spawnSync } from "node:child_process";
import { chmodSync, closeSync, constants, openSync, readSync } from "node:fs";
import { join } from "node:path";
import type { Host } from "../../src/demo/host.ts";
import { nowMs } from "../../src/demo/now.ts";

/** As `watchdog.device`: agents work in their host's directory. */
export const DEVICE = "watchdog.fifo";
const POLL_MS = 5;

/** `Ctimeout=<seconds>`, `1` or `V`, and when it was read. */
export interface Written {
  readonly what: string;
  readonly atMs: number;
}

export class WatchdogRecorder {
  readonly all: Written[] = [];
  readonly #fd: number;
  readonly #timer: ReturnType<typeof setInterval>;
  #rest = "";

  constructor(host: Host) {
    const path = join(host.directory, DEVICE);
    const made = spawnSync("mkfifo", [path]);
    if (made.status !== 0) throw new Error(`mkfifo ${path}: ${made.stderr}`);
    chmodSync(path, 0o666);
    // Open for writing as well, so that the end of a writer is not the end of the FIFO.
    this.#fd = openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
    this.#timer = setInterval(() => this.read(), POLL_MS);
  }

  close(): void {
    clearInterval(this.#timer);
    closeSync(this.#fd);
  }

  /**
   * Now, with everything that was written before taken in as older: from here on comes only what is written
   * from here on.
   */
  mark(): number {
    this.read();
    return nowMs();
  }

  read(): void {
    const bytes = new Uint8Array(4096);
    const atMs = nowMs();
    try {
      this.#rest += new TextDecoder().decode(bytes.subarray(0, readSync(this.#fd, bytes)));
    } catch (error) {
      if ((error as { code?: string }).code !== "EAGAIN") throw error;
    }
    while (true) {
      const item = /^(?:Ctimeout=\d+(?=\n)|[1V])\n?/.exec(this.#rest);
      if (item === null) return;
      this.all.push({ what: item[0].trim(), atMs });
      this.#rest = this.#rest.slice(item[0].length);
    }
  }

  /** "Ctimeout=2 1* V": what was written after `sinceMs`, with runs of keepalives as one. */
  story(sinceMs = -Infinity): string {
    this.read();
    const words = this.all.filter(({ atMs }) => atMs >= sinceMs).map(({ what }) =>
      what === "1" ? "1*" : what
    );
    return words.filter((word, i) => word !== words[i - 1]).join(" ");
  }

  feeds(sinceMs: number, untilMs = Infinity): number {
    this.read();
    return this.all.filter(({ what, atMs }) => what === "1" && atMs >= sinceMs && atMs < untilMs).length;
  }

  /**
   * The longest time without a keepalive while the device ran, ms: a real one resets when it reaches the
   * timeout.
   */
  longestSilenceMs(sinceMs: number): number {
    this.read();
    let longest = 0;
    let fedMs: number | null = null;
    for (const { what, atMs } of this.all) {
      if (fedMs !== null && atMs >= sinceMs) longest = Math.max(longest, atMs - fedMs);
      fedMs = what === "V" ? null : atMs;
    }
    return fedMs === null ? longest : Math.max(longest, nowMs() - fedMs);
  }
}
