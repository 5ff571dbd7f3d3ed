/** Sends whole lines over a socket that may take only part of one, with a limit on the unsent bytes. */
import type { Socket } from "bun";

/** A reader that lets this much wait is stopped or broken. */
const MAX_PENDING_BYTES = 512 * 1024;

export class LineWriter {
  #pending: Uint8Array[] = [];
  #pendingBytes = 0;
  readonly #socket: Socket<unknown>;

  constructor(socket: Socket<unknown>) {
    this.#socket = socket;
  }

  /** False when the other side does not read: the connection cannot be used any more. */
  write(line: Uint8Array): boolean {
    this.#pending.push(line);
    this.#pendingBytes += line.length;
    this.flush();
    return this.#pendingBytes <= MAX_PENDING_BYTES;
  }

  /** To be called when the socket can take more. */
  flush(): void {
    while (this.#pending.length > 0) {
      const first = this.#pending[0] ?? new Uint8Array();
      const written = this.#socket.write(first);
      if (written < 0) { // closed: nobody is left to tell
        this.#pending = [];
        this.#pendingBytes = 0;
        return;
      }
      this.#pendingBytes -= written;
      if (written < first.length) {
        this.#pending[0] = first.subarray(written);
        return;
      }
      this.#pending.shift();
    }
  }
}
