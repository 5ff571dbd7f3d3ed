/** Former primaries that come back: rewound, rewound again, interrupted, or too late for WAL. */
import { expect, test } from "bun:test";
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { commandLine, signal } from "../src/demo/processes.ts";
import { waitFor } from "../src/demo/wait_for.ts";
import { listPids } from "../src/lib/process_table.ts";
import { findPrograms } from "../src/postgres/programs.ts";
import { compared, has, pair, streams } from "./postgres/pair.ts";
import { LIMIT_MS, slotsFor, STORY_MS, type TestMember, whyNoPostgres, withSite } from "./postgres/site.ts";

const reason = whyNoPostgres();
if (reason !== null) console.warn(`skipped: ${reason}`);
const story = test.skipIf(reason !== null);

const KILL = { kind: "stop", how: "kill", checkpoint: false } as const;

/** Nothing keeps WAL on a primary with this but a slot. */
const NOTHING_KEPT = {
  postgresql: { parameters: { wal_keep_size: "0", min_wal_size: "32MB", max_wal_size: "32MB" } },
};

/**
 * The primary is killed with `lost` that nobody has, and `next` is promoted and writes `kept`. Resolves to
 * the transaction that is lost.
 */
async function failOver(
  old: TestMember,
  next: TestMember,
  epoch: number,
  { lost, kept, slots = true }: { lost: number; kept: number; slots?: boolean },
): Promise<string> {
  await next.must({ kind: "stop", how: "fast", checkpoint: false }, "stop");
  await old.sql(`INSERT INTO t VALUES (${lost})`);
  const xid = await xidOf(old, lost);
  await old.must(KILL, "stop");
  await next.must({ kind: "start-standby", follow: null }, "start");
  await next.arm(epoch);
  if (slots) next.executor.desire({ slots: slotsFor(old.name) });
  await next.must({ kind: "promote", epoch }, "promote");
  await next.until("a checkpoint is made", (view) => view.checkpointAfterPromote);
  await next.sql(`INSERT INTO t VALUES (${kept})`);
  return xid;
}

async function rewound(old: TestMember, primary: TestMember): Promise<void> {
  expect((await compared(old, primary)).verdict).toBe("diverged");
  await old.must({ kind: "rewind", from: primary.upstream }, "rewind");
  await streams(old, primary);
}

function movedAside({ dataDir }: TestMember): string[] {
  return readdirSync(dirname(dataDir)).filter((name) => name.startsWith("data.failed-"));
}

/** The segments of now are removed, as later ones are written. */
async function recycle(primary: TestMember): Promise<void> {
  const files = async () =>
    (await primary.sql("SELECT name FROM pg_ls_waldir() WHERE name ~ '^[0-9A-F]{24}$'")).map(({ name }) =>
      name
    );
  const before = new Set(await files());
  await waitFor("the WAL of before is gone", LIMIT_MS, async () => {
    for (let at = 0; at < 3; at++) {
      await primary.sql("SELECT pg_logical_emit_message(false, 'x', 'x'), pg_switch_wal()");
    }
    await primary.sql("CHECKPOINT");
    return (await files()).every((name) => !before.has(name));
  });
}

/** The transaction that wrote that row. */
async function xidOf(member: TestMember, id: number): Promise<string> {
  const [row] = await member.sql(`SELECT xmin::text AS xid FROM t WHERE id = ${id}`);
  return String(row!.xid);
}

/** Ids of the transactions that were lost with the last rejoin, as its kept WAL says by its own command. */
async function lostXids({ view }: TestMember): Promise<readonly string[]> {
  const { stretches, transactions, kept, notKept } = view.lost!;
  expect([stretches?.length, notKept]).toEqual([1, null]);
  const note = JSON.parse(readFileSync(join(kept!, "lost_wal.json"), "utf8"));
  const [program, ...args] = note.read_with[0].split(" ");
  const programs = findPrograms({ binDir: null, binName: {}, dataDir: "/nonexistent" });
  const running = Bun.spawn([programs.path(program), ...args], { cwd: kept!, stderr: "pipe" });
  const found = [...(await new Response(running.stdout).text()).matchAll(/tx:\s*(\d+),.*desc: COMMIT /g)]
    .map(([, xid]) => xid!);
  expect([transactions, note.transactions]).toEqual([found.length, found.length]);
  return found;
}

function roomsOf({ dataDir }: TestMember): string[] {
  return readdirSync(dirname(dataDir)).filter((name) => name.startsWith("data.lost-wal-"));
}

