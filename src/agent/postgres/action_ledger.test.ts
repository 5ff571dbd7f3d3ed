import { expect, test } from "bun:test";
import { ActionLedger } from "./action_ledger.ts";
import { PostgresMemory } from "./memory.ts";

function opened() {
  const memory = new PostgresMemory();
  let atMs = 0;
  const ledger = new ActionLedger(memory, () => ++atMs);
  return { memory, ledger };
}

test("one action at a time: another one does not begin, and what a former one says does not count", () => {
  const { memory, ledger } = opened();
  const clone = ledger.begin("clone", "from b")!;
  expect(ledger.begin("start", "standby")).toBeNull();
  ledger.progress(clone, "12 %");
  expect(memory.action).toMatchObject({ kind: "clone", detail: "12 %", sinceMs: 1 });
  const stop = ledger.beginStop("fast")!;
  ledger.progress(clone, "13 %");
  expect(ledger.finish(clone, "cancelled")).toBe(false);
  expect({ running: ledger.running, last: memory.last }).toEqual({ running: "stop", last: {} });
  expect(ledger.finish(stop, null)).toBe(true);
  expect({ running: ledger.running, action: memory.action }).toEqual({ running: null, action: null });
});

test("a stop gives way to a harder one only", () => {
  const { ledger } = opened();
  ledger.beginStop("fast");
  expect(ledger.beginStop("fast")).toBeNull();
  expect(ledger.beginStop("immediate")).not.toBeNull();
  expect(ledger.beginStop("kill")).not.toBeNull();
  expect(ledger.beginStop("kill")).toBeNull();
  expect(ledger.beginStop("fast")).toBeNull();
});

test("failures in a row are counted for each kind, until it succeeds", () => {
  const { memory, ledger } = opened();
  const fail = () => ledger.finish(ledger.begin("start", "primary")!, "no such file");
  fail();
  fail();
  expect(memory.last["start"]).toMatchObject({ ok: false, detail: "no such file", failures: 2 });
  expect(memory.failure).toBe("start failed");
  ledger.finish(ledger.begin("clone", "from b")!, "gone");
  expect({ clone: memory.last["clone"]?.failures, state: memory.failure }).toEqual({
    clone: 1,
    state: "start failed",
  });
  ledger.finish(ledger.begin("start", "primary")!, null);
  expect(memory.last["start"]).toMatchObject({ ok: true, detail: "primary", failures: 0 });
});

test("a directory that is set aside is touched by nothing else; other quiet work runs beside an action", () => {
  const { memory, ledger } = opened();
  expect(ledger.beginQuiet("set-aside")).toBe(true);
  expect(ledger.begin("clone", "from b")).toBeNull();
  expect(ledger.beginQuiet("compare-history")).toBe(false);
  // A stop changes nothing in it.
  expect(ledger.beginStop("kill")).not.toBeNull();
  ledger.finishQuiet("set-aside", "EBUSY");
  expect(memory.last["set-aside"]).toMatchObject({ ok: false, failures: 1 });
  expect(ledger.beginQuiet("set-aside")).toBe(false);
  expect(ledger.beginQuiet("compare-history")).toBe(true);
});
