import { afterEach, expect, test } from "bun:test";
import * as net from "node:net";
import { monotonicClock } from "../node/monotonic_clock.ts";
import { TcpTransport } from "./tcp_transport.ts";
import { until } from "./testing.ts";
import { MEMBER, STRANGER } from "./testing_certificates.ts";
import { type SocketLayer, tcpLayer, type TlsFiles, tlsLayer } from "./socket_layer.ts";

const open: TcpTransport[] = [];

afterEach(() => {
  for (const transport of open.splice(0)) transport.close();
});

async function freePort(): Promise<number> {
  const server = net.createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as net.AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** One of two members; its layer decides what it shows of itself. */
function side(id: number, ports: readonly number[], layer: SocketLayer, password: string | null = null) {
  const other = id === 1 ? 2 : 1;
  const state = { connected: false, frames: [] as string[], logged: [] as string[] };
  const transport = new TcpTransport({
    id,
    clusterId: 1,
    bindAddr: `127.0.0.1:${ports[id - 1]}`,
    peers: [{ id: other, name: null, addr: `127.0.0.1:${ports[other - 1]}` }],
    password,
    clock: monotonicClock,
    random: () => 0.5,
    silenceMs: 600,
    layer,
    log: (_, event, text) => state.logged.push(`${event} ${text}`),
  });
  transport.start({
    onFrame: (_from, _channel, payload) => state.frames.push(Buffer.from(payload).toString()),
    onPeer: (_, connected) => void (state.connected = connected),
  });
  open.push(transport);
  return { transport, state };
}

async function meet(first: SocketLayer, second: SocketLayer, password: string | null = null) {
  const ports = [await freePort(), await freePort()];
  return [side(1, ports, first, password), side(2, ports, second, password)] as const;
}

for (const password of [null, "secret"]) {
  test(`members with certificates of one authority connect${password ? " and prove the password, too" : ""}`, async () => {
    const [a, b] = await meet(tlsLayer(MEMBER), tlsLayer(MEMBER), password);
    await until("connected", () => a.state.connected && b.state.connected);
    a.transport.send(2, 1, Buffer.from("over TLS"));
    const large = "x".repeat(1_000_000);
    b.transport.send(1, 0, Buffer.from(large));
    await until("arrived", () => a.state.frames.length === 1 && b.state.frames.length === 1);
    expect(b.state.frames).toEqual(["over TLS"]);
    expect(a.state.frames[0] === large).toBe(true);
  });
}

const STRANGERS: [string, SocketLayer][] = [
  ["a certificate of another authority", tlsLayer(STRANGER)],
  ["our authority but a stranger's certificate", tlsLayer({ ...STRANGER, ca: MEMBER.ca } satisfies TlsFiles)],
  ["no TLS", tcpLayer],
];

for (const [what, layer] of STRANGERS) {
  test(`a peer with ${what} is not connected, and logged`, async () => {
    const [a, b] = await meet(tlsLayer(MEMBER), layer);
    await until("refused", () => a.state.logged.some((line) => line.startsWith("raft_refused")));
    await until("tried", () => a.state.logged.some((line) => line.startsWith("raft_peer_unreachable")));
    expect(a.state.connected || b.state.connected).toBe(false);
  });
}

test("certificates are replaced for new connections", async () => {
  const layer = tlsLayer(STRANGER);
  const [a, b] = await meet(tlsLayer(MEMBER), layer);
  await until("refused", () => a.state.logged.some((line) => line.startsWith("raft_refused")));
  // Half of a pair was renewed: what is in force stays.
  expect(() => layer.replace({ ...MEMBER, key: STRANGER.key })).toThrow();
  layer.replace(MEMBER);
  await until("connected", () => a.state.connected && b.state.connected);
});
