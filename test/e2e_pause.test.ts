/**
 * Maintenance mode: PostgreSQL survives its agent, nobody takes the lock, and the end of the pause arms the
 * fence again.
 */
import { expect } from "bun:test";
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Host } from "../src/demo/host.ts";
import { nowMs } from "../src/demo/now.ts";
import { run } from "../src/demo/run.ts";
import { waitFor } from "../src/demo/wait_for.ts";
import { baseBackup, postgres, startByHand } from "./e2e/by_hand.ts";
import { type Fixture, START_MS, withCluster, WRITES_MS } from "./e2e/harness.ts";

const TTL_S = 2;
const { story } = withCluster({ dcs: { ttl: TTL_S } });

/** The primary of the healthy cluster in pause: the story before has left it so, unless it failed. */
async function paused(fixture: Fixture): Promise<Host> {
  const primary = await fixture.healed();
  const { pause } = JSON.parse((await primary.rest("/config")).text) as { pause?: boolean };
  if (pause !== true) await fixture.cluster.ctl("pause", "--wait");
  return primary;
}

story(
  "in pause the primary's agent may be gone for many leases, and clients notice nothing",
  async (fixture) => {
    const { client, cluster } = fixture;
    const primary = await paused(fixture);
    await waitFor("the epoch to be logged as unfenced", START_MS, async () => {
      const reply = await primary.rest("/agent/decisions");
      return reply.text.includes("PAUSE: no action");
    });
    await fixture.listed("Maintenance mode: on");
    const postmaster = primary.postmasterPid();
    const begin = nowMs();
    await primary.killAgent();
    await client.waitForWrite(begin + 5 * 1000 * TTL_S, WRITES_MS, primary.name);
    primary.start();
    await cluster.waitHealthy(START_MS);
    client.read();
    expect(primary.postmasterPid()).toBe(postmaster);
    expect(client.failures.filter((one) => one.sentMs > begin)).toEqual([]);
    expect(client.acks.filter((ack) => ack.ackMs > begin && ack.node !== primary.name)).toEqual([]);
  },
);

story("in pause a stopped agent leaves PostgreSQL running, and finds it again", async (fixture) => {
  const { client, cluster } = fixture;
  const primary = await paused(fixture);
  const postmaster = primary.postmasterPid();
  const begin = nowMs();
  await primary.stopAgent(START_MS);
  expect(primary.postmasterPid()).toBe(postmaster);
  await client.waitForWrite(begin + 3 * 1000 * TTL_S, WRITES_MS, primary.name);
  primary.start();
  await cluster.waitHealthy(START_MS);
  expect(primary.postmasterPid()).toBe(postmaster);
});

story(
  "in pause an operator restarts PostgreSQL by pg_ctl, the primary twice, and it runs on",
  async (fixture) => {
    const { client, cluster } = fixture;
    const primary = await paused(fixture);
    const before = primary.log().length;
    for (const host of [cluster.others(primary)[0]!, primary, primary]) {
      const log = join(host.directory, "by_hand.log");
      await postgres(host, "pg_ctl", "restart", "--wait", `--pgdata=${host.dataDir}`, `--log=${log}`);
      const restarted = host.postmasterPid();
      const role = host === primary ? "primary" : "standby";
      const taken = `taking over the supervision of PostgreSQL (pid ${restarted}), a ${role}`;
      await waitFor("the agent to take it over", START_MS, () => host.log().includes(taken));
      expect(await cluster.waitHealthy(START_MS)).toBe(primary);
      expect(host.postmasterPid()).toBe(restarted);
    }
    expect(primary.log().slice(before)).not.toContain("giving back epoch");
    await client.waitForWrite(nowMs(), WRITES_MS, primary.name);
  },
);

story("a switchover to a named candidate works in pause, and the old primary rejoins", async (fixture) => {
  const { cluster } = fixture;
  const old = await paused(fixture);
  const candidate = cluster.others(old)[0]!;
  const refused = await cluster.tryCtl("switchover", "--leader", old.name, "--force");
  expect(refused.code).toBe(1);
  const begin = nowMs();
  await cluster.ctl("switchover", "--leader", old.name, "--candidate", candidate.name, "--force");
  expect(await cluster.waitHealthy(START_MS)).toBe(candidate);
  expect(await fixture.lostOn(candidate, begin)).toEqual([]);
});

const stopByHand = (host: Host, mode: string) =>
  postgres(host, "pg_ctl", "stop", `--mode=${mode}`, `--pgdata=${host.dataDir}`);

const copyFiles = async (primary: Host, directory: string) =>
  expect((await run("cp", ["-a", primary.dataDir, directory], primary.directory)).code).toBe(0);

/**
 * A copy of the primary's data is made, as `makes` says, and comes into the place of its data in pause. What
 * was confirmed since is on the next primary, and the log says `said`.
 */
