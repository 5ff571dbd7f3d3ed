import { afterEach, expect, test } from "bun:test";
import * as net from "node:net";
import { monotonicClock } from "../node/monotonic_clock.ts";
import type { Transport } from "../node/ports.ts";
import { encodeFrame, FrameKind, type FrameKindCode, FrameReader, sealFrame } from "./frame.ts";
import { FrameMac } from "./frame_mac.ts";
import { Dialer, keyOf } from "./handshake.ts";
import { MemoryNetwork } from "./memory_network.ts";
import { TcpTransport, type TcpTransportOptions } from "./tcp_transport.ts";
import { freePort, until } from "./testing.ts";
import { TransportError } from "./transport_error.ts";
import { Visitor, type VisitOutcome } from "./visit.ts";

interface Side {
  readonly id: number;
  readonly transport: Transport;
  readonly frames: [number, number, string][];
  readonly connected: Set<number>;
  /** What was said of connections, in order. */
  readonly told: (readonly [peer: number, connected: boolean])[];
  /** Members at whose address another cluster answers. */
  readonly elsewhere: Set<number>;
}

const open: Transport[] = [];
const sockets: net.Socket[] = [];
const servers: net.Server[] = [];

afterEach(() => {
  for (const transport of open.splice(0)) transport.close();
  for (const socket of sockets.splice(0)) socket.destroy();
  for (const server of servers.splice(0)) server.close();
});

function begin(id: number, transport: Transport): Side {
  const side: Side = { id, transport, frames: [], connected: new Set(), told: [], elsewhere: new Set() };
  open.push(transport);
  transport.start({
    onFrame: (from, channel, payload) => side.frames.push([from, channel, Buffer.from(payload).toString()]),
    onPeer: (peer, connected) => {
      side.told.push([peer, connected]);
      if (connected) side.connected.add(peer);
      else side.connected.delete(peer);
    },
    onOtherCluster: (peer) => void side.elsewhere.add(peer),
  });
  return side;
}

type Logged = { level: string; event: string; text: string }[];

interface TcpSide extends Side {
  readonly port: number;
  readonly logged: Logged;
}

function tcp(id: number, ports: readonly number[], overrides: Partial<TcpTransportOptions> = {}): TcpSide {
  const logged: Logged = [];
  const transport = new TcpTransport({
    id,
    clusterId: 4711,
    bindAddr: `127.0.0.1:${ports[id - 1]}`,
    peers: ports.map((port, i) => ({ id: i + 1, name: `n${i + 1}`, addr: `127.0.0.1:${port}` })).filter((p) =>
      p.id !== id
    ),
    password: "secret",
    clock: monotonicClock,
    random: () => 0.5,
    silenceMs: 600,
    log: (level, event, text) => logged.push({ level, event, text }),
    ...overrides,
  });
  return Object.assign(begin(id, transport), { port: ports[id - 1]!, logged });
}

async function tcpPair(overrides: Partial<TcpTransportOptions> = {}): Promise<[TcpSide, TcpSide]> {
  const ports = [await freePort(), await freePort()];
  const pair: [TcpSide, TcpSide] = [tcp(1, ports, overrides), tcp(2, ports, overrides)];
  await until("connected", () => pair[0].connected.has(2) && pair[1].connected.has(1));
  return pair;
}

const PAIRS: [string, () => Promise<[Side, Side]>][] = [
  ["TCP", tcpPair],
  ["memory", () => {
    const network = new MemoryNetwork(monotonicClock);
    return Promise.resolve([begin(1, network.transport(1)), begin(2, network.transport(2))]);
  }],
];

