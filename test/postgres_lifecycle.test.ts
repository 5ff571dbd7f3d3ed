/** One real PostgreSQL through its life: bootstrap, restart, crash, stop, another agent. */
import { expect, test } from "bun:test";
import { readFileSync, statSync, truncateSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { waitFor } from "../src/demo/wait_for.ts";
import { StubCluster } from "../cli/ctl/testing.ts";
import { LIMIT_MS, STORY_MS, type TestMember, whyNoPostgres, withSite } from "./postgres/site.ts";

const reason = whyNoPostgres();
if (reason !== null) console.warn(`skipped: ${reason}`);
const story = test.skipIf(reason !== null);

const EVERY_KIND = `SELECT date '2026-11-28' AS day, timestamptz '2026-11-28 12:00:00.123456+00' AS at,
  interval '1 day 02:03' AS span, '{"a": 12345678901234567890}'::jsonb AS doc, '\\x0102'::bytea AS raw,
  1.50::numeric AS price, 9223372036854775807 AS large, true AS yes, NULL AS none, E'two\nlines' AS text,
  ARRAY[date '2026-11-28'] AS days, point(1, 2) AS place, 7 AS small`;
const OWN_TEXT = [
  "2026-11-28",
  "2026-11-28 12:00:00.123456+00",
  "1 day 02:03:00",
  '{"a": 12345678901234567890}',
];
const OWN_TEXT_GOES_ON = [
  "\\x0102",
  "1.50",
  "9223372036854775807",
  "t",
  "None",
  "two\\nlines",
  "{2026-11-28}",
];

/** `agent ctl query` shows every value as the server writes it, a record a line. */
async function queryShowsOwnText({ port, config }: TestMember): Promise<void> {
  const cluster = new StubCluster();
  try {
    cluster.port.changeMember("node1", { connUrl: `postgres://127.0.0.1:${port}/postgres` });
    const { username, password } = config.postgresql!.superuser;
    const query = (...words: string[]) =>
      cluster.ctl([
        "query",
        "-U",
        username!,
        "--password",
        "-c",
        `SET timezone = UTC; ${EVERY_KIND}`,
        ...words,
      ], [
        password!,
      ]);
    const { out } = await query();
    expect(out.replace("Password: ", "").split("\n")).toEqual([
      "day\tat\tspan\tdoc\traw\tprice\tlarge\tyes\tnone\ttext\tdays\tplace\tsmall",
      [...OWN_TEXT, ...OWN_TEXT_GOES_ON, "(1,2)", "7"].join("\t"),
    ]);
    const [row] = JSON.parse((await query("--format", "json")).out.replace("Password: ", ""));
    expect(row).toMatchObject({ day: "2026-11-28", yes: true, none: null, text: "two\nlines", small: 7 });
    const run = (sql: string) =>
      cluster.ctl(["query", "-U", username!, "--password", "-c", sql], [password!]);
    expect(await run("SET timezone = UTC")).toEqual({ code: 0, out: "Password: ", err: "" });
    const refused = await run("SELECT FROM nowhere");
    expect(refused.code).toBe(1);
    expect(refused.out).toEndWith("\tERROR, SQLSTATE: 42P01");
    expect(refused.err).toBe('Error: relation "nowhere" does not exist');
  } finally {
    await cluster.stop();
  }
}

story(
  "an empty directory becomes a primary with roles, and stays half-written until it is sealed",
  () =>
    withSite(async (site) => {
      const member = await site.member("node-1");
      expect(member.view.directory.kind).toBe("absent");
      await member.must({ kind: "bootstrap" }, "bootstrap");
      expect(member.view.directory).toEqual({ kind: "half-written", what: "bootstrap", by: 1 });
      await member.arm(1);
      await member.must({ kind: "start-primary", epoch: 1 }, "start");
      expect(member.view).toMatchObject({
        process: "running",
        writable: true,
        epoch: 1,
        inRecovery: false,
        timeline: 1,
      });
      await member.must({ kind: "finish-bootstrap" }, "finish-bootstrap");
      expect(member.view.directory.kind).toBe("half-written");
      member.executor.run({ kind: "seal-bootstrap" });
      await member.until("it is sealed", (view) => view.directory.kind === "valid");
      expect(member.view.systemId).toMatch(/^\d{18,20}$/);
      const roles = await member.sql(
        "SELECT rolname, rolreplication FROM pg_roles WHERE rolname !~ '^pg_' ORDER BY 1",
      );
      expect(roles).toEqual([
        { rolname: "postgres", rolreplication: true },
        { rolname: "replicator", rolreplication: true },
        { rolname: "rewind_user", rolreplication: false },
      ]);
      expect(statSync(member.dataDir).mode & 0o777).toBe(0o700);
      const command = readFileSync(`/proc/${member.guard.view().postmaster!.pid}/cmdline`, "utf8").split(
        "\0",
      );
      expect(command).toContain("--cluster_name=test");
      expect(command).toContain("--wal_level=replica");
      expect(command.join(" ")).not.toContain("secret");
      await queryShowsOwnText(member);
    }),
  STORY_MS,
);

story("without an armed epoch nothing writable is started", () =>
  withSite(async (site) => {
    const member = await site.member("node-1");
    await member.must({ kind: "bootstrap" }, "bootstrap");
    const failed = await member.run({ kind: "start-primary", epoch: 1 }, "start");
    expect(failed).not.toBeNull();
    expect(member.view).toMatchObject({ process: "none", state: "start failed", writable: false });
  }), STORY_MS);

story(
  "a stop ends everything, leaves a clean directory and the end of its WAL",
  () =>
    withSite(async (site) => {
      const member = await site.member("node-1");
      await member.bootstrap();
      await member.must({ kind: "stop", how: "fast", checkpoint: true }, "stop");
      const { view } = member;
      expect(view).toMatchObject({ process: "none", state: "stopped", crashedAtMs: null, walLsn: null });
      if (view.directory.kind !== "valid") throw new Error("not valid");
      expect(view.directory.control.clusterState).toBe("shut down");
      expect(view.receivedLsn).toBeGreaterThan(view.directory.control.checkpointLsn);
      expect(view.receivedLsn! - view.directory.control.checkpointLsn).toBeLessThan(256);
    }),
  STORY_MS,
);

story("a restart keeps role and epoch", () =>
  withSite(async (site) => {
    const member = await site.member("node-1");
    await member.bootstrap(7);
    const before = member.guard.view().postmaster!.pid;
    await member.must({ kind: "restart" }, "restart");
    expect(member.view).toMatchObject({ process: "running", writable: true, epoch: 7 });
    expect(member.guard.view().postmaster!.pid).not.toBe(before);
  }), STORY_MS);

story(
  "a primary completes a write in each epoch, also where users' transactions are read-only",
  () =>
    withSite(async (site) => {
      const member = await site.member("node-1");
      await member.bootstrap();
      await member.until("it has written", (view) => view.wroteUnder === 1);
      const xid = async () =>
        Number(
          (await member.sql("SELECT txid_snapshot_xmax(txid_current_snapshot())::text AS xid"))[0]!["xid"],
        );
      await member.sql("ALTER SYSTEM SET default_transaction_read_only = on");
      const before = await xid();
      await member.must({ kind: "restart" }, "restart");
      await member.until("it has written again", (view) => view.wroteUnder === 1);
      expect(await xid()).toBeGreaterThan(before);
    }),
  STORY_MS,
);

story("a server that cannot write has not written", () =>
  withSite(async (site) => {
    const member = await site.member("node-1");
    await member.bootstrap();
    await member.until("it has written", (view) => view.wroteUnder === 1);
    // No more transactions are assigned: as near to a disk that takes nothing as an ordinary user comes.
    const { postmaster } = member.guard.view();
    const lock = await member.session();
    await lock.query("BEGIN");
    await lock.query("LOCK TABLE pg_catalog.pg_database IN EXCLUSIVE MODE");
    member.restartAgent();
    await member.connected();
    await waitFor(
      "the failure",
      LIMIT_MS,
      () => /first write under epoch 1/.test(member.log.lines.join("\n")),
    );
    expect(member.view.wroteUnder).toBeNull();
    expect(member.guard.view().postmaster).toEqual(postmaster);
    await lock.query("COMMIT");
    await lock.end();
    await member.until("it has written", (view) => view.wroteUnder === 1);
  }), STORY_MS);

story(
  "a primary that is killed counts as crashed, and starts again by crash recovery",
  () =>
    withSite(async (site) => {
      const member = await site.member("node-1");
      await member.bootstrap();
      await member.sql("CREATE TABLE t AS SELECT generate_series(1, 1000) AS id");
      process.kill(member.guard.view().postmaster!.pid, "SIGKILL");
      const view = await member.until(
        "it is crashed",
        (now) => now.process === "none" && now.state === "crashed",
      );
      expect(view.crashedAtMs).not.toBeNull();
      expect(view.writable).toBe(false);
      await member.must({ kind: "start-primary", epoch: 1 }, "start");
      expect(member.view).toMatchObject({ state: "running", crashedAtMs: null });
      expect(await member.sql("SELECT count(*)::int AS n FROM t")).toEqual([{ n: 1000 }]);
    }),
  STORY_MS,
);

story(
  "the end of WAL after a crash is found among segments that were made in advance and are empty",
  () =>
    withSite(async (site) => {
      const member = await site.member("node-1");
      await member.bootstrap();
      const wal = join(member.dataDir, "pg_wal");
      // Whatever file of the directory pg_waldump looks at first, it is most likely one of these.
      for (let i = 0; i < 60; i++) {
        const name = `0000000100000001000000${i.toString(16).toUpperCase().padStart(2, "0")}`;
        writeFileSync(join(wal, name), "");
        truncateSync(join(wal, name), 16 * 1024 * 1024);
      }
      await member.sql("CREATE TABLE t AS SELECT generate_series(1, 1000) AS id");
      const [row] = await member.sql("SELECT pg_current_wal_flush_lsn() - '0/0' AS lsn");
      process.kill(member.guard.view().postmaster!.pid, "SIGKILL");
      const view = await member.until(
        "the end of its WAL is known",
        (now) => now.process === "none" && now.receivedLsn !== null,
      );
      expect(view.receivedLsn).toBeGreaterThanOrEqual(Number(row!["lsn"]));
    }),
  STORY_MS,
);

story("a stop that becomes urgent overtakes the polite one", () =>
  withSite(async (site) => {
    const member = await site.member("node-1", { postgresql: { before_stop: "sleep 600" } });
    await member.bootstrap();
    member.executor.run({ kind: "stop", how: "fast", checkpoint: true });
    member.executor.run({ kind: "stop", how: "kill", checkpoint: false });
    expect(member.view.action?.detail).toBe("kill");
    const view = await member.until("it is gone", (now) => now.process === "none" && now.action === null);
    expect(view.last.stop).toMatchObject({ ok: true, detail: "kill" });
  }), STORY_MS);

story(
  "an agent that comes later finds the running server, its role and its timeline",
  () =>
    withSite(async (site) => {
      const member = await site.member("node-1", {
        postgresql: { callbacks: { on_start: `sh -c 'echo "$@" $AGENT_LEADER >> ${site.root}/called' x` } },
      });
      await member.bootstrap();
      const { pid } = member.guard.view().postmaster!;
      member.restartAgent();
      const view = await member.until(
        "it is seen running",
        (now) => now.process === "running" && now.timeline !== null && now.checkpointAfterPromote,
      );
      expect(view).toMatchObject({ writable: true, epoch: 1, inRecovery: false });
      expect(member.guard.view().postmaster!.pid).toBe(pid);
      const line = "on_start primary test node-1\n";
      await waitFor(
        "both callbacks",
        LIMIT_MS,
        () => readFileSync(join(site.root, "called"), "utf8") === line + line,
      );
    }),
  STORY_MS,
);

story(
  "while it is frozen nothing is asked and nothing fails, after the thaw it is running again",
  () =>
    withSite(async (site) => {
      const member = await site.member("node-1");
      await member.must({ kind: "bootstrap" }, "bootstrap");
      // Long enough for its start, on a loaded machine too: a server that is frozen before cannot start.
      await member.arm(1, 8_000);
      await member.must({ kind: "start-primary", epoch: 1 }, "start");
      const frozen = await member.until("it is frozen", (view) => view.process === "frozen");
      expect(frozen).toMatchObject({ state: "running", writable: true, epoch: 1 });
      await member.arm(1);
      const thawed = await member.until(
        "it answers again",
        (view) => view.process === "running" && view.lastLookMs! > frozen.lastLookMs!,
      );
      expect(thawed.crashedAtMs).toBeNull();
      expect(member.log.lines.filter((line) => line.includes("does not answer"))).toEqual([]);
    }),
  STORY_MS,
);

story("a server that the guard ends did not crash", () =>
  withSite(async (site) => {
    const member = await site.member("node-1");
    await member.must({ kind: "bootstrap" }, "bootstrap");
    await member.arm(1, 8_000);
    await member.must({ kind: "start-primary", epoch: 1 }, "start");
    const view = await member.until("it is ended", (now) => now.process === "none");
    expect(view).toMatchObject({ writable: false, crashedAtMs: null, state: "stopped" });
  }), STORY_MS);

story(
  "a lock file that names a living process of somebody else keeps nobody from starting",
  () =>
    withSite(async (site) => {
      const one = await site.member("node-1");
      await one.bootstrap();
      const lock = join(one.dataDir, "postmaster.pid");
      const before = readFileSync(lock, "utf8").split("\n");
      await one.must({ kind: "stop", how: "kill", checkpoint: false }, "stop");
      // As after a crash of the host, when its number has become somebody else's.
      const stranger = Bun.spawn(["sleep", "600"], { cwd: "/" });
      try {
        writeFileSync(lock, [String(stranger.pid), ...before.slice(1)].join("\n"));
        const socketLock = join(before[4]!, `.s.PGSQL.${one.port}.lock`);
        writeFileSync(socketLock, [String(stranger.pid), ...before.slice(1, 5), ""].join("\n"));
        await one.must({ kind: "start-primary", epoch: 1 }, "start");
        expect(readFileSync(lock, "utf8").split("\n")[0]).toBe(String(one.guard.view().postmaster!.pid));
        expect(one.log.lines.join("\n")).toContain(
          `process ${stranger.pid} (sleep), which it names, does not work in`,
        );
        expect(stranger.exitCode).toBeNull();

        // And when neither content had reached the disk.
        await one.must({ kind: "stop", how: "kill", checkpoint: false }, "stop");
        for (const path of [lock, socketLock]) {
          writeFileSync(path, "");
          utimesSync(path, 1, 1);
        }
        await one.must({ kind: "start-primary", epoch: 1 }, "start");
        expect(one.log.lines.join("\n")).toContain(`removing ${socketLock}: it names no process`);
      } finally {
        stranger.kill("SIGKILL");
      }
    }),
  STORY_MS,
);
