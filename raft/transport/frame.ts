/**
 * Frames on a byte stream. Pure. Plain ones have a header of 12 bytes (little endian):
 *
 *   u8 1 | u8 kind | u8 channel | u8 0 | u32 payload length | u32 CRC-32C of the 8 bytes before and the payload
 *
 * and sealed ones, which is all that is read once a handshake has agreed on keys, one of 24:
 *
 *   u8 2 | u8 kind | u8 channel | u8 0 | u32 payload length | 16 bytes, the keyed checksum of frame_mac.ts
 *
 * Everything in the header is checked before a byte is allocated for the payload.
 */
import { crc32c } from "../storage/crc32c.ts";
import { getUint32, putUint32 } from "../core/integers.ts";
import { FRAME_MAC_BYTES, type FrameMac } from "./frame_mac.ts";

const PLAIN = 1;
const SEALED = 2;
const CHECKSUM_AT = 8;
export const FRAME_HEADER_BYTES = CHECKSUM_AT + 4;
export const SEALED_HEADER_BYTES = CHECKSUM_AT + FRAME_MAC_BYTES;
/**
 * Limit of a raft frame. A snapshot for a member that does not take pieces travels in one; nothing else comes
 * near.
 */
export const MAX_RAFT_FRAME_BYTES = 8 * 1024 * 1024;
export const MAX_CHANNEL_FRAME_BYTES = 1024 * 1024;
const MAX_HANDSHAKE_BYTES = 256;

export const FrameKind = { data: 0, ping: 1, handshake: 2 } as const;
export type FrameKindCode = (typeof FrameKind)[keyof typeof FrameKind];

export interface Frame {
  readonly kind: number;
  readonly channel: number;
  readonly payload: Uint8Array;
}

/** The stream is not of this protocol, or damaged: nothing that follows on it can be trusted. */
export class FrameError extends Error {
  override readonly name = "FrameError";
}

/**
 * Largest payload of a kind and channel; null for one that does not exist. A kind that a later version may
 * send is read, so that the connection can pass over it.
 */
export function maxPayloadBytes(kind: number, channel: number): number | null {
  if (kind === FrameKind.data) return channel === 0 ? MAX_RAFT_FRAME_BYTES : MAX_CHANNEL_FRAME_BYTES;
  if (kind > FrameKind.handshake) return MAX_CHANNEL_FRAME_BYTES;
  if (channel !== 0) return null;
  if (kind === FrameKind.ping) return 0;
  return kind === FrameKind.handshake ? MAX_HANDSHAKE_BYTES : null;
}

export function encodeFrame(kind: FrameKindCode, channel: number, payload: Uint8Array): Uint8Array {
  const bytes = withoutChecksum(PLAIN, FRAME_HEADER_BYTES, kind, channel, payload);
  putUint32(bytes, CHECKSUM_AT, checksumOf(bytes, payload));
  return bytes;
}

/**
 * Seals a frame. `mac`: key of this direction. All sealed frames have to leave, in the order in which they
 * were sealed.
 */
export function sealFrame(
  mac: FrameMac,
  kind: FrameKindCode,
  channel: number,
  payload: Uint8Array,
): Uint8Array {
  const bytes = withoutChecksum(SEALED, SEALED_HEADER_BYTES, kind, channel, payload);
  mac.write(bytes, payload, CHECKSUM_AT);
  return bytes;
}

function withoutChecksum(
  version: number,
  headerBytes: number,
  kind: FrameKindCode,
  channel: number,
  payload: Uint8Array,
): Uint8Array {
  const bytes = new Uint8Array(headerBytes + payload.length);
  bytes[0] = version;
  bytes[1] = kind;
  bytes[2] = channel;
  putUint32(bytes, 4, payload.length);
  bytes.set(payload, headerBytes);
  return bytes;
}

/** Computes the checksum of a plain frame; `header` may go on behind its 12 bytes. */
function checksumOf(header: Uint8Array, payload: Uint8Array): number {
  return crc32c(payload, crc32c(header, 0, 0, 8));
}

/** Cuts a stream into frames, however it was chopped. */
export class FrameReader {
  /** Whether the handshake is not done: until then nothing else is read, and nothing large is allocated. */
  #handshakeOnly = true;
  #mac: FrameMac | null = null;
  #header = new Uint8Array(SEALED_HEADER_BYTES);
  #headerBytes = 0;
  #payload: Uint8Array | null = null;
  #payloadBytes = 0;

  /** Whether a frame has begun and is not complete. */
  get withinFrame(): boolean {
    return this.#headerBytes > 0;
  }

  /**
   * Ends the handshake, between two frames. `mac`: only frames that are sealed with it are read from now on.
   */
  open(mac: FrameMac | null): void {
    this.#handshakeOnly = false;
    this.#mac = mac;
  }

  /**
   * Calls `onFrame` for every frame that `chunk` completes; the payload belongs to the receiver. Stops behind
   * the frame for which `onFrame` returns false. Returns the number of bytes taken: the next call goes on
   * with the others. Throws FrameError.
   */
  push(chunk: Uint8Array, onFrame: (frame: Frame) => boolean): number {
    let at = 0;
    while (at < chunk.length) {
      if (!this.#payload) {
        const headerBytes = this.#mac ? SEALED_HEADER_BYTES : FRAME_HEADER_BYTES;
        const taken = Math.min(headerBytes - this.#headerBytes, chunk.length - at);
        this.#header.set(chunk.subarray(at, at + taken), this.#headerBytes);
        this.#headerBytes += taken;
        at += taken;
        if (this.#headerBytes < headerBytes) return at;
        this.#payload = new Uint8Array(this.#checkedLength());
        this.#payloadBytes = 0;
      }
      const taken = Math.min(this.#payload.length - this.#payloadBytes, chunk.length - at);
      this.#payload.set(chunk.subarray(at, at + taken), this.#payloadBytes);
      this.#payloadBytes += taken;
      at += taken;
      if (this.#payloadBytes < this.#payload.length) return at;
      if (!onFrame(this.#finish(this.#payload))) return at;
    }
    return at;
  }

  /**
   * Its error messages name no number that the other side chooses, because the log limits lines by their
   * text.
   */
  #checkedLength(): number {
    const [version, kind, channel, reserved] = this.#header;
    if (reserved !== 0 || (version !== PLAIN && version !== SEALED)) {
      throw new FrameError("not a raft connection");
    }
    if (this.#handshakeOnly && (version !== PLAIN || kind !== FrameKind.handshake)) {
      throw new FrameError("data before the handshake");
    }
    if (version !== (this.#mac ? SEALED : PLAIN)) throw new FrameError("a frame that is not authenticated");
    const most = maxPayloadBytes(kind!, channel!);
    if (most === null) throw new FrameError("a frame of a kind that has no such channel");
    const length = getUint32(this.#header, 4);
    if (length > most) throw new FrameError("a frame that is too large for its kind");
    return length;
  }

  #finish(payload: Uint8Array): Frame {
    this.#check(payload);
    this.#payload = null;
    this.#headerBytes = 0;
    return { kind: this.#header[1]!, channel: this.#header[2]!, payload };
  }

  #check(payload: Uint8Array): void {
    if (this.#mac) {
      if (!this.#mac.holds(this.#header, payload, CHECKSUM_AT)) {
        throw new FrameError(
          "a frame that is not authentic: bytes were changed, repeated, left out, moved or put in on the way",
        );
      }
    } else if (checksumOf(this.#header, payload) !== getUint32(this.#header, CHECKSUM_AT)) {
      throw new FrameError("a frame fails its checksum");
    }
  }
}
