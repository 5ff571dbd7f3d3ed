/**
 * A real HAProxy with the configuration that Patroni's users have, through a switchover and a failover; what
 * a real Prometheus sees of them afterwards; and the page for a browser in a real Chromium.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { type ChildProcess, spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import pg from "pg";
import type { Cluster } from "../src/demo/cluster.ts";
import { nowMs } from "../src/demo/now.ts";
import { freePorts } from "../src/demo/ports.ts";
import { waitFor } from "../src/demo/wait_for.ts";
import {
  dashboardQueries,
  flawOfConfig,
  flawsOf,
  Prometheus,
  prometheus,
  promtool,
} from "./e2e/prometheus.ts";
import { chromium } from "./e2e/browser.ts";
import { showCertificate, withoutCertificates } from "./e2e/browser_certificates.ts";
import { Fixture, START_MS, startHealthy, TEST_MS } from "./e2e/harness.ts";
import { programOf } from "./e2e/recipes.ts";
import { operate, watchFailures } from "./e2e/ui_stories.ts";

const program = programOf("haproxy");
const fixture = new Fixture();
let proxy: ChildProcess | null = null;
let watcher: Prometheus | null = null;
let primaryPort = 0;
let replicaPort = 0;

beforeAll(async () => {
  if (program !== null || prometheus !== null || chromium !== null) {
    await fixture.open({ dcs: { ttl: 2 } }, (cluster) => startWithProxy(program, cluster));
  }
}, 2 * START_MS);

async function startWithProxy(program: string | null, cluster: Cluster): Promise<void> {
  proxy?.kill("SIGKILL");
  watcher?.stop();
  await startHealthy(cluster);
  if (prometheus !== null) watcher = await Prometheus.start(cluster);
  if (program === null) return;
  [primaryPort, replicaPort] = await freePorts(2) as [number, number];
  const file = join(cluster.directory, "haproxy.cfg");
  const servers = cluster.hosts.map(({ addresses }) =>
    `    server ${addresses.name} ${addresses.address}:${addresses.postgresPort} maxconn 100 check port ${addresses.restPort}`
  ).join("\n");
  writeFileSync(
    file,
    `global
    maxconn 100
defaults
    mode tcp
    retries 2
    timeout client 30m
    timeout connect 4s
    timeout server 30m
    timeout check 5s
listen primary
    bind 127.0.0.1:${primaryPort}
    option httpchk
    http-check expect status 200
    default-server inter 1s fastinter 300ms fall 2 rise 1 on-marked-down shutdown-sessions
${servers}
listen replicas
    bind 127.0.0.1:${replicaPort}
    option httpchk GET /replica HTTP/1.1
    http-check expect status 200
    default-server inter 1s fastinter 300ms fall 2 rise 1 on-marked-down shutdown-sessions
${servers}
`,
  );
  proxy = spawn(program, ["-db", "-f", file], { stdio: "ignore" });
}

afterAll(async () => {
  proxy?.kill("SIGKILL");
  watcher?.stop();
  await fixture.close();
}, START_MS);

function story(name: string, tell: () => Promise<void>): void {
  test.skipIf(program === null)(name, () => fixture.tell(tell), TEST_MS);
}

/** Address of the server that answers behind the proxy. */
async function serverBehind(port: number): Promise<string> {
  const client = new pg.Client({
    host: "127.0.0.1",
    port,
    user: "postgres",
    password: fixture.cluster.secrets.superuser,
    database: "postgres",
    connectionTimeoutMillis: 2000,
    query_timeout: 2000,
  });
  client.on("error", () => undefined);
  await client.connect();
  try {
    const answer = await client.query<{ address: string; recovery: boolean }>(
      "SELECT host(inet_server_addr()) AS address, pg_is_in_recovery() AS recovery",
    );
    if (port === primaryPort) await client.query("CREATE TABLE IF NOT EXISTS through_proxy (at timestamptz)");
    expect(answer.rows[0]!.recovery).toBe(port === replicaPort);
    return answer.rows[0]!.address;
  } finally {
    await client.end();
  }
}

