import { afterEach, expect, test } from "bun:test";
import { connect } from "node:net";
import { MemoryLog } from "../lib/log.ts";
import { ApiClient } from "./client.ts";
import { ListenError } from "./listen_error.ts";
import { type ApiServer, startApiServer } from "./server.ts";
import type { ApiView } from "./port.ts";
import { stubLocalConfig, StubPort } from "./testing.ts";

const running: ApiServer[] = [];
const client = new ApiClient({ timeoutMs: 2000, authentication: null, tls: null });

afterEach(async () => {
  for (const server of running.splice(0)) await server.stop();
});

function start(port = new StubPort(), config = port.view().config): ApiServer {
  const server = startApiServer(port, config, { onError: (error) => expect.unreachable(String(error)) });
  running.push(server);
  return server;
}

const baseOf = (server: ApiServer) => `http://127.0.0.1:${server.port}`;

/** Sends bytes and reads until the other side closes or `until` appears. */
function raw(port: number, bytes: string, until?: string): Promise<string> {
  return new Promise((resolve) => {
    let received = "";
    const socket = connect(port, "127.0.0.1", () => socket.write(bytes));
    socket.setTimeout(2000, () => socket.destroy());
    socket.on("data", (chunk) => {
      received += chunk.toString("latin1");
      if (until !== undefined && received.includes(until)) socket.destroy();
    });
    socket.on("error", () => socket.destroy());
    socket.on("close", () => resolve(received));
  });
}

test("a port in use is an error that names restapi.listen", () => {
  const first = start();
  const second = () => start(new StubPort(), stubLocalConfig(first.port));
  expect(second).toThrow(ListenError);
  expect(second).toThrow(
    `Couldn't start a service on '127.0.0.1:${first.port}' (another program listens there already), ` +
      "please check your `restapi.listen` configuration",
  );
});

test("garbage harms no one else", async () => {
  const server = start();
  const garbage = [
    "\x00\x01\x02\xff\xfe",
    "GET\r\n\r\n",
    "GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n",
    "\r\n".repeat(5000),
  ];
  const dead = garbage.map((bytes) => raw(server.port, bytes, "\r\n\r\n"));
  const reply = await client.request(baseOf(server), "GET", "/primary");
  expect(reply.ok && reply.status).toBe(200);
  await Promise.all(dead);
  expect((await client.cluster(baseOf(server)))?.scope).toBe("demo");
});

test("a connection is kept for the next request, and OPTIONS has no body", async () => {
  const server = start();
  const request = "OPTIONS /primary HTTP/1.1\r\nHost: x\r\n\r\nGET /liveness HTTP/1.1\r\nHost: x\r\n\r\n";
  const answer = await raw(server.port, request, "\r\n\r\nHTTP/1.1 200 OK\r\n");
  expect(answer.match(/HTTP\/1\.1 200 OK/g)).toHaveLength(2);
});

test("a method that is not served is none that is", async () => {
  const port = new StubPort();
  const server = start(port);
  for (const method of ["FOO", "PRI", "get", "Patch", "post", "PROPFIND", "TRACE", "M-SEARCH"]) {
    for (const path of ["/primary", "/config", "/reload", "/no-such-path"]) {
      const answer = await raw(
        server.port,
        `${method} ${path} HTTP/1.1\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}`,
      );
      expect([method, path, answer.split("\r\n")[0], answer.split("\r\n").at(-1)]).toEqual(
        [method, path, "HTTP/1.1 501 Not Implemented", `Unsupported method ('${method}')`],
      );
    }
  }
  expect(port.calls).toEqual([]);
});

