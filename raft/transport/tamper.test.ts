/**
 * An attacker between two members that share a password, with all power over their bytes: a proxy that cuts
 * the streams into frames, and changes, drops, repeats, moves, reflects and inserts what it likes. Only
 * frames that a member has sent are ever delivered, each once and in order; a tampered frame costs its
 * connection, and no more.
 */
import { afterEach, expect, test } from "bun:test";
import * as net from "node:net";
import { seededRandom } from "../core/seeded_random.ts";
import { monotonicClock } from "../node/monotonic_clock.ts";
import { encodeFrame, FRAME_HEADER_BYTES, FrameKind, SEALED_HEADER_BYTES, sealFrame } from "./frame.ts";
import { FrameMac } from "./frame_mac.ts";
import { TcpTransport, type TcpTransportOptions } from "./tcp_transport.ts";
import { freePort, until } from "./testing.ts";

const SEALED = 2;

type Direction = "fromDialer" | "fromAcceptor";

/** Fate of a frame; `connection` counts the connections that the proxy carries. */
type Attack = (
  frame: Buffer,
  at: { connection: number; direction: Direction; number: number },
) => Uint8Array[];

const ended: (() => void)[] = [];
afterEach(() => ended.splice(0).forEach((end) => end()));

class Proxy {
  port = 0;
  connections = 0;
  attack: Attack = (frame) => [frame];
  /** Frames that came, by connection and direction. */
  readonly seen = new Map<string, Buffer[]>();

  async listen(target: number): Promise<this> {
    const server = net.createServer((incoming) => {
      const connection = ++this.connections;
      const outgoing = net.connect(target, "127.0.0.1");
      this.#carry(incoming, outgoing, connection, "fromDialer");
      this.#carry(outgoing, incoming, connection, "fromAcceptor");
      ended.push(() => (incoming.destroy(), outgoing.destroy()));
    });
    ended.push(() => server.close());
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    this.port = (server.address() as net.AddressInfo).port;
    return this;
  }

  frames(connection: number, direction: Direction): Buffer[] {
    return this.seen.get(`${connection} ${direction}`) ?? [];
  }

  #carry(from: net.Socket, to: net.Socket, connection: number, direction: Direction): void {
    let rest = Buffer.alloc(0);
    let number = 0;
    const frames: Buffer[] = [];
    this.seen.set(`${connection} ${direction}`, frames);
    from.on("data", (chunk) => {
      rest = Buffer.concat([rest, chunk as Buffer]);
      for (;;) {
        const header = rest[0] === SEALED ? SEALED_HEADER_BYTES : FRAME_HEADER_BYTES;
        if (rest.length < header || rest.length < header + rest.readUInt32LE(4)) return;
        const frame = rest.subarray(0, header + rest.readUInt32LE(4));
        rest = rest.subarray(frame.length);
        frames.push(frame);
        for (const bytes of this.attack(frame, { connection, direction, number })) to.write(bytes);
        number++;
      }
    });
    from.on("error", () => to.destroy());
    from.on("close", () => to.destroy());
  }
}

const textOf = (n: number) => `${n} ${"x".repeat(n % 200)}`;

/** Starts two members of which only the first dials, through the proxy; both send all the time. */
async function between(
  overrides: Partial<TcpTransportOptions> = {},
  attack: Attack = (frame) => [frame],
) {
  const ports = [await freePort(), await freePort()];
  const proxy = await new Proxy().listen(ports[1]!);
  proxy.attack = attack;
  const sides = [1, 2].map((id) => {
    const side = { id, sent: 0, got: [] as string[], connected: false, lost: 0, logged: [] as string[] };
    const transport = new TcpTransport({
      id,
      clusterId: 4711,
      bindAddr: `127.0.0.1:${ports[id - 1]}`,
      // The way back leads nowhere.
      peers: [{ id: 3 - id, name: null, addr: `127.0.0.1:${id === 1 ? proxy.port : 1}` }],
      password: "secret",
      clock: monotonicClock,
      random: () => 0,
      silenceMs: 400,
      log: (_, event, text) => side.logged.push(`${event} ${text}`),
      ...overrides,
    });
    transport.start({
      onFrame: (from, channel, payload) => side.got.push(`${from} ${channel} ${Buffer.from(payload)}`),
      onPeer: (_, connected) => {
        side.connected = connected;
        if (!connected) side.lost++;
      },
    });
    const timer = setInterval(() => {
      for (let i = 0; i < 3; i++) transport.send(3 - id, 3, Buffer.from(textOf(side.sent++)));
    }, 1);
    ended.push(() => clearInterval(timer), () => transport.close());
    return side;
  });
  const [a, b] = sides as [typeof sides[0] & object, typeof sides[0] & object];
  return { proxy, a, b };
}

type Between = Awaited<ReturnType<typeof between>>;

