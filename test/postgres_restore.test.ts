/** A new cluster from a backup (bootstrap.method), with real PostgreSQL: restored, recovered, opened. */
import { expect, test } from "bun:test";
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { waitFor } from "../src/demo/wait_for.ts";
import type { JsonObject } from "../src/model/json.ts";
import { LIMIT_MS, type Site, STORY_MS, type TestMember, whyNoPostgres, withSite } from "./postgres/site.ts";

const reason = whyNoPostgres();
if (reason !== null) console.warn(`skipped: ${reason}`);
const story = test.skipIf(reason !== null);

interface Backup {
  readonly systemId: string;
  readonly archive: string;
  readonly restoreCommand: string;
  /** A script that copies the backup to --datadir. */
  script(name: string, more?: string): string;
}

/** A backup without rows; WAL with 10 rows, the restore point `ten`, and 10 rows behind that. */
async function backUp(site: Site): Promise<Backup> {
  const archive = join(site.root, "archive");
  const backup = join(site.root, "backup");
  for (const directory of [archive, backup]) mkdirSync(directory, { mode: 0o700 });
  const one = await site.member("node-1", {
    postgresql: { parameters: { archive_mode: "on", archive_command: `cp %p ${archive}/%f` } },
  });
  await one.bootstrap();
  await one.sql("CREATE TABLE t (id int)");
  const copier = await site.member("node-9", methodsTo(script(site, "copy", `cp -a "$datadir"/. ${backup}`)));
  expect(await copier.run(one.asSource(), "clone")).toContain("has left nothing");
  await one.sql("INSERT INTO t SELECT generate_series(1, 10)");
  await one.sql("SELECT pg_create_restore_point('ten')");
  await one.sql("INSERT INTO t SELECT generate_series(11, 20)");
  const [{ file }] = await one.sql("SELECT pg_walfile_name(pg_current_wal_lsn()) AS file") as [
    { file: string },
  ];
  await one.sql("SELECT pg_switch_wal()");
  await waitFor("the WAL is archived", LIMIT_MS, () => existsSync(join(archive, file)));
  const { systemId } = one.view;
  await one.must({ kind: "stop", how: "fast", checkpoint: false }, "stop");
  return {
    systemId: systemId!,
    archive,
    restoreCommand: `cp ${archive}/%f %p`,
    script: (name, more = "") => script(site, name, `cp -a ${backup}/. "$datadir"\n${more}`),
  };
}

/** Its copy is made by pg_basebackup; the script then fails on purpose, and the copy is kept elsewhere. */
const methodsTo = (keep: string): JsonObject => ({
  postgresql: {
    create_replica_methods: ["mine"],
    mine: { command: `${keep}` },
  },
});

function script(site: Site, name: string, body: string): string {
  const path = join(site.root, name);
  writeFileSync(
    path,
    `#!/bin/sh
printf '%s\\n' "$@" > "$0.args"
for arg; do case $arg in --datadir=*) datadir=\${arg#*=} ;; --connstring=*) connstring=\${arg#*=} ;; esac; done
${
      name === "copy"
        ? 'pg_basebackup --no-password -X stream -c fast -D "$datadir" -d "$connstring" || exit 1'
        : ""
    }
${body}
${name === "copy" ? 'rm -r "$datadir"/*' : ""}
`,
  );
  chmodSync(path, 0o755);
  return path;
}

function restored(site: Site, name: string, method: JsonObject, more: JsonObject = {}): Promise<TestMember> {
  return site.member(name, {
    bootstrap: { method: "pitr", pitr: method, ...more },
    postgresql: { authentication: { superuser: { username: "postgres", password: "quite another" } } },
  });
}

const rows = async (member: TestMember) =>
  (await member.sql("SELECT count(*)::int AS n FROM t"))[0]!.n as number;

const signal = (member: TestMember) => existsSync(join(member.dataDir, "recovery.signal"));

const tries = (member: TestMember) => join(member.config.raft.dataDir, "run", "bootstrap.tries");

async function open(member: TestMember): Promise<void> {
  await member.until("its recovery is over", (view) => view.inRecovery === false);
  await member.must({ kind: "finish-bootstrap" }, "finish-bootstrap");
  member.executor.run({ kind: "seal-bootstrap" });
  expect(existsSync(tries(member))).toBe(true);
  await member.until("the bootstrap is sealed", (view) => view.directory.kind === "valid");
  expect(existsSync(tries(member))).toBe(false);
}

story(
  "a cluster is recovered to a point in time, and opened under the first lease",
  () =>
    withSite(async (site) => {
      const backup = await backUp(site);
      const two = await restored(site, "node-2", {
        command: backup.script("restore", "sleep 1"),
        stanza: "main",
        recovery_conf: { restore_command: backup.restoreCommand, recovery_target_name: "ten" },
      }, {
        post_bootstrap: `sh -c 'psql -X "$0" -c "CREATE TABLE made ()"'`,
        pg_hba: ["host all all 127.0.0.1/32 md5"],
      });
      two.executor.run({ kind: "bootstrap" });
      await two.until("its script runs", (view) => view.state === "running custom bootstrap script");
      await two.until(
        "the directory is made",
        (view) => view.last.bootstrap?.ok === true && view.action === null,
      );
      expect(readFileSync(join(site.root, "restore.args"), "utf8").trim().split("\n")).toEqual([
        "--scope=test",
        `--datadir=${two.dataDir}`,
        "--stanza=main",
      ]);
      expect(two.view.directory).toEqual({ kind: "half-written", what: "bootstrap", by: 1 });
      // Without a lease the guard does not start it: it would promote itself.
      expect(await two.run({ kind: "start-primary", epoch: 1 }, "start")).not.toBeNull();
      await two.arm(1);
      await two.must({ kind: "start-primary", epoch: 1 }, "start");
      await two.until("its recovery is over", (view) => view.inRecovery === false);
      // Nobody but the agent comes in yet.
      await expect(two.sql("SELECT 1")).rejects.toThrow();
      await open(two);
      expect(two.view).toMatchObject({ systemId: backup.systemId, timeline: 2, writable: true, epoch: 1 });
      expect(await rows(two)).toBe(10);
      expect(await two.sql("SELECT count(*)::int AS n FROM made")).toEqual([{ n: 0 }]);
      expect(readFileSync(join(two.dataDir, "pg_hba.conf"), "utf8")).not.toContain("agent_bootstrap");
      expect(readFileSync(join(two.dataDir, "postgresql.conf"), "utf8")).toContain(
        "recovery_target_name = ''",
      );
      expect(signal(two)).toBe(false);
      await two.must({ kind: "restart" }, "restart");
      expect(await rows(two)).toBe(10);
    }),
  STORY_MS,
);

