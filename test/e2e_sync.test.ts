/** Synchronous modes: nothing that was acknowledged is lost, whichever way a primary ends. */
import { expect } from "bun:test";
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Cluster } from "../src/demo/cluster.ts";
import type { Host } from "../src/demo/host.ts";
import { nowMs } from "../src/demo/now.ts";
import { signal } from "../src/demo/processes.ts";
import { sleep, waitFor } from "../src/demo/wait_for.ts";
import { findPrograms } from "../src/postgres/programs.ts";
import { lostWhileHeld, strictWhileHeld } from "./bench/first_commits.ts";
import { Sessions } from "./bench/first_commits_sessions.ts";
import { type Fixture, START_MS, startHealthy, withCluster, WRITES_MS } from "./e2e/harness.ts";

/** How many standbys had the very first commit of a client when it was acknowledged. */
let firstHadBy = 0;

const { story } = withCluster(
  { dcs: { ttl: 2, synchronous_mode: true, synchronous_mode_strict: true } },
  async (cluster) => {
    const first = firstCommit(cluster);
    await startHealthy(cluster);
    firstHadBy = await first;
  },
);

/** Tries from the beginning, on every host, and is the first client of the first primary. */
async function firstCommit(cluster: Cluster): Promise<number> {
  let isDone = false;
  const tried = cluster.hosts.map((host) =>
    waitFor("the first commit", START_MS, async () => {
      if (isDone) return { had: "" };
      await cluster.query(host, "DROP TABLE IF EXISTS first_commit; CREATE TABLE first_commit (value int)");
      const confirmed = "SELECT count(*) AS had FROM pg_stat_replication WHERE flush_lsn IS NOT NULL";
      const [row] = await cluster.query<{ had: string }>(host, confirmed);
      return row!;
    })
  );
  const { had } = await Promise.any(tried).finally(() => isDone = true);
  return Number(had);
}

interface SyncKey {
  readonly leader: string | null;
  readonly sync_standby: string | null;
  readonly quorum: number;
}

async function syncKey({ cluster }: Fixture): Promise<SyncKey> {
  return JSON.parse(await cluster.ctl("dcs", "get", "sync")) as SyncKey;
}

/** Names of the synchronous standbys, once the primary's record has so many. */
async function standbys(fixture: Fixture, primary: Host, count: number, quorum: number): Promise<string[]> {
  return await waitFor(`${count} synchronous standbys of ${primary.name}`, START_MS, async () => {
    const key = await syncKey(fixture);
    const names = key.sync_standby?.split(",") ?? [];
    return key.leader === primary.name && names.length === count && key.quorum === quorum ? names : null;
  });
}

async function setting({ cluster }: Fixture, host: Host): Promise<string> {
  const [row] = await cluster.query<{ names: string }>(
    host,
    "SELECT current_setting('synchronous_standby_names') AS names",
  );
  return row!.names;
}

/** Everything that was ever acknowledged is on the successor, right after its first write. */
async function nothingLost(fixture: Fixture, old: Host, beginMs: number): Promise<Host> {
  const successor = await fixture.successorOf(old, beginMs);
  expect(await fixture.lostOn(successor, 0)).toEqual([]);
  fixture.expectOnePrimary(old, beginMs);
  return successor;
}

story("strict: the first commit of a new cluster has waited for a standby", () => {
  expect(firstHadBy).toBeGreaterThan(0);
});

story("on: one standby is synchronous, is shown as such, and takes over", async (fixture) => {
  const { cluster } = fixture;
  const primary = await fixture.healed();
  const [name] = await standbys(fixture, primary, 1, 0);
  expect(await setting(fixture, primary)).toBe(`"${name}"`);
  await fixture.listed(/Sync Standby/);
  const synced = cluster.host(name!);
  const [other] = cluster.others(primary).filter((host) => host !== synced) as [Host];
  expect([await synced.answers("/sync"), await other.answers("/sync")]).toEqual([true, false]);
  expect([await synced.answers("/async"), await other.answers("/async")]).toEqual([false, true]);
  expect(await cluster.tryCtl("switchover", "--leader", primary.name, "--candidate", other.name, "--force"))
    .toMatchObject({ code: 1 });

  const begin = nowMs();
  await primary.powerOff();
  expect((await nothingLost(fixture, primary, begin)).name).toBe(synced.name);
});

