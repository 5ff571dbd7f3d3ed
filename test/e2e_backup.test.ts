/**
 * A real pgBackRest, as docs/backup.md has it: archive and backup, replicas made from the backup, and another
 * cluster recovered to a point in time.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { chownSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Cluster } from "../src/demo/cluster.ts";
import type { Host } from "../src/demo/host.ts";
import { run } from "../src/demo/run.ts";
import { lookupUser } from "../src/demo/system_user.ts";
import { waitFor } from "../src/demo/wait_for.ts";
import type { JsonObject } from "../src/model/json.ts";
import { user } from "./e2e/environment.ts";
import { explained, Fixture, newCluster, START_MS, TEST_MS } from "./e2e/harness.ts";

const program = "/usr/bin/pgbackrest";
const skipped = !existsSync(program);
if (skipped) console.warn(`skipped: ${program} is not installed`);

const fixture = new Fixture();
/** The repository, and a configuration for each member. */
let site = "";
let other: Cluster | null = null;

const command = (member: string, stanza = "main") =>
  `${program} --config=${site}/${member}.conf --stanza=${stanza}`;
const pushWal = (member: string, stanza = "main") => `${command(member, stanza)} archive-push %p`;
const getWal = (member: string, stanza = "main") => `${command(member, stanza)} archive-get %f "%p"`;

beforeAll(async () => {
  if (skipped) return;
  site = mkdtempSync(join(tmpdir(), "agent-backup-"));
  giveToUser(site);
  await fixture.open({
    witnesses: 1,
    override: (name) => ({
      postgresql: {
        parameters: { archive_mode: "on", archive_command: pushWal(name) },
        recovery_conf: { restore_command: getWal(name) },
        create_replica_methods: ["pgbackrest"],
        pgbackrest: { command: `${command(name)} --delta restore`, keep_data: true, no_params: true },
      },
    }),
  }, startFirst);
}, 2 * START_MS);

afterAll(async () => {
  await other?.destroy();
  await fixture.close();
  if (site !== "") rmSync(site, { recursive: true, force: true });
}, START_MS);

function giveToUser(path: string): void {
  if (user === null) return;
  const { uid, gid } = lookupUser(user);
  chownSync(path, uid, gid);
}

/** `member`: the name of its configuration, which knows the stanzas of both clusters. */
function configure(member: string, host: Host): void {
  const database = `pg1-path=${host.dataDir}
pg1-port=${host.addresses.postgresPort}
pg1-socket-path=${host.directory}
pg1-user=postgres
`;
  const text = `[global]
repo1-path=${site}/repo
repo1-retention-full=2
log-path=${site}/${member}
lock-path=${site}/${member}
start-fast=y

[main]
${database}
[other]
${database}`;
  mkdirSync(join(site, member), { recursive: true });
  writeFileSync(join(site, `${member}.conf`), text);
  giveToUser(join(site, member));
}

/** One data node and the witness: the other data node has nothing to copy before there is a backup. */
async function startFirst(cluster: Cluster): Promise<void> {
  rmSync(join(site, "repo"), { recursive: true, force: true });
  for (const host of cluster.members) configure(host.name, host);
  const [first, , witness] = cluster.hosts as [Host, Host, Host];
  for (const host of [first, witness]) host.start();
  await cluster.waitForPrimary(START_MS);
}

/** `call`: the program with its stanza. */
async function pgbackrest(cluster: Cluster, host: Host, call: string, ...args: string[]): Promise<void> {
  const [first, ...rest] = [...host.settings.prefix, ...call.split(" "), ...args];
  const env = { ...process.env, PGPASSWORD: cluster.secrets.superuser };
  const { code, output } = await run(first!, rest, cluster.directory, { env });
  if (code !== 0) throw new Error(`pgbackrest ${args.join(" ")} ended with ${code}: ${output}`);
}

async function addRows(cluster: Cluster, host: Host, from: number, to: number): Promise<void> {
  await cluster.query(host, `INSERT INTO t SELECT generate_series(${from}, ${to})`);
}

async function rows(cluster: Cluster, host: Host): Promise<number> {
  const [row] = await cluster.query<{ n: number }>(host, "SELECT count(*)::int AS n FROM t");
  return row!.n;
}

async function identity(cluster: Cluster, host: Host): Promise<{ system: string; timeline: number }> {
  const [row] = await cluster.query<{ system: string; timeline: number }>(
    host,
    `SELECT s.system_identifier::text AS system, c.timeline_id AS timeline
       FROM pg_control_system() s, pg_control_checkpoint() c`,
  );
  return row!;
}

function story(name: string, tell: (cluster: Cluster) => Promise<void>): void {
  test.skipIf(skipped)(name, () => fixture.tell(() => tell(fixture.cluster)), TEST_MS);
}

