import { afterEach, expect, test } from "bun:test";
import * as tls from "node:tls";
import { monotonicClock } from "../node/monotonic_clock.ts";
import { type SocketLayer, tcpLayer, type TlsFiles, tlsLayer } from "./socket_layer.ts";
import { TcpTransport, type TcpTransportOptions } from "./tcp_transport.ts";
import { freePort, until } from "./testing.ts";
import { Authority } from "./testing_certificates.ts";
import { Visitor, type VisitOutcome } from "./visit.ts";

const AUTHORITY = new Authority("ca");
const OTHER_AUTHORITY = new Authority("other");
/** Each member has an address of its own, so that certificates can distinguish them. */
const hostOf = (id: number) => `127.0.0.${id}`;
const filesOf = (id: number) => AUTHORITY.issue({ commonName: `n${id}`, names: [hostOf(id)] });

const open: TcpTransport[] = [];

afterEach(() => {
  for (const transport of open.splice(0)) transport.close();
});

/** Makes one of two members; its layer decides which certificate it shows. */
function side(
  id: number,
  ports: readonly number[],
  layer: SocketLayer,
  overrides: Partial<TcpTransportOptions> = {},
) {
  const state = { connected: false, frames: [] as string[], logged: [] as string[] };
  const transport = new TcpTransport({
    id,
    clusterId: 1,
    bindAddr: `${hostOf(id)}:${ports[id - 1]}`,
    peers: ports.map((port, i) => ({ id: i + 1, name: null, addr: `${hostOf(i + 1)}:${port}` }))
      .filter((peer) => peer.id !== id),
    password: null,
    clock: monotonicClock,
    random: () => 0.5,
    silenceMs: 600,
    layer,
    log: (_, event, text) => state.logged.push(`${event} ${text}`),
    ...overrides,
  });
  transport.start({
    onFrame: (_from, _channel, payload) => state.frames.push(Buffer.from(payload).toString()),
    onPeer: (_, connected) => void (state.connected = connected),
    onVisit: (question, answer, flaw) => {
      const addr = Buffer.from(question).toString();
      answer(Buffer.from(flaw(addr) ?? "welcome"));
    },
  });
  open.push(transport);
  return { transport, state };
}

async function meet(first: SocketLayer, second: SocketLayer, password: string | null = null) {
  const ports = [await freePort(), await freePort()];
  return [side(1, ports, first, { password }), side(2, ports, second, { password })] as const;
}

const said = ({ state }: { state: { logged: string[] } }, event: string, text = "") =>
  state.logged.some((line) => line.startsWith(event) && line.includes(text));

for (const password of [null, "secret"]) {
  test(`members with certificates of one authority connect${password ? " and prove the password, too" : ""}`, async () => {
    const [a, b] = await meet(tlsLayer(filesOf(1)), tlsLayer(filesOf(2)), password);
    await until("connected", () => a.state.connected && b.state.connected);
    a.transport.send(2, 1, Buffer.from("over TLS"));
    const large = "x".repeat(1_000_000);
    b.transport.send(1, 0, Buffer.from(large));
    await until("arrived", () => a.state.frames.length === 1 && b.state.frames.length === 1);
    expect(b.state.frames).toEqual(["over TLS"]);
    expect(a.state.frames[0] === large).toBe(true);
  });
}

const STRANGER = OTHER_AUTHORITY.issue({ names: [hostOf(2)] });
const STRANGERS: [string, SocketLayer][] = [
  ["a certificate of another authority", tlsLayer(STRANGER)],
  [
    "our authority but a stranger's certificate",
    tlsLayer({ ...STRANGER, ca: AUTHORITY.ca } satisfies TlsFiles),
  ],
  ["no TLS", tcpLayer],
];

for (const [what, layer] of STRANGERS) {
  test(`a peer with ${what} is not connected, and logged`, async () => {
    const [a, b] = await meet(tlsLayer(filesOf(1)), layer);
    await until("refused", () => said(a, "raft_refused"));
    await until("tried", () => said(a, "raft_peer_unreachable"));
    expect(a.state.connected || b.state.connected).toBe(false);
  });
}