story("on: a synchronous standby that is gone is replaced", async (fixture) => {
  const { cluster } = fixture;
  const primary = await fixture.healed();
  const [name] = await standbys(fixture, primary, 1, 0);
  const begin = nowMs();
  await cluster.host(name!).powerOff();
  await fixture.client.waitForWrite(begin + 100, WRITES_MS, primary.name);
  await waitFor("another synchronous standby", START_MS, async () => {
    const { sync_standby: now } = await syncKey(fixture);
    return now !== null && now !== name;
  });
});

story("a synchronous standby is released before its restart", async (fixture) => {
  const { cluster } = fixture;
  const primary = await fixture.healed();
  const [name] = await standbys(fixture, primary, 1, 0);
  await cluster.ctl("restart", "demo", name!, "--force");
  // The record changes before the restart, no matter which standby takes its place.
  expect(cluster.host(name!).log()).toMatch(
    /waiting until no commit waits for this synchronous standby[^]*sync-standbys-changed[^]*restart requested/,
  );
});

story("on: a synchronous standby that streams and flushes nothing is replaced", async (fixture) => {
  const { cluster } = fixture;
  const primary = await fixture.healed();
  const [name] = await standbys(fixture, primary, 1, 0);
  const query = "SELECT pid FROM pg_stat_get_wal_receiver()";
  const [receiver] = await cluster.query<{ pid: number }>(cluster.host(name!), query);
  const begin = nowMs();
  signal(receiver!.pid, "SIGSTOP");
  try {
    await fixture.client.waitForWrite(begin + 100, WRITES_MS, primary.name);
    const [other] = await waitFor("another one", START_MS, async () => {
      const key = await syncKey(fixture);
      return key.sync_standby === null || key.sync_standby === name ? null : [key.sync_standby];
    });
    expect(await setting(fixture, primary)).toBe(`"${other}"`);
    expect(primary.log()).toContain(`${name} streams and flushes nothing`);
  } finally {
    signal(receiver!.pid, "SIGCONT");
  }
});

/** Streams from the primary under that name, and acknowledges what it has written. */
function stranger({ cluster }: Fixture, { addresses }: Host, name: string, directory: string): ChildProcess {
  const { directory: programs } = findPrograms({ binDir: null, binName: {}, dataDir: "/nonexistent" });
  const to = `host=${addresses.address} port=${addresses.postgresPort} user=replicator`;
  return spawn(join(programs, "pg_receivewal"), [
    "--synchronous",
    `--directory=${directory}`,
    `--dbname=${to} password=${cluster.secrets.replication} application_name=${name}`,
  ], { stdio: "ignore" });
}

story(
  "on: somebody else who streams under a member's name is named, and another member is waited for",
  async (fixture) => {
    const { cluster } = fixture;
    const primary = await fixture.healed();
    const [name] = await standbys(fixture, primary, 1, 0);
    const directory = mkdtempSync(join(tmpdir(), "stranger-"));
    const child = stranger(fixture, primary, name!, directory);
    try {
      await fixture.listed(`Name clash: ${primary.name}`);
      await waitFor("another synchronous standby", START_MS, async () => {
        const { sync_standby: now } = await syncKey(fixture);
        return now !== null && now !== name;
      });
      const [other] = await standbys(fixture, primary, 1, 0);
      expect(await setting(fixture, primary)).toBe(`"${other}"`);
    } finally {
      child.kill("SIGKILL");
      rmSync(directory, { recursive: true, force: true });
    }
    const isListed = async () => (await cluster.ctl("list")).includes("Name clash");
    await waitFor("the end of the clash", START_MS, async () => !await isListed());
  },
);

