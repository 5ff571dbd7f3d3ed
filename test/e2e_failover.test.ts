/** What dies, and what the cluster does about it, with a lease of two seconds. */
import { expect } from "bun:test";
import { existsSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { EventJson } from "../src/api/client.ts";
import { isAlive } from "../src/lib/process_table.ts";
import type { Cluster } from "../src/demo/cluster.ts";
import type { Host } from "../src/demo/host.ts";
import { nowMs } from "../src/demo/now.ts";
import { commandLine, signal } from "../src/demo/processes.ts";
import { waitFor } from "../src/demo/wait_for.ts";
import { START_MS, withCluster, WRITES_MS } from "./e2e/harness.ts";
import { Subscriber } from "./e2e/subscriber.ts";
import { expectChain } from "./e2e/why.ts";

const TTL_S = 2;
/** Writes its event and its role into a file beside the data directory. */
const CALLBACK = `sh -c 'echo "$1 $2" >> called' x`;
const { story } = withCluster({
  dcs: {
    ttl: TTL_S,
    postgresql: {
      callbacks: { on_stop: CALLBACK, on_role_change: CALLBACK },
      parameters: { wal_level: "logical" },
    },
  },
});

/** What the callbacks of a host were told, last of all, once that ends so. */
async function told(host: Host, end: RegExp): Promise<void> {
  const file = join(host.directory, "called");
  await waitFor(`the callbacks of ${host.name}`, START_MS, () => {
    expect(existsSync(file) ? readFileSync(file, "utf8").split("\n").slice(-6).join("\n") : "").toMatch(end);
    return true;
  });
}

story("switchover to a candidate: the candidate leads, nothing confirmed is lost", async (fixture) => {
  const { cluster, client } = fixture;
  const old = await fixture.healed();
  const candidate = cluster.others(old)[1]!;
  const begin = nowMs();
  const output = await cluster.ctl(
    "switchover",
    "--leader",
    old.name,
    "--candidate",
    candidate.name,
    "--force",
  );
  expect(output).toContain(`Successfully switched over to "${candidate.name}"`);
  await client.waitForWrite(nowMs(), WRITES_MS, candidate.name);
  expect(await fixture.lostOn(candidate, begin)).toEqual([]);
  fixture.expectOnePrimary(old, begin);
  expect(await cluster.waitHealthy(START_MS)).toBe(candidate);
  await told(candidate, /on_role_change primary\n$/);
  await told(old, /on_stop (?:primary|demoted)\non_role_change replica\n$/);
  const { text } = await old.rest("/metrics");
  expect(text).toMatch(/agent_callback_exit_total\{.*hook="on_role_change",code="0"\} [1-9]/);
  expect(text).toMatch(/agent_events_total\{.*kind="lock-granted"\} [1-9]/);
  await expectChain(cluster, [
    `switchover-requested ${old.name}`,
    `request-accepted ${old.name}`,
    `lock-released ${old.name}`,
    `lock-granted ${candidate.name}`,
    `promoted ${candidate.name}`,
  ]);
});

story("switchover without a candidate: somebody else leads, nothing confirmed is lost", async (fixture) => {
  const old = await fixture.healed();
  const begin = nowMs();
  await fixture.cluster.ctl("switchover", "--leader", old.name, "--force");
  const successor = await fixture.successorOf(old, begin);
  expect(await fixture.lostOn(successor, begin)).toEqual([]);
  fixture.expectOnePrimary(old, begin);
  await fixture.cluster.waitHealthy(START_MS);
});

story("a switchover to a member that does not exist is refused and changes nothing", async (fixture) => {
  const old = await fixture.healed();
  const result = await fixture.cluster.tryCtl(
    "switchover",
    "--leader",
    old.name,
    "--candidate",
    "nobody",
    "--force",
  );
  expect(result.code).not.toBe(0);
  expect(await fixture.cluster.waitHealthy(START_MS)).toBe(old);
});

story(
  "death of the primary's host: a standby takes over, and the old primary rejoins when it is back",
  async (fixture) => {
    const old = await fixture.healed();
    const begin = nowMs();
    await old.powerOff();
    const successor = await fixture.successorOf(old, begin);
    fixture.expectOnePrimary(old, begin);
    await fixture.cluster.waitHealthy(START_MS, fixture.cluster.others(old));
    await expectChain(fixture.cluster, [
      `member-lost ${old.name}`,
      `lock-expired ${old.name}`,
      `lock-granted ${successor.name}`,
      `promoted ${successor.name}`,
    ]);
    expect(await fixture.cluster.ctl("why", old.name)).toContain(`${old.name} is not heard`);
    expect(successor.log()).toContain(`event member-lost of ${old.name}: ${old.name} is not heard any more`);
    old.start();
    expect(await fixture.cluster.waitHealthy(START_MS)).toBe(successor);
  },
);

story("death of a standby's host: writes go on, and it streams again when it is back", async (fixture) => {
  const primary = await fixture.healed();
  const standby = fixture.cluster.others(primary)[0]!;
  const begin = nowMs();
  await standby.powerOff();
  await fixture.client.waitForWrite(nowMs() + 1000 * TTL_S, WRITES_MS, primary.name);
  expect(fixture.client.failures.filter((one) => one.sentMs > begin)).toEqual([]);
  standby.start();
  expect(await fixture.cluster.waitHealthy(START_MS)).toBe(primary);
});

story(
  "a standby that is promoted by hand is ended, chosen by nobody, and rejoins without what it wrote",
  async (fixture) => {
    const { cluster, client } = fixture;
    const primary = await fixture.healed();
    const standby = cluster.others(primary)[0]!;
    await cluster.query(standby, "SELECT pg_catalog.pg_promote(false)");
    await waitFor(
      "its agent to end it",
      10_000,
      () => standby.log().includes("promoted without the lock, which"),
    );
    expect(await cluster.waitHealthy(START_MS)).toBe(primary);
    expect(await cluster.query(standby, "SELECT pg_catalog.pg_is_in_recovery() AS standby")).toEqual([
      { standby: true },
    ]);
    await client.waitForWrite(nowMs(), WRITES_MS, primary.name);
  },
);

story(
  "a killed postmaster: service comes back, and never beside a backend that was left over",
  async (fixture) => {
    const old = await fixture.healed();
    const begin = nowMs();
    const before = old.postgresProcesses();
    signal(old.postmasterPid()!, "SIGKILL");
    const ack = await fixture.client.waitForWrite(begin + 200, WRITES_MS);
    if (ack.node === old.name) expect(before.filter(isAlive)).toEqual([]);
    fixture.expectOnePrimary(old, begin);
    await fixture.healed();
    expect(before.filter(isAlive)).toEqual([]);
  },
);

story(
  "all of PostgreSQL killed: it is started again in place, and nothing confirmed is lost",
  async (fixture) => {
    const old = await fixture.healed();
    const begin = nowMs();
    await old.killPostgres();
    const ack = await fixture.client.waitForWrite(nowMs(), WRITES_MS);
    expect(ack.node).toBe(old.name);
    expect(await fixture.lostOn(old, begin)).toEqual([]);
    expect(await fixture.cluster.waitHealthy(START_MS)).toBe(old);
  },
);

story(
  "all of PostgreSQL killed with primary_start_timeout 0: a standby takes over at once",
  async (fixture) => {
    const { cluster } = fixture;
    const old = await fixture.healed();
    const patch = (value: number | null) =>
      old.rest("/config", {
        method: "PATCH",
        body: { primary_start_timeout: value },
        user: `agent:${cluster.secrets.restapi}`,
      });
    expect((await patch(0)).status).toBe(200);
    const begin = nowMs();
    const before = old.log().length;
    await old.killPostgres();
    const successor = await fixture.successorOf(old, begin);
    fixture.expectOnePrimary(old, begin);
    await cluster.waitHealthy(START_MS);
    await expectChain(cluster, [
      `postgres-crashed ${old.name}`,
      `cannot-lead ${old.name}`,
      `lock-released ${old.name}`,
      `lock-granted ${successor.name}`,
      `promoted ${successor.name}`,
    ]);
    expect(await cluster.ctl("why")).toMatch(/postgres-crashed: PostgreSQL ended by itself \(SIGKILL\)/);
    // It has crashed, also where its remaining processes still end when the agent looks: no start in between.
    const [untilReleased] = old.log().slice(before).split("giving back epoch");
    expect(untilReleased).not.toContain("starting as primary");
    await told(old, /on_role_change demoted\non_role_change replica\n$/);
    expect((await patch(null)).status).toBe(200);
  },
);

story(
  "a primary's agent killed for good: its PostgreSQL is fenced before another one leads",
  async (fixture) => {
    const { cluster } = fixture;
    const old = await fixture.healed();
    const begin = nowMs();
    const before = old.postgresProcesses();
    await old.killAgent();
    const successor = await fixture.successorOf(old, begin);
    fixture.expectOnePrimary(old, begin);
    // Nobody but the guard is left to do this.
    await waitFor("the end of the old PostgreSQL", START_MS, () => !before.some(isAlive));
    fixture.expectOnePrimary(old, begin);
    old.start();
    expect(await cluster.waitHealthy(START_MS)).toBe(successor);
  },
);

story(
  "a primary's agent frozen for three leases: nothing is confirmed beside its successor",
  async (fixture) => {
    const { cluster } = fixture;
    const old = await fixture.healed();
    const begin = nowMs();
    const frozenAtMs = Date.now();
    old.signalAgent("SIGSTOP");
    try {
      const successor = await fixture.successorOf(old, begin);
      await fixture.client.waitForWrite(begin + 3 * 1000 * TTL_S, WRITES_MS, successor.name);
      fixture.expectOnePrimary(old, begin);
      const resumedAtMs = Date.now();
      old.signalAgent("SIGCONT");
      expect(await cluster.waitHealthy(START_MS)).toBe(successor);
      fixture.expectOnePrimary(old, begin);
      // Its agent tells late what the guard did, with the time of that.
      await waitFor("the event", START_MS, async () => {
        const found = JSON.parse(await cluster.ctl("events", "-m", old.name, "-f", "json")) as EventJson[];
        const killed = Date.parse(found.findLast(({ kind }) => kind === "postgres-killed")?.at ?? "");
        return killed > frozenAtMs && killed < resumedAtMs;
      });
    } finally {
      old.signalAgent("SIGCONT");
    }
  },
);

story("a graceful stop of the primary's agent hands over: nothing confirmed is lost", async (fixture) => {
  const old = await fixture.healed();
  const begin = nowMs();
  await old.stopAgent(START_MS);
  expect(await old.exitCode(START_MS)).toBe(0);
  const successor = await fixture.successorOf(old, begin);
  expect(await fixture.lostOn(successor, begin)).toEqual([]);
  expect(old.postgresProcesses()).toEqual([]);
  old.start();
  expect(await fixture.cluster.waitHealthy(START_MS)).toBe(successor);
});

story(
  "a former primary that may be neither rewound nor copied waits for a reinit, and says so",
  async (fixture) => {
    const { cluster, client } = fixture;
    await cluster.ctl("edit-config", "-s", "postgresql.rejoin=[hold]", "--force");
    const old = await fixture.healed();
    for (const pid of old.postgresProcesses()) {
      if (commandLine(pid).join(" ").includes("walsender")) signal(pid, "SIGSTOP");
    }
    // What it confirms from now on no other member has.
    const begin = nowMs();
    await client.waitForWrite(begin, WRITES_MS, old.name);
    await old.powerOff();
    const next = await fixture.successorOf(old, begin);
    old.start();
    await fixture.listed(new RegExp(`${old.name} .* needs reinit `));
    await fixture.listed(`Needs reinit: ${old.name}: its history has diverged; pg_rewind is not allowed`);
    const metrics = () => old.rest("/metrics").then(({ text }) => /^agent_needs_reinit\{.*\} 1$/m.test(text));
    await waitFor("its metric", START_MS, metrics);
    expect(old.postgresProcesses()).toEqual([]);
    await cluster.ctl("reinit", cluster.scope, old.name, "--force", "--wait");
    await fixture.listed(new RegExp(`${old.name} .* streaming `));
    await tellsLoss(cluster, old);
    // Whatever else differs comes back by itself now.
    await cluster.ctl("edit-config", "-s", "postgresql.rejoin=null", "--force");
    expect(await fixture.healed()).toBe(next);
  },
);

/** What it had beyond the failover is counted, kept, and told by the history and an event. */
async function tellsLoss(cluster: Cluster, old: Host): Promise<void> {
  // An earlier failover may have lost WAL of the same member.
  const loss = await waitFor("the loss is in the last line of the history", START_MS, async () => {
    const lines = JSON.parse(await cluster.ctl("history", "-f", "json")) as {
      [column: string]: string | number;
    }[];
    const last = lines.at(-1);
    return last?.["Lost By"] === old.name ? last : null;
  });
  expect(loss["Lost Transactions"]).toBeGreaterThan(0);
  const lost = await waitFor("an event tells it", START_MS, async () => {
    const events = JSON.parse(await cluster.ctl("events", "-m", old.name, "-f", "json")) as EventJson[];
    const facts = events.findLast(({ kind }) => kind === "wal-lost")?.facts;
    return facts !== undefined && `${facts.lsn} - ${facts.end}` === loss["Lost WAL"] ? facts : null;
  });
  expect(lost.bytes).toBe(loss["Lost Bytes"] as number);
  expect(readdirSync(lost.kept!)).toContain("lost_wal.json");
}

async function saysThatReaderWasAhead(primary: Host, since: number): Promise<void> {
  await waitFor(
    `a line of ${primary.name} on the reader's gap`,
    START_MS,
    () => /logical replication slot outside had read up to/.test(primary.log().slice(since)),
  );
}

story(
  "a logical subscriber outside goes on with each next primary: every row once and in order, or its gap is told",
  async (fixture) => {
    const { cluster, client } = fixture;
    await fixture.healed();
    const subscriber = await Subscriber.start(cluster, client);
    try {
      const harms: readonly [clean: boolean, harm: (old: Host) => Promise<unknown>][] = [
        [true, (old) => cluster.ctl("switchover", "--leader", old.name, "--force")],
        [false, (old) => old.powerOff()],
        [true, (old) => old.stopAgent(START_MS)],
      ];
      for (const [clean, harm] of harms) {
        const old = await fixture.healed();
        await subscriber.untilCopied();
        const begin = nowMs();
        const logged = new Map(cluster.hosts.map((host) => [host, host.log().length]));
        await harm(old);
        const next = await fixture.successorOf(old, begin);
        const { missing, twice, late } = await subscriber.compare(client, next);
        expect({ twice, late }).toEqual({ twice: [], late: [] });
        // It may have had more than any standby: its gap is told then.
        if (clean || missing.length === 0) expect(missing).toEqual([]);
        else await saysThatReaderWasAhead(next, logged.get(next)!);
      }
      await fixture.healed();
      await subscriber.leave();
    } finally {
      await subscriber.stop();
    }
  },
);

story(
  "only a former primary's data is left: nobody is promoted until an operator names it",
  async (fixture) => {
    const { cluster } = fixture;
    const former = await fixture.healed();
    const others = cluster.others(former);
    await former.powerOff();
    await cluster.waitHealthy(START_MS, others);
    for (const host of others) await host.powerOff();
    for (const { dataDir } of others) rmSync(dataDir, { recursive: true });
    for (const host of cluster.members) host.start();
    await waitFor("the advice", START_MS, async () => {
      const { output } = await cluster.tryCtl("list");
      return output.includes(`agent ctl failover --candidate ${former.name}`);
    });
    const why = await cluster.ctl("why");
    expect(why).toContain("Nobody holds the lock");
    expect(why).toContain(`An operator is needed: nobody can be promoted: ${former.name} was a primary once`);
    expect(why).toContain(`  ${former.name}: was a primary once and has not rejoined yet`);
    expect(await Promise.all(cluster.members.map((host) => host.answers("/primary")))).not.toContain(true);
    await cluster.ctl("failover", "--candidate", former.name, "--force");
    expect(await cluster.waitHealthy(START_MS)).toBe(former);
    await fixture.client.waitForWrite(nowMs(), WRITES_MS, former.name);
  },
);
