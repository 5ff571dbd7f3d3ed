import { expect, test } from "bun:test";
import fc from "fast-check";
import { KindLimiter, LimitedLog } from "./limited_log.ts";
import { MemorySink } from "./line_sink.ts";
import { Logger, MemoryLog } from "./log.ts";
import { oneLine, quotedOutside } from "./plain_text.ts";

test("lines are limited by kind, whatever their text, and what was left out is said with the next one", () => {
  let nowMs = 0;
  const log = new MemoryLog();
  const limited = new LimitedLog(log, () => nowMs);
  for (let i = 0; i < 5000; i++) limited.add("warning", "restapi.denied", `denied to 192.0.2.${i}`);
  expect(log.lines).toHaveLength(10);
  limited.add("warning", "restapi.bad_request", "another kind has its own budget");
  expect(log.lines.at(-1)).toBe("WARNING: another kind has its own budget");
  nowMs = 6000;
  limited.add("warning", "restapi.denied", "denied to 192.0.2.1");
  expect(log.lines.at(-1)).toBe(
    "WARNING: denied to 192.0.2.1 (and 4990 more of this kind since the last such line)",
  );
  limited.add("warning", "restapi.denied", "denied to 192.0.2.1");
  expect(log.lines).toHaveLength(12);
});

test("one that goes on has one line a minute, which counts the others, and leaves room for everybody else", () => {
  let nowMs = 0;
  const log = new MemoryLog();
  const limited = new LimitedLog(log, () => nowMs);
  const deny = (ip: string) => limited.add("warning", "restapi.denied", `denied to ${ip}`, ip);
  for (; nowMs < 59_000; nowMs += 100) deny("192.0.2.1");
  deny("192.0.2.2");
  expect(log.lines).toEqual(["WARNING: denied to 192.0.2.1", "WARNING: denied to 192.0.2.2"]);
  nowMs = 60_000;
  deny("192.0.2.1");
  expect(log.lines.at(-1)).toBe(
    "WARNING: denied to 192.0.2.1 (and 589 more like it since the last such line)",
  );
  // Any number of subjects shares the budget of the kind.
  for (let i = 0; i < 5000; i++) deny(`198.51.100.${i}`);
  expect(log.lines).toHaveLength(12);
});

test("a flood of any kinds and texts writes less than a megabyte a minute", () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.string(), fc.nat(20))), (events) => {
      let nowMs = 0;
      let bytes = 0;
      const count = (_: string, text: string) => void (bytes += text.length);
      const log = new LimitedLog(
        { debug: count, info: count, warning: count, error: count, critical: count },
        () => nowMs,
      );
      const longest = "x".repeat(10_000);
      for (let i = 0; i < 3000; i++) {
        const [kind, waitMs] = events[i % Math.max(1, events.length)] ?? [`k${i}`, 20];
        nowMs += waitMs;
        log.add("warning", kind, longest);
      }
      expect(bytes / Math.max(1, nowMs / 60_000)).toBeLessThan(1_000_000);
    }),
    { numRuns: 30 },
  );
});

test("an idle time gives no more than one burst", () => {
  let nowMs = 0;
  const limiter = new KindLimiter(() => nowMs);
  for (let i = 0; i < 20; i++) limiter.take("k");
  nowMs = 10 ** 9;
  const taken = Array.from({ length: 20 }, () => limiter.take("k"));
  expect(taken.filter((one) => one !== null)).toHaveLength(10);
  expect(taken[0]).toBe(10);
});

test("whatever the text, it is one line of bounded length in both layouts of the log", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary", maxLength: 300 }), (text) => {
      const shown = oneLine(text, 200);
      expect(shown).not.toMatch(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u);
      expect(shown.length).toBeLessThan(200 * 7 + 40);
      expect(quotedOutside(text, 50).slice(1, -1)).not.toMatch(/(?<!\\)(?:\\\\)*"/);
      for (const type of ["plain", "json"] as const) {
        const sink = new MemorySink();
        new Logger({ sink, type, now: () => 0 }).info("e", text, { field: text });
        expect(sink.lines.join("").includes("\n")).toBe(false);
      }
    }),
    { numRuns: 500 },
  );
});

test("a text from outside cannot begin a line, feign an escape, or end its quotation", () => {
  const forged = 'x"\r\n2026-01-01 00:00:00,000 INFO: promoted \\n';
  expect(quotedOutside(forged)).toBe(
    String.raw`"x\"\r\n2026-01-01 00:00:00,000 INFO: promoted \\n"`,
  );
  const log = new MemoryLog();
  log.info("e", `GET ${forged}`);
  expect(log.lines).toHaveLength(1);
  expect(log.lines[0]).not.toContain("\n");
  log.error("e", "y".repeat(100_000));
  expect(log.lines[1]!.length).toBeLessThan(9000);
});
