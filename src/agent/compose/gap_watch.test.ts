import { expect, test } from "bun:test";
import { MemoryLog } from "../../lib/log.ts";
import { seen, status } from "../../brain/testing.ts";
import { heardOf, silentOf, watchGap } from "./gap_watch.ts";

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

test("who was heard within a ttl is heard, and nobody who has left the raft group is silent", () => {
  const statuses = [
    seen(status("b"), 2000),
    seen(status("a"), 0),
    seen(status("c"), 2001),
    seen(status("d"), 9000),
  ];
  expect(heardOf(statuses, 2).map(({ name }) => name)).toEqual(["a", "b"]);
  expect(silentOf(statuses, 2, ["d"]).map(({ name }) => name)).toEqual(["c"]);
});
