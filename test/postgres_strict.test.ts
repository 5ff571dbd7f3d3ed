/** Strict mode without a standby, on a real PostgreSQL: no stranger acknowledges, whatever name it gives. */
import { expect, test } from "bun:test";
import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { waitFor } from "../src/demo/wait_for.ts";
import { MISSING_STANDBY, NO_SYNC, RESERVED_STANDBY } from "../src/model/sync_setting.ts";
import { findPrograms } from "../src/postgres/programs.ts";
import { awaitMissing, formatSetting } from "../src/sync/setting.ts";
import { LIMIT_MS, type Site, STORY_MS, type TestMember, whyNoPostgres, withSite } from "./postgres/site.ts";

const reason = whyNoPostgres();
if (reason !== null) console.warn(`skipped: ${reason}`);
const story = test.skipIf(reason !== null);

/** Takes the WAL of `member` under that name, and reports what it has flushed at once. */
function stranger(site: Site, member: TestMember, name: string, number: number): ChildProcess {
  const { directory } = findPrograms({ binDir: null, binName: {}, dataDir: "/nonexistent" });
  const wal = join(site.root, `stranger-${number}`);
  mkdirSync(wal);
  const { username, password } = member.config.postgresql!.superuser;
  const to = `host=127.0.0.1 port=${member.port} user=${username} application_name=${name}`;
  return spawn(join(directory, "pg_receivewal"), ["--synchronous", `--directory=${wal}`, `--dbname=${to}`], {
    stdio: "ignore",
    env: { ...process.env, PGPASSWORD: password! },
  });
}

interface Walsender {
  readonly name: string;
  readonly priority: number;
  readonly done: boolean | null;
}

story(
  "strict without a standby: a commit waits, though strangers flush it who give the name that is waited for",
  () =>
    withSite(async (site) => {
      const member = await site.member("node-1");
      await member.bootstrap();
      member.executor.desire({ sync: awaitMissing(true) });
      const setting = formatSetting(awaitMissing(true));
      await waitFor("the setting", LIMIT_MS, async () => {
        const [row] = await member.sql("SHOW synchronous_standby_names");
        return row!["synchronous_standby_names"] === setting;
      });
      const names = [MISSING_STANDBY, MISSING_STANDBY.slice(0, 63), RESERVED_STANDBY];
      const children = names.map((name, at) => stranger(site, member, name, at));
      const client = await member.session();
      try {
        const [backend] = (await client.query("SELECT pg_backend_pid() AS pid")).rows as [{ pid: number }];
        let isAcknowledged = false;
        const commit = client.query("CREATE TABLE waited (value int)").then(
          () => isAcknowledged = true,
          () => false,
        );
        const isWaiting = async () => {
          const event = `SELECT wait_event FROM pg_stat_activity WHERE pid = ${backend.pid}`;
          return (await member.sql(event))[0]?.["wait_event"] === "SyncRep";
        };
        await waitFor("the commit waits", LIMIT_MS, async () => isAcknowledged || await isWaiting());
        const senders = await waitFor("all of them have flushed it", LIMIT_MS, async () => {
          const rows = await member.sql(
            "SELECT application_name AS name, sync_priority AS priority, " +
              "flush_lsn >= pg_current_wal_flush_lsn() AS done FROM pg_stat_replication ORDER BY 1",
          ) as unknown as Walsender[];
          return rows.length === names.length && rows.every(({ done }) => done === true) ? rows : null;
        });
        expect(senders.map(({ name, priority }) => [name, priority])).toEqual([
          [RESERVED_STANDBY, 0],
          [MISSING_STANDBY.slice(0, 63), 0],
          [MISSING_STANDBY.slice(0, 63), 0],
        ]);
        expect([isAcknowledged, await isWaiting()]).toEqual([false, true]);
        // With the mode off nobody is waited for.
        member.executor.desire({ sync: NO_SYNC });
        expect(await commit).toBe(true);
      } finally {
        for (const child of children) child.kill("SIGKILL");
        await client.end();
      }
    }),
  STORY_MS,
);
