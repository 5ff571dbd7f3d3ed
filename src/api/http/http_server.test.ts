/**
 * What a stranger can take of the server, and that others are served meanwhile. Times are this test's own,
 * short ones.
 */
import { afterEach, expect, test } from "bun:test";
import { connect, type Socket } from "node:net";
import { LimitedLog } from "../../lib/limited_log.ts";
import { MemoryLog } from "../../lib/log.ts";
import { type Answer, textAnswer } from "./answer.ts";
import { BodyMissing, type HttpRequest } from "./connection.ts";
import { ConnectionTable } from "./connection_table.ts";
import { HttpServer } from "./http_server.ts";
import { addressGroup, HTTP_LIMITS, type HttpLimits } from "./limits.ts";

const servers: HttpServer[] = [];
const sockets: Socket[] = [];

afterEach(() => {
  for (const socket of sockets.splice(0)) socket.destroy();
  for (const server of servers.splice(0)) server.stop();
});

const SHORT: Partial<HttpLimits> = { headMs: 300, bodyMs: 300, idleMs: 600, writeMs: 300 };

function serve(
  limits: Partial<HttpLimits> = {},
  answer: (request: HttpRequest) => Answer | Promise<Answer> = ({ head }) => textAnswer(200, head.path),
) {
  const log = new MemoryLog();
  const server = new HttpServer({
    hostname: "127.0.0.1",
    port: 0,
    tls: null,
    limits: { ...HTTP_LIMITS, ...limits },
    log: new LimitedLog(log, () => performance.now()),
    answer,
    onError: (error) => expect.unreachable(String(error)),
  });
  servers.push(server);
  return { server, log };
}

/** A client of the address; `received` grows until `closed` is true. */
function open(server: HttpServer, bytes = "", localAddress = "127.0.0.1", allowHalfOpen = false) {
  const client = { received: "", closed: false, afterMs: 0, socket: null as unknown as Socket };
  const beginMs = performance.now();
  client.socket = connect(
    { port: server.port, host: "127.0.0.1", localAddress, allowHalfOpen },
    () => client.socket.write(bytes),
  );
  client.socket.on("data", (chunk) => client.received += chunk.toString("latin1"));
  client.socket.on("error", () => client.socket.destroy());
  client.socket.on("close", () => {
    client.closed = true;
    client.afterMs = performance.now() - beginMs;
  });
  sockets.push(client.socket);
  return client;
}

async function until(what: string, condition: () => boolean): Promise<void> {
  const endMs = performance.now() + 10_000;
  while (!condition()) {
    if (performance.now() > endMs) throw new Error(`not within 10 s: ${what}`);
    await Bun.sleep(5);
  }
}

const count = (text: string, part: RegExp) => (text.match(part) ?? []).length;

test("each phase has a deadline: no byte, half a head, a head byte by byte, no body, an answer that nobody takes", async () => {
  const large = new Uint8Array(8 * 1024 * 1024);
  const { server, log } = serve(SHORT, async ({ head, body }) => {
    if (head.path === "/large") return { status: 200, headers: "", body: large };
    try {
      await body();
      return textAnswer(200, "");
    } catch (error) {
      expect(error).toBeInstanceOf(BodyMissing);
      return textAnswer(408, "no body");
    }
  });
  const silent = open(server);
  const half = open(server, "GET / HTTP/1.1\r\nHost:");
  const slow = open(server, "G");
  const dripping = setInterval(() => slow.closed || slow.socket.write("x"), 20);
  const bodiless = open(server, "POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nabc");
  const deaf = open(server, "GET /large HTTP/1.1\r\n\r\n");
  deaf.socket.pause();
  const idle = open(server, "GET / HTTP/1.1\r\n\r\n");
  try {
    await until("closed", () => [silent, half, slow, bodiless, idle].every(({ closed }) => closed));
  } finally {
    clearInterval(dripping);
  }
  deaf.socket.resume();
  await until("the deaf one is closed", () => server.connections === 0);
  expect(silent.received).toBe("");
  for (const one of [half, slow, bodiless]) {
    expect(one.received).toStartWith("HTTP/1.1 408 Request Timeout\r\n");
  }
  expect(idle.received).toStartWith("HTTP/1.1 200 OK\r\n");
  for (const one of [silent, half, slow, bodiless]) expect(one.afterMs).toBeGreaterThan(250);
  expect(log.lines).toContain("WARNING: 127.0.0.1: connection closed: no request came");
  expect(log.lines).toContain("WARNING: 127.0.0.1: connection closed: the body of its request did not come");
  expect(log.lines).toContain("WARNING: 127.0.0.1: connection closed: it did not take its answer");
});

