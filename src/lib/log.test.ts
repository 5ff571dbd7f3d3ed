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
