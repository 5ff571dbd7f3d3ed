/**
 * Stops and promotions that hang: whatever does not end, another member writes soon, and clients are told in
 * time.
 */
import { expect } from "bun:test";
import { chmodSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Cluster } from "../src/demo/cluster.ts";
import type { Host } from "../src/demo/host.ts";
import { nowMs } from "../src/demo/now.ts";
import { commandLine, signal } from "../src/demo/processes.ts";
import { waitFor } from "../src/demo/wait_for.ts";
import { START_MS, startHealthy, withCluster, WRITES_MS } from "./e2e/harness.ts";
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