/** Expects that each side got what the other one sent, once and in order, and not a byte more. */
function expectNothingForged({ a, b }: Between): void {
  for (const [sender, receiver] of [[a, b], [b, a]] as const) {
    let last = -1;
    for (const frame of receiver.got) {
      const n = Number(frame.split(" ")[2]);
      expect(frame).toBe(`${sender.id} 3 ${textOf(n)}`);
      expect(n).toBeGreaterThan(last);
      last = n;
    }
  }
}

/**
 * Attacks once on the next connection, after some frames, and waits for the end of that connection and for
 * another one.
 */
async function attackOnce(pair: Between, direction: Direction, attack: Attack): Promise<void> {
  const { proxy, a, b } = pair;
  await until("connected", () => a.connected && b.connected);
  const connection = proxy.connections;
  const after = proxy.frames(connection, direction).length + 3;
  const [lostA, lostB] = [a.lost, b.lost];
  let done = false;
  proxy.attack = (frame, at) => {
    if (done || at.connection !== connection || at.direction !== direction || at.number < after) {
      return [frame];
    }
    done = true;
    return attack(frame, at);
  };
  await until("noticed", () => done && a.lost > lostA && b.lost > lostB);
  proxy.attack = (frame) => [frame];
  await until("connected again", () => a.connected && b.connected);
  const [gotA, gotB] = [a.got.length, b.got.length];
  await until("heard again", () => a.got.length > gotA + 10 && b.got.length > gotB + 10);
  expectNothingForged(pair);
}

function flipped(frame: Buffer, bit: number): Buffer {
  const changed = Buffer.from(frame);
  changed[bit >> 3]! ^= 1 << (bit & 7);
  return changed;
}

const FORGED = Buffer.from("forged");
const ATTACKS: Readonly<Record<string, (proxy: Proxy) => Attack>> = {
  "drops a frame": () => () => [],
  "repeats a frame": () => (frame) => [frame, frame],
  "puts an earlier frame in once more": (proxy) => (frame, { connection, direction, number }) => [
    frame,
    proxy.frames(connection, direction)[number - 2]!,
  ],
  "reflects a frame to its sender's side": (proxy) => (frame, { connection, direction }) => [
    proxy.frames(connection, direction === "fromDialer" ? "fromAcceptor" : "fromDialer").at(-1)!,
    frame,
  ],
  "puts in a frame that is not sealed": () => (frame) => [encodeFrame(FrameKind.data, 3, FORGED), frame],
  "puts in a frame that is sealed with another key": () => (frame) => [
    sealFrame(new FrameMac(new Uint8Array(32)), FrameKind.data, 3, FORGED),
    frame,
  ],
  "puts in a second handshake": (proxy) => (frame, { connection }) => [
    proxy.frames(connection, "fromDialer")[0]!,
    frame,
  ],
  "moves the payload to another channel": () => (frame) => [flipped(frame, 16)],
  "takes the checksum away": () => (frame) => [
    encodeFrame(FrameKind.data, frame[2]!, frame.subarray(SEALED_HEADER_BYTES)),
  ],
  "puts in a few bytes": () => (frame) => [Buffer.from([1]), frame],
  "leaves out a few bytes": () => (frame) => [frame.subarray(1)],
};

for (const [what, attack] of Object.entries(ATTACKS)) {
  test(`somebody in between who ${what} ends the connection, and the log says why`, async () => {
    const pair = await between();
    for (const direction of ["fromDialer", "fromAcceptor"] as const) {
      await attackOnce(pair, direction, attack(pair.proxy));
      const receiver = direction === "fromDialer" ? pair.b : pair.a;
      const why = /raft_peer_lost .*(not authentic|not authenticated|not a raft connection|too large|kind)/;
      expect(receiver.logged.some((line) => why.test(line))).toBe(true);
    }
  });
}

test("two frames that change places end the connection", async () => {
  const pair = await between();
  for (const direction of ["fromDialer", "fromAcceptor"] as const) {
    const { proxy, a, b } = pair;
    await until("connected", () => a.connected && b.connected);
    const connection = proxy.connections;
    const lost = a.lost;
    let held: Buffer | null = null;
    let swapped = false;
    proxy.attack = (frame, at) => {
      if (swapped || at.connection !== connection || at.direction !== direction || at.number < 5) {
        return [frame];
      }
      if (held === null) {
        held = frame;
        return [];
      }
      swapped = true;
      return [frame, held];
    };
    await until("noticed", () => a.lost > lost);
    expect(swapped).toBe(true);
    expectNothingForged(pair);
  }
});

test("a frame of an earlier connection is worth nothing on a later one, at the same place in it", async () => {
  const pair = await between();
  const { proxy, a, b } = pair;
  await until("connected", () => a.connected && b.connected);
  const earlier = proxy.connections;
  await until("some frames", () => proxy.frames(earlier, "fromDialer").length > 40);
  // This ends the connection.
  await attackOnce(pair, "fromDialer", () => []);
  await attackOnce(pair, "fromDialer", (_, { number }) => [proxy.frames(earlier, "fromDialer")[number]!]);
});

