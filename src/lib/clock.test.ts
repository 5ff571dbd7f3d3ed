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
