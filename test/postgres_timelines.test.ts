/** Standbys that were on a timeline that was given up, or have only heard of it. */
import { expect, test } from "bun:test";
import { cpSync, existsSync } from "node:fs";
import { join } from "node:path";
import { historyOnDisk } from "../src/postgres/data_directory.ts";
import { compared, has, pair, streams } from "./postgres/pair.ts";
import { type Site, slotsFor, STORY_MS, type TestMember, whyNoPostgres, withSite } from "./postgres/site.ts";

const reason = whyNoPostgres();
if (reason !== null) console.warn(`skipped: ${reason}`);
const story = test.skipIf(reason !== null);

const KILL = { kind: "stop", how: "kill", checkpoint: false } as const;
const FAST = { kind: "stop", how: "fast", checkpoint: false } as const;

/**
 * Three members. The second was promoted to timeline 2 and has a row of its own; the first, which both
 * followed, is stopped; the third runs on timeline 1.
 */
async function promoted(site: Site): Promise<[TestMember, TestMember, TestMember]> {
  const [one, two] = await pair(site);
  const three = await site.member("node-3");
  await three.joinAsStandby(one);
  await one.must(FAST, "stop");
  await two.arm(2);
  two.executor.desire({ slots: slotsFor(three.name) });
  await two.must({ kind: "promote", epoch: 2 }, "promote");
  await two.sql("INSERT INTO t VALUES (200)");
  return [one, two, three];
}

const inWal = ({ dataDir }: TestMember) => join(dataDir, "pg_wal", "00000002.history");

/** The former primary leads again, on its own timeline. */
async function goesOn(one: TestMember): Promise<void> {
  await one.arm(3);
  await one.must({ kind: "start-primary", epoch: 3 }, "start");
  await one.sql("INSERT INTO t VALUES (1)");
}

story(
  "a standby that was on a timeline for a moment is known to have been there, also by a later agent",
  () =>
    withSite(async (site) => {
      const [one, two, three] = await promoted(site);
      three.executor.desire({ upstream: two.upstream });
      await has(three, [0, 200]);
      three.executor.desire({ upstream: null });
      await three.until("it has no WAL receiver", (view) => view.cutOff === true);
      await two.must(KILL, "stop");
      three.restartAgent();
      await three.connected();
      await three.until("it answers", (view) => view.replayedLsn !== null);
      expect(three.view.timeline).toBe(2);
      await goesOn(one);
      expect(await compared(three, one)).toMatchObject({
        verdict: "diverged",
        detail: expect.stringContaining("still on timeline 1"),
      });
    }),
  STORY_MS,
);

story(
  "a standby that has heard of a timeline that was given up follows its primary after a start without it",
  () =>
    withSite(async (site) => {
      const [one, two, three] = await promoted(site);
      await three.must(FAST, "stop");
      cpSync(inWal(two), inWal(three));
      await two.must(KILL, "stop");
      await goesOn(one);
      await three.must({ kind: "start-standby", follow: one.upstream }, "start");
      expect(await compared(three, one)).toMatchObject({ verdict: "same", strays: ["00000002.history"] });
      expect(three.view.replicationState).toBe(null);
      await three.must(FAST, "stop");
      await streams(three, one);
      await has(three, [0, 1]);
      expect(existsSync(inWal(three))).toBe(false);
    }),
  STORY_MS,
);

story(
  "a standby that is promoted short of a timeline that it has heard of leaves its own where its WAL ends",
  () =>
    withSite(async (site) => {
      const [one, two] = await pair(site);
      const three = await site.member("node-3");
      await three.joinAsStandby(one);
      await three.must(FAST, "stop");
      await one.sql("INSERT INTO t VALUES (1)");
      await has(two, [0, 1]);
      await one.must(FAST, "stop");
      await two.arm(2);
      await two.must({ kind: "promote", epoch: 2 }, "promote");
      cpSync(inWal(two), inWal(three));
      await three.must({ kind: "start-standby", follow: null }, "start");
      expect(await three.run({ kind: "promote", epoch: 3 }, "promote")).toContain("epoch 3");
      // It is to follow others after all.
      expect(await compared(three, two)).toMatchObject({
        verdict: "same",
        strays: ["recovery_target_timeline = 1"],
      });
      await two.must(KILL, "stop");
      await three.arm(3);
      await three.must({ kind: "promote", epoch: 3 }, "promote");
      const [first, ...more] = historyOnDisk(three.dataDir, 3);
      expect([first![0], more]).toEqual([1, []]);
      expect(first![1]).toBeLessThan(historyOnDisk(two.dataDir, 2)[0]![1]);
      await three.sql("CHECKPOINT");
      const { verdict, noRewind } = await compared(one, three);
      expect([verdict, noRewind]).toEqual(["diverged", undefined]);
    }),
  STORY_MS,
);