for (const [name, make] of PAIRS) {
  test(`${name}: members connect and frames arrive in order on their channels`, async () => {
    const [a, b] = await make();
    await until("connected", () => a.connected.has(2) && b.connected.has(1));
    for (let i = 0; i < 100; i++) expect(a.transport.send(2, i % 3, Buffer.from(`frame ${i}`))).toBe(true);
    expect(b.transport.send(1, 0, new Uint8Array(0))).toBe(true);
    await until("arrived", () => b.frames.length === 100 && a.frames.length === 1);
    expect(b.frames.map(([, , text]) => text)).toEqual(Array.from({ length: 100 }, (_, i) => `frame ${i}`));
    expect(b.frames[4]).toEqual([1, 1, "frame 4"]);
    expect(a.frames).toEqual([[2, 0, ""]]);
  });

  test(`${name}: what is sent to nobody is dropped`, async () => {
    const [a] = await make();
    expect(a.transport.send(9, 0, new Uint8Array(1))).toBe(false);
  });

  test(`${name}: the end of a member is noticed`, async () => {
    const [a, b] = await make();
    await until("connected", () => a.connected.has(2));
    b.transport.close();
    await until("noticed", () => !a.connected.has(2));
    expect(a.transport.send(2, 0, new Uint8Array(1))).toBe(false);
  });
}

test("members and visitors of neighbouring versions meet, whoever dials", async () => {
  const later = { oldest: 2, newest: 3 };
  for (const [first, second] of [[later, undefined], [undefined, later]]) {
    const ports = [await freePort(), await freePort()];
    const [a, b] = [tcp(1, ports, { versions: first }), tcp(2, ports, { versions: second })];
    await until("connected", () => a.connected.has(2) && b.connected.has(1));
    expect(a.transport.send(2, 3, Buffer.from("x"))).toBe(true);
    await until("arrived", () => b.frames.length === 1);
  }

  const port = await freePort();
  const host = new TcpTransport({
    id: 1,
    clusterId: 4711,
    bindAddr: `127.0.0.1:${port}`,
    peers: [],
    password: "secret",
    visitId: 12,
    clock: monotonicClock,
    random: () => 0.5,
  });
  open.push(host);
  host.start({ onFrame: () => {}, onPeer: () => {}, onVisit: (question, answer) => answer(question) });
  const ask = (oldest: number) =>
    new Promise<VisitOutcome>((resolve) => {
      const visitor = new Visitor({
        visitId: 12,
        password: "secret",
        clock: monotonicClock,
        versions: { oldest, newest: 4 },
      });
      visitor.ask(`127.0.0.1:${port}`, Buffer.from("who?"), resolve);
    });
  expect(await ask(2)).toMatchObject({ kind: "answer" });
  const reason = "another version of the protocol: it speaks 2, this member 3 to 4";
  expect(await ask(3)).toEqual({ kind: "failed", reason, refused: true });
});

test("a visitor asks one question, and is put out for another", async () => {
  const port = await freePort();
  const asked: string[] = [];
  const transport = new TcpTransport({
    id: 1,
    clusterId: 4711,
    bindAddr: `127.0.0.1:${port}`,
    peers: [],
    password: null,
    visitId: 12,
    clock: monotonicClock,
    random: () => 0.5,
  });
  open.push(transport);
  transport.start({
    onFrame: () => {},
    onPeer: () => {},
    onVisit: (question) => asked.push(Buffer.from(question).toString()),
  });
  const socket = connectRaw(port);
  let closed = false;
  socket.on("close", () => (closed = true));
  const dialer = new Dialer({ id: 0, clusterId: 12, key: null }, 0, new Uint8Array(32));
  const reader = new FrameReader();
  socket.on("data", (chunk: Buffer) =>
    reader.push(chunk, ({ payload }) => {
      const step = dialer.step(payload);
      if (step.reply) socket.write(encodeFrame(FrameKind.handshake, 0, step.reply));
      if (step.kind === "open") {
        const question = encodeFrame(FrameKind.data, 1, Buffer.from("who?"));
        socket.write(Buffer.concat([question, question, question]));
      }
      return true;
    }));
  socket.write(encodeFrame(FrameKind.handshake, 0, dialer.hello));
  await until("put out", () => closed);
  expect(asked).toEqual(["who?"]);
});

