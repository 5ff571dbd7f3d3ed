import { EventEmitter } from "node:events";
import type { Socket } from "node:net";
import { expect, test } from "bun:test";
import { PeerConnection } from "./connection.ts";
import { encodeFrame, FrameKind, sealFrame } from "./frame.ts";
import { Acceptor, Dialer, keyOf, Refusal } from "./handshake.ts";

import { FrameMac } from "./frame_mac.ts";

const KEY = keyOf("secret", 1);
const nonce = () => crypto.getRandomValues(new Uint8Array(32));

/** Socket whose other end takes nothing and goes on sending: `end` never completes. */
class StubbornSocket extends EventEmitter {
  readonly written: Uint8Array[] = [];
  writableLength = 0;
  state: "open" | "ending" | "destroyed" = "open";
  paused = false;
  timeoutMs = 0;

  write(bytes: Uint8Array): void {
    this.written.push(bytes);
  }

  end(): void {
    this.state = "ending";
  }

  pause(): void {
    this.paused = true;
  }

  resume(): void {
    this.paused = false;
  }

  setTimeout(ms: number): void {
    this.timeoutMs = ms;
  }

  destroy(): void {
    this.state = "destroyed";
  }
}

/** Accepts a connection. `workMs`: cost of each frame. `useful`: the receiver's judgement of it. */
function accepting(workMs = 0, useful = true) {
  let nowMs = 0;
  const fake = new StubbornSocket();
  const acceptor = new Acceptor({ id: 2, clusterId: 1, key: KEY }, () => null, nonce());
  const closed: string[] = [];
  const frames: string[] = [];
  const connection = new PeerConnection(fake as unknown as Socket, acceptor, {
    onOpen: () => {},
    onFrame: (_, channel) => {
      nowMs += workMs;
      frames.push(`${channel}`);
      return useful;
    },
    onClose: (reason, refused) => closed.push(`${reason} ${refused}`),
  }, { clock: { now: () => nowMs }, silenceMs: 3000 });
  const receive = (payload: Uint8Array) => fake.emit("data", encodeFrame(FrameKind.handshake, 0, payload));
  return { fake, connection, closed, frames, receive };
}

/** Handshake payload that was written last. */
async function replied(fake: StubbornSocket): Promise<Uint8Array> {
  await Promise.resolve();
  return fake.written.at(-1)!.slice(12);
}

test("a refused handshake sends its code, reads nothing more, and waits for no one for ever", async () => {
  const { fake, closed, receive } = accepting();
  receive(new Dialer({ id: 1, clusterId: 9, key: KEY }, 2, nonce()).hello);
  expect(closed).toEqual(["node of another cluster true"]);
  expect(await replied(fake)).toEqual(new Uint8Array([Refusal.otherCluster]));
  // Further input would put off an idle timeout.
  expect([fake.state, fake.paused, fake.timeoutMs]).toEqual(["ending", true, 3000]);
});

test("an open connection on which something is not authentic is ended at once, whether the other end reads or not", async () => {
  const { fake, closed, frames, receive } = accepting();
  const dialer = new Dialer({ id: 1, clusterId: 1, key: KEY }, 2, nonce());
  receive(dialer.hello);
  const step = dialer.step(await replied(fake));
  receive(step.reply!);
  expect(dialer.step(await replied(fake)).kind).toBe("open");
  fake.emit("data", encodeFrame(FrameKind.data, 3, new Uint8Array(50)));
  expect(closed).toEqual(["a frame that is not authenticated true"]);
  expect(fake.state).toBe("destroyed");
  fake.emit("data", encodeFrame(FrameKind.data, 3, new Uint8Array(50)));
  expect([closed.length, frames.length]).toEqual([1, 0]);
});

/** Opens the connection; returns the checksum of the dialer's frames from now on. */
async function open({ fake, receive }: ReturnType<typeof accepting>): Promise<FrameMac> {
  const dialer = new Dialer({ id: 1, clusterId: 1, key: KEY }, 2, nonce());
  receive(dialer.hello);
  receive(dialer.step(await replied(fake)).reply!);
  const last = dialer.step(await replied(fake));
  return new FrameMac((last as { keys: { dialer: Uint8Array } }).keys.dialer);
}

test("a peer that sends without end leaves the loop its turns, and nothing of what it sent is lost", async () => {
  const connection = accepting(0.1);
  const { fake, closed, frames } = connection;
  const mac = await open(connection);
  const sent = Array.from({ length: 1000 }, () => sealFrame(mac, FrameKind.data, 3, new Uint8Array(1000)));
  fake.emit("data", Buffer.concat(sent));
  // One piece holds 16 frames, which is 1.6 ms of work.
  expect(frames.length).toBeLessThan(100);
  expect(fake.paused).toBe(true);
  let turns = 0;
  while (frames.length < sent.length) {
    await new Promise((resolve) => setTimeout(resolve, 1));
    if (++turns > 10_000) break;
  }
  expect([frames.length, closed]).toEqual([sent.length, []]);
  expect(turns).toBeGreaterThan(5);
  await new Promise((resolve) => setTimeout(resolve, 5));
  expect(fake.paused).toBe(false);
});

test("a peer whose frames are of no use is read at the speed of a slow line, and kept", async () => {
  const connection = accepting(0, false);
  const { fake, closed, frames } = connection;
  const mac = await open(connection);
  const bytes = 64 * 1024;
  const sent = Array.from({ length: 5 }, () => sealFrame(mac, FrameKind.data, 3, new Uint8Array(bytes)));
  const beganMs = performance.now();
  fake.emit("data", Buffer.concat(sent));
  expect([frames.length, fake.paused]).toEqual([1, true]);
  while (frames.length < sent.length) await new Promise((resolve) => setTimeout(resolve, 1));
  expect(performance.now() - beganMs).toBeGreaterThan(4 * 16 - 1);
  expect(closed).toEqual([]);
});
