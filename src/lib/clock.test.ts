import { expect, test } from "bun:test";
import { SystemClock } from "./clock.ts";

test("the clock never goes back and agrees with another process's within a millisecond", () => {
  const clock = new SystemClock();
  const before = clock.now();
  const script =
    `import { SystemClock } from "${import.meta.dir}/clock.ts"; console.log(new SystemClock().now())`;
  const other = Number(Bun.spawnSync([process.execPath, "-e", script]).stdout.toString());
  const after = clock.now();
  expect(other).toBeGreaterThan(before - 1);
  expect(other).toBeLessThan(after + 1);
  let last = after;
  for (let reading = 0; reading < 1000; reading++) {
    const now = clock.now();
    expect(now).toBeGreaterThanOrEqual(last);
    last = now;
  }
});

test("a timer fires once, not before its time", async () => {
  const clock = new SystemClock();
  const start = clock.now();
  const { promise, resolve } = Promise.withResolvers<number>();
  let fired = 0;
  clock.after(20, () => {
    fired++;
    resolve(clock.now());
  });
  expect(await promise - start).toBeGreaterThanOrEqual(20);
  expect(fired).toBe(1);
});

test("a cancelled timer does not fire", async () => {
  const clock = new SystemClock();
  let fired = false;
  clock.after(5, () => fired = true).cancel();
  await new Promise<void>((resolve) => clock.after(20, resolve));
  expect(fired).toBe(false);
});

/** Waits for `ms` without an event of the clock under test. */
function elsewhere(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

test("a timer that may be early comes with a message, when its time is near enough, and once", async () => {
  const clock = new SystemClock();
  const fired: string[] = [];
  clock.after(60_000, () => fired.push("early"), 60_000);
  const { promise, resolve } = Promise.withResolvers<void>();
  clock.after(40, () => {
    fired.push("soon");
    resolve();
  }, 20);
  clock.awake();
  expect(fired).toEqual(["early"]);
  clock.awake();
  expect(fired).toEqual(["early"]);
  await elsewhere(25);
  clock.awake();
  await promise;
  expect(fired).toEqual(["early", "soon"]);
});

test("a timer that may be early shares the wake-up of another one, and comes once", async () => {
  const clock = new SystemClock();
  const fired: string[] = [];
  clock.after(20, () => fired.push("first"));
  clock.after(60_000, () => fired.push("early"), 60_000);
  clock.after(60_000, () => fired.push("not so early"), 1000);
  clock.after(60_000, () => fired.push("cancelled"), 60_000).cancel();
  while (fired.length === 0) await elsewhere(1);
  expect(fired).toEqual(["first", "early"]);
  clock.after(1, () => fired.push("second"));
  while (fired.length === 2) await elsewhere(1);
  expect(fired).toEqual(["first", "early", "second"]);
});

test("a timer that may be early comes at its time where nothing else wakes the process", async () => {
  const clock = new SystemClock();
  const start = clock.now();
  const at = await new Promise<number>((resolve) => void clock.after(20, () => resolve(clock.now()), 5));
  expect(at - start).toBeGreaterThanOrEqual(20);
});

test("a timer that an earlier one cancels in the same wake-up does not come", async () => {
  const clock = new SystemClock();
  let fired = 0;
  clock.after(60_000, () => {
    fired++;
    second.cancel();
  }, 60_000);
  const second = clock.after(60_000, () => fired++, 60_000);
  await new Promise<void>((resolve) => void clock.after(1, resolve));
  await elsewhere(1);
  expect(fired).toBe(1);
});
