/**
 * The agent and the guard as processes: what their ends mean for PostgreSQL, with the lease of five seconds.
 * And `agent ctl` as a process: from a host that is no member, and where no agent is left.
 */
import { expect } from "bun:test";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Cluster } from "../src/demo/cluster.ts";
import type { Host } from "../src/demo/host.ts";
import { nowMs } from "../src/demo/now.ts";
import { signal } from "../src/demo/processes.ts";
import { run } from "../src/demo/run.ts";
import { waitFor } from "../src/demo/wait_for.ts";
import { MEMORY_VARIABLE } from "../src/lib/quiet_memory.ts";
import { DOCUMENT, undocumented } from "../src/api/openapi/testing.ts";
import { START_MS, withCluster, WRITES_MS } from "./e2e/harness.ts";

const TTL_S = 5;
const { story } = withCluster({
  dcs: { ttl: TTL_S },
  override: () => ({
    bootstrap: { initdb: [{ locale: "C.UTF-8" }, "data-checksums", "allow-group-access"] },
  }),
});

story("with initdb --allow-group-access the group may read every file of every member", async (fixture) => {
  const { cluster } = fixture;
  await fixture.healed();
  const closed = () =>
    cluster.hosts.flatMap(({ name, dataDir }) =>
      ["", ...readdirSync(dataDir, { recursive: true, encoding: "utf8" })].flatMap((path) => {
        const found = statSync(join(dataDir, path), { throwIfNoEntry: false });
        // PostgreSQL removes files meanwhile.
        if (found === undefined) return [];
        const mode = found.mode & 0o777;
        return mode === (found.isDirectory() ? 0o750 : 0o640) ? [] : [`${name}/${path} 0${mode.toString(8)}`];
      })
    );
  expect(closed()).toEqual([]);
  await cluster.ctl(
    "edit-config",
    "--force",
    "-p",
    "log_min_messages=error",
    "-s",
    "slots.kept.type=physical",
  );
  await waitFor(
    "the slot",
    START_MS,
    () => cluster.hosts.every(({ dataDir }) => existsSync(join(dataDir, "pg_replslot/kept/state"))),
  );
  expect(closed()).toEqual([]);
  await cluster.ctl("edit-config", "--force", "-p", "log_min_messages=null", "-s", "slots=null");
});

story("the guard is a process of its own, and PostgreSQL is its child, not the agent's", async (fixture) => {
  const primary = await fixture.healed();
  const guard = primary.guardPid();
  expect(guard).not.toBeNull();
  expect(guard).not.toBe(primary.agentPid());
  const status = readFileSync(`/proc/${primary.postmasterPid()}/status`, "utf8");
  expect(Number(/^PPid:\s+(\d+)/m.exec(status)?.[1])).toBe(guard!);
});

story(
  "agent and guard run with an allocator that rarely gives memory back, and PostgreSQL is not told",
  async (fixture) => {
    const primary = await fixture.healed();
    const isTold = (pid: number | null) => {
      const variables = readFileSync(`/proc/${pid}/environ`, "utf8").split("\0");
      return variables.some((one) => one.startsWith(`${MEMORY_VARIABLE}=`));
    };
    const told = [primary.agentPid(), primary.guardPid(), primary.postmasterPid()].map(isTold);
    expect(told).toEqual([true, true, false]);
    // As it was called: process lists show the name of the file.
    expect(readFileSync(`/proc/${primary.agentPid()}/comm`, "utf8").trim()).toBe("agent");
  },
);

story("a guard lets go of the code that only its start needed", async (fixture) => {
  const primary = await fixture.healed();
  const guard = fixture.cluster.others(primary)[0]!.guardPid();
  // After its start it has 40 MiB of the executable mapped, and 12 to 20 MiB once it has let go of the rest.
  const mappedMib = () =>
    Number(/^RssFile:\s+(\d+)/m.exec(readFileSync(`/proc/${guard}/status`, "utf8"))![1]) / 1024;
  await waitFor("fewer mapped pages", 60_000, () => mappedMib() < 30);
});

story("what the members of a real cluster answer is what /openapi.json promises", async (fixture) => {
  await fixture.healed();
  const paths = Object.keys(DOCUMENT.paths).filter((path) =>
    DOCUMENT.paths[path]!.get !== undefined && !path.includes("{")
  );
  const asked = [...paths, "/agent/config/explain/ttl", "/agent/dcs/leader", "/agent/dcs/config"];
  for (const { name, restAddress } of fixture.cluster.members) {
    const flaws = await Promise.all(asked.map(async (path) => {
      const answer = await fetch(`http://${restAddress}${path}`, { redirect: "manual" });
      const { status, headers } = answer;
      const type = headers.get("Content-Type");
      return undocumented({ method: "GET", path, status, type, text: await answer.text() });
    }));
    expect([name, ...flaws.filter((flaw) => flaw !== null)]).toEqual([name]);
  }
});

