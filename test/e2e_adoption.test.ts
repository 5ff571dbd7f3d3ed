/**
 * Servers that run already are taken over without a restart, whether made by hand or by Patroni, and only in
 * an order that is safe.
 */
import { expect } from "bun:test";
import { existsSync, readFileSync, renameSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import type { Host } from "../src/demo/host.ts";
import { nowMs } from "../src/demo/now.ts";
import { longestGap } from "../src/demo/outage.ts";
import { run } from "../src/demo/run.ts";
import { waitFor } from "../src/demo/wait_for.ts";
import type { JsonObject } from "../src/model/json.ts";
import {
  asPatroniLeavesIt,
  copyByHand,
  postgres,
  primaryByHand,
  standbyByHand,
  startByHand,
} from "./e2e/by_hand.ts";
import { type Fixture, START_MS, withCluster, WRITES_MS } from "./e2e/harness.ts";
import { shown } from "./e2e/shown.ts";

/** What Patroni keeps while it is paused, and a value that no configuration may have. */
const KEPT = {
  ttl: 2,
  loop_wait: "soon",
  pause: true,
  postgresql: { use_pg_rewind: true, parameters: { max_connections: 150, work_mem: "7MB" } },
};

const { story } = withCluster({ dcs: { ttl: 30 } }, async (cluster) => {
  const [first, second, third] = cluster.hosts as [Host, Host, Host];
  await primaryByHand(cluster, first, (host) => asPatroniLeavesIt(host, KEPT));
  await standbyByHand(cluster, second, first);
  await standbyByHand(cluster, third, first);
  await copyByHand(cluster, third, first, copyOf(third));
});

/** Another copy of the data, from before an agent came. */
const copyOf = (host: Host) => `${host.dataDir}.copy`;

function members({ cluster }: Fixture): [Host, Host, Host] {
  return cluster.hosts as [Host, Host, Host];
}

const says = (host: Host, what: string) =>
  waitFor(`"${what}" in the log of ${host.name}`, START_MS, () => host.log().includes(what));

function postgresqlConf(host: Host): string {
  return readFileSync(join(host.dataDir, "postgresql.conf"), "utf8");
}

let postmasters: (number | null)[];

story("generate-config writes a valid file of a running server, for its owner alone", async (fixture) => {
  const [, second] = members(fixture);
  const { address, postgresPort } = second.addresses;
  const file = join(second.directory, "generated.yml");
  const agent = (...args: string[]) => {
    const [program, ...rest] = [...second.settings.prefix, second.settings.binary, ...args];
    const env = { ...process.env, HOME: second.directory };
    return run(program!, rest, second.directory, { timeoutMs: START_MS, env });
  };
  const { superuser, replication } = fixture.cluster.secrets;
  const dsn = `host=${address} port=${postgresPort} user=postgres password=${superuser}`;
  expect((await agent("generate-config", "--dsn", dsn, file)).code).toBe(0);
  expect(statSync(file).mode & 0o777).toBe(0o600);
  const made = parse(readFileSync(file, "utf8")) as JsonObject;
  expect(made).toMatchObject({
    scope: "demo",
    bootstrap: { dcs: { postgresql: { use_pg_rewind: true } } },
    postgresql: {
      listen: `${address}:${postgresPort}`,
      data_dir: second.dataDir,
      authentication: {
        superuser: { username: "postgres", password: superuser },
        replication: { username: "replicator", password: replication },
      },
      parameters: { unix_socket_directories: second.directory },
    },
  });
  const valid = await agent("validate-config", "--ignore-listen-port", file);
  expect(valid).toEqual({ code: 0, output: expect.stringContaining(": valid, ") });
  expect((await agent("generate-config", "--dsn", dsn, file)).output).toContain("is not overwritten");
  const shown = await agent("--generate-config", "--dsn", dsn);
  expect(shown.code).toBe(0);
  expect(shown.output).not.toContain(superuser);
  expect((await agent("generate-config", "--dsn", `${dsn} dbname=nowhere`)).code).toBe(1);
});

story("SIGTERM leaves a server that was not taken over as it is, and its guard ends", async (fixture) => {
  const [, , third] = members(fixture);
  postmasters = fixture.cluster.hosts.map((host) => host.postmasterPid());
  third.start();
  await says(third, "PostgreSQL runs already");
  await third.stopAgent(START_MS);
  expect(third.log()).toContain("PostgreSQL was not taken over, and runs on as it did");
  await waitFor("the end of its guard", START_MS, () => third.guardPid() === null);
  expect(third.postmasterPid()).toBe(postmasters[2]!);
});

story("standbys whose primary has no agent yet wait for it, and stay as they are", async (fixture) => {
  const [first, second, third] = members(fixture);
  await fixture.client.waitForWrite(nowMs(), WRITES_MS, first.name);
  const before = postgresqlConf(second);
  second.start();
  third.start();
  for (const host of [second, third]) await says(host, "start the agent on the primary's host next");
  expect(postgresqlConf(second)).toBe(before);
});

story("a server that is restarted beside an agent that waits is left to run", async (fixture) => {
  const [, second] = members(fixture);
  for (let times = 0; times < 3; times++) {
    const log = join(second.directory, "by_hand.log");
    await postgres(second, "pg_ctl", "restart", "--wait", `--pgdata=${second.dataDir}`, `--log=${log}`);
    const next = second.postmasterPid();
    await says(second, `PostgreSQL runs already (pid ${next})`);
    expect(second.postmasterPid()).toBe(next);
  }
  postmasters = fixture.cluster.hosts.map((host) => host.postmasterPid());
});

story(
  "a running primary and its standbys are taken over: no restart, and no transaction of a client fails",
  async (fixture) => {
    const { cluster, client } = fixture;
    const [first] = members(fixture);
    const beganMs = nowMs();
    first.start();
    expect(await cluster.waitHealthy(START_MS)).toBe(first);
    await waitFor(
      "the configuration of each to be the agent's",
      START_MS,
      () => cluster.hosts.every((host) => postgresqlConf(host).includes("overwritten by agent!")),
    );
    expect(await cluster.waitHealthy(START_MS)).toBe(first);
    await client.waitForWrite(nowMs(), WRITES_MS, first.name);
    expect(cluster.hosts.map((host) => host.postmasterPid())).toEqual(postmasters);
    expect(client.failures).toEqual([]);
    expect(longestGap(client.acks, beganMs)!.lengthMs).toBeLessThan(1000);
  },
);

story("the cluster begins with the configuration that Patroni has left", async ({ cluster }) => {
  const first = cluster.hosts[0]!;
  const config = await shown<typeof KEPT>("the kept configuration", first, "/config", ({ ttl }) => ttl === 2);
  expect(config.postgresql).toEqual(KEPT.postgresql);
  expect(config).not.toHaveProperty("pause");
  expect(config).not.toHaveProperty("loop_wait");
  expect(first.log()).toContain("left out: pause: a new cluster does not begin in maintenance mode");
  expect(first.log()).toContain("left out: loop_wait: ");
  const rows = await cluster.query<{ work_mem: string }>(first, "SHOW work_mem");
  expect(rows).toEqual([{ work_mem: "7MB" }]);
});

/** The next server of the host, which no agent has managed, in place of its own. */
async function replaceServer(host: Host, make: () => Promise<void>): Promise<void> {
  if (host.agentPid() !== null) await host.stopAgent(START_MS);
  else await postgres(host, "pg_ctl", "stop", "--wait", `--pgdata=${host.dataDir}`);
  rmSync(host.dataDir, { recursive: true });
  await make();
}

story("a server of another cluster is refused, and runs on untouched", async (fixture) => {
  const [, , third] = members(fixture);
  await replaceServer(third, () => primaryByHand(fixture.cluster, third));
  const before = postgresqlConf(third);
  third.start();
  expect(await third.exitCode(START_MS)).toBe(1);
  expect(third.log()).toMatch(/system ID mismatch, node node3 belongs to a different cluster: \d+ != \d+/);
  expect(third.postmasterPid()).not.toBeNull();
  expect(postgresqlConf(third)).toBe(before);
  expect(existsSync(join(third.dataDir, "patroni.dynamic.json"))).toBe(false);
  await waitFor("the end of its guard", START_MS, () => third.guardPid() === null);
});

story("a second primary of the same data is refused, and joins once it is stopped", async (fixture) => {
  const { cluster, client } = fixture;
  const [first, , third] = members(fixture);
  await replaceServer(third, async () => {
    renameSync(copyOf(third), third.dataDir);
    await startByHand(third);
  });
  await postgres(third, "pg_ctl", "promote", "--wait", `--pgdata=${third.dataDir}`);
  const running = third.postmasterPid();
  third.start();
  expect(await third.exitCode(START_MS)).toBe(1);
  expect(third.log()).toContain("two primaries: the cluster has node1 as its primary");
  expect(third.postmasterPid()).toBe(running);
  await waitFor("the end of its guard", START_MS, () => third.guardPid() === null);
  await postgres(third, "pg_ctl", "stop", "--wait", `--pgdata=${third.dataDir}`);
  third.start();
  expect(await cluster.waitHealthy(START_MS)).toBe(first);
  expect(client.failures.filter(({ node }) => node === first.name)).toEqual([]);
});

story("an adopted primary whose agent dies is fenced by its guard like any other", async (fixture) => {
  const { cluster } = fixture;
  const [first] = members(fixture);
  expect(first.postmasterPid()).toBe(postmasters[0]!);
  await fixture.healedWithClients();
  const sinceMs = nowMs();
  await first.killAgent();
  const successor = await fixture.successorOf(first, sinceMs);
  fixture.expectOnePrimary(first, sinceMs);
  expect(await fixture.lostEarlierOn(successor, first, sinceMs)).toEqual([]);
  await fixture.healed();
  expect(cluster.hosts.every((host) => host.agentPid() !== null)).toBe(true);
});

story(
  "a standby that somebody starts as a primary beside its agent is ended, and copied anew",
  async (fixture) => {
    const { cluster } = fixture;
    const primary = await fixture.healedWithClients();
    const standby = cluster.others(primary)[0]!;
    await cluster.ctl("pause", "--wait");
    await postgres(standby, "pg_ctl", "stop", "--wait", `--pgdata=${standby.dataDir}`);
    await says(standby, "PAUSE: PostgreSQL does not run, and is not started");
    rmSync(join(standby.dataDir, "standby.signal"));
    await startByHand(standby);
    await says(standby, "a primary was found running without the lock: stopping it cleanly");
    await says(standby, "diverged (this member wrote on timeline");
    await cluster.ctl("resume", "--wait");
    expect(await fixture.healed()).toBe(primary);
  },
);

story(
  "a host boots alone, and its service starts the former primary: it is stopped at once",
  async (fixture) => {
    const { cluster } = fixture;
    const primary = await fixture.healed();
    const lock = join(primary.dataDir, "postmaster.pid");
    const [, , , port, sockets] = readFileSync(lock, "utf8").split("\n");
    for (const host of cluster.hosts) await host.powerOff();
    // The number in them may be a zombie's, which it would not be after a boot.
    rmSync(lock, { force: true });
    rmSync(join(sockets!, `.s.PGSQL.${port}.lock`), { force: true });
    await startByHand(primary);
    const before = primary.log().length;
    primary.start();
    // A guard that comes late on a busy host finds the server frozen by the agent, and kills it.
    const ends =
      /another member may hold the lock: stopping it until|they are frozen, since their lease may be/;
    await waitFor("the agent to end the server", START_MS, () => ends.test(primary.log().slice(before)));
    await waitFor("it to end", START_MS, () => primary.postmasterPid() === null);
    for (const host of cluster.others(primary)) host.start();
    await fixture.healed();
  },
);