async function putBack(
  fixture: Fixture,
  { makes, swaps, said }: {
    readonly makes: (fixture: Fixture, primary: Host, directory: string) => Promise<void>;
    readonly swaps: (primary: Host, directory: string) => Promise<void>;
    readonly said: readonly RegExp[];
  },
): Promise<void> {
  const { client, cluster } = fixture;
  const primary = await paused(fixture);
  await cluster.ctl("edit-config", "-q", "-s", "synchronous_mode=on", "--force");
  await fixture.listed("Sync Standby");
  const begin = nowMs();
  const seen = primary.log().length;
  const copy = join(primary.directory, "copy");
  await makes(fixture, primary, copy);
  await client.waitForWrite(nowMs() + 1000, WRITES_MS, primary.name);
  // As a crash would: no checkpoint tells what was written since the copy.
  await stopByHand(primary, "immediate");
  await swaps(primary, copy);
  const resumed = nowMs();
  await cluster.ctl("resume", "--wait");
  const successor = await fixture.successorOf(primary, resumed);
  expect(await fixture.lostOn(successor, begin)).toEqual([]);
  for (const line of said) expect(primary.log().slice(seen)).toMatch(line);
  await fixture.healed();
  await cluster.ctl("edit-config", "-q", "-s", "synchronous_mode=off", "--force");
}

/** How the backup is made: of a primary that is shut down, or of one that runs. */
const BACKUPS = {
  "a copy": async (fixture: Fixture, primary: Host, directory: string) => {
    await stopByHand(primary, "fast");
    await fixture.listed(new RegExp(`${primary.name} .* stopped `));
    await copyFiles(primary, directory);
    await fixture.cluster.ctl("restart", "demo", primary.name, "--force");
    await fixture.listed("Sync Standby");
  },
  "a base backup": async (fixture: Fixture, primary: Host, directory: string) => {
    await baseBackup(fixture.cluster, primary, primary, directory, "--checkpoint=fast");
    await fixture.listed("Sync Standby");
  },
};

for (const [what, makes] of Object.entries(BACKUPS)) {
  story(
    `a primary whose directory is put back from ${what} in pause lets the lock go after it: nothing confirmed is lost`,
    (fixture) =>
      putBack(fixture, {
        makes,
        swaps: async (primary, copy) => {
          // The agent looks into it, and may change it: it is removed once it has another name, and not by
          // rmSync, which fails when something in it goes meanwhile.
          const gone = join(primary.directory, "gone");
          renameSync(primary.dataDir, gone);
          renameSync(copy, primary.dataDir);
          expect((await run("rm", ["-rf", gone], primary.directory)).code).toBe(0);
        },
        said: [
          /Somebody has put a backup in its place/,
          /the data directory is not the one that the lock was granted for/,
        ],
      }),
  );
}

story(
  "nor is anything lost where the copy was made, and put back, while no agent ran: a standby has replayed more",
  (fixture) =>
    putBack(fixture, {
      makes: async (_fixture, primary, copy) => {
        await primary.stopAgent(START_MS);
        await stopByHand(primary, "fast");
        await copyFiles(primary, copy);
        await startByHand(primary);
      },
      swaps: async (primary, copy) => {
        expect((await run("rm", ["-rf", primary.dataDir], primary.directory)).code).toBe(0);
        renameSync(copy, primary.dataDir);
        primary.start();
        await fixture.listed(new RegExp(`${primary.name} .* stopped `));
      },
      said: [/the data directory holds less than \S+ has replayed from it/],
    }),
);

const inSeconds = (seconds: number) => new Date(Date.now() + 1000 * seconds).toISOString();

async function startedAt(host: Host): Promise<string> {
  const { postmaster_start_time: at } = JSON.parse((await host.rest("/patroni")).text);
  return String(at);
}

story(
  "in pause a standby that was stopped is started by a restart, and copied by a reinit",
  async (fixture) => {
    const { cluster } = fixture;
    const standby = cluster.others(await paused(fixture))[0]!;
    for (
      const words of [["restart", "demo", standby.name, "--force"], [
        "reinit",
        "demo",
        standby.name,
        "--force",
        "--wait",
      ]]
    ) {
      await standby.killPostgres();
      await fixture.listed(new RegExp(`${standby.name} .* stopped `));
      expect(await cluster.ctl(...words)).toContain(`Success: ${words[0]}`);
      await fixture.listed(new RegExp(`${standby.name} .* streaming `));
    }
  },
);

