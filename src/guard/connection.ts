/**
 * One connection of the agent to a guard process: requests with their answers, and the guard's unasked
 * messages.
 */
import type { Socket } from "bun";
import type { Clock } from "../../raft/mod.ts";
import { peerCredentials } from "../lib/ffi.ts";
import { timed } from "../lib/wake_profile.ts";
import { LineWriter } from "./line_writer.ts";
import {
  decodeGuardMessage,
  encode,
  type GuardMessage,
  LineReader,
  MAX_LINE_BYTES,
  type Operation,
} from "./protocol.ts";

export type Answer = GuardMessage & { readonly kind: "reply" };

interface Waiting {
  readonly done: (answer: Answer | null) => void;
  readonly sinceMs: number;
}

export interface ConnectionHandlers {
  onOpen(connection: GuardConnection): void;
  onMessage(message: GuardMessage): void;
  /** The connection could not be made, or has ended; called once. */
  onClose(): void;
}

export class GuardConnection {
  /** The process that listens, as the kernel names it; null before the connection is open. */
  guardPid: number | null = null;
  #socket: Socket<undefined> | null = null;
  #writer: LineWriter | null = null;
  readonly #reader = new LineReader();
  readonly #waiting = new Map<number, Waiting>();
  #nextId = 1;
  #closed = false;
  readonly #clock: Clock;
  readonly #handlers: ConnectionHandlers;

  constructor(socketPath: string, clock: Clock, handlers: ConnectionHandlers) {
    this.#clock = clock;
    this.#handlers = handlers;
    Bun.connect<undefined>({
      unix: socketPath,
      socket: {
        open: (socket) => this.#onOpen(socket),
        data: timed("guard: answer", (_socket: unknown, chunk: Uint8Array) => this.#onData(chunk)),
        drain: () => this.#writer?.flush(),
        close: () => this.#end(),
        error: () => this.#end(),
        connectError: () => this.#end(),
      },
    }).catch(() => this.#end());
  }

  /**
   * `done` is called once: with the answer, or with null when the connection ends before. `patient`: the
   * answer comes when the work is done, and its absence says nothing about the guard's health.
   */
  request(operation: Operation, patient: boolean, done: (answer: Answer | null) => void): void {
    const id = this.#nextId++;
    const line = encode({ id, ...operation });
    if (this.#closed || this.#writer === null || line.length > MAX_LINE_BYTES) return done(null);
    this.#waiting.set(id, { done, sinceMs: patient ? Infinity : this.#clock.now() });
    if (!this.#writer.write(line)) this.#end();
  }

  /** How long the oldest request has been waiting for its answer; 0 when none is. */
  silentMs(): number {
    let sinceMs = Infinity;
    for (const waiting of this.#waiting.values()) sinceMs = Math.min(sinceMs, waiting.sinceMs);
    return Math.max(0, this.#clock.now() - sinceMs);
  }

  isWaiting(): boolean {
    return this.#waiting.size > 0;
  }

  close(): void {
    this.#end();
  }

  #onOpen(socket: Socket<undefined>): void {
    if (this.#closed) {
      socket.end();
      return;
    }
    this.#socket = socket;
    this.#writer = new LineWriter(socket as Socket<unknown>);
    this.guardPid = peerCredentials((socket as unknown as { fd: number }).fd)?.pid ?? null;
    this.#handlers.onOpen(this);
  }

  #onData(chunk: Uint8Array): void {
    const lines = this.#reader.push(chunk);
    if (lines === null) return this.#end();
    for (const line of lines) {
      const message = decodeGuardMessage(line);
      if (message === null || this.#closed) continue;
      this.#handlers.onMessage(message);
      if (message.kind !== "reply") continue;
      const waiting = this.#waiting.get(message.id);
      this.#waiting.delete(message.id);
      waiting?.done(message);
    }
    this.#clock.awake?.();
  }

  #end(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#socket?.terminate();
    const waiting = [...this.#waiting.values()];
    this.#waiting.clear();
    this.#handlers.onClose();
    for (const { done } of waiting) done(null);
  }
}