test("a member learns that another cluster answers at the address of its peer", async () => {
  const ports = [await freePort(), await freePort()];
  const a = tcp(1, ports);
  const b = tcp(2, ports, { clusterId: 815 });
  await until("told", () => a.elsewhere.has(2) && b.elsewhere.has(1));
  expect(a.connected.size).toBe(0);
});

test("a frame of a whole snapshot travels", async () => {
  const [a, b] = await tcpPair();
  a.transport.send(2, 0, new Uint8Array(7 * 1024 * 1024).fill(65));
  await until("arrived", () => b.frames.length === 1);
  expect(b.frames[0]![2].length).toBe(7 * 1024 * 1024);
});

test("a frame that the other side would refuse is not sent, and reported", async () => {
  const [a, b] = await tcpPair();
  expect(a.transport.send(2, 0, new Uint8Array(9 * 1024 * 1024))).toBe(false);
  expect(lineOf(a, "raft_frame_too_large")).toContain("too large");
  a.transport.send(2, 0, Buffer.from("next"));
  await until("arrived", () => b.frames.length === 1);
});

test("a member that comes back is connected again", async () => {
  const ports = [await freePort(), await freePort()];
  const a = tcp(1, ports);
  const first = tcp(2, ports);
  await until("connected", () => a.connected.has(2));
  first.transport.close();
  await until("lost", () => !a.connected.has(2));
  const second = tcp(2, ports);
  await until("connected", () => a.connected.has(2) && second.connected.has(1));
  a.transport.send(2, 5, Buffer.from("again"));
  await until("arrived", () => second.frames.length === 1);
});

test("a pair that dialed each other at once ends with one connection", async () => {
  const [a, b] = await tcpPair();
  const count = () => {
    const { stdout } = Bun.spawnSync(["cat", "/proc/net/tcp"]);
    const hex = (port: number) => port.toString(16).toUpperCase().padStart(4, "0");
    const lines = stdout.toString().split("\n").filter((line) => line.trim().split(/\s+/)[3] === "01");
    return lines.filter((line) => line.includes(`:${hex(a.port)} `) || line.includes(`:${hex(b.port)} `))
      .length;
  };
  // Each connection is seen at both of its ends.
  await until("one connection", () => count() === 2);
  expect(a.connected.has(2) && b.connected.has(1)).toBe(true);
});

function lineOf(side: TcpSide, event: string): string | undefined {
  return side.logged.find((line) => line.event === event)?.text;
}

test("a wrong password, another cluster and a missing password are refused and logged once", async () => {
  const cases: [Partial<TcpTransportOptions>, string][] = [
    [{ password: "guess" }, "wrong password"],
    [{ clusterId: 1 }, "node of another cluster"],
    [{ password: null }, "wrong password"],
  ];
  for (const [overrides, reason] of cases) {
    const ports = [await freePort(), await freePort()];
    const a = tcp(1, ports);
    const stranger = tcp(2, ports, overrides);
    await until("logged", () => lineOf(a, "raft_refused") !== undefined);
    expect(lineOf(a, "raft_refused")).toBe(`refused connection from 127.0.0.1: ${reason}`);
    await until("told", () => lineOf(stranger, "raft_peer_unreachable") !== undefined);
    expect(lineOf(stranger, "raft_peer_unreachable")).toContain(`it refuses this member: ${reason}`);
    expect(a.connected.size + stranger.connected.size).toBe(0);
    await until("tried again", () => a.transport.send(2, 0, new Uint8Array(0)) === false);
    expect(a.logged.filter((line) => line.event === "raft_refused").length).toBe(1);
  }
});

test("B39: a second process with the same identity is refused as such", async () => {
  const ports = [await freePort(), await freePort()];
  const a = tcp(1, ports);
  const impostor = tcp(1, [await freePort(), ports[0]!], {
    peers: [{ id: 2, name: null, addr: `127.0.0.1:${ports[0]}` }],
  });
  await until("logged", () => lineOf(a, "raft_refused") !== undefined);
  expect(lineOf(a, "raft_refused")).toContain("same member twice");
  expect(impostor.connected.size).toBe(0);
});