test("a whole recorded conversation, played to either side again, delivers nothing", async () => {
  const pair = await between();
  const { proxy, a, b } = pair;
  await until("frames", () => a.got.length > 20 && b.got.length > 20);
  const recorded = (direction: Direction) => Buffer.concat(proxy.frames(1, direction).slice(0, 20));
  const fromDialer = recorded("fromDialer");
  // The bytes go in place of the dialer's on its next connection.
  let begun = false;
  proxy.attack = (frame, { connection, direction }) => {
    if (connection === 1) return [];
    if (direction !== "fromDialer") return [frame];
    if (begun) return [];
    begun = true;
    return [fromDialer];
  };
  await until(
    "refused",
    () => b.logged.some((line) => line.startsWith("raft_refused") && line.includes("wrong password")),
  );
  expectNothingForged(pair);
  const fromAcceptor = recorded("fromAcceptor");
  begun = false;
  const until3 = proxy.connections;
  proxy.attack = (frame, { connection, direction }) => {
    if (connection <= until3) return [];
    if (direction !== "fromAcceptor") return [frame];
    if (begun) return [];
    begun = true;
    return [fromAcceptor];
  };
  await until(
    "not believed",
    () => a.logged.some((line) => line.includes("no connection to") && line.includes("wrong password")),
  );
  expectNothingForged(pair);
  proxy.attack = (frame) => [frame];
  const got = b.got.length;
  await until("as before", () => b.got.length > got + 10);
  expectNothingForged(pair);
});

test("a flipped bit ends the connection: in the kind, the length, the checksum, the payload", async () => {
  const pair = await between();
  for (const bit of [9, 32, 64, 191, 200]) {
    await attackOnce(pair, "fromDialer", (frame) => [flipped(frame, bit)]);
  }
});

test("a frame that was made to seem endless is given up, though bytes go on coming", async () => {
  const pair = await between({ silenceMs: 120 });
  await attackOnce(pair, "fromDialer", (frame) => [flipped(frame, 51)]);
  expect(pair.b.logged.join("\n")).toContain("a frame that does not end");
});

test("nobody in between brings two members to speak a version without sealed frames", async () => {
  // An acceptor of version 1 would answer so, and one that says it speaks both.
  const answer = (refusal: number[]): Attack => (frame, { direction }) => [
    direction === "fromDialer" ? frame : encodeFrame(FrameKind.handshake, 0, new Uint8Array(refusal)),
  ];
  const { proxy, a, b } = await between({}, answer([1]));
  for (const refusal of [[1], [1, 0, 1, 0, 1], [1, 0, 1, 0, 2]]) {
    proxy.attack = answer(refusal);
    const before = proxy.connections;
    await until("dialed again", () => proxy.connections >= before + 2);
    expect(a.connected || b.connected).toBe(false);
  }
  for (let connection = 1; connection < proxy.connections; connection++) {
    const hello = proxy.frames(connection, "fromDialer")[0]!;
    const versions = hello.subarray(FRAME_HEADER_BYTES + 4, FRAME_HEADER_BYTES + 10).toString("hex");
    expect(versions).toBe("000200020002");
  }
});

test("whatever happens to the bytes at random, nothing forged is delivered and the members meet again", async () => {
  const pair = await between();
  const { proxy, a, b } = pair;
  const random = seededRandom(4711);
  const below = (n: number) => Math.floor(random() * n);
  const stock: Buffer[] = [];
  proxy.attack = (frame, { connection, direction }) => {
    if (stock.length < 500) stock.push(frame);
    if (random() > 0.01) return [frame];
    const other = stock[below(stock.length)]!;
    const opposite = proxy.frames(connection, direction === "fromDialer" ? "fromAcceptor" : "fromDialer");
    const changes: (() => Buffer[])[] = [
      () => [flipped(frame, below(frame.length * 8))],
      () => [],
      () => [frame, frame],
      () => [other],
      () => [other, frame],
      () => [opposite.at(-1) ?? frame, frame],
      () => [frame.subarray(0, below(frame.length))],
      () => [frame.subarray(below(frame.length))],
      () => [frame, Buffer.from(Array.from({ length: below(40) }, () => below(256)))],
    ];
    return changes[below(changes.length)]!();
  };
  await Bun.sleep(2500);
  proxy.attack = (frame) => [frame];
  expect(a.lost + b.lost).toBeGreaterThan(5);
  const got = [a.got.length, b.got.length];
  await until("heard again", () => a.got.length > got[0]! + 20 && b.got.length > got[1]! + 20, 20_000);
  expectNothingForged(pair);
});
