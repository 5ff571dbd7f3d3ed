import { expect, test } from "bun:test";
import { postgres, RUNNING_PRIMARY, STOPPED } from "../../brain/testing.ts";
import { NO_SYNC } from "../../model/sync_setting.ts";
import { FlushWatch } from "./flush_watch.ts";

/** A look at second `at`: b has flushed up to `lsn`, the primary is at 1000. */
const look = (at: number, lsn: number) =>
  postgres({
    ...RUNNING_PRIMARY,
    lastLookMs: 1000 * at,
    sync: { ...postgres().sync, setting: NO_SYNC, flushed: { b: lsn } },
  });

test("a standstill is told when it begins and when it is over, once each", () => {
  const watch = new FlushWatch();
  for (const at of [0, 1]) expect(watch.look(look(at, 900))).toEqual([]);
  expect(watch.standstills).toEqual({ b: { standsMs: 1000, stoodMs: 1000 } });
  expect(watch.look(look(2, 900))).toEqual([{ standby: "b", begins: true }]);
  expect(watch.look(look(3, 1000))).toEqual([]);
  expect(watch.standstills).toEqual({ b: { standsMs: 0, stoodMs: 2000 } });
  expect(watch.look(look(8, 1000))).toEqual([{ standby: "b", begins: false }]);
  expect(watch.standstills).toEqual({});
});

test("the same look once more says nothing new", () => {
  const watch = new FlushWatch();
  for (let times = 0; times < 5; times++) expect(watch.look(look(0, 900))).toEqual([]);
  expect(watch.standstills).toEqual({});
});

test("a server that is no primary, or ends, has no standbys", () => {
  const watch = new FlushWatch();
  for (const at of [0, 1, 2]) watch.look(look(at, 900));
  expect(watch.look(postgres({ ...STOPPED, lastLookMs: 3000 }))).toEqual([{ standby: "b", begins: false }]);
  watch.look(postgres({ lastLookMs: 4000 }));
  expect(watch.standstills).toEqual({});
});

test("PostgreSQL is asked again soon, and once for each look, while the standby that commits wait for is behind", () => {
  const watch = new FlushWatch();
  const setting = { method: "FIRST", count: 1, names: ["b"] } as const;
  const awaited = (at: number) => {
    const { sync, ...view } = look(at, 900);
    return { ...view, sync: { ...sync, setting } };
  };
  watch.look(look(0, 900));
  expect([watch.dueMs, watch.isDue(1e9)]).toEqual([Infinity, false]);
  watch.look(awaited(1));
  expect([watch.dueMs, watch.isDue(1249), watch.isDue(1250), watch.dueMs]).toEqual([
    1250,
    false,
    true,
    Infinity,
  ]);
  watch.look(awaited(1));
  expect(watch.dueMs).toBe(Infinity);
  watch.look(awaited(1.25));
  expect(watch.dueMs).toBe(1500);
  watch.look(postgres({ ...STOPPED, lastLookMs: 2000 }));
  expect(watch.dueMs).toBe(Infinity);
});