story(
  "a scheduled restart is on record: seen through every member, kept by a restart of agents, not done in pause",
  async (fixture) => {
    const { cluster } = fixture;
    const primary = await paused(fixture);
    const standby = cluster.others(primary)[0]!;
    await cluster.ctl("resume", "--wait");
    const far = "2096-01-01T10:00:00+00:00";
    const schedule = (time: string) =>
      cluster.tryCtl("restart", "demo", standby.name, "--scheduled", time, "--force");
    expect((await schedule(far)).code).toBe(0);
    for (const host of cluster.hosts) {
      await waitFor(
        `the restart as ${host.name} shows it`,
        START_MS,
        async () => (await host.rest("/cluster")).text.includes(far),
      );
    }
    await standby.killAgent();
    standby.start();
    await fixture.healed();
    await waitFor(
      "the restarted member to know the records",
      START_MS,
      async () => (await standby.rest("/cluster")).text.includes(far),
    );
    await fixture.listed(far);
    expect(await cluster.ctl("flush", "demo", standby.name, "restart", "--force")).toContain(
      "Success: flush",
    );

    const before = await startedAt(standby);
    const soon = inSeconds(4);
    expect((await schedule(soon)).output).toContain("restart scheduled on member");
    await cluster.ctl("pause", "--wait");
    await new Promise((resolve) => setTimeout(resolve, Math.max(0, Date.parse(soon) - Date.now()) + 3000));
    await cluster.ctl("resume", "--wait");
    await waitFor(
      "it to be dropped",
      START_MS,
      async () => !(await standby.rest("/cluster")).text.includes("scheduled_restart"),
    );
    expect(await startedAt(standby)).toBe(before);

    expect((await schedule(inSeconds(3))).code).toBe(0);
    await waitFor("the restart", START_MS, async () => {
      const { text } = await standby.rest("/patroni");
      return text.includes("postmaster_start_time") && !text.includes(before);
    });
    await fixture.healed();
  },
);

story("a pause with an end ends by itself, and says when", async (fixture) => {
  const { cluster } = fixture;
  const primary = await fixture.healed();
  if ((await primary.rest("/config")).text.includes("pause")) await cluster.ctl("resume", "--wait");
  const said = await cluster.ctl("pause", "--for", "6s", "--wait");
  expect(said).toContain("Success: cluster management is paused until 20");
  await fixture.listed(/Maintenance mode: on, until 20/);
  expect(JSON.parse((await primary.rest("/cluster")).text).pause).toBe(true);
  await waitFor("the end of the pause", START_MS, async () => {
    const { text } = await primary.rest("/cluster");
    return !text.includes('"pause"');
  });
  expect((await primary.rest("/config")).text).not.toContain("pause");
  await fixture.healed();
});

story("a failover gets through beside a switchover that is on record, which is told so", async (fixture) => {
  const { cluster } = fixture;
  const primary = await fixture.healed();
  const [one, two] = cluster.others(primary) as [Host, Host];
  await cluster.ctl(
    ...["switchover", "--leader", primary.name, "--candidate", one.name],
    ...["--scheduled", "2096-01-01T10:00:00+00:00", "--force"],
  );
  await cluster.ctl("failover", "--candidate", two.name, "--force");
  expect(await cluster.waitHealthy(START_MS)).toBe(two);
  expect(await cluster.ctl("list")).not.toContain("Switchover scheduled");
});

story(
  "after the pause the fence is back: a primary whose agent dies is followed by another one",
  async (fixture) => {
    const { cluster } = fixture;
    const primary = await paused(fixture);
    await cluster.ctl("resume", "--wait");
    await fixture.client.waitForWrite(nowMs() + 2 * 1000 * TTL_S, WRITES_MS, primary.name);
    const begin = nowMs();
    await primary.killAgent();
    const successor = await fixture.successorOf(primary, begin);
    fixture.expectOnePrimary(primary, begin);
    expect(successor).not.toBe(primary);
    await fixture.healed();
  },
);

story(
  "a primary that was restarted by hand, and that its agent cannot log in to, is fenced",
  async (fixture) => {
    const { cluster } = fixture;
    const primary = await paused(fixture);
    const begun = primary.log().length;
    const hba = join(primary.dataDir, "pg_hba.conf");
    const allowed = readFileSync(hba, "utf8");
    writeFileSync(hba, `local all all reject\nhost all all all reject\n${allowed}`);
    const log = join(primary.directory, "by_hand.log");
    await postgres(primary, "pg_ctl", "restart", "--no-wait", `--pgdata=${primary.dataDir}`, `--log=${log}`);
    await waitFor(
      "the guard to find it",
      START_MS,
      () => primary.log().slice(begun).includes("adopted a running PostgreSQL"),
    );
    const before = primary.log().length;
    await cluster.ctl("resume");
    await waitFor(
      "the end of maintenance mode",
      START_MS,
      () => primary.log().slice(before).includes("fenced again"),
    );
    const begin = nowMs();
    await primary.killAgent();
    const successor = await fixture.successorOf(primary, begin);
    expect(successor).not.toBe(primary);
    await waitFor("the guard to end it", START_MS, () => primary.postgresProcesses().length === 0);
    writeFileSync(hba, allowed);
    await fixture.healed();
  },
);