test("a check without Host, as HAProxy sends it, is answered", async () => {
  const server = start();
  for (
    const check of [
      "OPTIONS / HTTP/1.0",
      "OPTIONS /primary HTTP/1.0",
      "GET /primary?x=1 HTTP/1.0",
      "HEAD / HTTP/1.0",
      "GET /primary HTTP/1.1",
      "OPTIONS /primary HTTP/1.1",
      "GET /primary HTTP/1.1\r\nHost:",
      "GET /primary HTTP/1.1\r\nHost: [::1",
      "GET /primary HTTP/1.1\r\nHost: a b\"%0a'",
      "GET http://pg1:8008/primary HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade",
    ]
  ) {
    expect(await raw(server.port, `${check}\r\n\r\n`, "\r\n\r\n")).toMatch(/^HTTP\/1\.[01] 200 /);
  }
  expect(await raw(server.port, "OPTIONS /replica HTTP/1.0\r\n\r\n", "\r\n\r\n")).toMatch(
    /^HTTP\/1\.[01] 503 /,
  );
});

test("a request that a proxy in front may read in another way is refused, and what follows it is not read", async () => {
  const port = new StubPort();
  const server = start(port);
  const heads = {
    "Host: a\r\nHost: b": 400,
    "Content-Length: 2\r\nContent-Length: 40": 400,
    "Content-Length: 2\r\nTransfer-Encoding: chunked": 411,
    "Content-Length: 2\r\nTransfer-Encoding : chunked": 400,
    "Content-Length: 2\r\n continued": 400,
  };
  for (const [lines, status] of Object.entries(heads)) {
    const hidden = "POST /reload HTTP/1.1\r\nContent-Length: 0\r\n\r\n";
    const answer = await raw(server.port, `POST /reload HTTP/1.1\r\n${lines}\r\n\r\n{}${hidden}`);
    expect([lines, answer.match(/^HTTP\/1\.1 \d+/gm)]).toEqual([lines, [`HTTP/1.1 ${status}`]]);
  }
  expect(port.calls).toEqual([]);
});

test("a body of more than a mebibyte is refused", async () => {
  const server = start();
  const reply = await client.request(baseOf(server), "PATCH", "/config", {
    body: { x: "y".repeat(1024 * 1024) },
  });
  expect(reply.ok && reply.status).toBe(413);
});

test("the source address decides about unsafe requests", async () => {
  const port = new StubPort();
  port.changeRestapi({ allowlist: ["192.0.2.1"] });
  const server = start(port);
  const denied = await client.request(baseOf(server), "POST", "/reload");
  expect(denied.ok && denied.status).toBe(403);
  port.changeRestapi({ allowlist: ["127.0.0.0/8"] });
  const allowed = await client.request(baseOf(server), "POST", "/reload");
  expect(allowed.ok && allowed.status).toBe(202);
});

test("a reload without a change keeps the listener, one with a bad address too", async () => {
  const server = start();
  const other = start();
  const kept = server.port;
  server.reload(stubLocalConfig(0));
  expect(server.port).toBe(kept);
  expect(() => server.reload(stubLocalConfig(other.port))).toThrow(ListenError);
  expect((await client.cluster(baseOf(server)))?.scope).toBe("demo");
});

test("* listens for IPv4 as well as IPv6, and is refused where someone listens already", async () => {
  const port = new StubPort();
  port.changeRestapi({ listen: { host: "*", port: 0 }, allowlist: ["127.0.0.1"] });
  const server = start(port);
  const reply = await client.request(baseOf(server), "POST", "/reload");
  expect(reply.ok && reply.status).toBe(202);
  port.changeRestapi({ listen: { host: "*", port: server.port } });
  expect(() => start(port)).toThrow(`Couldn't start a service on '*:${server.port}' (another program`);
});

test("the client tells why it got no answer", async () => {
  const server = start();
  const base = baseOf(server);
  await server.stop();
  const refused = await client.request(base, "GET", "/primary");
  expect(refused).toEqual({ ok: false, error: "connection refused" });
});

test("a switchover is answered when it is over", async () => {
  const port = new StubPort();
  port.onFailover = ({ id }) =>
    setTimeout(() =>
      port.changeDcs({
        failover: null,
        lock: { ...port.view().dcs!.lock, holder: "node2" },
        failoverResults: [{ id, ok: true, text: 'Successfully switched over to "node2"' }],
      }), 50);
  const reply = await client.request(baseOf(start(port)), "POST", "/switchover", {
    body: { leader: "node1", candidate: "node2" },
  });
  expect(reply.ok && [reply.status, reply.text]).toEqual([200, 'Successfully switched over to "node2"']);
});

