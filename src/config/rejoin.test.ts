import { expect, test } from "bun:test";
import type { JsonObject } from "../model/json.ts";
import { Issues } from "./issues.ts";
import { checkRejoin, readRejoin } from "./rejoin.ts";

function said(section: JsonObject): string[] {
  const issues = new Issues();
  checkRejoin(section, ["postgresql"], issues);
  return issues.list.map(({ severity, path, message }) => `${severity} ${path}: ${message}`);
}

test("use_pg_rewind says how a server comes back where rejoin does not", () => {
  expect(readRejoin({})).toEqual(["reclone"]);
  expect(readRejoin({ use_pg_rewind: "on" })).toEqual(["rewind", "reclone"]);
  expect(readRejoin({ use_pg_rewind: true, rejoin: ["hold"] })).toEqual(["hold"]);
  expect(readRejoin({ rejoin: ["rewind", "hold"] })).toEqual(["rewind", "hold"]);
  expect(readRejoin({ rejoin: null, use_pg_rewind: true })).toEqual(["rewind", "reclone"]);
});

test("a list of ways is judged: known, in the order in which they are tried, each once", () => {
  expect(said({})).toEqual([]);
  for (const rejoin of [["rewind"], ["rewind", "reclone", "hold"], ["reclone"], ["hold"]]) {
    expect(said({ rejoin })).toEqual([]);
  }
  expect(said({ rejoin: ["rewind", "pray"] })).toEqual([
    'error postgresql.rejoin: expected some of rewind, reclone, hold, got text "pray"',
  ]);
  expect(said({ rejoin: [] })).toEqual(["error postgresql.rejoin: expected some of rewind, reclone, hold"]);
  for (const rejoin of [["reclone", "rewind"], ["rewind", "rewind", "reclone"]]) {
    expect(said({ rejoin })).toEqual([
      "error postgresql.rejoin: is tried in the order rewind, reclone, hold: write [rewind, reclone]",
    ]);
  }
});

test("use_pg_rewind that says otherwise is warned of", () => {
  expect(said({ rejoin: ["reclone"], use_pg_rewind: true })).toEqual([
    "warning postgresql.use_pg_rewind: has no effect beside rejoin, which says otherwise",
  ]);
  expect(said({ rejoin: ["rewind"], use_pg_rewind: true })).toEqual([]);
});
