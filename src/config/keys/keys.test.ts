import { expect, test } from "bun:test";
import { effectiveDynamic } from "../dynamic.ts";
import { describeIssue } from "../issues.ts";
import { MINIMAL, parsedConfig } from "../testing.ts";
import { validateDynamic } from "../dynamic_validate.ts";
import { DYNAMIC_KEYS } from "./dynamic.ts";
import type { DynamicKey, RootConfig } from "./dynamic.ts";
import { postgresqlSchema } from "./postgresql.ts";
import { rowsOf } from "./row.ts";
import { localSchema } from "./root.ts";
import { watchdogSchema } from "./watchdog.ts";
import { section, text } from "../fields.ts";

const LOCAL = parsedConfig(MINIMAL);
const DEFAULTS = effectiveDynamic({}, LOCAL).config;

for (const [field, row] of Object.entries<DynamicKey<unknown>>(DYNAMIC_KEYS)) {
  test(`the example of ${row.key} is accepted and is not the default`, () => {
    // Some keys have no effect without it.
    const dcs = { synchronous_mode: "on", [row.key]: row.example };
    const about = (path: string) => path === row.key || path.startsWith(`${row.key}.`);
    expect(validateDynamic(dcs).filter(({ path }) => about(path)).map(describeIssue)).toEqual([]);
    const { config } = effectiveDynamic(dcs, LOCAL);
    expect(config[field as keyof RootConfig]).not.toEqual(DEFAULTS[field as keyof RootConfig]);
  });

  test(`the old names of ${row.key} mean the same`, () => {
    const now = effectiveDynamic({ [row.key]: row.example }, LOCAL).config;
    for (const old of row.was ?? []) {
      expect(effectiveDynamic({ [old]: row.example }, LOCAL).config).toEqual(now);
    }
  });
}

test("every key of the file has a row, and a row says something", () => {
  const sections = [
    rowsOf(localSchema.omit({ tags: true })),
    rowsOf(postgresqlSchema, ["postgresql"]),
    rowsOf(watchdogSchema, ["watchdog"]),
  ];
  const silent = sections.flat().filter((row) => row.text.meaning === "").map(({ path }) => path.join("."));
  expect(silent).toEqual([]);
  expect(() => rowsOf(section({ odd: text.optional() }), ["raft"])).toThrow("raft.odd has no row");
});