/**
 * Certificates of the right authority, but not of member 2, whose id the node claims and at whose address it
 * listens.
 */
const OTHERS: [string, TlsFiles][] = [
  ["another member's certificate", filesOf(3)],
  ["a REST client's certificate", AUTHORITY.issue({ commonName: "prometheus" })],
  ["a certificate whose common name alone is the member's", AUTHORITY.issue({ commonName: hostOf(2) })],
];

for (const [what, files] of OTHERS) {
  test(`whoever shows ${what} is no member, whether it dials or is dialed, and both sides say why`, async () => {
    const [a, b] = await meet(tlsLayer(filesOf(1)), tlsLayer(files));
    const why = `is not the one of the member at ${hostOf(2)}:`;
    const dialed = `refused connection from 127.0.0.1: the certificate for`;
    await until("refused", () => said(a, "raft_refused", dialed) && said(a, "raft_refused", why));
    await until("not taken for it", () => said(a, "raft_peer_unreachable", why));
    const told = "it refuses this member: the certificate that was shown is not the one of the member";
    await until("told", () => said(b, "raft_peer_unreachable", told));
    expect(a.state.connected || b.state.connected).toBe(false);
  });
}

test("a certificate for clients alone is refused, though it has the member's address", async () => {
  const files = AUTHORITY.issue({ names: [hostOf(2)], usages: ["clientAuth"] });
  const [a, b] = await meet(tlsLayer(filesOf(1)), tlsLayer(files));
  await until("refused", () => said(a, "raft_refused", "extended key usage"));
  expect(a.state.connected || b.state.connected).toBe(false);
});

test("a visitor is told by its certificate whose place it may take, and sees that it visits the right node", async () => {
  const visitId = 12;
  const port = await freePort();
  side(1, [port], tlsLayer(filesOf(1)), { visitId });
  const ask = (files: TlsFiles, addr: string, question: string) =>
    new Promise<VisitOutcome>((resolve) => {
      const visitor = new Visitor({
        visitId,
        password: null,
        clock: monotonicClock,
        layer: tlsLayer(files),
        silenceMs: 600,
      });
      visitor.ask(addr, Buffer.from(question), resolve);
    });
  const answered = (outcome: VisitOutcome) =>
    outcome.kind === "answer" ? Buffer.from(outcome.bytes).toString() : outcome.reason;
  const visited = `${hostOf(1)}:${port}`;
  expect(answered(await ask(filesOf(3), visited, `${hostOf(3)}:7000`))).toBe("welcome");
  expect(answered(await ask(filesOf(3), visited, `${hostOf(4)}:7000`))).toContain(
    "is not the one of the member",
  );
  const client = AUTHORITY.issue({ names: [hostOf(3)], usages: ["clientAuth"] });
  expect(answered(await ask(client, visited, `${hostOf(3)}:7000`))).toContain("extended key usage");
  // Under another name it is not the intended node.
  const mistaken = answered(await ask(filesOf(3), `localhost:${port}`, `${hostOf(3)}:7000`));
  expect(mistaken).toContain(`is not the one of the member at localhost:${port}`);
});

test("certificates are replaced for new connections", async () => {
  const layer = tlsLayer(STRANGER);
  const [a, b] = await meet(tlsLayer(filesOf(1)), layer);
  await until("refused", () => said(a, "raft_refused"));
  // Half of a pair was renewed: the pair in force stays.
  expect(() => layer.replace({ ...filesOf(2), key: STRANGER.key })).toThrow();
  layer.replace(filesOf(2));
  await until("connected", () => a.state.connected && b.state.connected);
});

const BOTH: [string, (id: number) => SocketLayer][] = [
  ["TLS", (id) => tlsLayer(filesOf(id))],
  ["TCP", () => tcpLayer],
];