story("the proxy leads writers to the primary and readers to the standbys", async () => {
  const primary = await fixture.healed();
  const writable = await waitFor("a primary behind the proxy", START_MS, () => serverBehind(primaryPort));
  expect(writable).toBe(primary.addresses.address);
  const reader = await waitFor("a standby behind the proxy", START_MS, () => serverBehind(replicaPort));
  expect(reader).not.toBe(writable);
});

story("after a switchover the proxy follows the new primary", async () => {
  const { cluster } = fixture;
  const old = await fixture.healed();
  await cluster.ctl("switchover", "--leader", old.name, "--force");
  const successor = await fixture.successorOf(old, nowMs());
  await waitFor(
    "the proxy to follow",
    START_MS,
    async () => await serverBehind(primaryPort) === successor.addresses.address,
  );
});

story("after the death of the primary's host the proxy follows the new primary", async () => {
  const old = await fixture.healed();
  const begin = nowMs();
  await old.powerOff();
  const successor = await fixture.successorOf(old, begin);
  await waitFor(
    "the proxy to follow",
    START_MS,
    async () => await serverBehind(primaryPort) === successor.addresses.address,
  );
  await fixture.healed();
  const reader = await waitFor("a standby behind the proxy", START_MS, () => serverBehind(replicaPort));
  expect(reader).not.toBe(successor.addresses.address);
});

/** Nothing is copied, nobody is sick, and the cluster has no hooks. */
const EMPTY_HERE = /agent_clone_progress_ratio|agent_ailment|agent_callback_exit_total/;

function prometheusStory(name: string, tell: () => Promise<void>): void {
  test.skipIf(prometheus === null || promtool === null)(name, () => fixture.tell(tell), TEST_MS);
}

prometheusStory(
  "promtool finds nothing in a scrape of any member, nor in the configuration of docs/monitoring",
  async () => {
    await fixture.healed();
    for (const host of fixture.cluster.hosts) {
      const { status, text } = await host.rest("/metrics", { timeoutMs: 5000 });
      expect([status, flawsOf(text)]).toEqual([200, []]);
    }
    expect(flawOfConfig()).toBeNull();
  },
);

prometheusStory(
  "each question of the dashboard has an answer, and no alert is raised without need",
  async () => {
    const { cluster } = fixture;
    // A failover of its own, so that the story stands alone.
    const old = await fixture.healed();
    const begin = nowMs();
    await old.powerOff();
    await fixture.successorOf(old, begin);
    await fixture.healed();
    for (const { title, query } of dashboardQueries(cluster.scope)) {
      await waitFor(`an answer to "${title}": ${query}`, START_MS, async () => {
        const found = await watcher!.lines(query);
        return found.length > 0 || EMPTY_HERE.test(query);
      });
    }
    type Rules = { groups: { rules: { name: string; health: string; lastError?: string }[] }[] };
    await waitFor("all rules to be evaluated", START_MS, async () => {
      const { groups } = await watcher!.ask<Rules>("rules");
      const rules = groups.flatMap((group) => group.rules);
      return rules.length > 20 && rules.every(({ health }) => health === "ok");
    });
    await waitFor("nothing critical", START_MS, async () => {
      const raised = await watcher!.lines('ALERTS{alertstate="firing",severity="critical"}');
      return raised.length === 0;
    });
  },
);

function browserStory(name: string, tell: () => Promise<void>): void {
  test.skipIf(chromium === null)(name, () => fixture.tell(tell), TEST_MS);
}

browserStory("an operator switches over and edits the configuration in a browser", () => operate(fixture));

browserStory(
  "a browser sees a failover, tells the view of a minority, and tells when nobody answers",
  () => watchFailures(fixture),
);

test.skipIf(withoutCertificates !== null)(
  "a browser shows the client certificate that was installed, and without one it gets nothing",
  showCertificate,
  TEST_MS,
);
