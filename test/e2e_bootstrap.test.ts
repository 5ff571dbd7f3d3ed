/**
 * From empty directories to a cluster, what it says of itself, and that its passwords stay where they belong.
 */
import { expect } from "bun:test";
import { readFileSync } from "node:fs";
import { nowMs } from "../src/demo/now.ts";
import { commandLine } from "../src/demo/processes.ts";
import type { ClusterView } from "../src/demo/rest.ts";
import { waitFor } from "../src/demo/wait_for.ts";
import { START_MS, startHealthy, withCluster, WRITES_MS } from "./e2e/harness.ts";
import { answersWith, shown } from "./e2e/shown.ts";

interface Dynamic {
  readonly ttl: number;
  readonly postgresql: { readonly use_pg_rewind: boolean };
}

/** Command lines of every process of the cluster while it came up, looked at again and again. */
const commandLines = new Set<string>();

const { story } = withCluster({ dcs: { ttl: 2 } }, async (cluster) => {
  const timer = setInterval(() => {
    for (const host of cluster.hosts) {
      for (const pid of host.processes()) commandLines.add(commandLine(pid).join(" "));
    }
  }, 30);
  try {
    await startHealthy(cluster);
  } finally {
    clearInterval(timer);
  }
});

story(
  "three empty directories become a primary and two streaming standbys of one system",
  async ({ cluster, client }) => {
    const primary = await cluster.waitHealthy();
    await client.waitForWrite(nowMs(), WRITES_MS, primary.name);
    const ids = await Promise.all(
      cluster.hosts.map((host) =>
        cluster.query<{ id: string; recovery: boolean }>(
          host,
          "SELECT system_identifier::text AS id, pg_is_in_recovery() AS recovery FROM pg_control_system()",
        )
      ),
    );
    expect(new Set(ids.map((rows) => rows[0]!.id)).size).toBe(1);
    expect(ids.filter((rows) => !rows[0]!.recovery).length).toBe(1);
  },
);

story(
  "replication, rewind and superuser are roles of their own, and standbys use slots",
  async ({ cluster }) => {
    const primary = await cluster.waitHealthy();
    const roles = await cluster.query<{ rolname: string; rolsuper: boolean; rolreplication: boolean }>(
      primary,
      "SELECT rolname, rolsuper, rolreplication FROM pg_roles WHERE rolname IN ('postgres', 'replicator', 'rewind_user') ORDER BY 1",
    );
    expect(roles).toEqual([
      { rolname: "postgres", rolsuper: true, rolreplication: true },
      { rolname: "replicator", rolsuper: false, rolreplication: true },
      { rolname: "rewind_user", rolsuper: false, rolreplication: false },
    ]);
    const names = cluster.others(primary).map((host) => host.name);
    await waitFor("the slots of all standbys", START_MS, async () => {
      const slots = await cluster.query<{ slot_name: string }>(
        primary,
        "SELECT slot_name::text FROM pg_replication_slots WHERE active ORDER BY 1",
      );
      return slots.map((row) => row.slot_name).join() === names.join();
    });
  },
);

story("bootstrap.dcs becomes the dynamic configuration", async ({ cluster }) => {
  for (const host of cluster.hosts) {
    const { postgresql } = await shown<Dynamic>("the ttl", host, "/config", ({ ttl }) => ttl === 2);
    expect(postgresql.use_pg_rewind).toBe(true);
  }
});

story("every node answers the health checks for what it is", async ({ cluster }) => {
  const primary = await cluster.waitHealthy();
  for (const host of cluster.hosts) {
    const leads = host === primary;
    for (const path of ["/", "/primary", "/master", "/leader", "/read-write"]) {
      await answersWith(host, path, leads ? 200 : 503);
    }
    await answersWith(host, "/replica", leads ? 503 : 200);
    for (const path of ["/read-only", "/health", "/liveness", "/readiness", "/patroni", "/metrics"]) {
      await answersWith(host, path, 200);
    }
    // HAProxy's default check.
    await answersWith(host, "/primary", leads ? 200 : 503, { method: "OPTIONS" });
  }
});

story("unsafe requests need the password", async ({ cluster }) => {
  const host = cluster.hosts[0]!;
  const body = { ttl: 2 };
  expect((await host.rest("/config", { method: "PATCH", body })).status).toBe(401);
  expect((await host.rest("/config", { method: "PATCH", body, user: "agent:wrong" })).status).toBe(401);
  expect(
    (await host.rest("/config", { method: "PATCH", body, user: `agent:${cluster.secrets.restapi}` })).status,
  ).toBe(200);
});

story("ctl list shows all members in Patroni's table and as JSON", async ({ cluster }) => {
  const primary = await cluster.waitHealthy();
  const table = await cluster.ctl("list");
  expect(table).toMatch(/^\+ Cluster: demo \(\d+\) -+/);
  expect(table).toMatch(new RegExp(`^\\| ${primary.name} +\\|.*\\| Leader +\\| running +\\|`, "m"));
  expect(table.match(/\| Replica +\| streaming +\|/g)?.length).toBe(2);
  const json = JSON.parse(await cluster.ctl("list", "--format", "json")) as {
    Member: string;
    Role: string;
  }[];
  expect(json.map((row) => row.Member).sort()).toEqual(["node1", "node2", "node3"]);
  expect(json.find((row) => row.Member === primary.name)?.Role).toBe("Leader");
  const view = JSON.parse((await primary.rest("/cluster")).text) as ClusterView;
  expect(view.scope).toBe("demo");
});

story("a live change of ttl reaches every member and disturbs nobody", async ({ cluster, client }) => {
  const primary = await cluster.waitHealthy();
  const begin = nowMs();
  const postmaster = primary.postmasterPid();
  const change = { method: "PATCH", body: { ttl: 4 }, user: `agent:${cluster.secrets.restapi}` };
  expect((await cluster.others(primary)[0]!.rest("/config", change)).status).toBe(200);
  // Longer than the old lease.
  await client.waitForWrite(begin + 5000, WRITES_MS, primary.name);
  for (const host of cluster.hosts) await shown<Dynamic>("the ttl", host, "/config", ({ ttl }) => ttl === 4);
  expect(primary.postmasterPid()).toBe(postmaster);
  expect(client.failures.filter((one) => one.endMs > begin)).toEqual([]);
});

story("no password is in a command line or in a log", ({ cluster }) => {
  const lines = [...commandLines].join("\n");
  const logs = cluster.hosts.map((host) => readFileSync(host.logFile, "utf8")).join("\n");
  expect(lines).toContain("postgres");
  for (const secret of Object.values(cluster.secrets)) {
    expect(lines).not.toContain(secret);
    expect(logs).not.toContain(secret);
  }
});
