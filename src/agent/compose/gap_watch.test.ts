import { expect, test } from "bun:test";
import { MemoryLog } from "../../lib/log.ts";
import { watchGap } from "./gap_watch.ts";

test("what failsafe mode lacks is said once after a while, what is new again, and that it is over", () => {
  const log = new MemoryLog();
  let nowMs = 0;
  let gap: string | null = "nobody can be asked";
  const watch = watchGap({ event: "failsafe", title: "failsafe mode", over: "nothing", missing: () => gap }, {
    now: () => nowMs,
  }, log);
  const at = (ms: number) => {
    nowMs = ms;
    watch();
    return log.lines.length;
  };
  expect([at(0), at(29_000), at(31_000), at(90_000)]).toEqual([0, 0, 1, 1]);
  gap = "never seen so far: c";
  expect([at(91_000), at(122_000)]).toEqual([1, 2]);
  gap = null;
  expect([at(123_000), at(124_000)]).toEqual([3, 3]);
  expect(log.lines.join("\n")).toContain("failsafe mode: nobody can be asked");
});
