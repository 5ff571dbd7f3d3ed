/**
 * From empty directories to a cluster, what it says of itself, and that its passwords stay where they belong.
 */
import { expect } from "bun:test";
import { existsSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Host } from "../src/demo/host.ts";
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

function keptConfig(host: Host): Dynamic | null {
  const file = join(host.dataDir, "patroni.dynamic.json");
  return existsSync(file) ? JSON.parse(readFileSync(file, "utf8")) as Dynamic : null;
}

/**
 * What members that start together made of each other, and PostgreSQL of their copies. A host that is too
 * busy for its ttl is told so in a bootstrap, too, and rightly.
 */
const FAULT = /\b(?:WARNING|ERROR|CRITICAL|FATAL|PANIC):/;
const TOGETHER = /no connection to|was not accepted|does not take part|already exists/;
let faults: readonly string[] | null = null;

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
    const lines = cluster.hosts.flatMap((host) =>
      host.log().split("\n").map((line) => `${host.name}: ${line}`)
    );
    faults = lines.filter((line) => FAULT.test(line) && TOGETHER.test(line));
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
  "members that start together warn of nothing about each other, nor does PostgreSQL log an error",
  () => {
    expect(faults).toEqual([]);
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
    await waitFor("the configuration in the data directory", START_MS, () => keptConfig(host)?.ttl === 2);
    expect(statSync(join(host.dataDir, "patroni.dynamic.json")).mode & 0o777).toBe(0o600);
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
  for (const host of cluster.hosts) {
    await shown<Dynamic>("the ttl", host, "/config", ({ ttl }) => ttl === 4);
    await waitFor("the ttl in the data directory", START_MS, () => keptConfig(host)?.ttl === 4);
  }
  expect(primary.postmasterPid()).toBe(postmaster);
  expect(client.failures.filter((one) => one.endMs > begin)).toEqual([]);
});

story("the configuration of before is kept with its time, and can be returned to", async ({ cluster }) => {
  interface Revision {
    readonly revision: number;
    readonly at: string;
    readonly by: string;
    readonly config: Dynamic;
  }
  const history = async () => JSON.parse(await cluster.ctl("config", "history", "-f", "json")) as Revision[];
  const before = await history();
  expect(before.map(({ config }) => config.ttl).slice(-2)).toEqual([2, 4]);
  expect(Date.parse(before.at(-1)!.at)).toBeGreaterThan(Date.now() - 3_600_000);
  expect(cluster.hosts.map(({ name }) => name)).toContain(before.at(-1)!.by);
  expect(await cluster.ctl("config", "rollback", String(before.at(-2)!.revision), "--force"))
    .toContain("-ttl: 4\n+ttl: 2\n");
  for (const host of cluster.hosts) await shown<Dynamic>("the ttl", host, "/config", ({ ttl }) => ttl === 2);
  expect((await history()).slice(0, -1)).toEqual(before);
  await cluster.waitHealthy(START_MS);
});

story(
  "what a change would not bring about is said with the answer, for every member",
  async ({ cluster }) => {
    const host = cluster.hosts[0]!;
    const user = `agent:${cluster.secrets.restapi}`;
    const patch = (parameters: object, path = "/config") =>
      host.rest(path, { method: "PATCH", body: { loop_wait: 0, postgresql: { parameters } }, user });
    const names = cluster.hosts.map(({ name }) => name);
    const refused = await patch({ shared_preload_libraries: "nowhere" });
    expect(refused.status).toBe(422);
    for (const name of names) {
      expect(refused.text).toContain(
        `${name}: shared_preload_libraries names nowhere`,
      );
    }
    expect(refused.text).toContain("With ?force=true");
    const changed = await patch({ work_mem: "1kB", work_memm: "1MB" });
    expect(changed.status).toBe(200);
    expect(JSON.parse(changed.text)).toMatchObject({ loop_wait: 0 });
    const warning = changed.headers.get("Warning") ?? "";
    expect(warning).toContain("loop_wait: 0 is below the minimum: 1 is used");
    const every = names.map((name) => `(?=[^"]*${name})`).join("");
    expect(warning).toMatch(new RegExp(`"${every}[^"]*: Value=1kB of parameter=work_mem is outside`));
    expect(warning).toMatch(new RegExp(`"${every}[^"]*: Removing unexpected parameter=work_memm`));
    const set = ["-q", "-s", "loop_wait=null", "-p", "work_mem=null", "-p", "work_memm=null", "--force"];
    expect(await cluster.ctl("edit-config", ...set)).toBe("Configuration changed\n");
  },
);