story("an agent killed and started again within the lease goes unnoticed by clients", async (fixture) => {
  const { client, cluster } = fixture;
  const primary = await fixture.healed();
  const before = { postmaster: primary.postmasterPid(), guard: primary.guardPid() };
  const begin = nowMs();
  await primary.killAgent();
  primary.start();
  // Past the lease that the killed agent had: it was renewed by the new one.
  await client.waitForWrite(begin + 2 * 1000 * TTL_S, WRITES_MS, primary.name);
  expect({ postmaster: primary.postmasterPid(), guard: primary.guardPid() }).toEqual(before);
  expect(client.failures.filter((one) => one.sentMs > begin)).toEqual([]);
  expect(client.acks.filter((ack) => ack.ackMs > begin && ack.node !== primary.name)).toEqual([]);
  expect(await cluster.waitHealthy(START_MS)).toBe(primary);
});

story("an agent of a standby killed and started again: the standby goes on streaming", async (fixture) => {
  const { cluster } = fixture;
  const primary = await fixture.healed();
  const standby = cluster.others(primary)[0]!;
  const postmaster = standby.postmasterPid();
  await standby.killAgent();
  standby.start();
  expect(await cluster.waitHealthy(START_MS)).toBe(primary);
  expect(standby.postmasterPid()).toBe(postmaster);
});

story(
  "a killed guard costs a restart of PostgreSQL under a new one, and never a second primary",
  async (fixture) => {
    const { cluster } = fixture;
    const primary = await fixture.healed();
    const begin = nowMs();
    const guard = primary.guardPid()!;
    const postmaster = primary.postmasterPid();
    signal(guard, "SIGKILL");
    const ack = await fixture.client.waitForWrite(begin + 500, WRITES_MS);
    fixture.expectOnePrimary(primary, begin);
    expect(await fixture.lostEarlierOn(cluster.host(ack.node), primary, begin)).toEqual([]);
    await cluster.waitHealthy(START_MS);
    await waitFor("a new guard", START_MS, () => primary.guardPid() !== null && primary.guardPid() !== guard);
    await waitFor("a new PostgreSQL", START_MS, () => ![null, postmaster].includes(primary.postmasterPid()));
  },
);

story("agent and guard killed at once: PostgreSQL ends by itself, another node leads", async (fixture) => {
  const primary = await fixture.healed();
  const begin = nowMs();
  const guard = primary.guardPid()!;
  primary.signalAgent("SIGKILL");
  signal(guard, "SIGKILL");
  await waitFor("the end of PostgreSQL", START_MS, () => primary.postgresProcesses().length === 0);
  const successor = await fixture.successorOf(primary, begin);
  fixture.expectOnePrimary(primary, begin);
  primary.start();
  expect(await fixture.cluster.waitHealthy(START_MS)).toBe(successor);
});

story("a second agent with the name of a living member refuses to start", async (fixture) => {
  const { cluster } = fixture;
  const primary = await fixture.healed();
  const [victim, imitated] = cluster.others(primary) as [typeof primary, typeof primary];
  await victim.powerOff();
  const original = readFileSync(victim.configFile, "utf8");
  writeFileSync(victim.configFile, original.replace(`name: ${victim.name}`, `name: ${imitated.name}`));
  try {
    victim.start();
    expect(await victim.exitCode(START_MS)).toBe(1);
    expect(victim.log()).toMatch(
      new RegExp(`CRITICAL: Can't start; there is already a node named '${imitated.name}' running`),
    );
  } finally {
    writeFileSync(victim.configFile, original);
  }
  await waitFor("its guard to leave", START_MS, () => victim.postgresProcesses().length === 0);
  expect(await fixture.healed()).toBe(primary);
});

story("SIGHUP reads the file again and stops nothing", async (fixture) => {
  const primary = await fixture.healed();
  const postmaster = primary.postmasterPid();
  const begin = nowMs();
  const original = readFileSync(primary.configFile, "utf8");
  writeFileSync(primary.configFile, original.replace("log_min_messages: warning", "log_min_messages: error"));
  primary.signalAgent("SIGHUP");
  await waitFor("the new setting", START_MS, async () => {
    const rows = await fixture.cluster.query<{ v: string }>(
      primary,
      "SELECT current_setting('log_min_messages') AS v",
    );
    return rows[0]!.v === "error";
  });
  expect(primary.postmasterPid()).toBe(postmaster);
  expect(fixture.client.failures.filter((one) => one.sentMs > begin)).toEqual([]);
});

