/**
 * One connection to another member: handshake first, then frames both ways. Closes itself when the input is
 * no frame, or nothing comes; never throws because of what a peer does.
 */
import type { Socket } from "node:net";
import type { NodeId } from "../core/types.ts";
import type { Clock } from "../node/ports.ts";
import {
  encodeFrame,
  type Frame,
  FrameError,
  FrameKind,
  type FrameKindCode,
  FrameReader,
  sealFrame,
} from "./frame.ts";
import { FrameMac } from "./frame_mac.ts";
import { type Acceptor, Dialer, type SessionKeys } from "./handshake.ts";
import { LoopShare } from "./loop_share.ts";

/** Limit of waiting bytes: beyond it the peer does not read, and further frames are dropped. */
const MAX_BUFFERED_BYTES = 4 * 1024 * 1024;
/** Time for one frame, in longest silences: 30 s, which is a snapshot at 280 kB a second. */
const FRAME_SILENCES = 10;

export interface ConnectionHandlers {
  onOpen(peer: NodeId): void;
  /** Called for a frame; returns false when it was of no use, see loop_share.ts. */
  onFrame(peer: NodeId, channel: number, payload: Uint8Array): unknown;
  /** Called once. `reason` is for people; `refused` says that one of the sides did not want the other. */
  onClose(reason: string, refused: boolean): void;
}

export class PeerConnection {
  /** Peer at the other end; null until the handshake is done. */
  peer: NodeId | null = null;
  readonly sinceMs: number;
  #socket: Socket;
  #handshake: Dialer | Acceptor;
  #handlers: ConnectionHandlers;
  #clock: Pick<Clock, "now" | "awake">;
  #silenceMs: number;
  #reader = new FrameReader();
  /** Key of outgoing frames; null before the handshake, and without a password. */
  #mac: FrameMac | null = null;
  #queue: Uint8Array[] = [];
  #queuedBytes = 0;
  #flushScheduled = false;
  #closed = false;
  #receivedMs: number;
  #sentMs: number;
  /** Time at which an incomplete frame began; null: there is none. */
  #withinFrameMs: number | null = null;
  /** Share of the event loop; until the peer is known, this connection has one of its own. */
  #share: LoopShare;
  #resting = false;
  /** Input that waits until the peer has rested: one chunk of the runtime. */
  #unread: Uint8Array = new Uint8Array(0);

