/**
 * How configuration reaches a real PostgreSQL: files, command line, reload, pending restart, what is refused.
 */
import { expect, test } from "bun:test";
import { appendFileSync, existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { waitFor } from "../src/demo/wait_for.ts";
import { slotName } from "../src/model/slot_name.ts";
import type { JsonObject } from "../src/model/json.ts";
import { LIMIT_MS, slotsFor, STORY_MS, type TestMember, whyNoPostgres, withSite } from "./postgres/site.ts";

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

story(
  "settings by which commits wait for no standby are found, whoever has them",
  () =>
    withSite(async (site) => {
      const member = await site.member("node-1");
      await member.bootstrap();
      await member.sql("CREATE ROLE app");
      await member.sql("CREATE ROLE other");
      await member.sql("CREATE DATABASE sales");
      await member.sql("ALTER ROLE app SET synchronous_commit = local");
      await member.sql("ALTER ROLE app IN DATABASE sales SET synchronous_commit = 'no'");
      await member.sql("ALTER DATABASE sales SET synchronous_commit = off");
      await member.sql("ALTER ROLE other SET synchronous_commit = remote_write");
      await member.sql("ALTER ROLE other SET work_mem = '5MB'");
      member.executor.desire({ configuration: member.dynamic({ synchronous_mode: true }) });
      const view = await member.until("all are found", ({ sync }) => sync.exempt?.length === 3);
      expect(view.sync.exempt).toEqual([
        { role: null, database: "sales", value: "off" },
        { role: "app", database: null, value: "local" },
        { role: "app", database: "sales", value: "no" },
      ]);
      await member.sql("ALTER SYSTEM SET synchronous_commit = off");
      member.executor.desire({ configuration: member.dynamic({ synchronous_mode: "quorum" }) });
      await member.until("one of all sessions is, too", ({ sync }) =>
        sync.exempt?.[0]?.role === null && sync.exempt[0].database === null);
      member.executor.desire({ configuration: member.dynamic({}) });
      await member.until("in asynchronous mode none is looked for", ({ sync }) =>
        sync.exempt?.length === 0);
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
  "a value outside of its range is put at its end, and a restart waits for that value",
  () =>
    withSite(async (site) => {
      const member = await site.member("node-1", {}, { postgresql: { parameters: { work_mem: "1kB" } } });
      await member.bootstrap();
      const show = async (name: string) => (await member.sql(`SHOW ${name}`))[0]?.[name];
      expect(await show("work_mem")).toBe("64kB");
      expect(member.log.lines.join("\n")).toContain(
        "Value=1kB of parameter=work_mem is outside of its range, 64kB is used",
      );
      const parameters = { work_mem: "8MB", max_files_per_process: 3, shared_buffers: "128MB" };
      member.executor.desire({ configuration: member.dynamic({ postgresql: { parameters } }) });
      const { pendingRestart } = await member.until(
        "a restart waits",
        (view) => view.pendingRestart !== null,
      );
      expect(pendingRestart).toEqual({ max_files_per_process: { old_value: "1000", new_value: "64" } });
      await member.must({ kind: "restart" }, "restart");
      await member.until("nothing is pending", (now) => now.pendingRestart === null);
      expect(await show("max_files_per_process")).toBe("64");
    }),
  STORY_MS,
);

story(
  "a member says beforehand what its PostgreSQL would not take, and which library or hook is not there",
  () =>
    withSite(async (site) => {
      const member = await site.member("node-1", {}, { postgresql: { parameters: { nonsense: 1 } } });
      const check = (postgresql: JsonObject) => member.executor.check(member.dynamic({ postgresql }));
      const libraries = { shared_preload_libraries: "plpgsql, nowhere" };
      // Without a directory there are the programs still.
      const missing = expect.stringContaining("shared_preload_libraries names nowhere, which is not there");
      expect(await check({ parameters: libraries })).toEqual({ refusals: [missing], warnings: [] });
      await member.bootstrap();
      expect(await check({})).toEqual({ refusals: [], warnings: [] });
      expect(await check({ pg_hba: ["local all all trust"] })).toEqual({ refusals: [], warnings: [] });
      const found = await check({
        parameters: { work_mem: "1kB", work_memm: "1MB", ...libraries },
        parameters_replica: { jit: "perhaps" },
      });
      expect(found).toEqual({
        refusals: [missing],
        warnings: [
          "Value=1kB of parameter=work_mem is outside of its range, 64kB is used",
          "Removing unexpected parameter=work_memm value=1MB from the config",
          "Removing unexpected parameter=jit value=perhaps from the config",
        ],
      });
      expect((await check({ parameters: { shared_preload_libraries: "plpgsql" } })).refusals).toEqual([]);
      const hooks = {
        pre_promote: "/nowhere/fence x",
        before_stop: "true",
        callbacks: { on_start: "no-such" },
      };
      expect(await check(hooks)).toEqual({
        refusals: [
          "on_start names no-such, which is not there or cannot be run",
          "pre_promote names /nowhere/fence, which is not there or cannot be run",
        ],
        warnings: [],
      });
      // It changes nothing.
      expect(existsSync(join(member.dataDir, ".postgresql.conf.proposed"))).toBe(false);
      expect(readFileSync(join(member.dataDir, "postgresql.conf"), "utf8")).not.toContain("nowhere");
    }),
  STORY_MS,
);

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

story(
  "settings of a role count from a promotion on, and those of the other role from a demotion on",
  () =>
    withSite(async (site) => {
      const access = (method: string) => ["local all all trust", `host all,replication all all ${method}`];
      const dcs: JsonObject = {
        postgresql: {
          parameters: { work_mem: "4MB" },
          parameters_primary: { work_mem: "8MB", shared_buffers: "64MB" },
          parameters_replica: { work_mem: "2MB", max_files_per_process: 900 },
          pg_hba: access("scram-sha-256"),
          pg_hba_replica: [...access("scram-sha-256"), "host nobody nobody 192.0.2.1/32 reject"],
        },
      };
      const one = await site.member("node-1", {}, dcs);
      const two = await site.member("node-2", {}, dcs);
      const show = async (member: TestMember, ...names: string[]) => {
        const columns = names.map((name) => `current_setting('${name}') AS ${name}`);
        return (await member.sql(`SELECT ${columns.join(", ")}`))[0];
      };
      const rejects = async (member: TestMember) =>
        (await member.sql("SELECT 1 FROM pg_hba_file_rules WHERE auth_method = 'reject'")).length;
      await one.bootstrap();
      await two.joinAsStandby(one);
      const names = ["work_mem", "shared_buffers", "max_files_per_process"];
      const ofPrimary = { work_mem: "8MB", shared_buffers: "64MB", max_files_per_process: "1000" };
      const ofReplica = { work_mem: "2MB", shared_buffers: "128MB", max_files_per_process: "900" };
      expect([await show(one, ...names), await show(two, ...names)]).toEqual([ofPrimary, ofReplica]);
      expect([await rejects(one), await rejects(two)]).toEqual([0, 1]);

      await one.must({ kind: "stop", how: "fast", checkpoint: true }, "stop");
      await two.until("everything is received", (view) => view.receivedLsn === one.view.receivedLsn);
      await two.arm(2);
      two.executor.desire({ slots: slotsFor("node-1") });
      await two.must({ kind: "promote", epoch: 2 }, "promote");
      await waitFor(
        "the reload",
        LIMIT_MS,
        async () => (await show(two, "work_mem"))?.["work_mem"] === "8MB",
      );
      expect(await rejects(two)).toBe(0);
      const pending = await two.until("a restart is pending", (view) => view.pendingRestart !== null);
      expect(pending.pendingRestart).toEqual({
        shared_buffers: { old_value: "128MB", new_value: "64MB" },
        max_files_per_process: { old_value: "900", new_value: "1000" },
      });

      await one.must({ kind: "start-standby", follow: two.upstream }, "start");
      await one.until("it streams", (view) => view.replicationState === "streaming");
      expect(await show(one, ...names)).toEqual(ofReplica);
      expect(await rejects(one)).toBe(1);
      await two.must({ kind: "restart" }, "restart");
      expect(await show(two, ...names)).toEqual(ofPrimary);

      // Configured no more, neither role keeps its own.
      one.executor.desire({ configuration: one.dynamic({ postgresql: { parameters_replica: null } }) });
      await waitFor(
        "the reload",
        LIMIT_MS,
        async () => (await show(one, "work_mem"))?.["work_mem"] === "4MB",
      );
    }),
  STORY_MS,
);

story(
  "settings of a primary are not in the files before its promotion has taken effect",
  () =>
    withSite(async (site) => {
      // The agent could not ask whether this primary is promoted.
      const dcs: JsonObject = { postgresql: { pg_hba_primary: ["host all all all reject"] } };
      const one = await site.member("node-1");
      const two = await site.member("node-2", { postgresql: { use_unix_socket: false } }, dcs);
      await one.bootstrap();
      await two.joinAsStandby(one);
      await one.must({ kind: "stop", how: "fast", checkpoint: true }, "stop");
      await two.until("everything is received", (view) => view.receivedLsn === one.view.receivedLsn);
      await two.arm(2);
      const startup = "SELECT pid FROM pg_stat_activity WHERE backend_type = 'startup'";
      const pid = (await two.sql(startup))[0]?.["pid"] as number;
      process.kill(pid, "SIGSTOP");
      const promoted = two.run({ kind: "promote", epoch: 2 }, "promote");
      await two.until("the promotion is under way", (view) => view.writable);
      const file = (name: string) => readFileSync(join(two.dataDir, name), "utf8");
      // A change of the configuration meanwhile writes the files as well.
      two.executor.desire({
        configuration: two.dynamic({ postgresql: { parameters: { work_mem: "8MB" } } }),
      });
      await waitFor("the change", LIMIT_MS, () => file("postgresql.conf").includes("work_mem = '8MB'"));
      expect(file("pg_hba.conf")).not.toContain("all all all reject");
      process.kill(pid, "SIGCONT");
      expect(await promoted).toBeNull();
      await waitFor("its lines", LIMIT_MS, () => file("pg_hba.conf").includes("all all all reject"));
      expect(two.view).toMatchObject({ writable: true });
    }),
  STORY_MS,
);

story(
  "the cluster's configuration is kept in a directory that is the cluster's, and in no other",
  () =>
    withSite(async (site) => {
      const one = await site.member("node-1");
      const two = await site.member("node-2");
      const kept = (member: TestMember) => {
        const file = join(member.dataDir, "patroni.dynamic.json");
        return existsSync(file) ? JSON.parse(readFileSync(file, "utf8")) as unknown : null;
      };
      const value = { ttl: 7, postgresql: { parameters: { work_mem: "5MB" } } };
      one.executor.desire({ recorded: { value, systemId: "1" } });
      await one.bootstrap();
      await one.until("the directory is known", (view) => view.systemId !== null);
      const systemId = one.view.systemId!;
      await one.must({ kind: "restart" }, "restart");
      expect(kept(one)).toBeNull();
      one.executor.desire({ recorded: { value, systemId } });
      expect(kept(one)).toEqual(value);
      expect(statSync(join(one.dataDir, "patroni.dynamic.json")).mode & 0o777).toBe(0o600);
      const next = { ttl: 8 };
      one.executor.desire({ recorded: { value: next, systemId } });
      expect(kept(one)).toEqual(next);
      // Before there is a directory, and while the copy is made, nothing lies in its way.
      two.executor.desire({ recorded: { value: { ttl: 9 }, systemId } });
      expect(existsSync(two.dataDir)).toBe(false);
      await two.joinAsStandby(one);
      await waitFor("the configuration in the copy", LIMIT_MS, () => Bun.deepEquals(kept(two), { ttl: 9 }));
      writeFileSync(join(two.dataDir, "patroni.dynamic.json"), "nonsense");
      await waitFor(
        "the mended file",
        LIMIT_MS,
        () => readFileSync(join(two.dataDir, "patroni.dynamic.json"), "utf8") === JSON.stringify({ ttl: 9 }),
      );
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
  "no empty cluster is made where one that follows another was asked for",
  () =>
    withSite(async (site) => {
      const standby = await site.member("node-1", {}, { standby_cluster: { host: "192.0.2.1" } });
      expect(await standby.run({ kind: "bootstrap" }, "bootstrap")).toContain("standby_cluster");
      expect(standby.view.directory.kind).not.toBe("valid");
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
      second.executor.desire({ slots: slotsFor(first.name) });
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
