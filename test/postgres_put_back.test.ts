/** What somebody puts in the place of a data directory: it does not pass for the data that was there. */
import { expect, test } from "bun:test";
import { cpSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { waitFor } from "../src/demo/wait_for.ts";
import { program } from "./postgres/programs.ts";
import { LIMIT_MS, STORY_MS, type TestMember, whyNoPostgres, withSite } from "./postgres/site.ts";

const reason = whyNoPostgres();
if (reason !== null) console.warn(`skipped: ${reason}`);
const story = test.skipIf(reason !== null);

const STOP = { kind: "stop", how: "fast", checkpoint: true } as const;
/** As a crash. */
const KILL = { kind: "stop", how: "kill", checkpoint: false } as const;

/** Waits until the agent has noted, of its data, a checkpoint that is written like that. */
async function notes({ config, dataId }: TestMember, checkpoint: string): Promise<void> {
  const file = join(config.raft.dataDir, "run", "data_checkpoint");
  const line = new RegExp(`^${dataId} ${checkpoint}$`, "m");
  await waitFor("the checkpoint is noted", LIMIT_MS, () => line.test(readFileSync(file, "utf8")));
}

/** Another start of the agent looks at once. */
async function looksAnew(member: TestMember, named: (dataId: string) => boolean): Promise<void> {
  member.restartAgent();
  await member.connected();
  await member.until("the directory is read", () => member.dataId !== undefined && named(member.dataId));
}

story(
  "a directory that is put back from a backup on its host does not pass for the later one",
  () =>
    withSite(async (site) => {
      const one = await site.member("node-1");
      await one.bootstrap();
      const kept = `${one.dataDir}.kept`;
      await one.must(STOP, "stop");
      const before = one.dataId;
      cpSync(one.dataDir, kept, { recursive: true });
      await one.arm(2);
      await one.must({ kind: "start-primary", epoch: 2 }, "start");
      await one.sql("CREATE TABLE t AS SELECT 1 AS id");
      await one.sql("CHECKPOINT");
      const query = "SELECT checkpoint_lsn - '0/0'::pg_lsn AS lsn FROM pg_control_checkpoint()";
      const [row] = await one.sql(query);
      await notes(one, `${row!.lsn} in production`);
      await one.must(STOP, "stop");
      expect(one.dataId).toBe(before!);
      rmSync(one.dataDir, { recursive: true });
      renameSync(kept, one.dataDir);
      await looksAnew(one, () => true);
      expect(one.dataId).not.toBe(before!);
      expect(one.log.lines.join("\n")).toContain("holds less than it did: its last checkpoint was at");
    }),
  STORY_MS,
);

story(
  "nor does a base backup of it, or a copy of another host's, however late it was made; its own does",
  () =>
    withSite(async (site) => {
      const one = await site.member("node-1");
      const two = await site.member("node-2");
      await one.bootstrap();
      await two.joinAsStandby(one);
      const backup = join(site.root, "backup");
      const made = program(one, "pg_basebackup", "-D", backup, "-c", "fast", "-X", "stream");
      expect(await made.ended).toEqual({ code: 0, said: "" });
      await notes(one, "[1-9].*");
      await notes(two, "[1-9].*");
      await one.sql("CREATE TABLE late AS SELECT 1 AS id");
      await one.must(KILL, "stop");
      await two.must(KILL, "stop");
      const own = one.dataId!;

      const others = [own, two.dataId];
      // With a configuration that is not the agent's.
      const unmanaged = join(site.root, "unmanaged");
      cpSync(backup, unmanaged, { recursive: true });
      writeFileSync(join(unmanaged, "postgresql.conf"), "max_connections = 100\n");
      const kept = `${one.dataDir}.kept`;
      renameSync(one.dataDir, kept);
      renameSync(backup, one.dataDir);
      await looksAnew(one, (dataId) => !others.includes(dataId));
      expect(one.log.lines.join("\n")).toContain("has a backup_label");
      rmSync(one.dataDir, { recursive: true });
      cpSync(unmanaged, one.dataDir, { recursive: true });
      await looksAnew(one, (dataId) => !others.includes(dataId));
      rmSync(one.dataDir, { recursive: true });
      cpSync(two.dataDir, one.dataDir, { recursive: true });
      await looksAnew(one, (dataId) => !others.includes(dataId));
      expect(one.log.lines.join("\n")).toContain("was not made on this host");

      rmSync(one.dataDir, { recursive: true });
      renameSync(kept, one.dataDir);
      await looksAnew(one, (dataId) => dataId === own);
      await one.arm(2);
      await one.must({ kind: "start-primary", epoch: 2 }, "start");
      expect(await one.sql("SELECT id FROM late")).toEqual([{ id: 1 }]);
    }),
  STORY_MS,
);
