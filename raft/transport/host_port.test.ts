import { expect, test } from "bun:test";
import { parseHostPort } from "./host_port.ts";

test("addresses are split into host and port", () => {
  expect(parseHostPort("10.0.0.1:2222")).toEqual({ host: "10.0.0.1", port: 2222 });
  expect(parseHostPort("db1.example:1")).toEqual({ host: "db1.example", port: 1 });
  expect(parseHostPort("[::1]:2222")).toEqual({ host: "::1", port: 2222 });
  expect(parseHostPort("*:5")).toEqual({ host: null, port: 5 });
  expect(parseHostPort(":5")).toEqual({ host: null, port: 5 });
});

test("what is no address is refused", () => {
  for (const text of ["", "host", "host:", "host:70000", "::1:22:x", "a:b"]) {
    expect(() => parseHostPort(text)).toThrow("not an address");
  }
});
