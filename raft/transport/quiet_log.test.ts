import { expect, test } from "bun:test";
import { QuietLog } from "./quiet_log.ts";

function made() {
  const time = { nowMs: 0 };
  const lines: string[] = [];
  const log = new QuietLog((_, event, text) => lines.push(`${event} ${text}`), () => time.nowMs);
  return { time, lines, log };
}

test("an equal line comes once a minute, and says how often it was left out", () => {
  const { time, lines, log } = made();
  for (let i = 0; i < 100; i++, time.nowMs += 1000) log.add("warning", "refused", "wrong password");
  expect(lines).toEqual([
    "refused wrong password",
    "refused wrong password (and 59 times since the last line)",
  ]);
});

test("texts that differ each time share one budget, and leave that of other events alone", () => {
  const { time, lines, log } = made();
  for (let i = 0; i < 10_000; i++) log.add("warning", "refused", `a frame of ${i} bytes`);
  expect(lines.length).toBe(20);
  log.add("warning", "lost", "n2");
  expect(lines.at(-1)).toBe("lost n2");
  time.nowMs += 60_000;
  log.add("warning", "refused", "another");
  expect(lines.at(-1)).toBe("refused another (and 9980 others were left out)");
});

test("a line stays one line of bounded length", () => {
  const { lines, log } = made();
  log.add("warning", "refused", `a\nb\r\u0000\u001b[31m\u2028c${"x".repeat(10_000)}`);
  expect(lines[0]).toStartWith("refused a b [31m c");
  expect(lines[0]!.length).toBeLessThan(700);
});
