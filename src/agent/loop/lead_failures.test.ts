import { expect, test } from "bun:test";
import { postgres, RUNNING_PRIMARY, STOPPED } from "../../brain/testing.ts";
import { failed } from "../../brain/keep/testing.ts";
import { LeadFailures } from "./lead_failures.ts";

const TTL_MS = 5000;

test("a member that let the lock go sits out for a ttl, and longer after each failure in a row", () => {
  const failures = new LeadFailures();
  expect(failures.shown(0)).toBeNull();
  expect(failures.letGo(3, "it does not start", 1000, "t1", TTL_MS)).toBe(5000);
  expect(failures.shown(5999)).toEqual({ at: "t1", why: "it does not start", times: 1, sitsOut: true });
  expect(failures.shown(6000)).toMatchObject({ sitsOut: false });
  // The same release is decided on again until it is applied.
  expect(failures.letGo(3, "it does not start", 1100, "t1", TTL_MS)).toBeNull();
  expect(failures.letGo(5, "again", 20_000, "t2", TTL_MS)).toBe(10_000);
  for (const epoch of [6, 7, 8, 9]) failures.letGo(epoch, "again", 30_000, "t3", TTL_MS);
  expect(failures.letGo(10, "again", 40_000, "t4", TTL_MS)).toBe(60_000);
  expect(failures.letGo(11, "again", 40_000, "t4", 90_000)).toBe(90_000);
  expect(failures.shown(40_000 + 600_000)).toBeNull();
});

test("a primary has no failure any more, and begins anew", () => {
  const failures = new LeadFailures();
  failures.letGo(3, "a full disk", 1000, "t1", TTL_MS);
  failures.look(postgres(RUNNING_PRIMARY), false, 0, 1500, "t2");
  expect(failures.shown(2000)?.sitsOut).toBe(true);
  failures.look(postgres(RUNNING_PRIMARY), true, 0, 2000, "t2");
  expect(failures.shown(2000)).toBeNull();
  expect(failures.letGo(9, "a full disk", 3000, "t3", TTL_MS)).toBe(5000);
});

test("a holder that tries again in place is shown, and sits out of nothing", () => {
  const failures = new LeadFailures();
  const view = postgres({ ...STOPPED, last: failed("start", 4, 9000) });
  failures.look(view, false, 0, 9100, "t1");
  failures.look(view, true, 9001, 9100, "t1");
  expect(failures.shown(9100)).toBeNull();
  failures.look(view, true, 8000, 9100, "t1");
  expect(failures.shown(9100)).toEqual({ at: "t1", why: "start failed: broken", times: 4, sitsOut: false });
  failures.look(view, true, 8000, 9999, "t2");
  expect(failures.shown(9999)).toMatchObject({ at: "t1" });
  failures.look(postgres({ last: failed("promote", 1, 9500) }), true, 8000, 10_000, "t3");
  expect(failures.shown(10_000)).toMatchObject({ at: "t3", why: "promote failed: broken", times: 1 });
});

test("a long reason is cut", () => {
  const failures = new LeadFailures();
  failures.letGo(3, "x".repeat(1000), 0, "t1", TTL_MS);
  expect(failures.shown(0)!.why).toBe(`${"x".repeat(396)} ...`);
});