function connectRaw(port: number): net.Socket {
  const socket = net.connect(port, "127.0.0.1");
  socket.on("error", () => socket.destroy());
  sockets.push(socket);
  return socket;
}

test("garbage closes its own connection and harms no other", async () => {
  const [a, b] = await tcpPair();
  const pieces = [
    Buffer.from("GET / HTTP/1.1\r\n\r\n"),
    Buffer.alloc(5000, 0xff),
    Buffer.from([1, 2, 0, 0, 0, 0]),
  ];
  for (const piece of pieces.slice(0, 2)) {
    const socket = connectRaw(a.port);
    let closed = false;
    socket.on("close", () => (closed = true));
    socket.on("data", () => {});
    socket.write(piece);
    await until("closed", () => closed);
  }
  connectRaw(a.port).write(pieces[2]!);
  expect(a.logged.some((line) => line.text.includes("not a raft connection"))).toBe(true);
  b.transport.send(1, 0, Buffer.from("still here"));
  await until("arrived", () => a.frames.length === 1);
});

test("a kind of frame that a later version sends is passed over, and the connection stays", async () => {
  const a = tcp(1, [await freePort(), await freePort()]);
  const socket = connectRaw(a.port);
  let closed = false;
  socket.on("close", () => (closed = true));
  const dialer = new Dialer(
    { id: 2, clusterId: 4711, key: keyOf("secret", 4711) },
    1,
    new Uint8Array(32).fill(3),
  );
  const reader = new FrameReader();
  let mac: FrameMac | null = null;
  socket.on("data", (chunk: Buffer) =>
    reader.push(chunk, ({ payload }) => {
      const step = dialer.step(payload);
      if (step.reply) socket.write(encodeFrame(FrameKind.handshake, 0, step.reply));
      if (step.kind === "open") mac = new FrameMac(step.keys!.dialer);
      return mac === null;
    }));
  socket.write(encodeFrame(FrameKind.handshake, 0, dialer.hello));
  await until("connected", () => a.connected.has(2) && mac !== null);
  const later = () => sealFrame(mac!, 9 as FrameKindCode, 5, new Uint8Array(300));
  const said = (text: string) => sealFrame(mac!, FrameKind.data, 3, Buffer.from(text));
  socket.write(Buffer.concat([later(), said("understood"), later()]));
  socket.write(said("and this"));
  await until("arrived", () => a.frames.length === 2);
  expect(a.frames).toEqual([[2, 3, "understood"], [2, 3, "and this"]]);
  expect(closed).toBe(false);
});

test("a connection without a handshake is closed after a while", async () => {
  const [a] = await tcpPair();
  const socket = connectRaw(a.port);
  let closed = false;
  socket.on("close", () => (closed = true));
  socket.on("data", () => {});
  await until("closed", () => closed);
});

