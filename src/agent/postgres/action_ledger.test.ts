import { expect, test } from "bun:test";
import { beginCopy } from "../../model/copy_status.ts";
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

test("a promotion counts as standing still only once the server was told", () => {
  const { memory, ledger } = opened();
  ledger.begin("promote", "epoch 1");
  expect(memory.action?.movedMs).toBeUndefined();
  memory.moved("promote", 7);
  expect(memory.action?.movedMs).toBe(7);
});

test("a start that is killed has failed, and one that is stopped in order has not", () => {
  for (const kind of ["start", "restart"] as const) {
    const { memory, ledger } = opened();
    ledger.begin(kind, "primary");
    ledger.beginStop("fast");
    expect(memory.last.start).toBeUndefined();
    const hung = opened();
    hung.ledger.begin(kind, "primary");
    hung.ledger.beginStop("kill");
    expect(hung.memory.last.start).toMatchObject({ ok: false, detail: "cancelled (kill stop)", failures: 1 });
  }
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

test("a copy that failed names its source, unless it was cancelled", () => {
  const { memory, ledger } = opened();
  const begin = () => ledger.begin("clone", "from b", beginCopy("b", true))!;
  const clone = begin();
  expect(memory.action?.copy).toEqual(beginCopy("b", true));
  ledger.progress(clone, "from b, 50 %", { ...beginCopy("b", true), doneBytes: 5, totalBytes: 10 });
  expect(memory.action).toMatchObject({ detail: "from b, 50 %", copy: { doneBytes: 5, totalBytes: 10 } });
  const { movedMs } = memory.action!;
  expect(movedMs).toBeGreaterThan(clone.sinceMs);
  ledger.progress(clone, "from b, still 50 %", { ...beginCopy("b", true), doneBytes: 5, totalBytes: 10 });
  expect(memory.action!.movedMs).toBe(movedMs);
  ledger.finish(clone, "broken");
  expect(memory.last.clone).toMatchObject({ ok: false, from: "b", failures: 1 });
  ledger.finish(begin(), "cancelled", true);
  expect(memory.last.clone).toMatchObject({ ok: false, failures: 2 });
  expect(memory.last.clone?.from).toBeUndefined();
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

test("a restart that a stop has put an end to has failed", () => {
  const { memory, ledger } = opened();
  const restart = ledger.begin("restart", "")!;
  ledger.beginStop("kill");
  expect(memory.last["restart"]).toMatchObject({ ok: false, detail: "cancelled (kill stop)" });
  expect(memory.action!.sinceMs).toBeGreaterThanOrEqual(memory.last["restart"]!.atMs);
  expect(ledger.finish(restart, null)).toBe(false);
  expect(memory.last["restart"]).toMatchObject({ ok: false });
});
