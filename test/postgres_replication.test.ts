/** Two real PostgreSQL: copy, follow, promote, cut, rewind, set aside. */
import { expect, test } from "bun:test";
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { waitFor } from "../src/demo/wait_for.ts";
import type { DataIdentity } from "../src/model/upstream.ts";
import type { JsonObject } from "../src/model/json.ts";
import { LIMIT_MS, slotsFor, STORY_MS, type TestMember, whyNoPostgres, withSite } from "./postgres/site.ts";

const reason = whyNoPostgres();
if (reason !== null) console.warn(`skipped: ${reason}`);
const story = test.skipIf(reason !== null);

/** Changes the file of settings under a running server, which does not read it. */
function unread({ dataDir }: TestMember, from: RegExp, to: string): void {
  const file = join(dataDir, "postgresql.conf");
  const text = readFileSync(file, "utf8");
  expect(text).toMatch(from);
  writeFileSync(file, text.replace(from, to));
}

async function replayed(standby: TestMember, rows: number): Promise<void> {
  await waitFor(
    `${rows} rows on ${standby.name}`,
    LIMIT_MS,
    async () => (await standby.sql("SELECT count(*)::int AS n FROM t"))[0]?.n === rows,
  );
}

story(
  "a copy streams, is promoted, and the old primary follows it without a rewind",
  () =>
    withSite(async (site) => {
      const one = await site.member("node-1");
      const two = await site.member("node-2");
      await one.bootstrap();
      await one.sql("CREATE TABLE t AS SELECT generate_series(1, 10) AS id");
      one.executor.desire({ slots: slotsFor("node-2") });
      await two.joinAsStandby(one);
      expect(two.view).toMatchObject({ writable: false, inRecovery: true, following: "node-1", timeline: 1 });
      await replayed(two, 10);
      await one.until("it sees its standby", (view) => view.replication[0]?.application_name === "node-2");
      await waitFor("its slot is in use", LIMIT_MS, async () =>
        (await one.sql("SELECT 1 FROM pg_replication_slots WHERE slot_name = 'node_2' AND active")).length ===
          1);

      await one.must({ kind: "stop", how: "fast", checkpoint: true }, "stop");
      await two.until("everything is received", (view) =>
        view.receivedLsn === one.view.receivedLsn);
      await two.arm(2);
      two.executor.desire({ slots: slotsFor("node-1") });
      await two.must({ kind: "promote", epoch: 2 }, "promote");
      expect(two.view).toMatchObject({
        writable: true,
        epoch: 2,
        inRecovery: false,
        timeline: 2,
        following: null,
      });
      expect(two.view.timelineHistory.map(([timeline]) =>
        timeline
      )).toEqual([1]);
      await two.until("a checkpoint is made", (view) => view.checkpointAfterPromote);
      await two.sql("INSERT INTO t VALUES (11)");

      one.executor.run({ kind: "compare-history", with: two.upstream });
      const compared = await one.until("histories are compared", (view) => view.divergence !== null);
      expect(compared.divergence).toMatchObject({ from: "node-2", timelineOfOther: 2, verdict: "same" });
      await one.must({ kind: "start-standby", follow: two.upstream }, "start");
      await one.until("it streams", (view) => view.replicationState === "streaming");
      await replayed(one, 11);
      const slot = async () =>
        (await one.sql(
          "SELECT pg_wal_lsn_diff(restart_lsn, '0/0')::bigint::text AS at FROM pg_replication_slots WHERE slot_name = 'node_2'",
        ))[0]?.at;
      const positions = { node_2: two.view.walLsn! };
      one.executor.desire({ slots: { ...slotsFor("node-2"), elsewhere: ["node-2"], positions } });
      await waitFor(
        "the slot of its own time as a primary moves on with what the other has",
        LIMIT_MS,
        async () => await slot() === String(positions.node_2),
      );
      one.executor.desire({ slots: { ...slotsFor(), gone: ["node-2"] } });
      await waitFor("it goes with its member", LIMIT_MS, async () => await slot() === undefined);
      const conf = readFileSync(join(one.dataDir, "postgresql.conf"), "utf8");
      expect(conf).toContain("application_name=node-1");
      expect(conf).not.toContain("rep:li");
      one.restartAgent();
      await one.until(
        "another agent knows whom it follows",
        (view) => view.following === "node-2" && view.process === "running",
      );
    }),
  STORY_MS,
);