story("a switchover loses nothing", async (fixture) => {
  const { cluster } = fixture;
  const primary = await fixture.healed();
  const [name] = await standbys(fixture, primary, 1, 0);
  const begin = nowMs();
  await cluster.ctl("switchover", "--leader", primary.name, "--candidate", name!, "--force");
  expect((await nothingLost(fixture, primary, begin)).name).toBe(name!);
});

story("standbys that a superuser names by ALTER SYSTEM are taken back at once", async (fixture) => {
  const { cluster } = fixture;
  const primary = await fixture.healed();
  await standbys(fixture, primary, 1, 0);
  const ours = await setting(fixture, primary);
  await cluster.query(primary, "ALTER SYSTEM SET synchronous_standby_names = 'nobody'");
  await cluster.query(primary, "SELECT pg_reload_conf()");
  // Whether the look at the files or the one at the server comes first.
  const said = "synchronous_standby_names was changed to 'nobody' by others";
  await waitFor("a word of it in the log", START_MS, () => primary.log().includes(said));
  await waitFor("the agent's setting", START_MS, async () => (await setting(fixture, primary)) === ours);
  await fixture.client.waitForWrite(nowMs(), WRITES_MS, primary.name);
});

story("quorum: either standby may have acknowledged, and both are asked", async (fixture) => {
  const { cluster } = fixture;
  const primary = await fixture.healed();
  await cluster.ctl("edit-config", "-q", "-s", "synchronous_mode=quorum", "--force");
  const names = await standbys(fixture, primary, 2, 1);
  await waitFor(
    "the setting",
    START_MS,
    async () => (await setting(fixture, primary)) === `ANY 1 ("${names[0]}","${names[1]}")`,
  );
  await fixture.listed(/Quorum Standby/);
  await fixture.client.waitForWrite(nowMs(), WRITES_MS, primary.name);
  const begin = nowMs();
  await primary.powerOff();
  await nothingLost(fixture, primary, begin);
});

story("every process is killed at once: nothing is lost", async (fixture) => {
  const primary = await fixture.healed();
  await standbys(fixture, primary, 2, 1);
  for (const host of fixture.cluster.hosts) await host.powerOff();
  const again = await fixture.healed();
  await fixture.client.waitForWrite(nowMs(), WRITES_MS, again.name);
  expect(await fixture.lostOn(again, 0)).toEqual([]);
});

/** Both standbys are to acknowledge, so that the last one has all and may take over in its turn. */
const FIRST_SECONDS = [
  { mode: "quorum", strict: false, afterMs: 700 },
  { mode: "on", strict: true, afterMs: 300 },
  { mode: "quorum", strict: true, afterMs: 100 },
  { mode: "on", strict: false, afterMs: 500 },
] as const;
for (const { mode, strict, afterMs } of FIRST_SECONDS) {
  story(
    `${mode}, ${
      strict ? "strict" : "not strict"
    }: a new primary dies ${afterMs} ms after it is told to be one`,
    async (fixture) => {
      const { cluster } = fixture;
      const keys = { synchronous_mode: mode, synchronous_mode_strict: strict, synchronous_node_count: 2 };
      const set = Object.entries(keys).flatMap(([key, value]) => ["-s", `${key}=${value}`]);
      await cluster.ctl("edit-config", "-q", ...set, "--force");
      const old = await fixture.healed();
      await standbys(fixture, old, 2, 0);
      const others = cluster.others(old);
      const told = (host: Host) => host.log().split("promoting self to leader").length;
      const before = new Map(others.map((host) => [host, told(host)]));
      const begin = nowMs();
      await old.powerOff();
      const isTold = () => others.find((host) => told(host) > before.get(host)!);
      const next = await waitFor("a promotion", START_MS, isTold, 10);
      await sleep(afterMs);
      const end = nowMs();
      await next.powerOff();
      const [last] = others.filter((host) => host !== next) as [Host];
      old.start();
      await waitFor(`the lead of ${last.name}`, START_MS, () => last.answers("/primary"));
      expect(await fixture.lostOn(last, 0)).toEqual([]);
      const primary = await fixture.healed();
      expect(await fixture.lostOn(primary, 0)).toEqual([]);
      fixture.expectOnePrimary(old, begin);
      fixture.expectOnePrimary(next, end);
      await cluster.ctl("edit-config", "-q", "-s", "synchronous_node_count=null", "--force");
    },
  );
}