test("one address cannot take the connections of others, and its own next request still comes through", async () => {
  const { server } = serve({ connections: 12, connectionsPerAddress: 8 });
  const held = Array.from({ length: 40 }, () => open(server, "GET / HT", "127.0.0.2"));
  await until("the table is full for that address", () => held.filter(({ closed }) => closed).length === 32);
  expect(server.connections).toBe(8);
  const others = ["127.0.0.3", "127.0.0.4", "127.0.0.5"].flatMap((address) =>
    [1, 2].map(() => open(server, "GET /other HTTP/1.1\r\n\r\n", address))
  );
  const own = open(server, "GET /own HTTP/1.1\r\n\r\n", "127.0.0.2");
  await until(
    "all are answered",
    () => [...others, own].every(({ received }) => received.includes("200 OK")),
  );
  expect(server.connections).toBeLessThanOrEqual(12);
});

test("a connection whose request is being answered is not dropped for another", async () => {
  let release = () => {};
  const { server, log } = serve(
    { connectionsPerAddress: 2 },
    ({ head }) =>
      head.path === "/wait"
        ? new Promise((resolve) => release = () => resolve(textAnswer(200, "waited")))
        : textAnswer(200, ""),
  );
  const waiting = [1, 2].map(() => open(server, "GET /wait HTTP/1.1\r\n\r\n"));
  await until("both are in", () => server.connections === 2);
  await Bun.sleep(20);
  const late = open(server, "GET / HTTP/1.1\r\n\r\n");
  await until("the third is refused", () => late.closed);
  expect(late.received).toBe("");
  expect(log.lines).toEqual(["WARNING: 127.0.0.1: connection refused: too many are open"]);
  release();
  await until("one is answered", () => waiting.some(({ received }) => received.endsWith("waited")));
});

/** More than the kernel keeps of a connection. */
const LARGE = { status: 200, headers: "", body: new Uint8Array(8 * 1024 * 1024) };

/** Asks for an answer, and takes nothing of it. */
function greedy(server: HttpServer, localAddress: string) {
  const client = open(server, "GET /large HTTP/1.1\r\nConnection: close\r\n\r\n", localAddress);
  client.socket.pause();
  return client;
}

test("clients that do not take their answers keep others neither out nor without memory", async () => {
  // What is kept of their answers is no reason here to cut one off.
  const unsentBytes = 2 ** 30;
  const limits = { connections: 3, connectionsPerAddress: 2, slowWriteMs: 50, writeMs: 60_000, unsentBytes };
  const { server } = serve(limits, ({ head }) => head.path === "/large" ? LARGE : textAnswer(200, ""));
  const held = ["127.0.0.2", "127.0.0.2", "127.0.0.3"].map((address) => greedy(server, address));
  await until("all are in", () => server.connections === 3);
  // A client that comes before one of them has been slow for long enough is turned away, and comes again.
  const come = (address: string) => open(server, "GET / HTTP/1.1\r\n\r\n", address);
  for (const address of ["127.0.0.2", "127.0.0.4"]) {
    let next = come(address);
    await until("others come through", () => {
      if (next.closed && !next.received.includes("200 OK")) next = come(address);
      return next.received.includes("200 OK");
    });
  }
  for (const { socket } of held) socket.destroy();

  const few = serve({ unsentBytes: 20 * 1024 * 1024, writeMs: 60_000 }, () => LARGE);
  const three = ["127.0.0.2", "127.0.0.3", "127.0.0.4"].map((at) => greedy(few.server, at));
  await until(
    "one is cut off",
    () => few.log.lines.join().includes("it did not take its answer, and others wait"),
  );
  expect(few.server.connections).toBe(2);
  for (const { socket } of three) socket.resume();
  await until("all have ended", () => three.every(({ closed }) => closed));
  expect(three.filter(({ received }) => received.length > LARGE.body.length).length).toBe(2);
  // Read to the end: nothing more is kept of them.
  const again = ["127.0.0.2", "127.0.0.3"].map((at) => greedy(few.server, at));
  await until("both are in", () => few.server.connections === 2);
  expect(again.some(({ closed }) => closed)).toBe(false);
});

