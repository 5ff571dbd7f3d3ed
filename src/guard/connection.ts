/** One connection of the agent to a guard process: requests with their answers, and what the guard says unasked. */
import type { Socket } from "bun";
import { peerCredentials } from "../lib/ffi.ts";
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

export interface ConnectionHandlers {
  onOpen(connection: GuardConnection): void;
  onMessage(message: GuardMessage): void;
  /** The connection could not be made, or has ended; called once. */
  onClose(): void;
}

export class GuardConnection {
  /** The process that listens, as the kernel names it; null before the connection is open. */
  guardPid: number | null = null;
  private socket: Socket<undefined> | null = null;
  private writer: LineWriter | null = null;
  private readonly reader = new LineReader();
  private readonly waiting = new Map<number, (answer: Answer | null) => void>();
  private nextId = 1;
  private closed = false;
  private readonly handlers: ConnectionHandlers;

  constructor(socketPath: string, handlers: ConnectionHandlers) {
    this.handlers = handlers;
    Bun.connect<undefined>({
      unix: socketPath,
      socket: {
        open: (socket) => this.onOpen(socket),
        data: (_socket, chunk) => this.onData(chunk),
        drain: () => this.writer?.flush(),
        close: () => this.end(),
        error: () => this.end(),
        connectError: () => this.end(),
      },
    }).catch(() => this.end());
  }

  /** `done` is called once: with the answer, or with null when the connection ends before. */
  request(operation: Operation, done: (answer: Answer | null) => void): void {
    const id = this.nextId++;
    const line = encode({ id, ...operation });
    if (this.closed || this.writer === null || line.length > MAX_LINE_BYTES) return done(null);
    this.waiting.set(id, done);
    if (!this.writer.write(line)) this.end();
  }

  close(): void {
    this.end();
  }

  private onOpen(socket: Socket<undefined>): void {
    if (this.closed) {
      socket.end();
      return;
    }
    this.socket = socket;
    this.writer = new LineWriter(socket as Socket<unknown>);
    this.guardPid = peerCredentials((socket as unknown as { fd: number }).fd)?.pid ?? null;
    this.handlers.onOpen(this);
  }

  private onData(chunk: Uint8Array): void {
    const lines = this.reader.push(chunk);
    if (lines === null) return this.end();
    for (const line of lines) {
      const message = decodeGuardMessage(line);
      if (message === null || this.closed) continue;
      this.handlers.onMessage(message);
      if (message.kind !== "reply") continue;
      const done = this.waiting.get(message.id);
      this.waiting.delete(message.id);
      done?.(message);
    }
  }

  private end(): void {
    if (this.closed) return;
    this.closed = true;
    this.socket?.terminate();
    const waiting = [...this.waiting.values()];
    this.waiting.clear();
    this.handlers.onClose();
    for (const done of waiting) done(null);
  }
}
