import { expect, test } from "bun:test";
import { MemorySink } from "./line_sink.ts";
import { Logger, MemoryLog, parseLevel } from "./log.ts";

const atMs = new Date(2026, 0, 31, 9, 5, 7, 12).getTime();

test("the plain layout is date, comma milliseconds, level, text", () => {
  const sink = new MemorySink();
  new Logger({ sink, now: () => atMs }).info("lock", "Lock owner: a; I am a", { epoch: 3 });
  expect(sink.lines).toEqual(["2026-01-31 09:05:07,012 INFO: Lock owner: a; I am a"]);
});

test("the JSON layout carries event, fields and static fields", () => {
  const sink = new MemorySink();
  const log = new Logger({ sink, now: () => atMs, type: "json", staticFields: { app: "pg" } });
  log.error("lost", "lease lost", { epoch: 3 });
  expect(JSON.parse(sink.lines[0] ?? "")).toEqual({
    asctime: "2026-01-31 09:05:07,012",
    levelname: "ERROR",
    message: "lease lost",
    event: "lost",
    epoch: 3,
    app: "pg",
  });
});

test("events below the level are not written", () => {
  const log = new MemoryLog("warning");
  log.debug("a", "a");
  log.info("b", "b");
  log.warning("c", "c");
  log.critical("d", "d");
  expect(log.lines).toEqual(["WARNING: c", "CRITICAL: d"]);
});

test("a reload can change level and destination", () => {
  const before = new MemorySink();
  const after = new MemorySink();
  const log = new Logger({ sink: before, level: "error", now: () => atMs });
  log.configure({ sink: after, level: "debug", now: () => atMs });
  log.debug("x", "now seen");
  expect(after.lines.length).toBe(1);
});

test("level names are those of Patroni's configuration", () => {
  expect(["DEBUG", "info", "WARN", "WARNING", "ERROR", "FATAL", "CRITICAL", "loud"].map(parseLevel)).toEqual(
    ["debug", "info", "warning", "warning", "error", "critical", "critical", null],
  );
});

test("levels go by the beginning of the event, and the longest one counts", () => {
  const sink = new MemorySink();
  const levels = { raft: "error", "raft.tls": "debug", decision: "debug" } as const;
  const log = new Logger({ sink, level: "warning", levels, now: () => atMs });
  log.info("start", "no");
  log.warning("start", "start");
  log.warning("raft", "no");
  log.warning("raft.wal", "no");
  log.debug("raft.tls", "tls");
  log.warning("rafts", "not raft");
  log.debug("decision.keeper", "keeper");
  const texts = sink.lines.map((line) => line.slice(24));
  expect(texts).toEqual(["WARNING: start", "DEBUG: tls", "WARNING: not raft", "DEBUG: keeper"]);
  log.configure({ sink, level: "warning", levels: { "": "debug" }, now: () => atMs });
  log.debug("raft.wal", "all");
  expect(sink.lines.at(-1)).toEndWith("DEBUG: all");
});

test("a layout and a form of dates that were asked for", () => {
  const sink = new MemorySink();
  const log = new Logger({
    sink,
    now: () => atMs,
    format: "%(levelname)-7s %(name)s %(asctime)s | %(message)s",
  });
  log.info("lock", "text");
  log.configure({ sink, now: () => atMs, dateFormat: "%d.%m.%Y %H:%M" });
  log.info("lock", "text");
  expect(sink.lines).toEqual([
    "INFO    lock 2026-01-31 09:05:07,012 | text",
    "31.01.2026 09:05 INFO: text",
  ]);
});

test("the fields of a JSON line, and other names for them", () => {
  const sink = new MemorySink();
  const jsonFields = [["created", "time"], ["levelname", "level"], ["message", "message"], ["name", "logger"]]
    .map(([field, name]) => ({ field: field!, name: name! }));
  const log = new Logger({ sink, now: () => atMs, type: "json", jsonFields });
  log.info("lock", "text", { epoch: 3 });
  log.configure({ sink, type: "json", jsonFields: [{ field: "event", name: "what" }] });
  log.info("lock", "text");
  expect(sink.lines.map((line) => JSON.parse(line))).toEqual([
    { time: atMs / 1000, level: "INFO", message: "text", logger: "lock", event: "lock", epoch: 3 },
    { what: "lock" },
  ]);
});

test("stacks of calls are left out where they are for debugging only", () => {
  const sink = new MemorySink();
  const log = new Logger({ sink, tracebackLevel: "debug" });
  log.error("x", "Error: it broke\n    at f (a.ts:1:1)\n    at g (b.ts:2:2)");
  log.configure({ sink, tracebackLevel: "debug", level: "debug" });
  log.error("x", "Error: it broke\n    at f (a.ts:1:1)");
  log.configure({ sink });
  log.error("x", "Error: it broke\n    at f (a.ts:1:1)");
  const texts = sink.lines.map((line) => line.slice(24));
  expect(texts).toEqual([
    "ERROR: Error: it broke",
    "ERROR: Error: it broke\\n    at f (a.ts:1:1)",
    "ERROR: Error: it broke\\n    at f (a.ts:1:1)",
  ]);
});

test("lines that were lost stay counted when the log goes elsewhere, and are not counted twice", () => {
  const [first, second] = [new MemorySink(), new MemorySink()];
  const log = new Logger({ sink: first });
  first.lost = 3;
  log.configure({ sink: second });
  second.lost = 2;
  expect(log.counts()).toEqual({ queued: 0, lost: 5 });
  log.configure({ sink: first });
  expect(log.counts()).toEqual({ queued: 0, lost: 5 });
  first.lost = 4;
  expect(log.counts()).toEqual({ queued: 0, lost: 6 });
});
