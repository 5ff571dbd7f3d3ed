import { expect, test } from "bun:test";
import { ManualClock } from "../../../raft/node/testing.ts";
import { LookTimer } from "./look_timer.ts";

function timer() {
  const clock = new ManualClock();
  const looks: { readonly dueMs: number; readonly atMs: number }[] = [];
  const start = clock.now();
  const looking = new LookTimer(
    clock,
    (dueMs) => looks.push({ dueMs: dueMs - start, atMs: clock.now() - start }),
  );
  return { clock, looks, looking, start, at: (ms: number) => looking.at(start + ms) };
}

test("of several wishes the earliest counts, and the later ones are forgotten with it", () => {
  const { clock, looks, at } = timer();
  at(500);
  at(100);
  at(300);
  clock.advance(1000);
  expect(looks).toEqual([{ dueMs: 100, atMs: 100 }]);
  at(1200);
  clock.advance(1000);
  expect(looks.at(-1)).toEqual({ dueMs: 1200, atMs: 1200 });
});

test("a look that comes late is told when it was due", () => {
  const { clock, looks, at } = timer();
  at(100);
  clock.leap(700);
  clock.advance(0);
  expect(looks).toEqual([{ dueMs: 100, atMs: 700 }]);
});

test("after its end nothing comes any more", () => {
  const { clock, looks, looking, at } = timer();
  at(100);
  looking.end();
  at(50);
  clock.advance(1000);
  expect(looks).toEqual([]);
});

test("the clock is told how early a look may be, and the look when it was due", () => {
  const { clock, looks, looking, start } = timer();
  const asked: (number | undefined)[] = [];
  const after = clock.after.bind(clock);
  clock.after = (delayMs, fire, earlyMs?: number) => {
    asked.push(earlyMs);
    return after(delayMs - (earlyMs ?? 0), fire);
  };
  looking.at(start + 500, 120);
  clock.advance(380);
  expect([asked, looks]).toEqual([[120], [{ dueMs: 500, atMs: 380 }]]);
});
