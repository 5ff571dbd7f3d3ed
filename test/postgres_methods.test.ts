/** Copies by commands of the user's own (create_replica_methods), with two real PostgreSQL. */
import { expect, test } from "bun:test";
import { spawn } from "node:child_process";
import { chmodSync, existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { waitFor } from "../src/demo/wait_for.ts";
import type { JsonObject } from "../src/model/json.ts";
import { DataMark } from "../src/postgres/data_mark.ts";
import { UnfinishedMarker } from "../src/postgres/unfinished.ts";
import {
  LIMIT_MS,
  type Site,
  slotsFor,
  STORY_MS,
  type TestMember,
  whyNoPostgres,
  withSite,
} from "./postgres/site.ts";

const reason = whyNoPostgres();
if (reason !== null) console.warn(`skipped: ${reason}`);
const story = test.skipIf(reason !== null);

/** A script in the site's directory; `$datadir` and `$connstring` hold what it was called with. */
function script(site: Site, name: string, body: string): string {
  const path = join(site.root, name);
  writeFileSync(
    path,
    `#!/bin/sh
PATH=${dirname(pgProgram("initdb"))}:$PATH
printf '%s\\n' "$@" > "$0.args"
for arg; do case $arg in --datadir=*) datadir=\${arg#*=} ;; --connstring=*) connstring=\${arg#*=} ;; esac; done
${body}
`,
  );
  chmodSync(path, 0o755);
  return path;
}

const COPY = 'exec pg_basebackup --no-password -X stream -c fast -D "$datadir" -d "$connstring"';

function methods(names: readonly string[], sections: JsonObject): JsonObject {
  return { postgresql: { create_replica_methods: [...names], ...sections } };
}

async function primaryWithTable(site: Site): Promise<TestMember> {
  const one = await site.member("node-1");
  await one.bootstrap();
  await one.sql("CREATE TABLE t AS SELECT generate_series(1, 10) AS id");
  return one;
}

const aside = (member: TestMember) =>
  readdirSync(dirname(member.dataDir)).filter((name) => name.startsWith("data.failed-"));

story(
  "methods are tried in their order, with Patroni's arguments and an empty directory",
  () =>
    withSite(async (site) => {
      const one = await primaryWithTable(site);
      const bad = script(site, "bad", 'echo garbage > "$datadir/half"; echo "no such stanza" >&2; exit 40');
      // Longer than the guard takes to look at the directory again.
      const good = script(site, "good", `sleep 2; ls -A "$datadir" > "$0.saw"; ${COPY}`);
      const two = await site.member(
        "node-2",
        methods(["bad", "good", "basebackup"], {
          bad: { command: bad },
          good: { command: `${good} "with a space"`, stanza: "main", keep_data: false },
        }),
      );
      await two.joinAsStandby(one);
      expect(await two.sql("SELECT count(*)::int AS n FROM t")).toEqual([{ n: 10 }]);
      const log = two.log.lines.join("\n");
      expect(log).toContain(
        "Error creating replica using method bad: bad failed with exit code 40: no such stanza",
      );
      expect(log).toContain("replica has been created using good");
      expect(readFileSync(`${good}.saw`, "utf8")).toBe("");
      const args = readFileSync(`${good}.args`, "utf8").trim().split("\n");
      expect(args.slice(0, 6)).toEqual([
        "with a space",
        "--stanza=main",
        "--keep_data=False",
        "--scope=test",
        "--role=replica",
        `--datadir=${two.dataDir}`,
      ]);
      expect(args[6]).toStartWith("--connstring=user=replicator");
      expect(args.join(" ")).not.toContain("rep:li");
      expect(existsSync(join(two.dataDir, "half"))).toBe(false);
      expect(aside(two)).toEqual([]);
      // The slot was there before the copy, so that no WAL is missing behind it.
      expect(await one.sql("SELECT slot_name FROM pg_replication_slots WHERE slot_name = 'node_2'"))
        .toHaveLength(1);
    }),
  STORY_MS,
);

const USELESS: readonly (readonly [name: string, body: string, says: string])[] = [
  ["nothing", "exit 0", "mine has ended without an error, and it has left nothing in"],
  ["garbage", 'echo x > "$datadir/x"', "is no data directory of PostgreSQL"],
  [
    "half a directory",
    'mkdir "$datadir/global"; echo 15 > "$datadir/PG_VERSION"; echo x > "$datadir/global/pg_control"',
    "mine has ended without an error, and",
  ],
  [
    "another version's",
    'mkdir "$datadir/global"; : > "$datadir/global/pg_control"; echo 9 > "$datadir/PG_VERSION"',
    "PostgreSQL 9",
  ],
  ["another cluster's", 'initdb -N -D "$datadir" >/dev/null', "mine has made a copy of another cluster"],
];

story("what a command leaves is not taken for a copy because it says so", () =>
  withSite(async (site) => {
    const one = await primaryWithTable(site);
    for (const [name, body, says] of USELESS) {
      const command = script(site, `makes-${name.replaceAll(/\W/g, "-")}`, body);
      const two = await site.member(`node-${name.length}`, methods(["mine"], { mine: { command } }));
      expect(await two.run(one.asSource(), "clone")).toContain(says);
      expect(two.view.directory).toEqual({ kind: "half-written", what: "clone" });
      two.executor.run({ kind: "set-aside", why: "clone did not finish" });
      await two.until("it is empty again", (view) => view.directory.kind === "empty");
      expect(aside(two)).toEqual([]);
    }
  }), STORY_MS);

story(
  "a command that hangs ends with the agent's patience, and one that its agent has left is ended",
  () =>
    withSite(async (site) => {
      const one = await primaryWithTable(site);
      const command = script(site, "hangs", 'echo x > "$datadir/x"; sleep 600');
      const limited = methods(["mine"], { mine: { command, time_limit: 1 } });
      const two = await site.member("node-2", limited);
      expect(await two.run(one.asSource(), "clone")).toContain(
        "took too long and was ended (time_limit of 1 s)",
      );
      await two.reconfigure(methods(["mine"], { mine: { command } }));
      two.executor.run({ kind: "set-aside", why: "clone did not finish" });
      await two.until("it is empty again", (view) => view.directory.kind === "empty");
      // The command of an agent that has died, and its mark. It is started here, because an agent of this
      // process would see its end, and clear up beside the other one.
      const left = spawn(command, [`--datadir=${two.dataDir}`], { detached: true, stdio: "ignore" });
      const pid = left.pid!;
      const ownDir = join(two.config.raft.dataDir, "run");
      const mark = new UnfinishedMarker(two.dataDir, ownDir, new DataMark(ownDir));
      await mark.writeForCommand("clone", pid, [], "command", Date.now());
      await waitFor("the command runs", LIMIT_MS, () => existsSync(join(two.dataDir, "x")));
      // Another agent finds the mark. It cannot know whose the content is.
      await two.reconfigure(methods(["mine"], { mine: { command } }));
      expect(two.view.directory).toEqual({ kind: "half-written", what: "clone" });
      two.executor.run({ kind: "set-aside", why: "clone did not finish" });
      await two.until("it is empty again", (view) => view.directory.kind === "empty");
      await waitFor("the command is ended", LIMIT_MS, () => !existsSync(`/proc/${pid}`));
      expect(aside(two)).toHaveLength(1);
    }),
  STORY_MS,
);

story(
  "a method that goes on from the data gets it, and the next one does not",
  () =>
    withSite(async (site) => {
      const one = await primaryWithTable(site);
      const command = script(site, "delta", 'ls "$datadir" > "$0.saw"; exit 1');
      const two = await site.member(
        "node-2",
        methods(["basebackup"], {}),
      );
      await two.joinAsStandby(one);
      await two.must({ kind: "stop", how: "fast", checkpoint: false }, "stop");
      writeFileSync(join(two.dataDir, "precious"), "");
      await two.reconfigure(methods(["delta"], { delta: { command, keep_data: true, no_params: true } }));
      two.executor.run({ kind: "set-aside", why: "reinitialize", onRequest: true, keep: true });
      await two.until("it is left to the method", (view) => view.directory.kind === "empty");
      // no_params: it is told of nothing.
      writeFileSync(command, `#!/bin/sh\nls ${two.dataDir} > "$0.saw"; exit 1\n`);
      expect(await two.run(one.asSource(), "clone")).toContain("delta failed");
      expect(readFileSync(`${command}.saw`, "utf8")).toContain("precious");
      expect(two.view.directory.kind).toBe("empty");
      // A restart of the agent in between changes nothing.
      await two.reconfigure(
        methods(["delta", "basebackup"], { delta: { command, keep_data: true, no_params: true } }),
      );
      await two.joinAsStandby(one);
      expect(readFileSync(`${command}.saw`, "utf8")).toContain("precious");
      expect(existsSync(join(two.dataDir, "precious"))).toBe(false);
      expect(aside(two)).toHaveLength(1);
      expect(existsSync(join(dirname(two.dataDir), aside(two)[0]!, "precious"))).toBe(true);
    }),
  STORY_MS,
);

story(
  "a backup is restored while there is no primary, and becomes a standby of the cluster",
  () =>
    withSite(async (site) => {
      const one = await primaryWithTable(site);
      const { systemId } = one.view;
      one.executor.desire({ slots: slotsFor("node-2") });
      const make = script(site, "make", COPY);
      const three = await site.member("node-3", methods(["make"], { make: { command: make } }));
      await three.must(one.asSource(), "clone");
      await three.must({ kind: "start-standby", follow: one.upstream }, "start");
      await three.must({ kind: "stop", how: "fast", checkpoint: false }, "stop");
      const command = script(
        site,
        "restore",
        `cp -a ${three.dataDir}/. "$datadir"; echo 1 > "$datadir/postmaster.pid"`,
      );
      const two = await site.member(
        "node-2",
        methods(["basebackup", "mine"], { mine: { command, no_leader: 1 } }),
      );
      await two.must({ kind: "restore", systemId: systemId! }, "clone");
      expect(readFileSync(`${command}.args`, "utf8").trim().split("\n").at(-1)).toBe("--connstring=");
      expect(two.view.directory).toMatchObject({ kind: "valid", standbySignal: true });
      await two.must({ kind: "start-standby", follow: one.upstream }, "start");
      await two.until("it streams", (view) => view.replicationState === "streaming");
    }),
  STORY_MS,
);

function pgProgram(name: string): string {
  const path = [...(process.env.PATH ?? "").split(":"), ...versions()].map((directory) =>
    join(directory, name)
  )
    .find(existsSync);
  if (path === undefined) throw new Error(`${name} not found`);
  return path;
}

function versions(): string[] {
  const root = "/usr/lib/postgresql";
  return existsSync(root) ? readdirSync(root).map((version) => join(root, version, "bin")) : [];
}