story("switched off commits wait for nobody; switched on again they do", async (fixture) => {
  const { cluster } = fixture;
  const primary = await fixture.healed();
  const setMode = (mode: string) =>
    cluster.ctl("edit-config", "-q", "-s", `synchronous_mode=${mode}`, "--force");
  await setMode("off");
  await waitFor("the end of the promise", START_MS, async () => (await syncKey(fixture)).leader === null);
  await waitFor("an empty setting", START_MS, async () => (await setting(fixture, primary)) === "");
  await setMode("on");
  const [name] = await standbys(fixture, primary, 1, 0);
  expect(await setting(fixture, primary)).toBe(`"${name}"`);
});

story(
  "strict: standbys that stream and acknowledge nothing are named, in list, status, metrics and log",
  async (fixture) => {
    const { cluster, client } = fixture;
    const primary = await fixture.healed();
    await cluster.ctl("edit-config", "-q", "-s", "synchronous_mode_strict=true", "--force");
    await standbys(fixture, primary, 1, 0);
    await client.waitForWrite(nowMs(), WRITES_MS, primary.name);
    const receivers = await Promise.all(
      cluster.others(primary).map(async (host) => {
        const [row] = await cluster.query<{ pid: number }>(
          host,
          "SELECT pid FROM pg_stat_get_wal_receiver()",
        );
        return Number(row!.pid);
      }),
    );
    const said = (line: string) => primary.log().split(line).length - 1;
    const [begins, ends] = [" WARNING: writes-blocked: ", " INFO: writes-blocked is over"] as const;
    const before = [said(begins), said(ends)] as const;
    for (const pid of receivers) signal(pid, "SIGSTOP");
    try {
      await fixture.listed(new RegExp(`Writes wait: ${primary.name}, since `));
      const { text } = await primary.rest("/patroni");
      expect(JSON.parse(text)).toMatchObject({ agent: { sync_troubles: [{ kind: "writes-blocked" }] } });
      expect((await primary.rest("/metrics")).text).toMatch(/^agent_sync_trouble\{.*"writes-blocked"\} 1$/m);
    } finally {
      for (const pid of receivers) signal(pid, "SIGCONT");
    }
    await client.waitForWrite(nowMs(), WRITES_MS, primary.name);
    await waitFor("the end in the log", START_MS, () => said(ends) > before[1]);
    expect([said(begins) - before[0], said(ends) - before[1]]).toEqual([1, 1]);
    await cluster.ctl("edit-config", "-q", "-s", "synchronous_mode_strict=false", "--force");
  },
);

// The last story: it loses, on purpose, what no other story could find again.
story(
  "strict: a new primary that no standby can follow acknowledges nothing; with the mode off it is lost",
  async (fixture) => {
    const { cluster } = fixture;
    await fixture.healed();
    const setKeys = ["-s", "synchronous_mode=on", "-s", "synchronous_mode_strict=true"];
    await cluster.ctl("edit-config", "-q", ...setKeys, "--force");
    await standbys(fixture, await fixture.healed(), 1, 0);
    const sessions = await Sessions.begin(cluster);
    try {
      const strict = await strictWhileHeld(cluster, sessions);
      expect([strict.early, strict.lost]).toEqual([[], []]);
      expect((await lostWhileHeld(cluster, sessions)).lost).not.toEqual([]);
    } finally {
      sessions.stop();
    }
  },
);