/** Starts a relay between two members that can stop forwarding without closing anything. */
async function relay(target: number) {
  const state = { paused: false, port: 0 };
  const server = net.createServer((incoming) => {
    const outgoing = net.connect(target, "127.0.0.1");
    sockets.push(incoming, outgoing);
    for (const [from, to] of [[incoming, outgoing], [outgoing, incoming]] as const) {
      from.on("data", (chunk) => void (state.paused || to.write(chunk)));
      from.on("error", () => to.destroy());
      from.on("close", () => void (state.paused || to.destroy()));
    }
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  state.port = (server.address() as net.AddressInfo).port;
  return state;
}

test("a connection that falls silent is given up and replaced when the path is back", async () => {
  const ports = [await freePort(), await freePort()];
  const between = await relay(ports[1]!);
  // Only the first member dials, through the relay; the second one's way back leads nowhere.
  const a = tcp(1, ports, { peers: [{ id: 2, name: null, addr: `127.0.0.1:${between.port}` }] });
  const b = tcp(2, ports, { peers: [{ id: 1, name: null, addr: "127.0.0.1:1" }] });
  await until("connected", () => a.connected.has(2) && b.connected.has(1));
  between.paused = true;
  await until("given up", () => !a.connected.has(2) && !b.connected.has(1));
  between.paused = false;
  await until("connected again", () => a.connected.has(2) && b.connected.has(1));
});

test("a member that dials takes the place of the connection that was dialed to it long before", async () => {
  const ports = [await freePort(), await freePort(), await freePort()];
  const between = await relay(ports[1]!);
  let aheadMs = 0;
  const a = tcp(1, ports, {
    peers: [{ id: 2, name: null, addr: `127.0.0.1:${between.port}` }],
    clock: { ...monotonicClock, now: () => monotonicClock.now() + aheadMs },
    silenceMs: 60_000,
  });
  const former = tcp(2, ports, { peers: [{ id: 1, name: null, addr: "127.0.0.1:1" }] });
  await until("connected", () => a.connected.has(2) && former.connected.has(1));
  // Its host loses its power, and no packet says so. Another one starts in its place.
  between.paused = true;
  former.transport.close();
  aheadMs = 5000;
  const next = tcp(2, [ports[0]!, ports[2]!]);
  await until("arrived", () => {
    a.transport.send(2, 1, Buffer.from("x"));
    return next.frames.length > 0;
  });
  // What was known of the other process is not known of this one.
  expect(a.told).toEqual([[2, true], [2, false], [2, true]]);
});

test("frames to a member that does not read are dropped, not kept without bound", async () => {
  const ports = [await freePort(), await freePort()];
  const between = await relay(ports[1]!);
  const a = tcp(1, ports, { peers: [{ id: 2, name: null, addr: `127.0.0.1:${between.port}` }] });
  tcp(2, ports, { peers: [{ id: 1, name: null, addr: "127.0.0.1:1" }] });
  await until("connected", () => a.connected.has(2));
  for (const socket of sockets) socket.pause();
  const frame = new Uint8Array(256 * 1024);
  let accepted = 0;
  for (let i = 0; i < 400; i++) {
    if (a.transport.send(2, 1, frame)) accepted++;
    if (i % 20 === 0) await Bun.sleep(0);
  }
  expect(accepted).toBeGreaterThan(8);
  expect(accepted).toBeLessThan(200);
});

test("B39: a port in use is a typed error that names the setting", async () => {
  const ports = [await freePort(), await freePort()];
  tcp(1, ports);
  const errors: TransportError[] = [];
  tcp(1, ports, { onFatal: (error) => errors.push(error) });
  await until("failed", () => errors.length === 1);
  expect(errors[0]).toMatchObject({ code: "address-in-use", setting: "raft.bind_addr" });
  expect(errors[0]!.message).toContain("raft.bind_addr");
});

test("an address of another host is a typed error that names the setting and the way out", async () => {
  const errors: TransportError[] = [];
  tcp(1, [await freePort(), await freePort()], {
    bindAddr: "198.51.100.1:5010",
    onFatal: (error) => errors.push(error),
  });
  await until("failed", () => errors.length === 1);
  expect(errors[0]!.code).toBe("cannot-listen");
  expect(errors[0]!.message).toContain(
    "198.51.100.1:5010 (raft.bind_addr, or raft.self_addr where that is not given)",
  );
  expect(errors[0]!.message).toContain("it is no address of this host; name one that is");
});

test("a member that starts beside this one is no fault, one that does not come is", async () => {
  const ports = [await freePort(), await freePort(), await freePort()];
  let aheadMs = 0;
  const clock = { ...monotonicClock, now: () => monotonicClock.now() + aheadMs };
  const a = tcp(1, ports, { clock });
  // The second one does not know the first yet, the third is not there.
  tcp(2, ports, { peers: [] });
  const said = (level: string) => a.logged.filter((one) => one.level === level).map((one) => one.text);
  await until("both said", () => said("info").length === 2);
  expect(said("info").sort()).toEqual([
    `n2 (127.0.0.1:${ports[1]}) is not ready yet: it does not know this member yet`,
    `n3 (127.0.0.1:${ports[2]}) is not ready yet: connect ECONNREFUSED 127.0.0.1:${ports[2]}`,
  ]);
  expect(said("warning")).toEqual([]);
  aheadMs = 10_000;
  await until("a fault by now", () => said("warning").length === 2);
  expect(said("warning").sort()).toEqual([
    `no connection to n2 (127.0.0.1:${ports[1]}): it refuses this member: not a member of this cluster`,
    `no connection to n3 (127.0.0.1:${ports[2]}): connect ECONNREFUSED 127.0.0.1:${ports[2]}`,
  ]);
});

test("names are resolved anew for each dial, and a dead name server only delays that peer", async () => {
  const ports = [await freePort(), await freePort()];
  let asked = 0;
  const resolve = (): Promise<string> =>
    ++asked < 3 ? Promise.reject(new Error("SERVFAIL")) : Promise.resolve("127.0.0.1");
  const a = tcp(1, ports, { resolve, peers: [{ id: 2, name: null, addr: `db2.example:${ports[1]}` }] });
  const b = tcp(2, ports, { peers: [{ id: 1, name: null, addr: "127.0.0.1:1" }] });
  await until("connected", () => a.connected.has(2) && b.connected.has(1));
  expect(asked).toBe(3);
  expect(lineOf(a, "raft_peer_unreachable")).toContain("db2.example cannot be resolved: SERVFAIL");
});

const peer = (side: TcpSide) => ({ id: side.id, name: `n${side.id}`, addr: `127.0.0.1:${side.port}` });

test("a member that is made known later is connected, whoever is told first", async () => {
  const ports = [await freePort(), await freePort(), await freePort()];
  const [a, b] = [tcp(1, ports.slice(0, 2)), tcp(2, ports.slice(0, 2))];
  const c = tcp(3, ports);
  await until(
    "refused",
    () => c.logged.some(({ text }) => text.includes("it does not know this member yet")),
  );
  a.transport.setPeers!([peer(b), peer(c)], []);
  await until("connected", () => a.connected.has(3) && c.connected.has(1));
  expect(b.connected.has(3)).toBe(false);
  b.transport.setPeers!([peer(a), peer(c)], []);
  await until("connected", () => b.connected.has(3) && c.connected.has(2));
  expect(a.connected.has(2)).toBe(true);
});

test("a removed member is not sought any more, but heard when it comes", async () => {
  const ports = [await freePort(), await freePort()];
  const a = tcp(1, ports);
  const first = tcp(2, ports);
  await until("connected", () => a.connected.has(2));
  a.transport.setPeers!([], [2]);
  expect(a.connected.has(2)).toBe(true);
  first.transport.close();
  await until("noticed", () => !a.connected.has(2));
  const dialed = a.logged.length;
  const again = tcp(2, ports);
  await until("connected", () => a.connected.has(2) && again.connected.has(1));
  expect(a.transport.send(2, 7, Buffer.from("you are out"))).toBe(true);
  await until("told", () => again.frames.length === 1);
  expect(a.logged.slice(dialed).filter(({ event }) => event === "raft_peer_unreachable")).toEqual([]);
});

test("one that is neither a member nor was one is cut off and refused, a member with another address dialed there", async () => {
  const ports = [await freePort(), await freePort()];
  const [a, b] = [tcp(1, ports), tcp(2, ports)];
  await until("connected", () => a.connected.has(2) && b.connected.has(1));
  a.transport.setPeers!([], []);
  expect(a.connected.has(2)).toBe(false);
  await until("refused", () => b.logged.some(({ text }) => text.includes("not a member of this cluster")));
  b.transport.close();
  const moved = await freePort();
  const elsewhere = tcp(2, [ports[0]!, moved]);
  a.transport.setPeers!([{ id: 2, name: "n2", addr: `127.0.0.1:${ports[1]}` }], []);
  a.transport.setPeers!([peer(elsewhere)], []);
  await until("connected", () => a.connected.has(2) && elsewhere.connected.has(1));
});