test("pipelined requests are answered in order, and connections in turn", async () => {
  const order: string[] = [];
  const waiting: (() => void)[] = [];
  const { server } = serve({}, ({ head }) => {
    order.push(head.path);
    // The first of each waits for the first of the other.
    if (order.length > 2) return textAnswer(200, head.path);
    return new Promise((resolve) => waiting.push(() => resolve(textAnswer(200, head.path))));
  });
  const pipelined = (name: string) =>
    Array.from({ length: 100 }, (_, i) => `GET /${name}${i} HTTP/1.1\r\n\r\n`).join("");
  const clients = ["a", "b"].map((name) => open(server, pipelined(name)));
  await until("both first ones are asked", () => waiting.length === 2);
  for (const go of waiting) go();
  await until(
    "all are answered",
    () => clients.every(({ received }) => count(received, /HTTP\/1\.1 200/g) === 100),
  );
  for (const name of ["a", "b"]) {
    expect(order.filter((path) => path[1] === name)).toEqual(
      Array.from({ length: 100 }, (_, i) => `/${name}${i}`),
    );
  }
  const ahead = order.map((_, i) =>
    order.slice(0, i + 1).reduce((sum, path) => sum + (path[1] === "a" ? 1 : -1), 0)
  );
  expect(Math.max(...ahead.map(Math.abs))).toBeLessThanOrEqual(2);
});

test("what is pipelined beyond the bound is dropped, and the connection with it", async () => {
  const { server } = serve({ pipelineBytes: 1000 });
  const flood = open(server, "GET /x HTTP/1.1\r\n\r\n".repeat(20_000));
  await until("closed", () => flood.closed);
  const answers = count(flood.received, /HTTP\/1\.1 200/g);
  expect(answers).toBeGreaterThan(0);
  expect(answers).toBeLessThan(20_000);
});

test("a body is read only when it is asked for, with 100 Continue where the client waits for that", async () => {
  const { server } = serve({}, async ({ head, body }) => {
    if (head.path === "/denied") return textAnswer(401, "no");
    return textAnswer(200, new TextDecoder().decode(await body()));
  });
  const denied = open(server, "POST /denied HTTP/1.1\r\nContent-Length: 1000000\r\n\r\nxx");
  await until("denied", () => denied.closed);
  expect(denied.received).toContain("401 Unauthorized");
  expect(denied.received).toContain("connection: close");
  const expecting = open(server, "POST / HTTP/1.1\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n");
  await until("continue", () => expecting.received === "HTTP/1.1 100 Continue\r\n\r\n");
  expecting.socket.write("abcdGET /next HTTP/1.1\r\n\r\n");
  await until("both are answered", () => count(expecting.received, /HTTP\/1\.1 200/g) === 2);
  expect(expecting.received).toContain("abcdHTTP/1.1 200");
});

test("requests that change something are bounded by address and in all, while health checks are answered", async () => {
  const { server, log } = serve(
    { unsafe: 6, unsafePerAddress: 4 },
    ({ head }) => head.method === "GET" ? textAnswer(200, "well") : new Promise(() => {}),
  );
  const many = (address: string) =>
    Array.from({ length: 5 }, () => open(server, "POST / HTTP/1.1\r\nContent-Length: 0\r\n\r\n", address));
  const first = many("127.0.0.2");
  await until("the fifth is refused", () => first.some(({ received }) => received.includes(" 503 ")));
  const second = many("127.0.0.3");
  await until(
    "three are refused",
    () => second.filter(({ received }) => received.includes(" 503 ")).length === 3,
  );
  const check = open(server, "GET / HTTP/1.1\r\n\r\n", "127.0.0.3");
  await until("the check is answered", () => check.received.endsWith("well"));
  expect(log.lines[0]).toBe("WARNING: 127.0.0.2: too many requests are under way");
});

test("bytes that are no request are refused with what was expected, and logged within bounds", async () => {
  const { server, log } = serve(SHORT);
  const bad = open(server, "GET /\u001b[2J\r\nx\r\n\r\n");
  await until("refused", () => bad.closed);
  expect(bad.received).toStartWith("HTTP/1.1 400 Bad Request\r\n");
  expect(bad.received).toEndWith("the first line must be METHOD PATH HTTP/1.1");
  for (let i = 0; i < 200; i++) open(server, `${"x".repeat(i)}\r\n\r\n`);
  await until("all are refused", () => server.connections === 0);
  expect(log.lines.length).toBeLessThan(15);
});

test("HEAD says how long the body is, and nothing of an answer is added by a header", async () => {
  const { server } = serve();
  const head = open(server, "HEAD /abc HTTP/1.0\r\n\r\n");
  await until("closed", () => head.closed);
  expect(head.received).toContain("content-length: 4\r\n");
  expect(head.received.endsWith("\r\n\r\n")).toBe(true);
});

