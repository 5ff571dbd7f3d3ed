/** Which pages may ask a browser for a change, by the headers that browsers send. */
import { expect, test } from "bun:test";
import { createApp } from "./app.ts";
import { type Sender, strangePage } from "./same_origin.ts";
import { startApiServer } from "./server.ts";
import { stubLocalConfig, StubPort } from "./testing.ts";

const OPEN = stubLocalConfig().restapi;
const CLOSED = { ...OPEN, authentication: { username: "admin", password: "x" } };
const TLS = { ...OPEN, certfile: "/cert.pem" };
const MEMBERS = ["http://node2.example:8008/patroni"];
const PAGE = "this request comes from a page of another origin";
const NAME = expect.stringContaining("no member is known by this name");

type Case = readonly [says: string, sender: Partial<Sender>, rules: typeof OPEN, expected: unknown];

const CASES: readonly Case[] = [
  ["a program", { host: "10.0.0.1:8008" }, OPEN, null],
  ["a program behind any name", { host: "pg.example:8008" }, OPEN, null],
  ["the page, by address", { origin: "http://10.0.0.1:8008", host: "10.0.0.1:8008" }, OPEN, null],
  ["the page, by an IPv6 address", { origin: "http://[::1]:8008", host: "[::1]:8008" }, OPEN, null],
  ["the page, by its usual port", { origin: "http://10.0.0.1", host: "10.0.0.1:80" }, CLOSED, null],
  ["a page elsewhere", { origin: "http://evil.example", host: "10.0.0.1:8008" }, CLOSED, PAGE],
  ["a page on another port", { origin: "http://10.0.0.1:9000", host: "10.0.0.1:8008" }, CLOSED, PAGE],
  ["a page of a file", { origin: "null", host: "10.0.0.1:8008" }, CLOSED, PAGE],
  ["an origin that is none", { origin: "x", host: "x" }, CLOSED, PAGE],
  ["no Host to compare with", { origin: "http://10.0.0.1:8008" }, CLOSED, PAGE],
  ["the browser says cross-site", { site: "cross-site", host: "10.0.0.1:8008" }, CLOSED, PAGE],
  [
    "the browser says same-site, which another port of the host is",
    { site: "same-site", origin: "http://10.0.0.1:9000", host: "10.0.0.1:8008" },
    CLOSED,
    PAGE,
  ],
  [
    "a proxy with another Host, and the browser says same-origin",
    { site: "same-origin", origin: "https://pg.example", host: "node1:8008" },
    CLOSED,
    null,
  ],
  ["typed by hand", { site: "none", host: "10.0.0.1:8008" }, OPEN, null],
  ["rebound, no password", { origin: "http://evil.example:8008", host: "evil.example:8008" }, OPEN, NAME],
  [
    "rebound to loopback, no password",
    { site: "same-origin", origin: "http://evil.example:8008", host: "evil.example:8008" },
    OPEN,
    NAME,
  ],
  ["rebound, with a password it lacks", { origin: "http://e.example", host: "e.example" }, CLOSED, null],
  ["rebound, with a certificate it lacks", { origin: "https://e.example", host: "e.example" }, TLS, null],
  ["by a member's name", { origin: "http://node2.example:8008", host: "node2.example:8008" }, OPEN, null],
  ["by localhost", { origin: "http://localhost:8008", host: "localhost:8008" }, OPEN, null],
];

for (const [says, sender, rules, expected] of CASES) {
  test(`asked by ${says}`, () => {
    const whole = { origin: undefined, site: undefined, host: undefined, ...sender };
    expect(strangePage(whole, rules, MEMBERS)).toEqual(expected as string | null);
  });
}

test("an origin that the extra headers name may ask, a star names nobody", () => {
  const sender = { origin: "https://board.example", site: "cross-site", host: "10.0.0.1:8008" };
  const rules = (origin: string) => ({
    ...CLOSED,
    httpExtraHeaders: { "Access-Control-Allow-Origin": origin },
  });
  expect(strangePage(sender, rules("https://board.example"), [])).toBe(null);
  expect(strangePage(sender, rules("*"), [])).toBe(PAGE);
  expect(strangePage({ ...sender, origin: "null" }, rules("null"), [])).toBe(PAGE);
});

test("a password that a browser has kept does not let another page act", async () => {
  const port = new StubPort();
  port.changeRestapi({ authentication: CLOSED.authentication });
  const app = createApp(port, { onError: (error) => expect.unreachable(error.message) });
  const Authorization = `Basic ${btoa("admin:x")}`;
  const ask = (headers: { [name: string]: string }) =>
    app.request("/switchover", {
      method: "POST",
      headers: { Authorization, "Content-Type": "text/plain", ...headers },
      body: '{"leader": "node1", "candidate": "node2"}',
    });
  const refused = await ask({ Origin: "http://evil.example", Host: "10.0.0.1:8008" });
  expect([refused.status, await refused.text()]).toEqual([403, PAGE]);
  expect(port.calls).toEqual([]);
});

test("the server hands over the headers that the decision needs", async () => {
  const port = new StubPort();
  const server = startApiServer(port, stubLocalConfig(), {});
  const ask = async (headers: { [name: string]: string }) => {
    const base = `http://127.0.0.1:${server.port}`;
    return (await fetch(`${base}/reload`, { method: "POST", headers })).status;
  };
  try {
    expect(await ask({})).toBe(202);
    expect(await ask({ Origin: `http://127.0.0.1:${server.port}` })).toBe(202);
    expect(await ask({ Origin: "http://evil.example" })).toBe(403);
    expect(await ask({ "Sec-Fetch-Site": "cross-site" })).toBe(403);
    expect(await ask({ Origin: "http://evil.example", Host: "evil.example" })).toBe(403);
    expect(port.calls).toEqual(["reload", "reload"]);
  } finally {
    await server.stop();
  }
});