story(
  "a primary that is killed with WAL that nobody has is rewound, twice in a row; what it had can be read later",
  () =>
    withSite(async (site) => {
      const [one, two] = await pair(site);
      const xid = await failOver(one, two, 2, { lost: 100, kept: 1 });
      await rewound(one, two);
      expect(one.view.lost?.stretches).toMatchObject([{
        timeline: 1,
        from: two.view.timelineHistory[0]![1],
      }]);
      expect(await lostXids(one)).toContain(xid);
      await has(one, [0, 1]);
      // Now the other way round, with a rewound directory as the source.
      await failOver(two, one, 3, { lost: 200, kept: 2 });
      await rewound(two, one);
      await has(two, [0, 1, 2]);
      // And once more the first one, which was a standby, a primary, and a standby before.
      const last = await failOver(one, two, 4, { lost: 300, kept: 3 });
      await rewound(one, two);
      expect(await lostXids(one)).toContain(last);
      await has(one, [0, 1, 2, 3]);
      expect([roomsOf(one).length, roomsOf(two).length]).toEqual([2, 1]);
      expect([...movedAside(one), ...movedAside(two)]).toEqual([]);
    }),
  STORY_MS,
);

story(
  "a directory whose rewind was killed in the middle is never started, also not by a later agent",
  () =>
    withSite(async (site) => {
      const [one, two] = await pair(site);
      await failOver(one, two, 2, { lost: 100, kept: 1 });
      await two.sql(
        "CREATE TABLE big AS SELECT id, repeat('x', 1000) AS text FROM generate_series(1, 150000) AS id",
      );
      await compared(one, two);
      const failed = one.run({ kind: "rewind", from: two.upstream }, "rewind");
      const copying = () => {
        const program = listPids().find((pid) => isRealRewind(pid, one.dataDir));
        return program !== undefined && /rewinding, \d/.test(one.view.action?.detail ?? "") ? program : null;
      };
      expect(signal(await waitFor("pg_rewind to copy", LIMIT_MS, copying), "SIGKILL")).toBe(true);
      expect(await failed).toContain("half-written");
      expect(one.view.directory).toEqual({ kind: "half-written", what: "rewind" });
      for (const follow of [two.upstream, null]) {
        expect(await one.run({ kind: "start-standby", follow }, "start")).toBe(
          "the data directory is half-written",
        );
      }
      one.restartAgent();
      await one.connected();
      expect(one.view.directory).toEqual({ kind: "half-written", what: "rewind" });
      expect(await one.run({ kind: "start-standby", follow: two.upstream }, "start")).toContain(
        "half-written",
      );
      one.executor.run({ kind: "set-aside", why: "rewind did not finish", after: "rewind-failure" });
      await one.until("it is moved aside", (view) => view.directory.kind === "empty");
      expect(movedAside(one)).toHaveLength(1);
      await one.joinAsStandby(two);
      await has(one, [0, 1]);
    }),
  STORY_MS,
);

story(
  "WAL that the new primary has recycled: found before anything is changed, and the directory stays whole",
  () =>
    withSite(async (site) => {
      const [one, two] = await pair(site, NOTHING_KEPT);
      const xid = await failOver(one, two, 2, { lost: 100, kept: 1, slots: false });
      await recycle(two);
      await compared(one, two);
      expect(await one.run({ kind: "rewind", from: two.upstream }, "rewind")).toMatch(
        /^node-2 has removed the WAL from 0\/[0-9A-F]+ on that this member needs$/,
      );
      // As it was: it could be the primary once more.
      expect(one.view.directory).toMatchObject({ kind: "valid", control: { clusterState: "shut down" } });
      await one.arm(3);
      await one.must({ kind: "start-primary", epoch: 3 }, "start");
      await has(one, [0, 100]);
      await one.must(KILL, "stop");
      // What it wrote as the primary once more is lost as well.
      const before = one.view.lost!.stretches!;
      await compared(one, two);
      one.executor.run({ kind: "set-aside", why: "pg_rewind failed", after: "rewind-failure" });
      await one.until("it is moved aside", (view) => view.directory.kind === "empty");
      expect(roomsOf(one)).toHaveLength(2);
      expect(one.view.lost!.stretches![0]!.to).toBeGreaterThan(before[0]!.to);
      expect(await lostXids(one)).toContain(xid);
      await one.joinAsStandby(two);
      await has(one, [0, 1]);
    }),
  STORY_MS,
);

story(
  "a primary that went back on its timeline: WAL itself shows which standby is not its own",
  () =>
    withSite(async (site) => {
      const [two, one] = await pair(site);
      await failOver(two, one, 2, { lost: 50, kept: 1 });
      await rewound(two, one);
      await has(two, [0, 1]);
      expect((await compared(two, one, true)).verdict).toBe("same");
      const aside = `${one.dataDir}.earlier`;
      const stop = { kind: "stop", how: "fast", checkpoint: false } as const;
      await one.must(stop, "stop");
      cpSync(one.dataDir, aside, { recursive: true });
      await one.arm(2);
      await one.must({ kind: "start-primary", epoch: 2 }, "start");
      await one.sql("INSERT INTO t VALUES (2)");
      await has(two, [0, 1, 2]);
      await two.must(stop, "stop");
      await one.must(stop, "stop");
      await one.replaceData(() => {
        rmSync(one.dataDir, { recursive: true });
        renameSync(aside, one.dataDir);
      });
      await one.arm(2);
      await one.must({ kind: "start-primary", epoch: 2 }, "start");
      expect(await compared(two, one)).toMatchObject({
        verdict: "diverged",
        detail: expect.stringContaining("beyond the end of the primary's WAL"),
        noRewind: expect.stringContaining("one timeline"),
      });
      // It goes on, past what the standby has: positions show nothing any more.
      await one.sql("INSERT INTO t SELECT generate_series(100, 5000)");
      expect(await compared(two, one)).toMatchObject({
        verdict: "diverged",
        detail: expect.stringContaining("is not the primary's"),
      });
    }),
  STORY_MS,
);

