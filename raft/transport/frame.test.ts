import { expect, test } from "bun:test";
import fc from "fast-check";
import {
  encodeFrame,
  type Frame,
  FRAME_HEADER_BYTES,
  FrameError,
  FrameKind,
  FrameReader,
  MAX_CHANNEL_FRAME_BYTES,
  MAX_RAFT_FRAME_BYTES,
  sealFrame,
} from "./frame.ts";
import { FrameMac } from "./frame_mac.ts";
import { anyInput } from "../testing.ts";

function openReader(): FrameReader {
  const reader = new FrameReader();
  reader.open(null);
  return reader;
}

function readAll(bytes: Uint8Array, chunkBytes: number, reader = openReader()): Frame[] {
  const frames: Frame[] = [];
  for (let at = 0; at < bytes.length; at += chunkBytes) {
    reader.push(bytes.subarray(at, at + chunkBytes), (frame) => {
      frames.push(frame);
      return true;
    });
  }
  return frames;
}

const SAMPLE = Buffer.concat([
  encodeFrame(FrameKind.data, 0, new Uint8Array(300).fill(1)),
  encodeFrame(FrameKind.ping, 0, new Uint8Array(0)),
  encodeFrame(FrameKind.data, 9, new Uint8Array([1, 2, 3])),
]);

test("frames come out as they went in, however the stream is chopped", () => {
  for (let chunkBytes = 1; chunkBytes <= SAMPLE.length; chunkBytes++) {
    const frames = readAll(SAMPLE, chunkBytes);
    expect(frames.map(({ kind, channel, payload }) => [kind, channel, payload.length])).toEqual([
      [0, 0, 300],
      [1, 0, 0],
      [0, 9, 3],
    ]);
  }
});

const frames = fc.array(fc.record({
  kind: fc.constant(FrameKind.data),
  channel: fc.nat(255),
  payload: fc.uint8Array({ maxLength: 200 }),
}));

/** Cuts `bytes` into pieces of these sizes. */
function* chopped(bytes: Uint8Array, sizes: readonly number[]): Generator<Uint8Array> {
  let at = 0;
  for (const size of sizes) {
    yield bytes.subarray(at, at + size);
    at += size;
  }
  yield bytes.subarray(at);
}

test("any frames come out of any chopping of their stream", () => {
  fc.assert(fc.property(frames, fc.array(fc.nat(100)), (sent, sizes) => {
    const stream = Buffer.concat(
      sent.map(({ kind, channel, payload }) => encodeFrame(kind, channel, payload)),
    );
    const reader = openReader();
    const got: Frame[] = [];
    for (const chunk of chopped(stream, sizes)) reader.push(chunk, (frame) => got.push(frame) > 0);
    expect(got).toEqual(sent);
  }));
});

test("a damaged stream brings frames that were sent, in order, until it is refused", () => {
  fc.assert(
    fc.property(frames, fc.nat(), fc.uint8Array({ minLength: 1, maxLength: 40 }), (sent, where, garbage) => {
      const stream = Buffer.concat(
        sent.map(({ kind, channel, payload }) => encodeFrame(kind, channel, payload)),
      );
      const at = where % (stream.length + 1);
      const damaged = Buffer.concat([stream.subarray(0, at), garbage, stream.subarray(at)]);
      const got: Frame[] = [];
      try {
        openReader().push(damaged, (frame) => got.push(frame) > 0);
      } catch (error) {
        expect(error).toBeInstanceOf(FrameError);
      }
      // At least the frames before the damage come, and none that nobody sent.
      let end = 0;
      const whole = sent.filter(({ payload }) => (end += FRAME_HEADER_BYTES + payload.length) <= at).length;
      expect(got.slice(0, whole)).toEqual(sent.slice(0, whole));
      expect(sent).toEqual(expect.arrayContaining(got));
    }),
    { numRuns: 500 },
  );
});

test("every flipped bit is noticed, or waits for bytes that a checksum then refuses", () => {
  const frame = encodeFrame(FrameKind.data, 3, new Uint8Array(20).fill(7));
  for (let bit = 0; bit < frame.length * 8; bit++) {
    const broken = frame.slice();
    broken[bit >> 3]! ^= 1 << (bit & 7);
    const reader = openReader();
    let frames: Frame[] = [];
    try {
      frames = readAll(Buffer.concat([broken, frame]), 64, reader);
    } catch (error) {
      expect(error).toBeInstanceOf(FrameError);
    }
    expect(frames).toEqual([]);
  }
});

test("what is too large is refused by its header alone", () => {
  const header = (channel: number, length: number) => {
    const bytes = encodeFrame(FrameKind.data, channel, new Uint8Array(0)).subarray(0, FRAME_HEADER_BYTES);
    new DataView(bytes.buffer).setUint32(4, length, true);
    return bytes;
  };
  expect(() => readAll(header(0, MAX_RAFT_FRAME_BYTES + 1), 99)).toThrow("too large");
  expect(() => readAll(header(1, MAX_CHANNEL_FRAME_BYTES + 1), 99)).toThrow("too large");
  expect(() => readAll(header(0, 0xffffffff), 99)).toThrow("too large");
  expect(readAll(header(1, 1000), 99)).toEqual([]);
});

