import { expect, test } from "bun:test";
import { anyInput, spoiled } from "../../raft/testing.ts";
import { MAX_NAME_BYTES } from "../config/names.ts";
import { awaitMissing, formatSetting, NO_SYNC, parseSetting, settingFor, takesAnybody } from "./setting.ts";

const first = (count: number, ...names: string[]) => ({ method: "FIRST" as const, count, names });
const any = (count: number, ...names: string[]) => ({ method: "ANY" as const, count, names });

test.each([
  ["one", settingFor(["b"], 1, false), '"b"'],
  ["two of two", settingFor(["c", "b"], 2, false), 'FIRST 2 ("b","c")'],
  ["a quorum, in the order of names", settingFor(["b", "a"], 1, true), 'ANY 1 ("a","b")'],
  ["a quorum of one", settingFor(["b"], 1, true), 'ANY 1 ("b")'],
  ["a name with a quotation mark", settingFor(['a"b'], 1, false), '"a""b"'],
  ["nobody", settingFor([], 1, true), ""],
  [
    "strict and alone",
    awaitMissing(false),
    '"__patroni_strict_sync_replica_placeholder__:longer_than_any_application_name"',
  ],
  [
    "strict and alone, in quorum mode",
    awaitMissing(true),
    'ANY 1 ("__patroni_strict_sync_replica_placeholder__:longer_than_any_application_name")',
  ],
])("%s is written as Patroni writes it", (_, setting, text) => {
  expect(formatSetting(setting)).toBe(text);
  const read = parseSetting(text)!;
  expect([read.count, read.names]).toEqual([setting.count, setting.names]);
});

test("no application_name is as long as the name of the standby that is missing", () => {
  for (const isQuorum of [false, true]) {
    const { names } = awaitMissing(isQuorum);
    expect(names.map((name) => Buffer.byteLength(name) > MAX_NAME_BYTES)).toEqual([true]);
  }
});

test.each([
  ["", NO_SYNC],
  ["   \n", NO_SYNC],
  ["b", first(1, "b")],
  ["b, c", first(1, "b", "c")],
  ['"B b", c', first(1, "B b", "c")],
  ["*", first(1, "*")],
  ["2 (b,c)", first(2, "b", "c")],
  ["first 2 (b,c)", first(2, "b", "c")],
  ["ANY 1(b , c)", any(1, "b", "c")],
  ['any 1 ("a""b",*)', any(1, 'a"b', "*")],
  ["größe, ноде", first(1, "größe", "ноде")],
  ['"🐘"', first(1, "🐘")],
  ["1", first(1, "1")],
  ['"any"', first(1, "any")],
])("%p is read as PostgreSQL reads it", (text, setting) => {
  expect(parseSetting(text)).toEqual(setting);
});

test.each([
  "b c",
  "ANY (b)",
  "ANY 0 (b)",
  "any",
  "FIRST 1 b",
  "1 (b",
  '"b',
  "b,",
  ",b",
  "2 ()",
  "a-b",
  "b;c",
])(
  "%p is refused as by PostgreSQL",
  (text) => {
    expect(parseSetting(text)).toBe(null);
  },
);

test("a star is a standby that nobody knows", () => {
  expect([takesAnybody(parseSetting("ANY 1 (*)")!), takesAnybody(awaitMissing(true))]).toEqual([true, false]);
  expect(takesAnybody(settingFor(["b"], 1, true))).toBe(false);
});

const samples = ['ANY 2 ("a","b""c",*)', "FIRST 1 (größe, b)"].map((text) => new TextEncoder().encode(text));

anyInput("synchronous_standby_names", spoiled(samples), (bytes) => {
  const setting = parseSetting(new TextDecoder().decode(bytes));
  if (setting !== null) expect(parseSetting(formatSetting(setting))).not.toBe(null);
});
