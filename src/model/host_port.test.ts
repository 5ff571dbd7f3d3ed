import { expect, test } from "bun:test";
import {
  addressesClash,
  addressKey,
  formatHostPort,
  isLoopback,
  isWildcard,
  parseHostPort,
  parseListen,
} from "./host_port.ts";

const ADDRESSES: readonly [text: string, host: string | null, port?: number][] = [
  ["10.0.0.1:5432", "10.0.0.1", 5432],
  ["db-1.example.org:1", "db-1.example.org", 1],
  ["localhost:65535", "localhost", 65535],
  ["[::1]:5432", "::1", 5432],
  ["::1:5432", "::1", 5432],
  ["[fe80::1%eth0]:5432", "fe80::1%eth0", 5432],
  ["*:5432", "*", 5432],
  ["my_host:5432", "my_host", 5432],
  ["10.0.0.1", null],
  ["[::1]", null],
  ["10.0.0.1:", null],
  [":5432", null],
  ["10.0.0.1:0", null],
  ["10.0.0.1:65536", null],
  ["10.0.0.1:http", null],
  ["10.0.0.300:80", null],
  ["10.0.0:80", null],
  ["a b:80", null],
  ["a..b:80", null],
  ["-a:80", null],
  ["http://a:80", null],
  ["[::zz]:80", null],
  ["", null],
];

for (const [text, host, port] of ADDRESSES) {
  test(`"${text}" ${host === null ? "is no address" : `is ${host} and ${port}`}`, () => {
    expect(parseHostPort(text)).toEqual(host === null ? null : { host, port: port! });
  });
}

test("a default port stands in for a missing one only", () => {
  expect(parseHostPort("10.0.0.1", 5432)).toEqual({ host: "10.0.0.1", port: 5432 });
  expect(parseHostPort("[::1]", 5432)).toEqual({ host: "::1", port: 5432 });
  expect(parseHostPort("10.0.0.1:99", 5432)).toEqual({ host: "10.0.0.1", port: 99 });
  expect(parseHostPort("10.0.0.1:99999", 5432)).toBeNull();
  expect(parseHostPort("10.0.0.1:", 5432)).toBeNull();
});

test("several addresses listen on one port", () => {
  expect(parseListen("127.0.0.1,10.0.0.1:5433", 5432)).toEqual({
    hosts: ["127.0.0.1", "10.0.0.1"],
    port: 5433,
  });
  expect(parseListen("[::1], 127.0.0.1:5432", null)).toEqual({ hosts: ["::1", "127.0.0.1"], port: 5432 });
  expect(parseListen("*:5432", null)).toEqual({ hosts: ["*"], port: 5432 });
  expect(parseListen("127.0.0.1,", 5432)).toBeNull();
});

test("an address written is the address read", () => {
  for (const text of ["10.0.0.1:5432", "[::1]:5432", "host:1"]) {
    expect(formatHostPort(parseHostPort(text)!)).toBe(text);
  }
});

test("spellings of one address are equal", () => {
  const key = (text: string) => addressKey(parseHostPort(text)!);
  expect(key("[::1]:80")).toBe(key("[0:0:0:0:0:0:0:1]:80"));
  expect(key("Host.Example:80")).toBe(key("host.example.:80"));
  expect(key("host:80")).not.toBe(key("host:81"));
});

test("loopback is what no other host can reach", () => {
  for (
    const host of [
      "127.0.0.1",
      "127.3.2.1",
      "::1",
      "0:0:0:0:0:0:0:1",
      "localhost",
      "LOCALHOST",
      "::ffff:127.0.0.1",
    ]
  ) {
    expect(isLoopback(host)).toBe(true);
  }
  for (const host of ["10.0.0.1", "0.0.0.0", "*", "::", "127.example.org", "localhost.example.org", "::2"]) {
    expect(isLoopback(host)).toBe(false);
  }
});

test("a wildcard is every interface", () => {
  for (const host of ["*", "0.0.0.0", "::", "0::0"]) expect(isWildcard(host)).toBe(true);
  for (const host of ["::1", "0.0.0.1", "localhost"]) expect(isWildcard(host)).toBe(false);
});

const PAIRS: readonly [a: string, b: string, clash: boolean][] = [
  ["127.0.0.1:80", "127.0.0.1:80", true],
  ["127.0.0.1:80", "127.0.0.1:81", false],
  ["127.0.0.1:80", "127.0.0.2:80", false],
  ["*:80", "10.0.0.1:80", true],
  ["0.0.0.0:80", "10.0.0.1:80", true],
  ["[::]:80", "10.0.0.1:80", true],
  ["*:80", "0.0.0.0:80", true],
  ["*:80", "*:81", false],
  ["[::1]:80", "[0::1]:80", true],
  ["[::1]:80", "127.0.0.1:80", false],
  ["Host:80", "host.:80", true],
];

for (const [a, b, clash] of PAIRS) {
  test(`${a} and ${b} ${clash ? "clash" : "do not clash"}`, () => {
    const [one, other] = [parseHostPort(a)!, parseHostPort(b)!];
    expect(addressesClash(one, other)).toBe(clash);
    expect(addressesClash(other, one)).toBe(clash);
  });
}