test("a denied request leaves a line with its address, and a flood of them from there no other", async () => {
  const port = new StubPort();
  port.changeRestapi({ authentication: { username: "a", password: "b" } });
  const log = new MemoryLog();
  const server = startApiServer(port, port.view().config, {
    onError: (error) => expect.unreachable(String(error)),
    log,
  });
  running.push(server);
  const forged =
    "POST /reload%0a2026-01-01%2000:00:00,000%20INFO:%20promoted HTTP/1.1\r\nContent-Length: 0\r\n\r\n";
  // Each is the last of its connection.
  for (let round = 0; round < 5; round++) {
    const answers = await Promise.all(Array.from({ length: 10 }, () => raw(server.port, forged.repeat(3))));
    expect(answers.join("").match(/HTTP\/1\.1 401 Unauthorized/g)).toHaveLength(10);
  }
  expect(log.lines).toEqual([
    String
      .raw`WARNING: 127.0.0.1: "POST" "/reload\n2026-01-01 00:00:00,000 INFO: promoted" denied: 401 no auth header received`,
  ]);
});

test("no body is waited for before the access is granted", async () => {
  const port = new StubPort();
  port.changeRestapi({ authentication: { username: "a", password: "b" } });
  const server = start(port);
  const head = "POST /restart HTTP/1.1\r\nContent-Length: 100\r\n";
  expect(await raw(server.port, `${head}\r\n`)).toStartWith("HTTP/1.1 401 Unauthorized\r\n");
  const authorized = `${head}Authorization: Basic ${btoa("a:b")}\r\n\r\n`;
  expect(await raw(server.port, `${authorized}${"{}".padEnd(100)}`, "restarted")).toStartWith(
    "HTTP/1.1 200 OK\r\n",
  );
  expect(port.calls).toEqual(["restart null"]);
});

class CountingPort extends StubPort {
  views = 0;

  override view(): ApiView {
    this.views++;
    return super.view();
  }
}

test("thousands of pipelined requests are answered from what was made once in 50 ms", async () => {
  for (
    const path of [
      "/metrics",
      "/metrics/?a=b",
      "/%6detrics",
      "/cluster",
      "/history",
      "/patroni",
      "/agent/raft",
    ]
  ) {
    const port = new CountingPort();
    const server = start(port);
    port.views = 0;
    const beginMs = performance.now();
    const request = `GET ${path} HTTP/1.1\r\n\r\n`;
    const pipelined = `${request.repeat(99)}${request.replace(/\r\n\r\n$/, "\r\nConnection: close\r\n\r\n")}`;
    const answers = await Promise.all(Array.from({ length: 5 }, () => raw(server.port, pipelined)));
    const periods = Math.ceil((performance.now() - beginMs) / 50) + 1;
    expect(answers.join("").match(/HTTP\/1\.1 200 OK/g)).toHaveLength(500);
    // Each making of an answer looks a few times.
    expect([path, port.views < 10 * periods]).toEqual([path, true]);
  }
});

test("an answer is not given again when the state has changed, or the lease has ended", async () => {
  const port = new StubPort();
  const server = start(port);
  const code = async (path: string) => {
    const reply = await client.request(baseOf(server), "GET", path);
    return reply.ok && reply.status;
  };
  expect([await code("/primary"), await code("/primary")]).toEqual([200, 200]);
  port.lease = false;
  expect(await code("/primary")).toBe(503);
  port.lease = true;
  expect([await code("/primary"), (await client.cluster(baseOf(server)))?.pause]).toEqual([200, undefined]);
  port.changeDynamic({ pause: true });
  expect((await client.cluster(baseOf(server)))?.pause).toBe(true);
});
