/**
 * Stops and promotions that hang: whatever does not end, another member writes soon, and clients are told in
 * time.
 */
import { expect, test } from "bun:test";
import { execFileSync, spawnSync } from "node:child_process";
import {
  appendFileSync,
  chmodSync,
  closeSync,
  constants,
  lchownSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  statfsSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import type { Cluster } from "../src/demo/cluster.ts";
import type { Host } from "../src/demo/host.ts";
import { nowMs } from "../src/demo/now.ts";
import { commandLine, signal } from "../src/demo/processes.ts";
import { waitFor } from "../src/demo/wait_for.ts";
import { type Fixture, START_MS, startHealthy, withCluster, WRITES_MS } from "./e2e/harness.ts";
import { isRoot } from "./e2e/environment.ts";
import { answersWith } from "./e2e/shown.ts";

/**
 * By default 8 s, whatever hangs, and the time a loaded machine takes for the rest. Without limits it would
 * be for ever.
 */
const OUTAGE_MS = 20_000;

/** While `hang` lies beside it, it ignores whatever can be ignored. Started in the data directory. */
const ARCHIVE = `#!/bin/sh
[ -e ../hang ] || exit 0
trap '' TERM INT HUP QUIT
while [ -e ../hang ]; do sleep 0.1; done
`;

const { story } = withCluster({
  dcs: { postgresql: { parameters: { archive_mode: "on", archive_command: "sh ../archive.sh %p" } } },
}, (cluster) => {
  for (const { directory } of cluster.hosts) {
    writeFileSync(join(directory, "archive.sh"), ARCHIVE);
    chmodSync(join(directory, "archive.sh"), 0o755);
  }
  return startHealthy(cluster);
});

/** Runs `act` while `path` of the host is asked again and again; the answers, without repetitions. */
async function watched(host: Host, path: string, act: () => Promise<unknown>): Promise<boolean[]> {
  const answers: boolean[] = [];
  let over = false;
  const watch = async () => {
    while (!over) {
      const answer = await host.answers(path, START_MS);
      if (answers.at(-1) !== answer) answers.push(answer);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  };
  const watching = watch();
  try {
    await act();
  } finally {
    over = true;
    await watching;
  }
  return answers;
}

function helper(host: Host, title: string): Promise<number> {
  return waitFor(
    `the ${title} of ${host.name}`,
    START_MS,
    () => host.postgresProcesses().find((one) => commandLine(one).join(" ").includes(title)),
  );
}

function hangArchiver({ directory }: Host): () => void {
  const file = join(directory, "hang");
  writeFileSync(file, "");
  return () => rmSync(file, { force: true });
}

function reportOutage(what: string, sinceMs: number, ackMs: number): void {
  console.log(`${what}: another member confirmed ${Math.round(ackMs - sinceMs)} ms after the request`);
  expect(ackMs - sinceMs).toBeLessThan(OUTAGE_MS);
}

async function switchOver(cluster: Cluster, from: Host, to: Host): Promise<void> {
  await cluster.ctl("switchover", "--leader", from.name, "--candidate", to.name, "--force");
}

/** Puts the WAL of a host that does not run onto a small file system; returns what removes that. */
function onSmallDisk({ directory, dataDir }: Host): { readonly disk: string; remove(): void } {
  const disk = join(directory, "wal-disk");
  mkdirSync(disk);
  const owner = statSync(dataDir);
  const wal = join(dataDir, "pg_wal");
  // Earlier stories leave many segments: one for each timeline, and those that PostgreSQL recycles.
  const kib = Number(execFileSync("du", ["-sk", wal], { encoding: "utf8" }).split("\t")[0]) + 192 * 2 ** 10;
  const options = `size=${kib}k,mode=700,uid=${owner.uid},gid=${owner.gid}`;
  execFileSync("mount", ["-t", "tmpfs", "-o", options, "none", disk]);
  const remove = () => void execFileSync("umount", ["--lazy", disk]);
  try {
    execFileSync("cp", ["-a", wal, join(disk, "pg_wal")]);
  } catch (error) {
    remove();
    throw error;
  }
  rmSync(wal, { recursive: true });
  symlinkSync(join(disk, "pg_wal"), wal);
  lchownSync(wal, owner.uid, owner.gid);
  return { disk, remove };
}

/** Looks come often, and a fifth of a file system is too little room; of a large one, 200 MB. */
const HEALTH = {
  health_interval: 1,
  disk_space_warning: 25,
  disk_space_critical: 20,
  disk_space_cap: "1GB",
};
const NO_HEALTH = Object.fromEntries(Object.keys(HEALTH).map((key) => [key, null]));

async function configure(cluster: Cluster, patch: object): Promise<void> {
  const host = cluster.hosts.find((each) => each.agentPid() !== null)!;
  const user = `agent:${cluster.secrets.restapi}`;
  expect((await host.rest("/config", { method: "PATCH", body: patch, user })).status).toBe(200);
}

function leaveRoom(disk: string, share: number): void {
  const { blocks, bavail, bsize } = statfsSync(disk);
  const filler = (bavail - blocks * share) * bsize;
  spawnSync("dd", [
    "if=/dev/zero",
    `of=${join(disk, "filler")}`,
    "bs=64k",
    `count=${Math.floor(filler / 65_536)}`,
  ]);
}

/**
 * One that was the primary before its agent was started does not count as a new one. On a busy host the lease
 * may be over before the agent is back: then it becomes the primary again, and its agent is killed once more.
 */
async function restartAgentOf(fixture: Fixture, primary: Host): Promise<void> {
  for (let tries = 1; tries <= 5; tries++) {
    await primary.killAgent();
    const now = await fixture.healed();
    if (now === primary) return;
    await switchOver(fixture.cluster, now, primary);
    await fixture.healed();
  }
  throw new Error(`the agent of ${primary.name} never came back within its lease`);
}

/** The primary becomes sick: another member writes soon, nothing is lost, and it is said why. */
async function handsOverSick(
  fixture: Fixture,
  primary: Host,
  cause: string,
  sicken: () => void,
): Promise<void> {
  const { cluster } = fixture;
  await configure(cluster, HEALTH);
  await restartAgentOf(fixture, primary);
  const begin = nowMs();
  sicken();
  await fixture.listed(new RegExp(`Ailing: ${primary.name}, ${cause} \\(critical since `));
  const next = await fixture.successorOf(primary, begin);
  const ack = fixture.client.acks.find((one) => one.node === next.name && one.ackMs > begin)!;
  console.log(`${cause}: ${next.name} confirmed ${Math.round(ack.ackMs - begin)} ms after it began`);
  expect(await fixture.lostOn(next, begin)).toEqual([]);
  fixture.expectOnePrimary(primary, begin);
  expect(primary.log()).toContain(`this host is sick (${cause}: `);
}

const onMounts = isRoot && spawnSync("unshare", ["-m", "true"]).status === 0
  ? story
  : (name: string) => test.skip(name, () => {});

// First: PostgreSQL keeps old segments for new ones, and needs no room then.
onMounts(
  "a candidate whose disk is full is followed by another member, and leads when there is room again",
  async (fixture) => {
    const { cluster, client } = fixture;
    const old = await fixture.healed();
    const [candidate, other] = cluster.others(old);
    await candidate!.stopAgent(START_MS);
    const { disk, remove } = onSmallDisk(candidate!);
    try {
      expect(await fixture.healed()).toBe(old);
      const filler = join(disk, "filler");
      spawnSync("dd", ["if=/dev/zero", `of=${filler}`, "bs=4k"]);
      // Room for the segment in which the old primary ends, and not for the first one of a new timeline.
      truncateSync(filler, statSync(filler).size - 17 * 2 ** 20);
      const begin = nowMs();
      const answer = await cluster.tryCtl(
        "switchover",
        "--leader",
        old.name,
        "--candidate",
        candidate!.name,
        "--force",
      );
      expect(answer.output).toContain(`${candidate!.name} could not take over`);
      const { ackMs, node } = await client.waitForWrite(begin + 1000, WRITES_MS);
      console.log(
        `full disk, switchover: ${node} confirmed ${Math.round(ackMs - begin)} ms after the request`,
      );
      expect([old.name, other!.name]).toContain(node);
      await fixture.listed(new RegExp(`Cannot lead: ${candidate!.name}, PostgreSQL was not promoted: `));
      rmSync(filler);
      const next = await fixture.healed();
      // It is no candidate for a while.
      await fixture.listed(new RegExp(`Cannot lead: ${candidate!.name}, .*\\)$`, "m"));
      await switchOver(cluster, next, candidate!);
      expect(await fixture.healed()).toBe(candidate!);
      await handsOverSick(fixture, candidate!, "wal-space", () => leaveRoom(disk, 0.15));
    } finally {
      await configure(cluster, NO_HEALTH);
      await candidate!.powerOff();
      rmSync(candidate!.dataDir, { recursive: true, force: true });
      remove();
    }
    await fixture.healed();
  },
);

story(
  "a switchover does not wait for a hung archiver, and /primary says at once that it ends",
  async (fixture) => {
    const { cluster, client } = fixture;
    const old = await fixture.healed();
    const next = cluster.others(old)[0]!;
    const release = hangArchiver(old);
    const begin = nowMs();
    const answers = await watched(old, "/primary", async () => {
      await switchOver(cluster, old, next);
      const { ackMs } = await client.waitForWrite(begin, OUTAGE_MS, next.name);
      reportOutage("hung archiver, switchover", begin, ackMs);
    });
    expect(answers).toEqual([true, false]);
    expect(await fixture.lostOn(next, begin)).toEqual([]);
    fixture.expectOnePrimary(old, begin);
    release();
    expect(await fixture.healed()).toBe(next);
  },
);

story(
  "an agent that is stopped does not wait for a hung archiver, and nothing of it is left",
  async (fixture) => {
    const { client } = fixture;
    const old = await fixture.healed();
    const release = hangArchiver(old);
    const begin = nowMs();
    const stopped = old.stopAgent(START_MS);
    const next = await fixture.successorOf(old, begin);
    reportOutage(
      "hung archiver, SIGTERM",
      begin,
      client.acks.find((one) => one.node === next.name && one.ackMs > begin)!.ackMs,
    );
    await stopped;
    await waitFor("the end of every process", START_MS, () => old.processes().length === 0);
    expect(await fixture.lostOn(next, begin)).toEqual([]);
    release();
    await fixture.healed();
  },
);

for (
  const [title, label] of [["checkpointer", "checkpointer"], ["walsender replicator", "WAL sender"]] as const
) {
  story(`a switchover does not wait for a hung ${label}`, async (fixture) => {
    const { cluster, client } = fixture;
    const old = await fixture.healed();
    const [next, other] = cluster.others(old) as [Host, Host];
    // The WAL sender of the member that is not to take over.
    const pid = title === "checkpointer" ? await helper(old, title) : await senderTo(cluster, old, other);
    expect(signal(pid, "SIGSTOP")).toBe(true);
    const begin = nowMs();
    await switchOver(cluster, old, next).catch((error: unknown) => {
      // Ended without its shutdown checkpoint, it is no orderly switchover, and the answer says so.
      expect(String(error)).toContain("before it had stopped cleanly");
    });
    const { ackMs } = await client.waitForWrite(begin, OUTAGE_MS, next.name);
    reportOutage(
      `hung ${label}, switchover`,
      begin,
      client.acks.find((one) => one.node === next.name && one.ackMs > begin)?.ackMs ?? ackMs,
    );
    expect(await fixture.lostOn(next, begin)).toEqual([]);
    fixture.expectOnePrimary(old, begin);
    await fixture.healed();
    // Why, by which steps, and what hung: for who looks later.
    const reason = (await cluster.ctl("list", "-e")).split("\n").find((line) =>
      line.startsWith(` Last stop: ${old.name}, `)
    );
    console.log(reason);
    expect(reason).toMatch(/\(fast, (?:immediate|kill)[a-z, ]* since /);
  });
}

for (const paused of [false, true]) {
  story(
    `a candidate that cannot be promoted is followed by another member, and says so${
      paused ? ", also in pause" : ""
    }`,
    async (fixture) => {
      const { cluster } = fixture;
      const old = await fixture.healed();
      const [next, other] = cluster.others(old) as [Host, Host];
      // The candidate of the story before is no candidate for a ttl.
      await waitFor(
        "every member to be a candidate",
        START_MS,
        async () => !(await old.rest("/cluster")).text.includes('"sits_out": true'),
      );
      if (paused) await cluster.ctl("pause", "--wait");
      expect(signal(await helper(next, "startup"), "SIGSTOP")).toBe(true);
      const begin = nowMs();
      const answers = watched(next, "/primary", async () => {
        const asked = cluster.tryCtl("switchover", "--leader", old.name, "--candidate", next.name, "--force");
        expect(await fixture.successorOf(old, begin)).toBe(other);
        const { code, output } = await asked;
        expect(output).toContain(`${next.name} could not take over, ${other.name} did`);
        expect(code).toBe(1);
      });
      // Granted the lock, it could not write.
      expect(await answers).toEqual([false]);
      const first = fixture.client.acks.find((one) => one.node === other.name && one.ackMs > begin)!;
      reportOutage("hung startup process, switchover", begin, first.ackMs);
      expect(await fixture.lostOn(other, begin)).toEqual([]);
      fixture.expectOnePrimary(old, begin);
      if (paused) await cluster.ctl("resume", "--wait");
      await fixture.healed();
    },
  );
}

story("an agent that is stopped does not wait for a hung postmaster, and names it", async (fixture) => {
  const { client } = fixture;
  const old = await fixture.healed();
  const postmaster = old.postmasterPid()!;
  expect(signal(postmaster, "SIGSTOP")).toBe(true);
  const begin = nowMs();
  const stopped = old.stopAgent(START_MS);
  const next = await fixture.successorOf(old, begin);
  const first = client.acks.find((one) => one.node === next.name && one.ackMs > begin)!;
  reportOutage("hung postmaster, SIGTERM", begin, first.ackMs);
  await stopped;
  expect(old.log()).toMatch(
    new RegExp(`waits for: pid ${postmaster} \\(.*postgres.*; stopped by a signal\\)`),
  );
  // Its sessions wrote on until they were ended, and a standby has everything.
  expect(await fixture.lostOn(next, begin)).toEqual([]);
  fixture.expectOnePrimary(old, begin);
  await fixture.healed();
});

story(
  "a primary that somebody tells to end when its clients have left is not called writable",
  async (fixture) => {
    const { cluster } = fixture;
    const primary = await fixture.healed();
    // A session that stays, as the agent's own does: a smart shutdown waits for both.
    const session = await cluster.connect(primary);
    try {
      const begin = nowMs();
      expect(signal(primary.postmasterPid()!, "SIGTERM")).toBe(true);
      await answersWith(primary, "/primary", 503);
      await waitFor(
        "its reason",
        START_MS,
        () => primary.log().includes("was told to shut down, and takes no"),
      );
      const { ackMs, node } = await fixture.client.waitForWrite(begin + 500, WRITES_MS);
      console.log(`smart shutdown: ${node} confirmed ${Math.round(ackMs - begin)} ms after the signal`);
    } finally {
      await session.end().catch(() => undefined); // It has ended with the server.
    }
    await fixture.healed();
  },
);

story(
  "a restart that takes longer than its timeout hands the lock over, and loses nothing",
  async (fixture) => {
    const { cluster, client } = fixture;
    const old = await fixture.healed();
    const release = hangArchiver(old);
    const begin = nowMs();
    const asked = await cluster.tryCtl("restart", "demo", old.name, "--timeout", "1", "--force");
    expect(asked.code).toBe(1);
    expect(asked.output).toContain(`Failed: restart for member ${old.name}, status code=503`);
    const next = await fixture.successorOf(old, begin);
    const first = client.acks.find((one) => one.node === next.name && one.ackMs > begin)!;
    reportOutage("hung archiver, restart with a timeout of 1 s", begin, first.ackMs);
    expect(old.log()).toContain("the restart has taken longer than its timeout of 1 s: handing over");
    expect(await fixture.lostOn(next, begin)).toEqual([]);
    fixture.expectOnePrimary(old, begin);
    release();
    expect(await fixture.healed()).toBe(next);
  },
);

/** From the next start on, PostgreSQL waits for a writer of its configuration; returns what lets it go on. */
function hangStart(host: Host): () => void {
  const pipe = join(host.directory, "hang.conf");
  appendFileSync(join(host.dataDir, "postgresql.base.conf"), `\ninclude_if_exists '${pipe}'\n`);
  expect(spawnSync("mkfifo", ["-m", "666", pipe]).status).toBe(0);
  return () => {
    // A reader that has opened it meanwhile sees its end.
    const both = openSync(pipe, constants.O_RDWR | constants.O_NONBLOCK);
    rmSync(pipe);
    closeSync(both);
  };
}

story(
  "a primary that does not come up within the timeout of its restart is followed by another",
  async (fixture) => {
    const { cluster, client } = fixture;
    const old = await fixture.healed();
    const release = hangStart(old);
    const begin = nowMs();
    const asked = await cluster.tryCtl("restart", "demo", old.name, "--timeout", "3", "--force");
    expect(asked.code).toBe(1);
    expect(asked.output).toContain("(postgres is still starting)");
    const next = await fixture.successorOf(old, begin);
    release();
    const first = client.acks.find((one) => one.node === next.name && one.ackMs > begin)!;
    reportOutage("hung start, restart with a timeout of 3 s", begin, first.ackMs);
    expect(old.log()).toContain("the restart has taken longer than its timeout of 3 s: handing over");
    expect(await fixture.lostOn(next, begin)).toEqual([]);
    fixture.expectOnePrimary(old, begin);
    expect(await fixture.healed()).toBe(next);
  },
);

async function senderTo(cluster: Cluster, primary: Host, standby: Host): Promise<number> {
  return await waitFor(`the WAL sender to ${standby.name}`, START_MS, async () => {
    const rows = await cluster.query<{ pid: number }>(
      primary,
      `SELECT pid FROM pg_stat_replication WHERE application_name = '${standby.name}' AND state = 'streaming'`,
    );
    return rows[0]?.pid;
  });
}

story("in pause a primary that died is shown as stopped, and started by a restart", async (fixture) => {
  const { cluster, client } = fixture;
  const primary = await fixture.healed();
  await cluster.ctl("pause", "--wait");
  await primary.killPostgres();
  await fixture.listed(new RegExp(`${primary.name} .* stopped `));
  const begin = nowMs();
  expect(await cluster.ctl("restart", "demo", primary.name, "--force")).toContain(
    `Success: restart on member ${primary.name}`,
  );
  const { ackMs } = await client.waitForWrite(begin, WRITES_MS, primary.name);
  console.log(
    `pause, restart of a dead primary: writes again ${Math.round(ackMs - begin)} ms after the request`,
  );
  await cluster.ctl("resume", "--wait");
  await fixture.healed();
});

story(
  "a primary that loses raft comes back read-only without it, and is the primary again with it",
  async (fixture) => {
    const { cluster } = fixture;
    await cluster.ctl("edit-config", "-s", "ttl=2", "--force");
    const primary = await fixture.healed();
    const begin = nowMs();
    for (const other of cluster.others(primary)) await other.killAgent();
    await waitFor("a read-only server", START_MS, async () => {
      const rows = await cluster.query<{ in_recovery: boolean }>(
        primary,
        "SELECT pg_is_in_recovery() AS in_recovery",
      );
      return rows[0]!.in_recovery;
    });
    console.log(`raft lost: read-only ${Math.round(nowMs() - begin)} ms after`);
    await answersWith(primary, "/primary", 503);
    await waitFor("it to be a replica", START_MS, () => primary.answers("/replica"));
    // What it confirmed is there to be read.
    await waitFor(
      "the end of the replay",
      START_MS,
      async () => (await fixture.lostOn(primary, begin - 1000)).length === 0,
    );
    expect(await fixture.healed()).toBe(primary);
  },
);

story(
  "a primary that does not start again lets the lock go, says why, and comes back when that is mended",
  async (fixture) => {
    const primary = await fixture.healed();
    const base = join(primary.dataDir, "postgresql.base.conf");
    const before = readFileSync(base, "utf8");
    const begin = nowMs();
    writeFileSync(base, `${before}\nwork_mem = 'as much as there is'\n`);
    await primary.killPostgres();
    const next = await fixture.successorOf(primary, begin);
    const tookMs = Math.round(nowMs() - begin);
    console.log(`a primary that does not start: ${next.name} confirmed after ${tookMs} ms`);
    expect(tookMs).toBeLessThan(OUTAGE_MS);
    await fixture.listed(new RegExp(`Cannot lead: ${primary.name}, PostgreSQL does not start: `));
    writeFileSync(base, before);
    expect(await fixture.healed()).toBe(next);
  },
);

story(
  "hosts that are all shut down at once: every agent ends within 10 s, and all come back",
  async (fixture) => {
    const { cluster } = fixture;
    await cluster.ctl("edit-config", "-s", "ttl=30", "--force");
    const primary = await fixture.healed();
    const begin = nowMs();
    await Promise.all(cluster.hosts.map((host) => host.stopAgent(10_000)));
    console.log(`all agents have ended ${Math.round(nowMs() - begin)} ms after their signal`);
    for (const host of cluster.hosts) {
      expect(host.postgresProcesses()).toEqual([]);
      host.start();
    }
    expect(await fixture.healed()).toBe(primary);
  },
);

story("a primary whose postmaster is stopped hands over to a member that is better off", async (fixture) => {
  const old = await fixture.healed();
  const pid = old.postmasterPid()!;
  await handsOverSick(fixture, old, "postmaster-hung", () => expect(signal(pid, "SIGSTOP")).toBe(true));
  await configure(fixture.cluster, NO_HEALTH);
  await fixture.healed();
});