story(
  "a restored server is fenced in its recovery as a primary is, and goes on with it",
  () =>
    withSite(async (site) => {
      const backup = await backUp(site);
      const two = await restored(site, "node-2", {
        command: backup.script("restore"),
        recovery_conf: {
          restore_command: backup.restoreCommand,
          recovery_target_name: "ten",
          recovery_target_action: "pause",
        },
      });
      await two.must({ kind: "bootstrap" }, "bootstrap");
      await two.arm(1, 8_000);
      await two.must({ kind: "start-primary", epoch: 1 }, "start");
      expect(two.view).toMatchObject({ inRecovery: true, writable: true, epoch: 1 });
      const { pid } = two.guard.view().postmaster!;
      await two.until("the lease has ended it", (view) => view.process === "none");
      expect(existsSync(`/proc/${pid}`)).toBe(false);
      expect(signal(two)).toBe(true);
      await two.arm(2);
      await two.must({ kind: "start-primary", epoch: 2 }, "start");
      expect(two.view).toMatchObject({ inRecovery: true, writable: true, epoch: 2 });
      await two.withSuperuser("SELECT pg_wal_replay_resume()");
      await open(two);
      expect(await rows(two)).toBe(10);
    }),
  STORY_MS,
);

story(
  "recovery settings that the command has left count where they are kept",
  () =>
    withSite(async (site) => {
      const backup = await backUp(site);
      const settings = `restore_command = 'cp ${backup.archive}/%f "%p"'`;
      const two = await restored(site, "node-2", {
        command: backup.script(
          "restore",
          `echo "${settings.replaceAll('"', '\\"')}" >> "$datadir/postgresql.auto.conf"
: > "$datadir/standby.signal"`,
        ),
        keep_existing_recovery_conf: true,
        no_params: true,
        datadir: "is not passed",
      });
      // no_params: it has to know the directory itself.
      const path = join(site.root, "restore");
      writeFileSync(path, readFileSync(path, "utf8").replace("for arg;", `datadir=${two.dataDir}; for arg;`));
      await two.must({ kind: "bootstrap" }, "bootstrap");
      expect(readFileSync(`${path}.args`, "utf8").trim()).toBe("");
      await two.arm(1);
      await two.must({ kind: "start-primary", epoch: 1 }, "start");
      await open(two);
      expect(await rows(two)).toBe(20);
    }),
  STORY_MS,
);

story(
  "a command that fails, makes nothing, or leaves what cannot recover is a failed bootstrap",
  () =>
    withSite(async (site) => {
      const backup = await backUp(site);
      const failing: readonly (readonly [JsonObject, string])[] = [
        [
          { command: "sh -c 'echo no such backup >&2; exit 5'" },
          "pitr failed with exit code 5: no such backup",
        ],
        [{ command: "true" }, "pitr has ended without an error, and it has left nothing"],
        [
          { command: backup.script("restore"), recovery_conf: { recovery_target_name: "ten" } },
          "the recovery has no restore_command",
        ],
      ];
      for (const [at, [method, says]] of failing.entries()) {
        const two = await restored(site, `node-${at + 2}`, method);
        expect(await two.run({ kind: "bootstrap" }, "bootstrap")).toContain(says);
        expect(two.view.state).toBe("custom bootstrap failed");
        // The next agent waits before it tries again.
        expect(readFileSync(tries(two), "utf8")).toStartWith("1 ");
      }
      const whole = await restored(site, "node-9", {
        command: backup.script("restore"),
        recovery_conf: { restore_command: backup.restoreCommand },
      });
      await whole.must({ kind: "bootstrap" }, "bootstrap");
      // The agent that ran the command is gone: nobody knows whose the directory is.
      for (const last of site.members.slice(-2)) {
        last.restartAgent();
        await last.connected();
        last.executor.run({ kind: "set-aside", why: "bootstrap did not finish" });
        await last.until("it is empty again", (view) => view.directory.kind === "empty");
        expect(last.log.lines.join("\n")).toContain("moved the data directory aside");
      }
    }),
  STORY_MS,
);

story(
  "a recovery that cannot reach its target is a start that failed, each time",
  () =>
    withSite(async (site) => {
      const backup = await backUp(site);
      const two = await restored(site, "node-2", {
        command: backup.script("restore"),
        recovery_conf: { restore_command: backup.restoreCommand, recovery_target_name: "never" },
      });
      await two.must({ kind: "bootstrap" }, "bootstrap");
      await two.arm(1);
      for (const failures of [1, 2, 3]) {
        two.executor.run({ kind: "start-primary", epoch: 1 });
        await two.until(
          `it has failed ${failures} times`,
          (view) => view.last.start?.failures === failures && view.process === "none" && view.action === null,
        );
      }
    }),
  STORY_MS,
);