test("a connection that has rested has the same deadlines again as soon as it sends something", async () => {
  const limits = { headMs: 300, bodyMs: 300, writeMs: 300, idleMs: 60_000 };
  const late = {
    "the rest of a head": "GET / HT",
    "a body": "POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\n",
    "a client that takes its answer": "GET /large HTTP/1.1\r\n\r\n",
  };
  await Promise.all(
    Object.entries(late).map(async ([what, bytes]) => {
      // One server for each: the deadline of one connection would bring a look at all.
      const { server } = serve(limits, async ({ head, body }) => {
        if (head.path === "/large") return LARGE;
        if (head.method === "GET") return textAnswer(200, "done");
        return await body().then(() => expect.unreachable(), () => textAnswer(408, "no body came"));
      });
      const rested = open(server, "GET / HTTP/1.1\r\n\r\n");
      await until("it is answered", () => rested.received.endsWith("done"));
      // The first look comes at the deadline of the first head, and the next one long after this test.
      await Bun.sleep(600);
      if (bytes.includes("large")) rested.socket.pause();
      rested.socket.write(bytes);
      await until(`${what} is missed`, () => server.connections === 0);
      if (!bytes.includes("large")) {
        await until("the client is told", () => rested.received.includes("HTTP/1.1 408 Request Timeout\r\n"));
      }
    }),
  );
});

test("stop ends what waits and lets what is under way be answered", async () => {
  let release = () => {};
  const { server } = serve(
    {},
    () => new Promise((resolve) => release = () => resolve(textAnswer(200, "done"))),
  );
  const idle = open(server);
  const busy = open(server, "GET / HTTP/1.1\r\n\r\n");
  await until("both are in", () => server.connections === 2);
  await Bun.sleep(20);
  server.stop();
  await until("the idle one is closed", () => idle.closed);
  release();
  await until("the other is answered and closed", () => busy.closed);
  expect(busy.received).toContain("connection: close");
  expect(busy.received).toEndWith("done");
});

test("addresses are grouped by what one host can have", () => {
  expect(addressGroup("10.0.0.1")).toBe("10.0.0.1");
  expect(addressGroup("::ffff:10.0.0.1")).toBe("10.0.0.1");
  expect(addressGroup("2001:DB8:0:1::5")).toBe("2001:db8:0:1::/64");
  expect(addressGroup("2001:db8:0:1:ffff:1:2:3")).toBe("2001:db8:0:1::/64");
  expect(addressGroup("::1")).toBe("0:0:0:0::/64");
  expect(addressGroup("fe80::1%eth0")).toBe("fe80:0:0:0::/64");
});

test("a client that ends its side with its request is answered, whatever stands behind it", async () => {
  const { server } = serve({}, async ({ head, body }) => {
    await Bun.sleep(20);
    if (head.method !== "POST") return textAnswer(200, head.path);
    try {
      return textAnswer(200, new TextDecoder().decode(await body()));
    } catch (error) {
      expect(error).toBeInstanceOf(BodyMissing);
      return textAnswer(408, "no body");
    }
  });
  const get = "GET /x HTTP/1.1\r\n\r\n";
  const post = "POST / HTTP/1.1\r\nContent-Length: 4\r\n\r\n";
  const ended = async (bytes: string) => {
    const client = open(server, bytes, "127.0.0.1", true);
    client.socket.on("connect", () => client.socket.end());
    await until("closed", () => client.closed);
    return client.received.match(/ (200|408) /g)?.length ?? 0;
  };
  expect(
    await Promise.all(
      [get, get + get, `${post}abcd`, `${post}ab`, `${get}GET /half HT`, "GET", ""].map(ended),
    ),
  )
    .toEqual([1, 2, 1, 1, 1, 0, 0]);
  await until("nothing is left open", () => server.connections === 0);
});

test("when the table is full, the largest holder makes room, never one that is being answered", () => {
  const table = new ConnectionTable<{ address: string; waits: boolean; drop(): void }>({
    connections: 4,
    connectionsPerAddress: 3,
  });
  const dropped: string[] = [];
  const entry = (name: string, address: string, waits = true) => {
    const one = { address, waits, drop: () => void (dropped.push(name), table.remove(one)) };
    return one;
  };
  expect(table.add(entry("a1", "10.0.0.1", false))).toBe(true);
  expect(table.add(entry("a2", "10.0.0.1"))).toBe(true);
  expect(table.add(entry("a3", "10.0.0.1"))).toBe(true);
  expect(table.add(entry("b1", "10.0.0.2", false))).toBe(true);
  expect(table.add(entry("c1", "10.0.0.3", false))).toBe(true);
  expect(dropped).toEqual(["a2"]);
  expect(table.add(entry("d1", "10.0.0.4", false))).toBe(true);
  expect(dropped).toEqual(["a2", "a3"]);
  expect(table.add(entry("e1", "10.0.0.5"))).toBe(false);
  expect(table.size).toBe(4);
});