/** The configuration name of a member of the other cluster. */
const member = (name: string) => `other-${name}`;

function restoredTo(restorePoint: string, name: string): JsonObject {
  const recovery = { restore_command: getWal(member(name)), recovery_target_name: restorePoint };
  return {
    bootstrap: {
      method: "pgbackrest",
      pgbackrest: {
        command: `${command(member(name))} restore`,
        no_params: true,
        recovery_conf: recovery,
      },
    },
    postgresql: {
      parameters: { archive_mode: "on", archive_command: pushWal(member(name), "other") },
      recovery_conf: { restore_command: getWal(member(name), "other") },
    },
  };
}

async function backUp(cluster: Cluster, first: Host): Promise<void> {
  const main = command(first.name);
  await pgbackrest(cluster, first, main, "stanza-create");
  await pgbackrest(cluster, first, main, "check");
  await cluster.query(first, "CREATE TABLE t (id int)");
  await addRows(cluster, first, 1, 100);
  await pgbackrest(cluster, first, main, "--type=full", "backup");
  await addRows(cluster, first, 101, 200);
  await cluster.query(first, "SELECT pg_create_restore_point('before')");
  await addRows(cluster, first, 201, 300);
  await cluster.query(first, "SELECT pg_switch_wal()");
}

const timesMade = (host: Host) => host.log().split("replica has been created using pgbackrest").length - 1;

story("a replica is made from the backup and the archive, and made anew in place", async (cluster) => {
  const [first, second] = cluster.members as [Host, Host];
  await backUp(cluster, first);
  second.start();
  await cluster.waitHealthy(START_MS);
  expect(timesMade(second)).toBe(1);
  expect(second.log()).toMatch(/restored log file "\w+" from archive/);
  expect(await rows(cluster, second)).toBe(300);
  for (const host of [first, second]) {
    const [{ restore_command: shown }] = await cluster.query(host, "SHOW restore_command") as [
      { restore_command: string },
    ];
    expect(shown).toBe(getWal(host.name));
  }
  await cluster.ctl("reinit", "demo", second.name, "--force");
  await waitFor("another copy", START_MS, () => timesMade(second) === 2);
  expect(second.log()).toContain("Leaving data directory uncleaned for pgbackrest");
  await cluster.waitHealthy(START_MS);
  expect(await rows(cluster, second)).toBe(300);
  // The archive takes the WAL of each primary.
  await cluster.ctl("switchover", "demo", "--candidate", second.name, "--force");
  await cluster.waitForPrimary(START_MS, (host) => host === second);
  await pgbackrest(cluster, second, command(second.name), "check");
});

story("a new cluster is recovered to a point in time of another", async (cluster) => {
  const primary = await cluster.waitHealthy(START_MS);
  const before = await identity(cluster, primary);
  other = await newCluster({ scope: "other", witnesses: 1, override: (name) => restoredTo("before", name) });
  await explained(other, async () => {
    for (const host of other!.members) configure(member(host.name), host);
    other!.start();
    const restored = await other!.waitHealthy(START_MS);
    for (const host of other!.members) expect(await rows(other!, host)).toBe(200);
    const { system, timeline } = await identity(other!, restored);
    expect(system).toBe(before.system);
    // The archive knows timeline 2, which the other cluster made by its switchover.
    expect(timeline).toBe(3);
    expect(restored.log()).toContain("Running custom bootstrap script");
    // It archives for itself: two clusters never write to one archive.
    const stanza = command(member(restored.name), "other");
    await pgbackrest(other!, restored, stanza, "stanza-create");
    await pgbackrest(other!, restored, stanza, "check");
  });
  // The cluster of the backup is as it was.
  expect(await identity(cluster, primary)).toEqual(before);
  expect(await rows(cluster, primary)).toBe(300);
});

story(
  "a recovery that does not reach its target is undone after three starts",
  async () => {
    await other?.destroy();
    other = await newCluster({ scope: "other", size: 1, override: (name) => restoredTo("never", name) });
    await explained(other, async () => {
      const [host] = other!.members as [Host];
      configure(member(host.name), host);
      host.start();
      expect(await host.exitCode(START_MS)).toBe(1);
      expect(host.log()).toContain("Failed to bootstrap cluster: PostgreSQL ended");
      expect(host.log().match(/recovery ended before configured recovery target was reached/g)).toHaveLength(
        3,
      );
      const aside = readdirSync(host.directory).filter((name) => name.startsWith("data.failed-"));
      expect(aside).toHaveLength(1);
      expect(existsSync(join(host.directory, aside[0]!, "PG_VERSION"))).toBe(true);
      expect(existsSync(join(host.dataDir, "PG_VERSION"))).toBe(false);
      expect(host.postgresProcesses()).toEqual([]);
    });
  },
);