/** `agent ctl` as a host that is no member calls it: with a link to the program, and no file of a member. */
function fromElsewhere(cluster: Cluster, words: readonly string[], environment: NodeJS.ProcessEnv) {
  const link = join(cluster.directory, "patronictl");
  if (!existsSync(link)) symlinkSync(cluster.options.binary, link);
  return run(link, words, cluster.directory, { env: { ...process.env, ...environment } });
}

story(
  "ctl shows, asks and forecasts the same from any host, also by the name of patronictl",
  async (fixture) => {
    const { cluster } = fixture;
    const primary = await fixture.healed();
    const [first, second] = cluster.others(primary) as [Host, Host];
    const address = ({ addresses }: Host) => `${addresses.address}:${addresses.restPort}`;

    const columns = await fromElsewhere(cluster, ["list", "-f", "tsv", "--columns", "Member,Role"], {
      // Nobody is at the first.
      DCS_URL: `127.0.0.9:1,${address(second)}`,
    });
    const roles = cluster.hosts.map((host) => `${host.name}\t${host === primary ? "Leader" : "Replica"}`);
    expect(columns).toEqual({ code: 0, output: ["Member\tRole", ...roles, ""].join("\n") });

    const asked = await run(
      cluster.options.binary,
      ["ctl", "-c", primary.configFile, "query", "-U", "postgres", "-r", "replica", "--format", "json", "-c"]
        .concat("SELECT pg_is_in_recovery() AS standby, date '2026-11-28' AS day, interval '1 day' AS span"),
      cluster.directory,
      { env: { ...process.env, PGPASSWORD: cluster.secrets.superuser, TZ: "Europe/Berlin" } },
    );
    expect([asked.code, JSON.parse(asked.output)]).toEqual([
      0,
      [{ standby: true, day: "2026-11-28", span: "1 day" }],
    ]);

    const forecast = await cluster.ctl("switchover", "--candidate", first.name, "--dry-run");
    expect(forecast).toContain(`Possible now: switchover of demo from ${primary.name} to ${first.name}.`);
    expect(forecast).toContain(`Loss to expect: none. ${first.name} gets the lock only when`);
    const never = await cluster.tryCtl("switchover", "--candidate", "nobody", "--dry-run");
    expect([never.code, never.output]).toEqual([1, expect.stringContaining("Member nobody does not exist")]);

    const live = spawn(cluster.options.binary, ["ctl", "-d", address(first), "watch", "-w", "0.1"]);
    let seen = "";
    live.stdout.on("data", (chunk: Buffer) => seen += chunk.toString());
    await waitFor("two pictures", START_MS, () => seen.split(" Events:").length > 2);
    live.kill("SIGINT");
    await once(live, "close");
    // The last ones, whatever has happened to the cluster since it was made.
    expect(seen).toMatch(/\n #\d+ \S+ node\d [a-z-]+: /);

    expect(await cluster.waitHealthy(START_MS)).toBe(primary);
  },
);

/** The last one: it leaves no cluster behind. */
story("without an agent ctl shows what this host knows; remove sets that aside", async (fixture) => {
  const { cluster } = fixture;
  const primary = await fixture.healed();
  const [, second] = cluster.others(primary) as [Host, Host];
  const refused = await cluster.tryCtl("remove", "demo");
  expect([refused.code, refused.output]).toEqual([
    1,
    expect.stringContaining("Stop the agents of all hosts first"),
  ]);
  for (const host of cluster.hosts) await host.powerOff();

  const file = second.configFile;
  const list = await cluster.tryCtlAt(second, "list");
  expect(list.code).toBe(1);
  expect(list.output).toContain("Error: No member of the cluster answers:");
  expect(list.output).toMatch(new RegExp(`\\| ${primary.name} +\\|[^|]*\\| Leader +\\| unknown +\\|`));
  expect(list.output).toContain(` Stale: from the raft log of this host, ${second.directory}/raft`);
  const other = await cluster.tryCtlAt(second, "list", "another");
  expect([other.code, other.output]).toEqual([1, expect.not.stringContaining("Stale")]);

  const [program, ...prefix] = [...second.settings.prefix, cluster.options.binary];
  const answers = ["demo", "Yes I am aware", primary.name];
  const removed = spawnSync(program!, [...prefix, "ctl", "-c", file, "remove", "demo"], {
    input: answers.map((line) => `${line}\n`).join(""),
    encoding: "utf8",
  });
  expect([removed.status, removed.stderr]).toEqual([0, ""]);
  expect(removed.stdout).toContain("Success: the records of demo are removed from this host, and kept in ");
  expect(existsSync(join(second.directory, "raft"))).toBe(false);
  expect(existsSync(join(second.dataDir, "PG_VERSION"))).toBe(true);
});
