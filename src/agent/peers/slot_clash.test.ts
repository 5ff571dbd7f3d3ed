import { expect, test } from "bun:test";
import { emptyState } from "../../dcs/state_machine.ts";
import { MemoryLog } from "../../lib/log.ts";
import type { DcsState, MemberFacts } from "../../model/records.ts";
import { watchSlotClash } from "./slot_clash.ts";

function facts(name: string): MemberFacts {
  const connUrl = "postgres://127.0.0.1:1/postgres";
  return { name, connUrl, apiUrl: "", proxyUrl: null, raftAddr: "", tags: {}, version: "" };
}

function watched(name: string, names: readonly string[], holder: string | null = null) {
  const empty = emptyState();
  const members = Object.fromEntries(names.map((each) => [each, facts(each)]));
  const state: DcsState = { ...empty, members, lock: { ...empty.lock, holder } };
  const exits: string[] = [];
  const log = new MemoryLog();
  const watch = watchSlotClash({
    name,
    state: () => state,
    log,
    exit: (_code, message) => exits.push(message),
  });
  watch();
  watch();
  return { exits, lines: log.lines };
}

test("the later of two members with one slot ends, with a message that names both; the earlier one goes on", () => {
  const { exits } = watched("a.b", ["a-b", "c", "a.b"]);
  expect(exits).toHaveLength(1);
  expect(exits[0]).toContain("the names a-b and a.b give the same replication slot, a_b");
  expect(watched("a-b", ["a-b", "c", "a.b"]).exits).toEqual([]);
  // Its own record is not there yet: who comes first is not known.
  expect(watched("a.b", ["a-b"]).exits).toEqual([]);
});

test("a primary is not ended for its slot's name: it needs none", () => {
  const { exits, lines } = watched("a.b", ["a-b", "a.b"], "a.b");
  expect(exits).toEqual([]);
  expect(lines).toHaveLength(1);
});
