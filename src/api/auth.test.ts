import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { hostname } from "node:os";
import type { RestApiConfig } from "../model/config.ts";
import { Allowlist } from "./allowlist.ts";
import { createApp } from "./app.ts";
import { StubPort } from "./testing.ts";

interface Case {
  readonly says: string;
  readonly config: Partial<RestApiConfig>;
  readonly ip?: string;
  readonly clientCertificate?: boolean;
  readonly authorization?: string;
  readonly code: number;
  readonly text?: string;
}

const authentication = { username: "admin", password: "geheim:ü" };
const right = `Basic ${Buffer.from("admin:geheim:ü").toString("base64")}`;
const wrong = `Basic ${Buffer.from("admin:falsch").toString("base64")}`;
const tls = { certfile: "/x", verifyClient: "optional" } as const;

const CASES: readonly Case[] = [
  { says: "nothing is configured", config: {}, code: 202 },
  { says: "no header", config: { authentication }, code: 401, text: "no auth header received" },
  {
    says: "a wrong password",
    config: { authentication },
    authorization: wrong,
    code: 401,
    text: "not authenticated",
  },
  {
    says: "another scheme",
    config: { authentication },
    authorization: "Bearer x",
    code: 401,
    text: "not authenticated",
  },
  { says: "the right password", config: { authentication }, authorization: right, code: 202 },
  { says: "a listed address", config: { allowlist: ["192.0.2.7"] }, ip: "192.0.2.7", code: 202 },
  {
    says: "an address in IPv6 clothes",
    config: { allowlist: ["192.0.2.7"] },
    ip: "::ffff:192.0.2.7",
    code: 202,
  },
  { says: "a listed network", config: { allowlist: ["192.0.2.0/24"] }, ip: "192.0.2.99", code: 202 },
  { says: "a listed IPv6 network", config: { allowlist: ["2001:db8::/32"] }, ip: "2001:db8::5", code: 202 },
  {
    says: "an address that is not listed",
    config: { allowlist: ["192.0.2.0/24"], authentication },
    ip: "198.51.100.1",
    authorization: right,
    code: 403,
    text: "Access is denied",
  },
  { says: "a member's address", config: { allowlistIncludeMembers: true }, ip: "10.0.0.2", code: 202 },
  { says: "an address of no member", config: { allowlistIncludeMembers: true }, ip: "10.0.0.9", code: 403 },
  { says: "no client certificate", config: tls, code: 403, text: "client certificate required" },
  { says: "a client certificate", config: tls, clientCertificate: true, code: 202 },
  {
    says: "a client certificate but no password",
    config: { ...tls, authentication },
    clientCertificate: true,
    code: 401,
  },
];

for (
  const { says, config, ip = "192.0.2.1", clientCertificate = false, authorization, code, text } of CASES
) {
  test(`an unsafe request with ${says} is answered ${code}`, async () => {
    const port = new StubPort();
    port.changeRestapi(config);
    const app = createApp(port, { onError: (error) => expect.unreachable(String(error)) });
    const headers: Record<string, string> = authorization === undefined
      ? {}
      : { Authorization: authorization };
    const response = await app.request("/reload", { method: "POST", headers }, { ip, clientCertificate });
    expect(response.status).toBe(code);
    if (text !== undefined) expect(await response.text()).toBe(text);
    expect(response.headers.get("WWW-Authenticate")).toBe(code === 401 ? 'Basic realm="Patroni"' : null);
  });
}

test("safe requests need nothing", async () => {
  const port = new StubPort();
  port.changeRestapi({ authentication, allowlist: ["192.0.2.7"], ...tls });
  const app = createApp(port, { onError: (error) => expect.unreachable(String(error)) });
  for (const path of ["/patroni", "/cluster", "/config", "/metrics", "/history"]) {
    expect((await app.request(path)).status).toBe(200);
  }
});

test("members' addresses do not count for POST /failsafe", async () => {
  const members = new Allowlist({
    entries: ["192.0.2.7"],
    includeMembers: true,
    memberUrls: () => ["http://10.0.0.2:8008/patroni"],
  });
  expect(await members.allows("10.0.0.2", true)).toBe(true);
  expect(await members.allows("10.0.0.2", false)).toBe(false);
});

test("names are taken from the hosts file and the name servers, and none is waited for without end", async () => {
  const asked: string[] = [];
  const names = new Allowlist({
    entries: ["admin.example", "dead.example", "nobody.example"],
    includeMembers: true,
    memberUrls: () => ["http://node2.example:8008/patroni"],
    resolve: (name) => {
      asked.push(name);
      if (name === "dead.example") return new Promise(() => {});
      if (name === "nobody.example") return Promise.reject(new Error("not found"));
      return Promise.resolve(name === "admin.example" ? ["192.0.2.7", "2001:db8::7"] : ["10.0.0.2"]);
    },
  });
  const allowed = async (source: string) => await names.allows(source, true);
  expect([await allowed("2001:db8::7"), await allowed("::ffff:10.0.0.2"), await allowed("192.0.2.8")])
    .toEqual([true, true, false]);
  // Each was asked for once.
  expect(asked.sort()).toEqual(["admin.example", "dead.example", "nobody.example", "node2.example"]);
});

const inHosts = new RegExp(`^127[.]0[.]0[.]1\\s.*\\b${hostname()}\\b`, "m");
test.skipIf(!inHosts.test(readFileSync("/etc/hosts", "utf8")))(
  "a name of the hosts file lets its address in",
  async () => {
    const names = new Allowlist({ entries: [hostname()], includeMembers: false, memberUrls: () => [] });
    expect([await names.allows("127.0.0.1", true), await names.allows("192.0.2.1", true)]).toEqual([
      true,
      false,
    ]);
  },
);

test("extra headers are sent with every answer, those for HTTPS only there", async () => {
  const port = new StubPort();
  port.changeRestapi({
    httpExtraHeaders: { "X-Frame-Options": "DENY" },
    httpsExtraHeaders: { "X-Tls": "1" },
  });
  const app = createApp(port, { onError: (error) => expect.unreachable(String(error)) });
  const plain = await app.request("/primary");
  expect([plain.headers.get("X-Frame-Options"), plain.headers.get("X-Tls")]).toEqual(["DENY", null]);
  port.changeRestapi({ certfile: "/x" });
  const secure = await app.request("/nonsense");
  expect([secure.headers.get("X-Frame-Options"), secure.headers.get("X-Tls")]).toEqual(["DENY", "1"]);
});

test("an endpoint that is not there asks for access first, and is 501 to those who have it", async () => {
  const port = new StubPort();
  port.changeRestapi({ authentication });
  const app = createApp(port, { onError: (error) => expect.unreachable(String(error)) });
  for (const path of ["/citus", "/mpp", "/sigterm", "/nonsense", "/agent/nonsense", "/"]) {
    for (const method of ["POST", "PUT", "PATCH", "DELETE"]) {
      const codes = await Promise.all(
        ["", wrong, right].map(async (text) => {
          const headers: Record<string, string> = text === "" ? {} : { Authorization: text };
          return (await app.request(path, { method, headers })).status;
        }),
      );
      expect([method, path, codes]).toEqual([method, path, [401, 401, 501]]);
    }
  }
});
