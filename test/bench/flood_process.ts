/**
 * What strangers do to a REST port, in a process of its own, at full speed until the time is over. usage:
 * flood_process.ts SCHEME HOST PORT KIND SECONDS [SOURCE [USER:PASSWORD]]; SCHEME: http, https. Prints
 * {"connections", "sent", "received"} (bytes). With "--list" for HOST it prints the kinds that fit the
 * scheme.
 */
import { type Socket } from "bun";

const [scheme, host, port, kind, seconds, source, user = ""] = process.argv.slice(2) as [
  string,
  string,
  string,
  string,
  string,
  string?,
  string?,
];
const endMs = performance.now() + Number(seconds) * 1000;
const count = { connections: 0, sent: 0, received: 0 };

interface Flood {
  /** Open at a time. */
  readonly connections: number;
  /** Sent at once when a connection is up. */
  readonly first: () => string | Uint8Array;
  /** Sent again and again as long as it is up, every so many ms. */
  readonly then?: { readonly text: () => string; readonly everyMs: number };
  /** Sent for each piece of an answer that comes. */
  readonly answered?: () => string;
  /** A connection is closed and opened anew after so many ms, or when something came; else it is kept. */
  readonly renewMs?: number;
  /** Reads nothing. */
  readonly deaf?: boolean;
  /** Shakes hands, whatever the port speaks. */
  readonly tls?: boolean;
  /**
   * What it is for a port that speaks HTTPS. too: the same over TLS; only: there is no such flood of plain
   * HTTP. @default none
   */
  readonly https?: "too" | "only";
}

const get = (path: string, headers = "") => `GET ${path} HTTP/1.1\r\n${headers}\r\n`;
const post = (path: string, headers: string) => `POST ${path} HTTP/1.1\r\n${headers}\r\n`;
/** The beginning of a ClientHello of 512 bytes. */
const helloHead = new Uint8Array([22, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3]);
const again = (text: string, everyMs = 1) => ({ text: () => text, everyMs });
const authorized = `Authorization: Basic ${Buffer.from(user).toString("base64")}\r\n`;
const random = () => Math.random().toString(36).slice(2);

const FLOODS: { readonly [kind: string]: Flood } = {
  "pipelined /metrics": {
    connections: 60,
    first: () => get("/metrics").repeat(100),
    then: again(get("/metrics").repeat(100), 20),
    https: "too",
  },
  "pipelined /cluster": {
    connections: 60,
    first: () => get("/cluster").repeat(100),
    then: again(get("/cluster").repeat(100), 20),
    https: "too",
  },
  "/primary flat out, 32 connections": {
    connections: 32,
    first: () => get("/primary"),
    answered: () => get("/primary"),
    https: "too",
  },
  "4,000 single connections": {
    connections: 4000,
    first: () => get("/primary", "Connection: close\r\n"),
    renewMs: 1000,
    https: "too",
  },
  "bodies that never come": {
    connections: 3000,
    first: () => post("/restart", "Content-Length: 100\r\n"),
    https: "too",
  },
  "handshakes that are not finished": { connections: 3000, first: () => helloHead, https: "only" },
  "handshakes without end": { connections: 200, first: () => "", renewMs: 5, tls: true, https: "only" },
  "bad Host headers": {
    connections: 50,
    first: () => get("/", `Host: [${random()}"\r\n`).repeat(50),
    then: again(get("/", 'Host: a b%0a"\r\n').repeat(50), 10),
  },
  "line ends in paths": {
    connections: 50,
    first: () => post(`/reload%0a${random()}`, "Content-Length: 0\r\n").repeat(50),
    then: {
      text: () => post(`/x%0a2026-01-01%20INFO:%20${random()}`, "Content-Length: 0\r\n").repeat(50),
      everyMs: 10,
    },
  },
  "slow bodies": {
    connections: 500,
    first: () => post("/config", "Content-Length: 100000\r\nAuthorization: Basic x\r\n"),
    then: again("x", 500),
    renewMs: 5000,
  },
  "slow heads": { connections: 500, first: () => "GET / HTTP/1.1\r\n", then: again("x: y\r\n", 500) },
  "large heads": {
    connections: 100,
    first: () => get("/", `${`x: ${"y".repeat(150)}\r\n`.repeat(90)}`).repeat(4),
    renewMs: 50,
  },
  "2,000 silent connections": { connections: 2000, first: () => "", renewMs: 20_000 },
  "large bodies": {
    connections: 60,
    first: () => post("/config", "Content-Length: 900000\r\n") + "x".repeat(900_000),
    renewMs: 50,
    https: "too",
  },
  "HEAD, OPTIONS, POST, PATCH": {
    connections: 60,
    first: () =>
      `HEAD / HTTP/1.1\r\n\r\nOPTIONS /replica HTTP/1.0\r\nConnection: keep-alive\r\n\r\n${
        post("/switchover", "Content-Length: 2\r\n")
      }{}`,
    renewMs: 20,
  },
  "upgrades to websockets": {
    connections: 60,
    first: () =>
      get(
        "/",
        "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: x\r\n",
      ).repeat(20),
    renewMs: 20,
  },
  "bytes that are no HTTP": {
    connections: 200,
    first: () => crypto.getRandomValues(new Uint8Array(2000)),
    renewMs: 10,
  },
  "TLS on a plain port": { connections: 200, first: () => "", tls: true, renewMs: 50 },
  "answers that nobody reads": {
    connections: 200,
    first: () => get("/metrics").repeat(400),
    deaf: true,
    https: "too",
  },
  "with the password: unusable configurations": {
    connections: 60,
    first: () => {
      const body = `{"x":${"[".repeat(100_000)}`;
      return `PATCH /config HTTP/1.1\r\n${authorized}Content-Length: ${body.length}\r\n\r\n${body}`;
    },
    renewMs: 20,
  },
  "with the password: reloads": {
    connections: 60,
    first: () => post("/reload", `${authorized}Content-Length: 0\r\n`).repeat(20),
    then: again(post("/reload", `${authorized}Content-Length: 0\r\n`).repeat(20), 20),
  },
  "with the password: switchovers to nobody": {
    connections: 60,
    first: () => {
      const body = '{"leader":"node9","candidate":"nobody"}';
      return (post("/switchover", `${authorized}Content-Length: ${body.length}\r\n`) + body).repeat(20);
    },
    renewMs: 50,
  },
  "paths at random": {
    connections: 60,
    first: () => get(`/${random()}`).repeat(50),
    then: { text: () => get(`/agent/dcs/${random()}?${random()}`).repeat(50), everyMs: 10 },
  },
};

