import { expect, test } from "bun:test";
import * as fc from "fast-check";
import { MINIMAL, minimalWith, parse, parsedConfig } from "./testing.ts";

const errorsOf = (text: string) =>
  parse(text).issues.filter(({ severity }) => severity === "error").map(({ path }) => path);
const withKeys = (...lines: string[]) =>
  MINIMAL.replace("postgresql:\n", lines.map((line) => `  ${line}\n`).join("") + "postgresql:\n");
const open = (...lines: string[]) =>
  withKeys("connect_address: 10.0.0.1:8008", ...lines).replace(
    "listen: 127.0.0.1:8001",
    "listen: 0.0.0.0:8008",
  );
const TLS = ["certfile: /c", "keyfile: /k", "cafile: /a"];

const ACCESS: readonly [name: string, text: string, refused: boolean][] = [
  ["on every interface, open to everybody", open(), true],
  ["the same with a list of addresses", open("allowlist: [10.0.0.0/24]"), true],
  ["with TLS, which asks for nothing", open(...TLS), true],
  ["with a password", open("authentication: {username: a, password: b}"), false],
  ["with a password in the old form", open("auth: a:b"), false],
  ["with client certificates for all", open("verify_client: required", ...TLS), false],
  ["with client certificates for changes", open("verify_client: optional", ...TLS), false],
  ["open on purpose", open("allow_unauthenticated: true"), false],
  ["open on purpose, switched off again", open("allow_unauthenticated: off"), true],
  ["on loopback", MINIMAL, false],
  ["on loopback, by name", minimalWith("listen: 127.0.0.1:8001", "listen: localhost:8001"), false],
  ["on an address of its own", minimalWith("listen: 127.0.0.1:8001", "listen: 10.0.0.1:8001"), true],
];

for (const [name, text, refused] of ACCESS) {
  test(`a REST API ${name}: ${refused ? "refused" : "accepted"}`, () => {
    expect(errorsOf(text)).toEqual(refused ? ["restapi.authentication"] : []);
  });
}

test("a password in the old form that is empty is none", () => {
  for (const auth of ["'a:'", "'a: '", "a", "':b'"]) {
    expect([auth, errorsOf(withKeys(`auth: ${auth}`))]).toEqual([auth, ["restapi.auth"]]);
  }
});

test("an allowlist holds addresses, networks and host names, nothing else", () => {
  for (
    const entry of ["10.0.0.1", "10.0.0.0/8", "0.0.0.0/0", "::1", "fd00::/8", "db1.example.com", "localhost"]
  ) {
    expect([entry, errorsOf(withKeys(`allowlist: ["${entry}"]`))]).toEqual([entry, []]);
  }
  const wrong = [
    "10.0.0.0/33",
    "10.0.0.0/",
    "10.0.0.0/a",
    "fd00::/129",
    "host/24",
    "10.0.0",
    "10.0.0.1:80",
    "*",
    "a b",
  ];
  for (const entry of [...wrong, "10.0.0.0/8/8", "10.0.0.0/-1", "-x"]) {
    expect([entry, errorsOf(withKeys(`allowlist: ["${entry}"]`))]).toEqual([entry, ["restapi.allowlist[0]"]]);
  }
});

test("every header that is accepted can be set on an answer, and no other is accepted", () => {
  const name = fc.oneof(
    fc.string({ unit: "binary", minLength: 1, maxLength: 8 }),
    fc.constantFrom("X-A", "Content-Length"),
  );
  fc.assert(
    fc.property(name, fc.string({ unit: "binary", maxLength: 12 }), (key, value) => {
      const section = { http_extra_headers: { [key]: value } };
      const { config } = parse(
        `${MINIMAL}`.replace(
          "  listen: 127.0.0.1:8001\n",
          `  listen: 127.0.0.1:8001\n  http_extra_headers: ${JSON.stringify(section.http_extra_headers)}\n`,
        ),
      );
      if (config === null) return;
      const headers = new Headers({ "content-type": "text/plain" });
      for (const [one, text] of Object.entries(config.restapi.httpExtraHeaders)) headers.set(one, text);
      expect(headers.get(key)).toBe(value.trim());
    }),
    { numRuns: 100 },
  );
});

test("headers that would break every answer are refused", () => {
  const headers: [string, string][] = [
    ["X A", "x"],
    ["X:", "x"],
    ["", "x"],
    ["X-Ä", "x"],
    ["X", "a\nb"],
    ["X", "a\r\nSet-Cookie: b"],
    ["X", "€"],
    ["X", "x".repeat(5000)],
    ["Transfer-Encoding", "chunked"],
    ["content-length", "5"],
  ];
  for (const [name, value] of headers) {
    for (const key of ["http_extra_headers", "https_extra_headers"]) {
      const text = withKeys(`${key}: ${JSON.stringify({ [name]: value })}`);
      expect([name, value, errorsOf(text).length]).toEqual([name, value, 1]);
    }
  }
  expect(parsedConfig(withKeys('http_extra_headers: {X-Frame-Options: " DENY "}')).restapi.httpExtraHeaders)
    .toEqual({ "X-Frame-Options": "DENY" });
});
