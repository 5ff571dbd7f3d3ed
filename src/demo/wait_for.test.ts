import { expect, test } from "bun:test";
import { nowMs } from "./now.ts";
import { holdsFor, waitFor } from "./wait_for.ts";

test("an error is not yet, and the last one is named in the end", async () => {
  let looks = 0;
  const found = await waitFor("three looks", 10_000, () => {
    if (++looks < 3) throw new Error("too early");
    return { looks };
  }, 1);
  expect(found).toEqual({ looks: 3 });
  const vain = waitFor("nothing", 20, () => Promise.reject(new Error("no answer")), 1);
  await expect(vain).rejects.toThrow("waited 0 s in vain for nothing: no answer");
});

test("a look that never ends does not hang the wait", async () => {
  const begin = nowMs();
  const vain = waitFor("an answer", 50, () => new Promise<boolean>(() => {}));
  await expect(vain).rejects.toThrow("in vain for an answer: the last look has not ended");
  expect(nowMs() - begin).toBeLessThan(10_000);
});

test("what must hold is looked at until the end, and its first failure is thrown", async () => {
  const begin = nowMs();
  let looks = 0;
  await holdsFor(30, () => void looks++, 1);
  expect(looks).toBeGreaterThan(1);
  expect(nowMs() - begin).toBeGreaterThanOrEqual(30);
  const broken = holdsFor(60_000, () => {
    if (++looks > 4) throw new Error("broken");
  }, 1);
  await expect(broken).rejects.toThrow("broken");
});