  /**
   * `silenceMs`: longest silence, and longest time for connecting and handshake together. `share`: that of
   * the dialed peer; null: the peer is not known yet, see `shareWith`.
   */
  constructor(
    socket: Socket,
    handshake: Dialer | Acceptor,
    handlers: ConnectionHandlers,
    { clock, silenceMs, share = null }: {
      readonly clock: Pick<Clock, "now" | "awake">;
      readonly silenceMs: number;
      readonly share?: LoopShare | null;
    },
  ) {
    this.#socket = socket;
    this.#handshake = handshake;
    this.#handlers = handlers;
    this.#clock = clock;
    this.#silenceMs = silenceMs;
    this.#share = share ?? new LoopShare(() => clock.now());
    this.sinceMs = this.#receivedMs = this.#sentMs = clock.now();
    socket.on("data", (chunk: Uint8Array) => this.#onData(chunk));
    socket.on("error", (error) => this.close(error.message));
    socket.on("end", () => this.close("closed by the other side"));
    socket.on("close", () => this.close("closed"));
  }

  /** Sends the dialer's first message, once the socket is connected. */
  sendHello(hello: Uint8Array): void {
    this.#send(FrameKind.handshake, 0, hello);
  }

  /** Counts further input together with that of the peer's other connections. */
  shareWith(share: LoopShare): void {
    this.#share = share;
    share.begin();
  }

  /** Sends a frame; false when the connection is not open or its buffer is full. */
  send(channel: number, payload: Uint8Array): boolean {
    if (this.peer === null || this.#closed) return false;
    const bytes = this.#socket.writableLength + this.#queuedBytes;
    if (bytes > MAX_BUFFERED_BYTES) return false;
    this.#send(FrameKind.data, channel, payload);
    return true;
  }

  /**
   * Called several times a second. `lateMs`: time for which this process itself did not run, and could not
   * read.
   */
  watch(lateMs: number): void {
    const now = this.#clock.now();
    this.#receivedMs = Math.min(now, this.#receivedMs + lateMs);
    if (this.peer === null) {
      if (now - this.sinceMs - lateMs > this.#silenceMs) this.close("no handshake");
    } else if (now - this.#receivedMs > this.#silenceMs) {
      this.close("silent");
    } else if (
      this.#withinFrameMs !== null && now - this.#withinFrameMs - lateMs > this.#silenceMs * FRAME_SILENCES
    ) {
      this.close("a frame that does not end");
    } else if (now - this.#sentMs >= this.#silenceMs / 3) {
      this.#send(FrameKind.ping, 0, new Uint8Array(0));
    }
  }

  close(reason: string, refused = false): void {
    if (this.#closed) return;
    this.#flush();
    this.#closed = true;
    // After a refused handshake its code has to get out. Nothing is read meanwhile, so nothing keeps the
    // socket alive.
    if (refused && this.peer === null) {
      this.#socket.pause();
      this.#socket.setTimeout(this.#silenceMs, () => this.#socket.destroy());
      this.#socket.end(() => this.#socket.destroy());
    } else {
      this.#socket.destroy();
    }
    this.#handlers.onClose(reason, refused);
  }

  #onData(chunk: Uint8Array): void {
    if (this.#closed) return;
    this.#unread = this.#unread.length === 0 ? chunk : Buffer.concat([this.#unread, chunk]);
    if (!this.#resting) this.#work();
    // Not within the peer's share of the loop: what comes now is not its doing.
    this.#clock.awake?.();
  }

  #work(): void {
    while (!this.#closed && this.#unread.length > 0) {
      if (this.#share.resting) return this.#rest();
      this.#share.begin();
      this.#receivedMs = this.#clock.now();
      const taken = this.#read(this.#unread);
      this.#unread = this.#unread.subarray(taken);
      if (this.#share.spend()) return this.#rest();
    }
  }

  #rest(): void {
    if (this.#closed) return;
    this.#resting = true;
    this.#socket.pause();
    this.#share.rest(() => {
      this.#resting = false;
      this.#work();
      if (!this.#closed && !this.#resting) this.#socket.resume();
    });
  }

  /** Reads frames; returns the number of bytes taken, fewer than all when the peer's stretch is over. */
  #read(chunk: Uint8Array): number {
    try {
      const taken = this.#reader.push(chunk, (frame) => {
        this.#withinFrameMs = null;
        this.#onFrame(frame);
        return !this.#closed && !this.#share.spend();
      });
      if (this.#reader.withinFrame) this.#withinFrameMs ??= this.#receivedMs;
      return taken;
    } catch (error) {
      if (!(error instanceof FrameError)) throw error;
      this.close(error.message, true);
      return chunk.length;
    }
  }

  #onFrame({ kind, channel, payload }: Frame): void {
    if (this.peer === null) return this.#onHandshake(payload);
    if (kind === FrameKind.handshake) throw new FrameError("a second handshake");
    // A ping has done its work by arriving; other kinds are of a later version.
    const useful = kind === FrameKind.data
      ? this.#handlers.onFrame(this.peer, channel, payload) !== false
      : kind === FrameKind.ping;
    if (!useful) this.#share.wasted(payload.length);
  }

  #onHandshake(payload: Uint8Array): void {
    const step = this.#handshake.step(payload);
    if (step.reply) this.#send(FrameKind.handshake, 0, step.reply);
    if (step.kind === "refuse") return this.close(step.text, true);
    if (step.kind === "continue") return;
    this.peer = step.peer;
    this.#open(step.keys);
    this.#handlers.onOpen(step.peer);
  }

  #open(keys: SessionKeys | null): void {
    if (!keys) return this.#reader.open(null);
    const { dialer, acceptor } = keys;
    const dialed = this.#handshake instanceof Dialer;
    this.#mac = new FrameMac(dialed ? dialer : acceptor);
    this.#reader.open(new FrameMac(dialed ? acceptor : dialer));
  }

  #send(kind: FrameKindCode, channel: number, payload: Uint8Array): void {
    this.#write(
      this.#mac ? sealFrame(this.#mac, kind, channel, payload) : encodeFrame(kind, channel, payload),
    );
  }

  /** Writes a frame. All frames of one turn of the event loop leave in one write. */
  #write(frame: Uint8Array): void {
    this.#queue.push(frame);
    this.#queuedBytes += frame.length;
    if (this.#flushScheduled) return;
    this.#flushScheduled = true;
    queueMicrotask(() => this.#flush());
  }

  #flush(): void {
    this.#flushScheduled = false;
    if (this.#closed || this.#queue.length === 0) return;
    const [first] = this.#queue;
    const bytes = this.#queue.length === 1 ? first! : Buffer.concat(this.#queue, this.#queuedBytes);
    this.#queue = [];
    this.#queuedBytes = 0;
    this.#sentMs = this.#clock.now();
    this.#socket.write(bytes);
  }
}