story("a former primary with WAL of its own is found diverged, and rewound", () =>
  withSite(async (site) => {
    const one = await site.member("node-1");
    const two = await site.member("node-2");
    await one.bootstrap();
    await one.sql("CREATE TABLE t AS SELECT generate_series(1, 10) AS id");
    await two.joinAsStandby(one);
    await replayed(two, 10);
    await two.must({ kind: "stop", how: "fast", checkpoint: false }, "stop");
    await one.sql("INSERT INTO t VALUES (100)");
    await one.must({ kind: "stop", how: "kill", checkpoint: false }, "stop");
    await two.must({ kind: "start-standby", follow: null }, "start");
    await two.arm(2);
    two.executor.desire({ slots: slotsFor("node-1") });
    await two.must({ kind: "promote", epoch: 2 }, "promote");
    await two.until("a checkpoint is made", (view) => view.checkpointAfterPromote);
    await two.sql("INSERT INTO t VALUES (11)");

    one.executor.run({ kind: "compare-history", with: two.upstream });
    const compared = await one.until("histories are compared", (view) => view.divergence !== null);
    expect(compared.divergence).toMatchObject({ verdict: "diverged", timelineOfOther: 2 });
    const nobody = { name: "node-2", connUrl: "postgres://127.0.0.1:1/postgres" };
    expect(await one.run({ kind: "rewind", from: nobody }, "rewind")).toContain("pg_rewind");
    expect(one.view.directory).toMatchObject({ kind: "valid", control: { clusterState: "shut down" } });
    await one.must({ kind: "rewind", from: two.upstream }, "rewind");
    expect(one.view.directory).toMatchObject({ kind: "valid", standbySignal: true });
    expect(one.view.divergence).toBeNull();
    await one.must({ kind: "start-standby", follow: two.upstream }, "start");
    await one.until("it streams", (view) => view.replicationState === "streaming");
    await replayed(one, 11);
    expect(await one.sql("SELECT id FROM t WHERE id > 10")).toEqual([{ id: 11 }]);
  }), STORY_MS);