story(
  "two promotions from one position give two timelines one number: WAL itself tells them apart",
  () =>
    withSite(async (site) => {
      const [one, two] = await pair(site);
      const three = await site.member("node-3", {}, {});
      await three.joinAsStandby(one);
      await has(three, [0]);
      const stop = { kind: "stop", how: "fast", checkpoint: false } as const;
      // The first one in order: the others have all of its WAL.
      for (const each of [one, two, three]) await each.must(stop, "stop");
      // The same end of WAL on both.
      await three.replaceData(() => {
        rmSync(three.dataDir, { recursive: true });
        cpSync(two.dataDir, three.dataDir, { recursive: true });
      });
      const lead = async (member: TestMember, epoch: number) => {
        await member.must({ kind: "start-standby", follow: null }, "start");
        await member.arm(epoch);
        await member.must({ kind: "promote", epoch }, "promote");
      };
      await lead(two, 2);
      await two.sql("INSERT INTO t VALUES (2)");
      await two.must(KILL, "stop");
      // It has heard of nobody's timeline, and writes rows of the same size, and more.
      await lead(three, 3);
      await three.sql("INSERT INTO t SELECT generate_series(3, 5000)");
      expect(three.view.timelineHistory).toEqual(two.view.timelineHistory);
      expect(await compared(two, three)).toMatchObject({
        verdict: "diverged",
        detail: expect.stringContaining("is not the primary's"),
        noRewind: expect.stringContaining("one timeline"),
      });
      // A later timeline of the same primary, in the very segment.
      await three.must(stop, "stop");
      three.executor.desire({ slots: slotsFor(one.name) });
      await lead(three, 4);
      expect((await compared(two, three)).verdict).toBe("diverged");
      // One that has heard of another timeline of that number follows all the same.
      const file = join(one.dataDir, "pg_wal", "00000003.history");
      writeFileSync(file, "1\t0/3000000\tno recovery target specified\n");
      expect((await compared(one, three)).verdict).toBe("same");
      expect(existsSync(file)).toBe(false);
      await streams(one, three);
      await waitFor(
        "its rows",
        LIMIT_MS,
        async () => (await one.sql("SELECT count(*)::int AS n FROM t"))[0]?.n === 4999,
      );
    }),
  STORY_MS,
);

story("a standby that has missed recycled WAL says so, and runs on", () =>
  withSite(async (site) => {
    const [one, two] = await pair(site, NOTHING_KEPT);
    await two.must({ kind: "stop", how: "fast", checkpoint: false }, "stop");
    await waitFor("its slot to go", LIMIT_MS, async () => {
      const [slot] = await one.sql("SELECT active FROM pg_replication_slots WHERE slot_name = 'node_2'");
      if (slot?.["active"] === false) await one.sql("SELECT pg_drop_replication_slot('node_2')");
      return slot === undefined;
    });
    await recycle(one);
    await two.must({ kind: "start-standby", follow: one.upstream }, "start");
    const { verdict, walGone } = await compared(two, one);
    expect(verdict).toBe("same");
    expect(walGone).toMatch(/^node-1 has removed the WAL from 0\/[0-9A-F]+ on that this member needs$/);
    await has(two, [0]);
  }), STORY_MS);

story("with restore_command recycled WAL comes from the archive", () =>
  withSite(async (site) => {
    const archive = join(site.root, "archive");
    mkdirSync(archive);
    const { parameters } = NOTHING_KEPT.postgresql;
    const [one, two] = await pair(site, {
      postgresql: {
        parameters: { ...parameters, archive_mode: "on", archive_command: `cp %p ${archive}/%f` },
        recovery_conf: { restore_command: `cp ${archive}/%f %p` },
      },
    });
    await failOver(one, two, 2, { lost: 100, kept: 1, slots: false });
    await recycle(two);
    two.executor.desire({ slots: slotsFor("node-1") });
    await waitFor("the history is in the archive", LIMIT_MS, () =>
      existsSync(join(archive, "00000002.history")));
    await rewound(one, two);
    await has(one, [0, 1]);
  }), STORY_MS);

function isRealRewind(pid: number, dataDir: string): boolean {
  const words = commandLine(pid);
  return words.includes(`--target-pgdata=${dataDir}`) && !words.includes("--dry-run");
}
