/**
 * How configuration reaches a real PostgreSQL: files, command line, reload, pending restart, what is refused.
 */
import { expect, test } from "bun:test";
import { appendFileSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { waitFor } from "../src/demo/wait_for.ts";
import { slotName } from "../src/model/slot_name.ts";
import { LIMIT_MS, STORY_MS, whyNoPostgres, withSite } from "./postgres/site.ts";

const reason = whyNoPostgres();
if (reason !== null) console.warn(`skipped: ${reason}`);
const story = test.skipIf(reason !== null);

story(
  "a changed parameter is reloaded, or waits for a restart and takes effect then",
  () =>
    withSite(async (site) => {
      const member = await site.member("node-1");
      await member.bootstrap();
      const show = async (name: string) => (await member.sql(`SHOW ${name}`))[0]?.[name];
      member.executor.desire({
        configuration: member.dynamic({
          postgresql: {
            // The last one is refused by PostgreSQL, and waits for no restart.
            parameters: {
              work_mem: "8MB",
              max_connections: 50,
              shared_buffers: "64MB",
              max_files_per_process: "many",
            },
          },
        }),
      });
      await waitFor("the reload", LIMIT_MS, async () => (await show("work_mem")) === "8MB");
      const both = ["max_connections", "shared_buffers"];
      const view = await member.until(
        "a restart is pending for both",
        ({ pendingRestart }) => both.every((name) => pendingRestart?.[name] !== undefined),
      );
      expect(view.pendingRestart).toEqual({
        max_connections: { old_value: "100", new_value: "50" },
        shared_buffers: { old_value: "128MB", new_value: "64MB" },
      });
      expect(await show("max_connections")).toBe("100");
      await member.must({ kind: "restart" }, "restart");
      await member.until("nothing is pending", (now) => now.pendingRestart === null);
      expect([await show("max_connections"), await show("shared_buffers")]).toEqual(["50", "64MB"]);
    }),
  STORY_MS,
);

story("a parameter that PostgreSQL does not know keeps nobody from starting", () =>
  withSite(async (site) => {
    const parameters = {
      work_memm: "8MB",
      maintenance_work_mem: "plenty",
      "my.own": "it's",
      log_line_prefix: "%m '\\' ",
    };
    const member = await site.member("node-1", {}, { postgresql: { parameters } });
    await member.bootstrap();
    expect(
      await member.sql(
        "SELECT current_setting('my.own') AS own, current_setting('log_line_prefix') AS prefix",
      ),
    )
      .toEqual([{ own: "it's", prefix: "%m '\\' " }]);
    const warnings = member.log.lines.filter((line) => line.includes("Removing unexpected parameter"));
    expect(warnings.join("\n")).toContain("work_memm");
    expect(warnings.join("\n")).toContain("maintenance_work_mem");
    expect(warnings.length).toBe(2);
  }), STORY_MS);

story(
  "pg_hba is replaced as a whole, and ALTER SYSTEM cannot change recovery or what is controlled",
  () =>
    withSite(async (site) => {
      const lines = ["local all all trust", "host all all 127.0.0.1/32 scram-sha-256"];
      const member = await site.member("node-1", { postgresql: { pg_hba: lines } });
      await member.bootstrap();
      const hba = readFileSync(join(member.dataDir, "pg_hba.conf"), "utf8").trim().split("\n");
      expect(hba[0]).toContain("overwritten by agent");
      expect(hba.slice(1)).toEqual(lines);
      await member.sql("ALTER SYSTEM SET primary_conninfo = 'host=elsewhere'");
      await member.sql("ALTER SYSTEM SET max_wal_senders = 3");
      await member.must({ kind: "restart" }, "restart");
      expect(
        await member.sql(
          "SELECT current_setting('primary_conninfo') AS info, current_setting('max_wal_senders') AS senders",
        ),
      )
        .toEqual([{ info: "", senders: "10" }]);
      const conf = readFileSync(join(member.dataDir, "postgresql.conf"), "utf8");
      expect(conf).toContain("include 'postgresql.base.conf'");
      expect(existsSync(join(member.dataDir, "postgresql.base.conf"))).toBe(true);
    }),
  STORY_MS,
);

story("a hook that refuses keeps a standby from being promoted", () =>
  withSite(async (site) => {
    const one = await site.member("node-1");
    const two = await site.member("node-2", {
      postgresql: { pre_promote: "sh -c 'echo not today >&2; exit 3'" },
    });
    await one.bootstrap();
    await two.joinAsStandby(one);
    await one.must({ kind: "stop", how: "fast", checkpoint: true }, "stop");
    await two.arm(2);
    const failed = await two.run({ kind: "promote", epoch: 2 }, "promote");
    expect(failed).toContain("pre_promote");
    expect(failed).toContain("not today");
    expect(two.view).toMatchObject({ writable: false, inRecovery: true });
    expect(existsSync(join(two.dataDir, "promote"))).toBe(false);
  }), STORY_MS);

story(
  "post_bootstrap gets a connection URL that works, and its failure is a failed bootstrap",
  () =>
    withSite(async (site) => {
      const script = join(site.root, "hook.sh");
      writeFileSync(
        script,
        `#!/bin/sh\necho "$1" >> ${site.root}/urls\npsql "$1" -c 'CREATE TABLE made ()' || exit 1\n`,
        { mode: 0o755 },
      );
      const member = await site.member("node-1", { bootstrap: { post_bootstrap: script } });
      await member.bootstrap();
      expect(await member.sql("SELECT count(*)::int AS n FROM made")).toEqual([{ n: 0 }]);
      const url = readFileSync(join(site.root, "urls"), "utf8").trim();
      expect(url).toBe(`postgres://postgres@127.0.0.1:${member.port}/postgres`);
      appendFileSync(script, "exit 4\n");
      expect(await member.run({ kind: "finish-bootstrap" }, "finish-bootstrap")).toContain("post_bootstrap");
    }),
  STORY_MS,
);

story(
  "no empty cluster is made where one that follows another, or a restore, was asked for",
  () =>
    withSite(async (site) => {
      const standby = await site.member("node-1", {}, { standby_cluster: { host: "192.0.2.1" } });
      expect(await standby.run({ kind: "bootstrap" }, "bootstrap")).toContain("standby_cluster");
      const restored = await site.member("node-2", {
        bootstrap: { method: "pitr", pitr: { command: "true" } },
      });
      expect(await restored.run({ kind: "bootstrap" }, "bootstrap")).toContain("bootstrap.method pitr");
      for (const member of [standby, restored]) expect(member.view.directory.kind).not.toBe("valid");
    }),
  STORY_MS,
);

const ODD = "a b'c\"d\\e%f:g#h$(i)`j`{k}~@=,;&|<>?*[l]";

story(
  "names, users, passwords, a database and directories with every sign that is allowed: a member is made, copied and rewound",
  () =>
    withSite(async (site) => {
      const authentication = {
        superuser: {
          username: `sü ${ODD.replace(/["$'\\]/g, "")}`,
          password: `'sup"er' \\ %s:# ${ODD} ü€😀`,
        },
        replication: { username: `rep ${ODD}`, password: ` ${ODD} \t:` },
        rewind: { username: `Re"wind é`, password: "pass word='x' e\u0301 \u00a0" },
      };
      const member = (name: string) =>
        site.member(name, {
          scope: `main ${ODD}`,
          bootstrap: { post_bootstrap: `psql -X -c 'CREATE TABLE "made here" ()'` },
          postgresql: { authentication, parameters: { unix_socket_directories: site.root } },
        });
      const [first, second] = [await member("n1 'q\"%p\\:#$(x)"), await member("n2 [*]&;~=`")];
      await first.bootstrap();
      await first.sql(`CREATE DATABASE "${ODD.replaceAll('"', '""')}"`);
      expect(await first.sql('SELECT count(*)::int AS n FROM "made here"')).toEqual([{ n: 0 }]);
      await first.sql("CREATE TABLE t AS SELECT 1 AS x", ODD);
      await second.joinAsStandby(first);
      const seen = await waitFor("a WAL sender that streams from a slot", LIMIT_MS, async () => {
        const rows = await first.sql(
          "SELECT usename, application_name, state, slot_name FROM pg_stat_replication JOIN pg_replication_slots " +
            "ON active_pid = pid WHERE state = 'streaming'",
        );
        return rows.length > 0 ? rows : null;
      });
      expect(seen).toEqual([{
        usename: authentication.replication.username,
        application_name: second.name,
        state: "streaming",
        slot_name: slotName(second.name),
      }]);
      await waitFor("the table is there", LIMIT_MS, async () =>
        (await second.sql("SELECT x FROM t", ODD).catch(() => [])).length === 1);
      expect(await second.sql("SELECT current_setting('cluster_name') AS scope"))
        .toEqual([{ scope: `main ${ODD}` }]);
      // Both have written since: the old primary is rewound, as the rewind user.
      await second.arm(2);
      second.executor.desire({ slots: { members: [first.name], gone: [] } });
      await second.must({ kind: "promote", epoch: 2 }, "promote");
      await second.until("a checkpoint is made", (view) =>
        view.checkpointAfterPromote);
      await second.sql("CREATE TABLE u AS SELECT 2 AS x", ODD);
      await first.sql("CREATE TABLE lost AS SELECT 3 AS x", ODD);
      await first.must({ kind: "stop", how: "fast", checkpoint: true }, "stop");
      await first.must({ kind: "rewind", from: second.upstream }, "rewind");
      await first.must({ kind: "start-standby", follow: second.upstream }, "start");
      await first.until("it streams", (view) =>
        view.replicationState === "streaming");
      await waitFor(
        "the other's table is there",
        LIMIT_MS,
        async () => (await first.sql("SELECT x FROM u", ODD).catch(() => [])).length === 1,
      );
    }),
  STORY_MS,
);