story(
  "a standby that is cut receives nothing more, even while replay is paused",
  () =>
    withSite(async (site) => {
      const one = await site.member("node-1");
      const two = await site.member("node-2");
      await one.bootstrap();
      await one.sql("CREATE TABLE t (id int)");
      await two.joinAsStandby(one);
      await replayed(two, 0);
      await two.sql("SELECT pg_wal_replay_pause()");
      two.executor.desire({ upstream: null });
      await two.until("it is cut", (view) => view.following === null);
      expect(await two.sql("SELECT 1 FROM pg_stat_get_wal_receiver() WHERE pid IS NOT NULL")).toEqual([]);
      await two.until("it is seen to receive nothing", (view) => view.replicationState === null);
      const { receivedLsn } = two.view;
      await one.sql("INSERT INTO t SELECT generate_series(1, 1000)");
      await two.sql("SELECT pg_wal_replay_resume()");
      two.executor.refresh();
      await two.until("replay goes on", (view) => !view.replayPaused);
      expect(two.view.receivedLsn).toBe(receivedLsn);
      two.executor.desire({ upstream: one.upstream });
      await two.until("it streams again", (view) => view.replicationState === "streaming");
      await replayed(two, 1000);

      // Written by an agent that died before the reload.
      unread(two, /^# following: .*\n|(?<=^primary_conninfo = ').*(?='$)/gm, "");
      two.restartAgent();
      await waitFor("the next one has it read", LIMIT_MS, async () =>
        (await two.sql("SELECT 1 FROM pg_stat_activity WHERE backend_type = 'walreceiver'")).length === 0);
      await two.until("that is seen", (view) =>
        view.replicationState === null && view.process === "running");
      expect(two.view).toMatchObject({ following: null, cutOff: false });
      two.executor.desire({ upstream: null });
      await two.until("it is cut anew", (view) =>
        view.cutOff === true);

      const names = "# decided by the agent\nsynchronous_standby_names = '\"node-2\"'\nhba_file";
      unread(one, /^hba_file/m, names);
      one.restartAgent();
      const settled = await one.until("the standbys are those of its files", (view) =>
        view.sync.settledLsn !== null);
      expect(settled.sync).toMatchObject({ setting: { count: 1, names: ["node-2"] }, commitsWait: true });
    }),
  STORY_MS,
);

story(
  "a WAL receiver that is still connecting is cut as well, even while replay is paused",
  () =>
    withSite(async (site) => {
      const one = await site.member("node-1");
      const two = await site.member("node-2");
      await one.bootstrap();
      await two.joinAsStandby(one);
      // As a host that is paused: it takes the connection, and does not answer.
      const silent = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
      try {
        const connUrl = `postgres://127.0.0.1:${silent.port}/postgres`;
        two.executor.desire({ upstream: { name: "node-3", connUrl } });
        const receivers = () =>
          two.sql("SELECT pid FROM pg_stat_activity WHERE backend_type = 'walreceiver'");
        const shown = () => two.sql("SELECT 1 FROM pg_stat_get_wal_receiver() WHERE pid IS NOT NULL");
        const hangs = () =>
          waitFor("a receiver connects, and is not shown", LIMIT_MS, async () =>
            (await receivers()).length === 1 && (await shown()).length === 0);
        await hangs();
        await waitFor("the kernel looks after the peer", LIMIT_MS, () =>
          keepaliveMs(silent.port) <= 5000);
        // Where the settings change, PostgreSQL itself ends it.
        two.executor.desire({ upstream: one.upstream });
        await two.until("it streams instead", (view) => view.replicationState === "streaming");
        two.executor.desire({ upstream: { name: "node-3", connUrl } });
        await hangs();
        await two.sql("SELECT pg_wal_replay_pause()");
        await waitFor("replay is paused", LIMIT_MS, async () =>
          (await two.sql("SELECT pg_get_wal_replay_pause_state() AS state"))[0]?.state === "paused");
        two.executor.desire({ upstream: null });
        await two.until("it is cut", (view) =>
          view.cutOff === true);
        expect(await receivers()).toEqual([]);
      } finally {
        silent.stop(true);
      }
    }),
  STORY_MS,
);

/** The time to the kernel's next question whether the peer of a connection to `port` is there. */
function keepaliveMs(port: number): number {
  const to = `0100007F:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  const timers = readFileSync("/proc/net/tcp", "utf8").split("\n").map((line) => line.trim().split(/\s+/))
    .filter((fields) => fields[2] === to && fields[3] === ESTABLISHED).map((fields) => fields[5]!.split(":"));
  const [timer, ticks] = timers.find(([kind]) => kind === KEEPALIVE_TIMER) ?? [];
  return timer === undefined ? Infinity : parseInt(ticks!, 16) * 10;
}

const ESTABLISHED = "01";
const KEEPALIVE_TIMER = "02";

story("WAL that was received and not replayed still counts after a restart", () =>
  withSite(async (site) => {
    const one = await site.member("node-1");
    const two = await site.member("node-2");
    await one.bootstrap();
    await one.sql("CREATE TABLE t (id int)");
    await two.joinAsStandby(one);
    await replayed(two, 0);
    await two.sql("SELECT pg_wal_replay_pause()");
    await one.sql("INSERT INTO t SELECT generate_series(1, 5000)");
    const end = (await one.until("its WAL is seen", (view) => (view.walLsn ?? 0) > two.view.replayedLsn!))
      .walLsn!;
    await two.until("it has received all", (view) => view.receivedLsn! >= end);
    await two.must({ kind: "stop", how: "kill", checkpoint: false }, "stop");
    await two.until("the end of WAL is known", (view) => view.receivedLsn !== null);
    expect(two.view.receivedLsn!).toBeGreaterThanOrEqual(end);
    await two.must({ kind: "start-standby", follow: null }, "start");
    expect(two.view.receivedLsn!).toBeGreaterThanOrEqual(end);
  }), STORY_MS);

story(
  "a copy that is cancelled leaves nothing that could be started, and can be made again",
  () =>
    withSite(async (site) => {
      const one = await site.member("node-1");
      const two = await site.member("node-2", { postgresql: { basebackup: [{ "max-rate": "32k" }] } });
      await one.bootstrap();
      const failing = two.run(one.asSource(), "clone");
      await two.until("the copy is under way", (view) => /MiB/.test(view.action?.detail ?? ""));
      two.executor.cancelLongAction("a test", false);
      expect(await failing).toContain("cancelled");
      expect(two.view.last.clone?.from).toBeUndefined();
      expect(two.view.directory).toEqual({ kind: "half-written", what: "clone" });
      expect(await two.run({ kind: "start-standby", follow: null }, "start")).toContain("half-written");
      two.executor.run({ kind: "set-aside", why: "the clone did not finish" });
      await two.until("the rest is gone", (view) => view.directory.kind === "empty");
      expect(readdirSync(dirname(two.dataDir)).filter((name) => name.includes("failed"))).toEqual([]);
    }),
  STORY_MS,
);

story("a directory that must go is moved aside, the newest two are kept", () =>
  withSite(async (site) => {
    const one = await site.member("node-1");
    for (let round = 1; round <= 3; round++) {
      await one.must({ kind: "bootstrap" }, "bootstrap");
      one.executor.run({ kind: "set-aside", why: "a test" });
      await one.until("it is empty", (view) => view.directory.kind === "empty");
      const aside = () =>
        readdirSync(dirname(one.dataDir)).filter((name) => /^data\.failed-\d{14}$/.test(name)).length;
      // The oldest is removed after the newest was moved.
      await waitFor("the older ones to be removed", LIMIT_MS, () => aside() <= 2);
      expect(aside()).toBe(Math.min(round, 2));
    }
  }), STORY_MS);

story(
  "a copy that an agent left running is ended by the next one before anything else happens there",
  () =>
    withSite(async (site) => {
      const one = await site.member("node-1");
      const two = await site.member("node-2", { postgresql: { basebackup: [{ "max-rate": "32k" }] } });
      await one.bootstrap();
      two.executor.run(one.asSource());
      await two.until("the copy is under way", (view) => /MiB/.test(view.action?.detail ?? ""));
      const marker = readFileSync(join(two.dataDir, "agent.unfinished"), "utf8");
      const { pid } = (JSON.parse(marker.split("\n")[1]!) as { program: { pid: number } }).program;
      two.restartAgent();
      await two.until("it is seen", (view) => view.directory.kind === "half-written");
      expect(() => process.kill(pid, 0)).not.toThrow();
      two.executor.run({ kind: "set-aside", why: "clone did not finish" });
      await two.until("the rest is gone", (view) => view.directory.kind === "empty");
      await waitFor("the copy has ended", LIMIT_MS, () => {
        try {
          process.kill(pid, 0);
          return false;
        } catch {
          return true;
        }
      });
    }),
  STORY_MS,
);

story(
  "a standby follows its primary to higher limits by restarting with them",
  () =>
    withSite(async (site) => {
      const one = await site.member("node-1");
      const two = await site.member("node-2");
      await one.bootstrap();
      await two.joinAsStandby(one);
      one.executor.desire({
        configuration: one.dynamic({ postgresql: { parameters: { max_connections: 150 } } }),
      });
      await one.until("a restart is pending", (view) => view.pendingRestart !== null);
      await one.must({ kind: "restart" }, "restart");
      await two.until("it has ended by itself", (view) => view.process === "none");
      await two.must({ kind: "start-standby", follow: one.upstream }, "start");
      expect(await two.sql("SHOW max_connections")).toEqual([{ max_connections: "150" }]);
      const pending = (await two.until("a restart is pending", (view) =>
        view.pendingRestart !== null)).pendingRestart;
      expect(pending).toEqual({ max_connections: { old_value: "150", new_value: "100" } });
    }),
  STORY_MS,
);

story(
  "an interrupted copy with a WAL directory and tablespaces elsewhere is begun again, and set aside with them",
  () =>
    withSite(async (site) => {
      const [spaceOne, spaceTwo, wal] = ["space-1", "space-2", "wal-2"].map((name) => join(site.root, name));
      mkdirSync(spaceOne!);
      // A directory that was there before stays there: it may be a mount point.
      mkdirSync(spaceTwo!);
      const one = await site.member("node-1");
      const basebackup: JsonObject[] = [{ "max-rate": "4M" }, { waldir: wal! }, {
        "tablespace-mapping": `${spaceOne}=${spaceTwo}`,
      }];
      const two = await site.member("node-2", { postgresql: { basebackup } });
      await one.bootstrap();
      await one.sql(`CREATE TABLESPACE space LOCATION '${spaceOne}'`);
      await one.sql("CREATE TABLE t TABLESPACE space AS SELECT generate_series(1, 200000) AS id");
      two.executor.run(one.asSource());
      const inSpace = () => readdirSync(spaceTwo!).length > 0 && readdirSync(wal!).length > 0;
      await waitFor("both to be begun", LIMIT_MS, () => existsSync(wal!) && inSpace());
      // Its own cleaning is what a lost host does not do.
      const { pid } =
        (JSON.parse(readFileSync(join(two.dataDir, "agent.unfinished"), "utf8").split("\n")[1]!) as {
          program: { pid: number };
        }).program;
      process.kill(pid, "SIGKILL");
      await two.until("it has failed", (view) => view.last.clone?.ok === false);
      expect(inSpace()).toBe(true);
      const inode = statSync(spaceTwo!).ino;
      two.executor.run({ kind: "set-aside", why: "the clone did not finish" });
      await two.until("the rest is gone", (view) => view.directory.kind === "empty");
      expect([readdirSync(spaceTwo!), readdirSync(wal!), statSync(spaceTwo!).ino]).toEqual([[], [], inode]);
      await two.reconfigure({ postgresql: { basebackup: basebackup.slice(1) } });
      await two.joinAsStandby(one);
      expect(await two.sql("SELECT count(*)::int AS n FROM t")).toEqual([{ n: 200000 }]);

      // All of it goes aside together, and comes again.
      await two.must({ kind: "stop", how: "fast", checkpoint: false }, "stop");
      two.executor.run({ kind: "set-aside", why: "a test" });
      await two.until("it is empty", (view) => view.directory.kind === "empty");
      await two.joinAsStandby(one);
      const kept = readdirSync(site.root).filter((name) => /^(?:space|wal)-2\.failed-\d+$/.test(name));
      expect(kept).toHaveLength(2);
    }),
  STORY_MS,
);

story(
  "an interrupted initdb with a WAL directory elsewhere is begun again",
  () =>
    withSite(async (site) => {
      const wal = join(site.root, "wal");
      const one = await site.member("node-1", {
        bootstrap: { initdb: [{ waldir: wal }, { locale: "no_such" }] },
      });
      expect(await one.run({ kind: "bootstrap" }, "bootstrap")).toContain("no_such");
      // As an initdb that was killed leaves it.
      mkdirSync(join(wal, "archive_status"), { recursive: true });
      one.executor.run({ kind: "set-aside", why: "the bootstrap did not finish" });
      await one.until("the rest is gone", (view) => view.directory.kind === "empty");
      expect(readdirSync(wal)).toEqual([]);
      await one.reconfigure({ bootstrap: { initdb: [{ waldir: wal }] } });
      await one.bootstrap();
      expect(readdirSync(wal).some((name) => /^[0-9A-F]{24}$/.test(name))).toBe(true);
    }),
  STORY_MS,
);

story(
  "a copy of a standby needs the primary's slot before it begins, and then streams from the primary",
  () =>
    withSite(async (site) => {
      const [one, two, three] = [
        await site.member("node-1"),
        await site.member("node-2"),
        await site.member("node-3"),
      ];
      await one.bootstrap();
      await one.sql("CREATE TABLE t AS SELECT generate_series(1, 10) AS id");
      await two.joinAsStandby(one);
      await replayed(two, 10);
      const slot = async () =>
        await one.sql("SELECT active FROM pg_replication_slots WHERE slot_name = 'node_3'");
      const copyOf = (change: Partial<DataIdentity>) => {
        const source = two.asSource(one);
        return three.run({ ...source, of: { ...source.of!, ...change } }, "clone");
      };
      expect(await copyOf({ systemId: "1" })).toContain("the system identifier");
      expect(await copyOf({ timeline: 2 })).toContain("node-2 is on timeline 1, the primary on 2");
      expect(three.view.directory.kind).toBe("empty");

      const copying = three.run(two.asSource(one), "clone");
      await three.until("it is under way", ({ action }) => action?.copy?.from === "node-2");
      await waitFor("the slot on the primary", LIMIT_MS, async () => (await slot()).length === 1);
      expect(await copying).toBeNull();
      expect(three.view.directory).toMatchObject({ kind: "valid", standbySignal: true });
      expect(three.log.lines.join("\n")).toContain("trying to bootstrap from replica 'node-2'");
      await one.sql("INSERT INTO t VALUES (11)");
      await three.must({ kind: "start-standby", follow: one.upstream }, "start");
      await three.until("it streams", (view) => view.replicationState === "streaming");
      await replayed(three, 11);
      expect(three.view.following).toBe("node-1");
      await waitFor("its slot is in use", LIMIT_MS, async () => (await slot())[0]?.active === true);
      // The standby keeps nothing for anybody.
      expect(await two.sql("SELECT 1 FROM pg_replication_slots")).toEqual([]);
    }),
  STORY_MS,
);

story("a copy whose WAL ends before the primary's slot begins is not used", () =>
  withSite(async (site) => {
    const [one, two, three] = [
      await site.member("node-1"),
      await site.member("node-2"),
      await site.member("node-3"),
    ];
    await one.bootstrap();
    await two.joinAsStandby(one);
    // The standby stands still, and the primary goes on and forgets.
    two.executor.desire({ upstream: null });
    await two.until("it is cut", (view) => view.following === null);
    for (let segment = 1; segment <= 3; segment++) {
      await one.sql("SELECT pg_logical_emit_message(false, '', 'x')");
      await one.sql("SELECT pg_switch_wal()");
    }
    await one.sql("CHECKPOINT");
    expect(await three.run(two.asSource(one), "clone")).toContain("the slot node_3 on node-1 holds WAL from");
    expect(three.view.directory).toEqual({ kind: "half-written", what: "clone" });
    expect(three.view.last.clone?.from).toBe("node-2");

    three.executor.run({ kind: "set-aside", why: "the clone did not finish" });
    await three.until("the rest is gone", (view) => view.directory.kind === "empty");
    await three.joinAsStandby(one);
  }), STORY_MS);
