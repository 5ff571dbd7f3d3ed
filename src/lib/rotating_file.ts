/**
 * A log file that is renamed to `name.1`, `name.2` ... when it is full. Writes are synchronous; a failure
 * (disk full, directory gone) loses the line, and the file is opened anew with the next one. A line that is
 * lost is counted, goes to `fallback`, and is told of in the file when that takes lines again. The file has
 * whole lines only: the part of one that a full disk, or the end of the writer, has left is taken away, since
 * the next line would continue it.
 */
import {
  chmodSync,
  closeSync,
  fstatSync,
  ftruncateSync,
  openSync,
  readSync,
  renameSync,
  rmSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import type { Compose, LineSink } from "./line_sink.ts";

export interface RotatingFileOptions {
  readonly dir: string;
  /** @default "patroni.log" */
  readonly name?: string;
  /** Old files kept beside the current one. @default 4 */
  readonly fileNum?: number;
  /** @default 25000000 */
  readonly fileSizeBytes?: number;
  /** Permission bits of the files; absent: by the umask. */
  readonly mode?: number;
  /** Takes the lines that the file does not. @default nothing */
  readonly fallback?: LineSink;
}

export class RotatingFile implements LineSink {
  readonly #path: string;
  readonly #fileNum: number;
  readonly #fileSizeBytes: number;
  readonly #mode: number | null;
  readonly #fallback: LineSink | null;
  #fd: number | null = null;
  #sizeBytes = 0;
  /** Lines that could not be written. */
  lost = 0;
  readonly queued = 0;
  compose: Compose | null = null;
  #unreported = 0;
  #why = "";

  constructor(options: RotatingFileOptions) {
    this.#path = join(options.dir, options.name ?? "patroni.log");
    this.#fileNum = options.fileNum ?? 4;
    this.#fileSizeBytes = options.fileSizeBytes ?? 25_000_000;
    this.#mode = options.mode ?? null;
    this.#fallback = options.fallback ?? null;
  }

  write(line: string): void {
    try {
      if (this.#fd === null) this.#open();
      this.#reportLost();
      this.#add(line);
    } catch (error) {
      this.#lose(line, error instanceof Error ? error.message : String(error));
      this.close();
    }
  }

  #lose(line: string, why: string): void {
    this.lost++;
    this.#why = why;
    if (this.#fallback !== null && this.compose !== null && this.#unreported === 0) {
      const text = `${this.#path} cannot be written (${why}): the lines of the log come here until it can`;
      this.#fallback.write(this.compose("error", "log.file", text));
    }
    this.#unreported++;
    this.#fallback?.write(line);
  }

  #reportLost(): void {
    if (this.#unreported === 0 || this.compose === null) return;
    const elsewhere = this.#fallback === null ? "are lost" : "went to standard error";
    const text = `${this.#unreported} log lines ${elsewhere}: this file could not be written (${this.#why})`;
    this.#add(this.compose("warning", "log.lost", text));
    this.#unreported = 0;
  }

  #add(line: string): void {
    const bytes = new TextEncoder().encode(`${line}\n`);
    if (this.#sizeBytes > 0 && this.#sizeBytes + bytes.length > this.#fileSizeBytes && this.#fileNum > 0) {
      this.#rotate();
    }
    if (this.#fd !== null) this.#append(this.#fd, bytes);
  }

  close(): void {
    const fd = this.#fd;
    this.#fd = null;
    try {
      if (fd !== null) closeSync(fd);
    } catch {
      this.lost++; // what the kernel could not write back at the close
    }
  }

  #append(fd: number, bytes: Uint8Array): void {
    const written = writeSync(fd, bytes);
    if (written < bytes.length) {
      ftruncateSync(fd, this.#sizeBytes);
      throw new Error("no room for the whole line");
    }
    this.#sizeBytes += written;
  }

  #open(): void {
    // One that others must not read is never open to them.
    const fd = openSync(this.#path, "a+", this.#mode ?? 0o666);
    this.#fd = fd;
    if (this.#mode !== null) chmodSync(this.#path, this.#mode);
    const { size } = fstatSync(fd);
    this.#sizeBytes = wholeLines(fd, size);
    if (this.#sizeBytes < size) ftruncateSync(fd, this.#sizeBytes);
  }

  #rotate(): void {
    this.close();
    rmSync(`${this.#path}.${this.#fileNum}`, { force: true });
    for (let number = this.#fileNum - 1; number >= 0; number--) {
      const from = number === 0 ? this.#path : `${this.#path}.${number}`;
      try {
        renameSync(from, `${this.#path}.${number + 1}`);
      } catch (error) {
        if ((error as { code?: string }).code !== "ENOENT") throw error;
      }
    }
    this.#open();
  }
}

/** How much is read at once while the last line break is looked for. */
const LOOK_BACK_BYTES = 65_536;
const LINE_BREAK = 10;

/** Size of the file up to the end of its last whole line. */
function wholeLines(fd: number, size: number): number {
  const buffer = new Uint8Array(LOOK_BACK_BYTES);
  for (let end = size; end > 0;) {
    const begin = Math.max(0, end - buffer.length);
    const length = readSync(fd, buffer, 0, end - begin, begin);
    const last = buffer.subarray(0, length).lastIndexOf(LINE_BREAK);
    if (last >= 0) return begin + last + 1;
    end = begin;
  }
  return 0;
}