test("before the handshake only small handshake frames are read", () => {
  expect(() => readAll(SAMPLE, 99, new FrameReader())).toThrow("before the handshake");
  const large = encodeFrame(FrameKind.handshake, 0, new Uint8Array(257));
  expect(() => readAll(large, 99, new FrameReader())).toThrow("too large");
});

test("a reader stops when it is told to", () => {
  const seen: number[] = [];
  openReader().push(SAMPLE, ({ kind }) => {
    seen.push(kind);
    return false;
  });
  expect(seen.length).toBe(1);
});

const KEY = new Uint8Array(32).fill(7);

/**
 * Reads a stream of sealed frames with a key; returns their payloads, and whether the reader refused
 * something.
 */
function unsealed(stream: Uint8Array, key = KEY): { payloads: string[]; refused: boolean } {
  const reader = new FrameReader();
  reader.open(new FrameMac(key));
  const payloads: string[] = [];
  try {
    reader.push(stream, ({ payload }) => payloads.push(Buffer.from(payload).toString()) > 0);
    return { payloads, refused: false };
  } catch (error) {
    expect(error).toBeInstanceOf(FrameError);
    return { payloads, refused: true };
  }
}

function sealedFrames(texts: readonly string[], key = KEY): Uint8Array[] {
  const mac = new FrameMac(key);
  return texts.map((text) => sealFrame(mac, FrameKind.data, 3, Buffer.from(text)));
}

test("sealed frames come out as they went in, in their order only", () => {
  const [a, b, c] = sealedFrames(["a", "b", "c"]) as [Uint8Array, Uint8Array, Uint8Array];
  expect(unsealed(Buffer.concat([a, b, c]))).toEqual({ payloads: ["a", "b", "c"], refused: false });
  for (
    const [frames, payloads] of [
      [[b, a, c], []],
      [[a, c], ["a"]],
      [[a, a], ["a"]],
      [[a, b, a], ["a", "b"]],
      [[c], []],
      [[a, encodeFrame(FrameKind.data, 3, Buffer.alloc(20))], ["a"]],
    ] as const
  ) {
    expect(unsealed(Buffer.concat(frames))).toEqual({ payloads: [...payloads], refused: true });
  }
  expect(unsealed(a, new Uint8Array(32))).toEqual({ payloads: [], refused: true });
  expect(() => readAll(a, 99)).toThrow("not authenticated");
});

test("every flipped bit of a sealed frame is refused, or waits for bytes that are refused", () => {
  const [first, second] = sealedFrames(["first", "x".repeat(2000)]) as [Uint8Array, Uint8Array];
  for (let bit = 0; bit < first.length * 8; bit++) {
    const broken = first.slice();
    broken[bit >> 3]! ^= 1 << (bit & 7);
    expect(unsealed(Buffer.concat([broken, second])).payloads).toEqual([]);
  }
});

test("a sealed stream that is changed anywhere brings what was sent before, and nothing else", () => {
  fc.assert(
    fc.property(
      fc.array(fc.string({ maxLength: 40 }), { maxLength: 8 }),
      fc.nat(),
      fc.nat(60),
      fc.uint8Array({ maxLength: 60 }),
      (texts, where, removed, put) => {
        const frames = sealedFrames(texts);
        const stream = Buffer.concat(frames);
        const at = where % (stream.length + 1);
        const changed = Buffer.concat([stream.subarray(0, at), put, stream.subarray(at + removed)]);
        const { payloads } = unsealed(changed);
        expect(payloads).toEqual(texts.slice(0, payloads.length));
        if (changed.equals(stream)) return;
        const same = [...stream].findIndex((byte, i) => byte !== changed[i]);
        let end = 0;
        const untouched = frames.filter((frame) =>
          (end += frame.length) <= (same < 0 ? stream.length : same)
        );
        expect(payloads.length).toBe(untouched.length);
      },
    ),
    { numRuns: 3000 },
  );
});

const readers: (() => FrameReader)[] = [
  () => new FrameReader(),
  openReader,
  () => {
    const reader = new FrameReader();
    reader.open(new FrameMac(KEY));
    return reader;
  },
];
// Bytes that look like headers get further than other bytes.
const headers = fc.tuple(
  fc.constantFrom(1, 2),
  fc.nat(4),
  fc.nat(255),
  fc.constantFrom(0, 0, 1),
  fc.nat(300),
)
  .map(([version, kind, channel, reserved, length]) =>
    new Uint8Array([version, kind, channel, reserved, length & 255, length >> 8, 0, 0, 1, 2, 3, 4])
  );
const pieces = fc.array(fc.oneof(headers, fc.uint8Array({ maxLength: 400 })), { maxLength: 12 });
anyInput("the stream of a connection", fc.tuple(fc.nat(2), pieces), ([which, chunks]) => {
  const reader = readers[which]!();
  let frames = 0;
  try {
    for (const chunk of chunks) reader.push(chunk, () => ++frames > 0);
  } catch (error) {
    expect(error).toBeInstanceOf(FrameError);
  }
  expect(frames).toBeLessThanOrEqual(chunks.length * 400);
  if (which === 2) expect(frames).toBe(0);
});