for (const [name, layerOf] of BOTH) {
  test(`${name}: whoever begins no handshake, or stops in it, is put out, and members come in meanwhile`, async () => {
    const ports = [await freePort(), await freePort()];
    const a = side(1, ports, layerOf(1), { silenceMs: 1500 });
    // Beginning of a TLS record, or of a frame.
    const beginning = name === "TLS" ? [22, 3, 1] : [1, 2, 0];
    const idle: { closed: boolean }[] = [];
    while (idle.length < 1000) {
      // The kernel keeps this many ready: a connection that it does not answer comes again only after a
      // second, and then after two.
      if (idle.length % 50 === 0) await Bun.sleep(5);
      const state = { closed: false };
      idle.push(state);
      Bun.connect({
        hostname: hostOf(1),
        port: ports[0]!,
        socket: {
          data: () => {},
          open: (socket) => void socket.write(new Uint8Array(beginning)),
          close: () => void (state.closed = true),
          error: () => void (state.closed = true),
        },
      }).catch(() => (state.closed = true));
    }
    const left = () => idle.filter(({ closed }) => !closed).length;
    await until("bounded", () => left() <= 32);
    const b = side(2, ports, layerOf(2));
    await until("connected", () => a.state.connected && b.state.connected);
    await until("put out", () => left() === 0);
    expect(a.state.connected).toBe(true);
    // A thousand refusals make a few lines.
    expect(a.state.logged.filter((line) => line.startsWith("raft_refused")).length).toBeLessThan(5);
  });
}

for (const [name, layerOf] of BOTH) {
  test(`${name}: strangers without end, at the address that a member comes from, do not keep it out`, async () => {
    const ports = [await freePort(), await freePort()];
    const a = side(1, ports, layerOf(1));
    // All of loopback comes from one address. Each stranger comes again as soon as it is turned away.
    const knock = `const go = () => Bun.connect({ hostname: "${hostOf(1)}", port: ${ports[0]},
      socket: { data() {}, close: go, error() {} } }).catch(() => setTimeout(go, 1));
      for (let i = 0; i < 100; i++) go();`;
    const strangers = Bun.spawn([process.execPath, "-e", knock]);
    try {
      await until("flooded", () => said(a, "raft_refused", "too many new connections a second"));
      const b = side(2, ports, layerOf(2));
      await until("connected", () => a.state.connected && b.state.connected);
      a.transport.send(2, 1, Buffer.from("meanwhile"));
      await until("arrived", () => b.state.frames.length === 1);
      expect(strangers.exitCode).toBe(null);
    } finally {
      strangers.kill();
      await strangers.exited;
    }
  });
}

test("an end of TLS that says nothing afterwards is put out, too", async () => {
  const ports = [await freePort(), await freePort()];
  const a = side(1, ports, tlsLayer(filesOf(1)));
  const socket = tls.connect({
    host: hostOf(1),
    port: ports[0]!,
    ...filesOf(2),
    checkServerIdentity: () => undefined,
  });
  let closed = false;
  socket.on("error", () => {});
  socket.on("close", () => (closed = true));
  await until("put out", () => closed);
  expect(said(a, "raft_refused", "no handshake")).toBe(true);
});

test("a loop that is busy finds at most some 64 new connections when it comes to them", async () => {
  let accepted = 0;
  let port = 0;
  const listener = tcpLayer.listen("127.0.0.1", 0, {
    onListening: (listening) => void (port = listening.port),
    onError: (error) => {
      throw error;
    },
    onKnock: (socket) => {
      accepted++;
      socket.destroy();
      return false;
    },
    onSocket: () => {},
    onRefused: () => {},
  });
  await until("listening", () => port > 0);
  // This loop is blocked while another process knocks; connections without room are not made before that
  // process ends.
  const knock =
    `const up = []; for (let i = 0; i < 300; i++) Bun.connect({ hostname: "127.0.0.1", port: ${port},
    socket: { open: (socket) => up.push(socket), data() {} } }).catch(() => {});
    let before = -1;
    const look = setInterval(() => { if (up.length > 0 && up.length === before) { clearInterval(look);
      process.stdout.write(String(up.length), () => process.exit(0)); } before = up.length; }, 100);`;
  const { stdout } = Bun.spawnSync([process.execPath, "-e", knock]);
  const connected = Number(stdout.toString());
  await until("accepted", () => accepted >= connected);
  listener.close();
  expect(connected).toBeGreaterThan(32);
  expect(connected).toBeLessThan(80);
});