const fits = ({ https }: Flood) => scheme === "https" ? https !== undefined : https !== "only";
if (host === "--list") {
  process.stdout.write(
    JSON.stringify(Object.entries(FLOODS).filter(([, flood]) => fits(flood)).map(([name]) => name)),
  );
} else run(FLOODS[kind] ?? fail(`unknown: ${kind}`));

function fail(message: string): never {
  throw new Error(message);
}

function run(flood: Flood): void {
  for (let i = 0; i < flood.connections; i++) setTimeout(() => void connect(flood), Math.random() * 100);
  setTimeout(() => {
    process.stdout.write(JSON.stringify(count));
    process.exit(0);
  }, endMs - performance.now());
}

async function connect(flood: Flood): Promise<void> {
  if (performance.now() > endMs) return;
  let over = false;
  let timer: ReturnType<typeof setInterval> | undefined;
  const next = () => {
    if (over) return;
    over = true;
    clearInterval(timer);
    // What was refused or cut is tried again, not faster than a patient stranger would.
    setTimeout(() => void connect(flood), 5);
  };
  const send = (socket: Socket, data: string | Uint8Array) => {
    if (over) return;
    count.sent += Math.max(0, socket.write(data));
  };
  const begin = (socket: Socket) => {
    count.connections++;
    if (flood.deaf) socket.pause();
    send(socket, flood.first());
    const { then, renewMs } = flood;
    if (then) timer = setInterval(() => send(socket, then.text()), then.everyMs);
    if (renewMs !== undefined) {
      setTimeout(() => {
        socket.terminate();
        next();
      }, renewMs);
    }
  };
  const local = source === undefined ? {} : { localAddress: source };
  try {
    await Bun.connect({
      hostname: host,
      port: Number(port),
      ...local,
      ...(flood.tls || scheme === "https" && flood.https === "too"
        ? { tls: { rejectUnauthorized: false } }
        : {}),
      socket: {
        open: (socket) => begin(socket as Socket),
        data: (socket, chunk) => {
          count.received += chunk.length;
          if (flood.answered) send(socket as Socket, flood.answered());
        },
        close: next,
        error: next,
        connectError: next,
      },
    });
  } catch {
    next(); // refused: what is expected of the other side
  }
}
