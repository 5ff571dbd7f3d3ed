import { expect, test } from "bun:test";
import { withoutAddress } from "./ids.ts";
import { memberFlaw } from "./member_flaw.ts";
import type { MemberRecord } from "./member_record.ts";

const GOOD: MemberRecord = { id: 7, name: "n7", addr: "10.0.0.7:7000", votes: true, replaces: 0 };

function flaw(parts: Partial<Record<keyof MemberRecord, unknown>>): string | null {
  return memberFlaw({ ...GOOD, ...parts } as MemberRecord);
}

test("addresses that members have are none's flaw", () => {
  const addresses = [
    "db1.example:1",
    "a_b:65535",
    "[::1]:7000",
    "[fe80::1%eth0.2]:7000",
    "xn--d1.example:5",
    "",
  ];
  for (const addr of addresses) expect([addr, flaw({ addr })]).toEqual([addr, null]);
  expect(flaw({ addr: withoutAddress("far"), votes: false })).toBeNull();
  expect(flaw({ name: null })).toBeNull();
  expect(flaw({ name: "däta 1" })).toBeNull();
});

test("what nobody can dial is refused, with what was expected", () => {
  const addresses = [
    "10.55.0.9:70000",
    "h:0",
    "h:65536",
    "h",
    "h:",
    ":1",
    "*:5",
    "a b:1",
    "::1:22",
    "[::1]",
    "[x]:1",
    `${"h".repeat(256)}:1`,
    "h:1 ",
    "h%eth0:1",
  ];
  for (const addr of addresses) {
    expect([addr, flaw({ addr })]).toEqual([addr, expect.stringContaining("host:port")]);
  }
  expect(flaw({ addr: "a\nb:1" })).toContain("control characters");
  expect(flaw({ addr: `${"h".repeat(600)}:1` })).toContain("512");
  expect(flaw({ addr: withoutAddress("far") })).toContain("no vote");
  for (const addr of [null, undefined, 5, {}]) expect(flaw({ addr })).not.toBeNull();
});

test("ids and names are those of a member", () => {
  for (const id of [0, -1, 1.5, NaN, 2 ** 48 + 1, "7", null]) expect(flaw({ id })).toContain("ids");
  for (const replaces of [-1, 7, 0.5, Infinity]) expect(flaw({ replaces })).toContain("ids");
  for (const name of ["", "x".repeat(257), 5, {}]) expect(flaw({ name })).toContain("1 to 256");
  for (const name of ["a\u0000b", "a\nb", "\ud800"]) expect(flaw({ name })).toContain("control characters");
  expect(flaw({ votes: 1 })).toContain("votes");
});