story(
  "a parameter of one role is in force there, and each member explains its value",
  async ({ cluster }) => {
    interface Explained {
      readonly name: string;
      readonly value: string;
      readonly layers: readonly {
        readonly source: string;
        readonly place: string;
        readonly counts: boolean;
      }[];
    }
    const primary = await cluster.waitHealthy();
    const body = { postgresql: { parameters: { work_mem: "5MB" }, parameters_primary: { work_mem: "6MB" } } };
    const user = `agent:${cluster.secrets.restapi}`;
    expect((await primary.rest("/config", { method: "PATCH", body, user })).status).toBe(200);
    for (const host of cluster.hosts) {
      const expected = host === primary ? "6MB" : "5MB";
      await waitFor(`work_mem ${expected} on ${host.name}`, START_MS, async () => {
        const rows = await cluster.query<{ work_mem: string }>(host, "SHOW work_mem");
        return rows[0]!.work_mem === expected;
      });
    }
    const explained = async (key: string) => {
      const found = JSON.parse(await cluster.ctl("config", "explain", key, "-f", "json")) as Explained[];
      return new Map(found.map((one) => [one.name, one]));
    };
    const memory = await explained("work_mem");
    const file = await explained("log_min_messages");
    for (const host of cluster.hosts) {
      expect(memory.get(host.name)!.value).toBe(host === primary ? "6MB" : "5MB");
      const { value, layers } = file.get(host.name)!;
      expect([value, layers.length, layers[0]!.source]).toEqual(["warning", 1, "file"]);
      expect(layers[0]!.place).toMatch(new RegExp(`^${host.configFile}:\\d+ `));
    }
    expect(await cluster.ctl("config", "explain", "work_mem")).toContain(
      "* dynamic postgresql.parameters_primary.work_mem: 6MB",
    );
  },
);

story("no password is in a command line or in a log", ({ cluster }) => {
  const lines = [...commandLines].join("\n");
  const logs = cluster.hosts.map((host) => readFileSync(host.logFile, "utf8")).join("\n");
  expect(lines).toContain("postgres");
  for (const secret of Object.values(cluster.secrets)) {
    expect(lines).not.toContain(secret);
    expect(logs).not.toContain(secret);
  }
});

story(
  "a cluster made of directories that ran before begins with the configuration kept there",
  async (fixture) => {
    const { cluster } = fixture;
    const primary = await fixture.healed();
    for (const host of cluster.hosts) await host.powerOff();
    for (const host of cluster.hosts) rmSync(join(host.directory, "raft"), { recursive: true });
    const given = {
      ttl: 3,
      loop_wait: 1,
      retry_timeout: 1,
      pause: true,
      synchronous_mode: "odd",
      postgresql: { use_pg_rewind: true, parameters: { max_connections: 77, work_mem: "5MB", "no name": 1 } },
    };
    writeFileSync(join(primary.dataDir, "patroni.dynamic.json"), JSON.stringify(given));
    for (const host of cluster.hosts) host.start();
    expect(await cluster.waitHealthy(START_MS)).toBe(primary);
    const expected = {
      ttl: 3,
      loop_wait: 1,
      retry_timeout: 1,
      postgresql: { use_pg_rewind: true, parameters: { max_connections: 77, work_mem: "5MB" } },
    };
    for (const host of cluster.hosts) {
      expect(await shown<object>("the configuration", host, "/config", (value) => "ttl" in value)).toEqual(
        expected,
      );
      await waitFor("it in the data directory", START_MS, () => Bun.deepEquals(keptConfig(host), expected));
    }
    const settings = await cluster.query<{ connections: string; memory: string }>(
      primary,
      "SELECT current_setting('max_connections') AS connections, current_setting('work_mem') AS memory",
    );
    expect(settings).toEqual([{ connections: "77", memory: "5MB" }]);
    const log = primary.log();
    expect(log).toContain("patroni.dynamic.json; bootstrap.dcs is not read");
    for (const key of ["pause", "synchronous_mode", "postgresql.parameters.no name"]) {
      expect(log).toContain(`left out: ${key}: `);
    }
    await waitFor(
      "what bootstrap.dcs says in vain",
      START_MS,
      () => primary.log().includes("ttl (2 in the file, 3 in force)"),
    );
  },
);
