import { expect, test } from "bun:test";
import * as fc from "fast-check";
import { minimalWith, parse } from "./testing.ts";
import { isSlotNameCut, slotName, slotTakenBy } from "../model/slot_name.ts";

const printable = (maxLength: number) =>
  fc.string({
    unit: fc.integer({ min: 0x20, max: 0x7e }).map((code) => String.fromCharCode(code)),
    minLength: 1,
    maxLength,
  });
const errorsOf = (text: string) =>
  parse(text).issues.filter(({ severity }) => severity === "error").map(({ path, message }) =>
    `${path}: ${message}`
  );
const withName = (name: string) => errorsOf(minimalWith("name: node1", `name: ${JSON.stringify(name)}`));
const withUser = (name: string) =>
  errorsOf(minimalWith("username: replicator", `username: ${JSON.stringify(name)}`));
const withPassword = (password: string) =>
  errorsOf(
    minimalWith(
      "password: hunter2}\n    replication",
      `password: ${JSON.stringify(password)}}\n    replication`,
    ),
  );
const withDirectory = (directory: string) =>
  errorsOf(minimalWith("data_dir: /srv/data", `data_dir: ${JSON.stringify(directory)}`));

test("every name of printable ASCII is taken, but for *, slashes and spaces at its ends, and gives a slot's name", () => {
  fc.assert(fc.property(printable(63), (name) => {
    const fine = !name.includes("/") && name.trim() === name && name !== "*";
    expect(withName(name).length === 0).toBe(fine);
    expect(slotName(name)).toMatch(/^[a-z0-9_]{1,63}$/);
  }));
});

test("a name that PostgreSQL would change in application_name is refused with the reason", () => {
  for (const name of ["nöde", "a\tb", "a\nb", "x".repeat(64), "名", "\u{1f600}"]) {
    expect(withName(name)[0]).toContain("application_name");
  }
  for (const name of ["x/y", " x", "x "]) expect(withName(name)[0]).toContain("slashes");
  expect(withName("__proto__")[0]).toContain("choose another");
  expect(withName("*")[0]).toContain("every standby");
  for (const name of ["constructor", "toString", "proto", "**", "a*"]) expect(withName(name)).toEqual([]);
});

test("users and passwords of any text but control characters, up to what PostgreSQL keeps", () => {
  fc.assert(fc.property(fc.string({ unit: "grapheme", minLength: 1, maxLength: 15 }), (text) => {
    const bytes = new TextEncoder().encode(text).length;
    const plain = !/[\u0000-\u001f\u007f]/.test(text) && text.trim() !== "";
    if (plain && bytes <= 63 && !text.startsWith("pg_")) expect(withUser(text)).toEqual([]);
    if (plain) expect(withPassword(text)).toEqual([]);
  }));
  for (const name of ["a\nb", "a\rb", "x".repeat(64), "ä".repeat(32), "pg_monitor", "public"]) {
    expect(withUser(name)).toHaveLength(1);
  }
  for (const password of ["a\nb", "secret\n", "a\rb", "x".repeat(501)]) {
    expect(withPassword(password)).toHaveLength(1);
  }
});

test("a superuser that initdb cannot make is refused", () => {
  for (const name of ['a"b', "a'b", "a$b", "a\\\\b"]) {
    expect(errorsOf(minimalWith("username: postgres", `username: "${name.replaceAll('"', '\\"')}"`)))
      .toHaveLength(1);
  }
});

test("directories of any text but control characters, up to what PostgreSQL's programs open", () => {
  for (const directory of ["/srv/a b", "/srv/'\"%\\$`", "/srv/ü", `/${"x".repeat(800)}`]) {
    expect(withDirectory(directory)).toEqual([]);
  }
  for (const directory of ["/srv/a\nb", "/srv/\u007f", `/${"x".repeat(900)}`]) {
    expect(withDirectory(directory)).toHaveLength(1);
  }
  const chosen = minimalWith("  data_dir: /srv/raft\n", "").replace("/srv/data", `/${"x".repeat(90)}/data`);
  expect(errorsOf(chosen)[0]).toStartWith("raft.data_dir: is ");
  const raft = (directory: string) => errorsOf(minimalWith("data_dir: /srv/raft", `data_dir: ${directory}`));
  expect(raft(`/${"x".repeat(91)}`)).toEqual([]);
  expect(raft(`/${"x".repeat(92)}`)).toEqual([
    "raft.data_dir: is 1 bytes too long: the guard's socket in it (run/guard.sock) may have 107 bytes in all",
  ]);
});

test("of two members whose names give one slot, the later one in the records gives way", () => {
  expect(slotTakenBy("a.b", ["x", "a-b", "a.b"])).toBe("a-b");
  expect(slotTakenBy("a-b", ["x", "a-b", "a.b"])).toBeNull();
  expect(slotTakenBy("A_B", ["a_b", "A_B"])).toBe("a_b");
  expect(slotTakenBy("a", ["b", "a"])).toBeNull();
  const long = "é".repeat(20);
  expect(slotTakenBy(`${long}1`, [`${long}2`, `${long}1`])).toBe(`${long}2`);
  expect([isSlotNameCut("x".repeat(63)), isSlotNameCut("!".repeat(13))]).toEqual([false, true]);
});
