/**
 * The data directory under the agent's feet: who owns it, what becomes of it, and what is kept for others in
 * it.
 */
import { expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parse, stringify } from "yaml";
import type { Cluster } from "../src/demo/cluster.ts";
import type { Host } from "../src/demo/host.ts";
import { run, type RunResult } from "../src/demo/run.ts";
import { clusterView } from "../src/demo/rest.ts";
import type { JsonObject } from "../src/model/json.ts";
import { applyPatch } from "../src/model/merge.ts";
import { nowMs } from "../src/demo/now.ts";
import { signal } from "../src/demo/processes.ts";
import { waitFor } from "../src/demo/wait_for.ts";
import { explained, newCluster, START_MS, withCluster } from "./e2e/harness.ts";

/** Where the file `hold` lies in the node's directory, a promotion waits for `go` before its signal. */
const HOLD =
  `sh -c "if rm hold 2> /dev/null; then touch held; until rm go 2> /dev/null; do sleep 0.02; done; fi"`;

const { story } = withCluster({
  dcs: { ttl: 2, ignore_slots: [{ name: "mine", type: "physical" }] },
  override: () => ({ postgresql: { pre_promote: HOLD } }),
});

async function slotsOf(cluster: Cluster, host: Host): Promise<string[]> {
  const rows = await cluster.query<{ slot_name: string }>(host, "SELECT slot_name FROM pg_replication_slots");
  return rows.map((row) => row.slot_name).sort();
}

async function switchover(cluster: Cluster, from: Host, to: Host): Promise<void> {
  await cluster.ctl("switchover", "demo", "--primary", from.name, "--candidate", to.name, "--force");
}

/** Another agent with a raft directory, a name and addresses of its own, on the data directory of `host`. */
function runStranger(cluster: Cluster, host: Host, command: "run" | "validate-config"): Promise<RunResult> {
  const { raftPort, restPort, postgresPort } = host.addresses;
  const patch = {
    name: "stranger",
    raft: {
      self_addr: `127.0.0.9:${raftPort}`,
      partner_addrs: cluster.hosts.map(({ addresses }) => `${addresses.address}:${raftPort}`),
      data_dir: join(host.directory, "raft-of-stranger"),
    },
    restapi: { listen: `127.0.0.9:${restPort}`, connect_address: `127.0.0.9:${restPort}` },
    postgresql: { listen: `127.0.0.9:${postgresPort}`, connect_address: `127.0.0.9:${postgresPort}` },
  };
  const file = join(host.directory, "stranger.yml");
  const text = stringify(applyPatch(parse(readFileSync(host.configFile, "utf8")) as JsonObject, patch));
  writeFileSync(file, text, { mode: 0o644 });
  const [program, ...args] = [...host.settings.prefix, host.settings.binary, command, file];
  return run(program!, args, host.directory, { timeoutMs: START_MS });
}

story(
  "a data directory has one owner: a second agent is refused, the first one serves on",
  async (fixture) => {
    const { cluster } = fixture;
    const primary = await fixture.healed();
    const owned = (host: Host) =>
      `postgresql.data_dir: ${host.dataDir} is in use: the agent of the raft directory ${
        join(host.directory, "raft")
      } owns it`;
    for (const command of ["validate-config", "run"] as const) {
      const refused = await runStranger(cluster, primary, command);
      expect(refused.output).toContain(owned(primary));
      expect(refused.code).toBe(1);
    }
    // The agent is gone, its guard and PostgreSQL are not: a standby's, which no lease ends.
    const standby = cluster.others(primary)[0]!;
    const postmaster = standby.postmasterPid();
    await standby.killAgent();
    expect((await runStranger(cluster, standby, "run")).output).toContain(owned(standby));
    standby.start();
    await fixture.healed();
    expect(standby.postmasterPid()).toBe(postmaster);
    const view = await clusterView(primary.restAddress);
    expect(view.members.map(({ name }) => name).sort()).toEqual(["node1", "node2", "node3"]);
    const own = await run(primary.settings.binary, [
      "validate-config",
      primary.configFile,
      "--ignore-listen-port",
    ], "/");
    expect(own.output).not.toContain("is in use: the agent");
  },
);

/** The primary to which users have added slots. */
let former: Host;

async function addUsersSlots(cluster: Cluster, primary: Host): Promise<void> {
  for (const slot of ["theirs", "mine"]) {
    await cluster.query(primary, `SELECT pg_create_physical_replication_slot('${slot}', true)`);
  }
  former = primary;
}

story(
  "a candidate whose PostgreSQL dies before its promotion makes the slots of the others",
  async (fixture) => {
    const { cluster } = fixture;
    const primary = await fixture.healed();
    await addUsersSlots(cluster, primary);
    const candidate = cluster.others(primary)[0]!;
    writeFileSync(join(candidate.directory, "hold"), "", { mode: 0o666 });
    const asked = switchover(cluster, primary, candidate).catch(() => undefined);
    await waitFor("the promotion to begin", START_MS, () => existsSync(join(candidate.directory, "held")));
    await candidate.killPostgres();
    writeFileSync(join(candidate.directory, "go"), "", { mode: 0o666 });
    await asked;
    const healed = await fixture.healed();
    const slots = await slotsOf(cluster, healed);
    for (const { name } of cluster.others(healed)) expect(slots).toContain(name);
  },
);

story("a member's slot that somebody dropped comes back", async (fixture) => {
  const { cluster } = fixture;
  const primary = await fixture.healed();
  const { name } = cluster.others(primary)[0]!;
  await waitFor("the slot to be dropped", START_MS, async () => {
    await cluster.query(
      primary,
      `SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = '${name}'`,
    );
    await cluster.query(primary, `SELECT pg_drop_replication_slot('${name}')`).catch(() => undefined);
    return !(await slotsOf(cluster, primary)).includes(name);
  });
  await waitFor(
    "the slot to be back",
    START_MS,
    async () => (await slotsOf(cluster, primary)).includes(name),
  );
  await fixture.healed();
});

story(
  "a former primary keeps no WAL for users who are gone, but for slots that it is told to ignore",
  async (fixture) => {
    const { cluster } = fixture;
    const primary = await fixture.healed();
    if (!cluster.hosts.includes(former)) await addUsersSlots(cluster, primary);
    // A loaded machine may have made it the primary again.
    if (primary === former) await switchover(cluster, former, cluster.others(former)[0]!);
    // Beside those of the members, which every member has.
    const members = cluster.hosts.map(({ name }) => name);
    await waitFor("the slot to be dropped", START_MS, async () => {
      const others = (await slotsOf(cluster, former)).filter((slot) => !members.includes(slot));
      return others.join() === "mine";
    });
    await waitFor(
      "a word about it",
      START_MS,
      () => former.log().includes("dropped replication slot theirs, which is unused on this standby"),
    );
    await waitFor(
      "what the other one keeps in the metrics",
      START_MS,
      async () =>
        /^agent_slot_retained_bytes\{.*slot="mine".*\} [1-9]/m.test((await former.rest("/metrics")).text),
    );
  },
);

story("a standby that is promoted by hand is ended, and what was written there is gone", async (fixture) => {
  const { cluster } = fixture;
  const primary = await fixture.healed();
  const promoted = cluster.others(primary)[0]!;
  const write = (table: string) =>
    cluster.query(promoted, `CREATE TABLE IF NOT EXISTS ${table} (i int)`).catch((error: Error) =>
      error.message
    );
  const rejoined = async (how: string, from: number) => {
    await waitFor(
      "its server to be killed",
      START_MS,
      () => promoted.log().slice(from).includes("promoted without the lock, which"),
    );
    await waitFor(how, START_MS, () => promoted.log().slice(from).includes(how));
    expect(await fixture.healed()).toBe(primary);
  };

  const first = promoted.log().length;
  await cluster.query(promoted, "SELECT pg_promote()");
  await write("by_hand");
  // Killed before its control file knew of the new timeline, it is copied anew: pg_rewind finds nothing to
  // do.
  await rejoined("PostgreSQL: rewind is done after", first);
  expect(promoted.log().slice(first)).toContain("and others made it a primary: its writes");

  // It recovers from the death of one of its processes on the primary's own timeline, as a primary.
  const second = promoted.log().length;
  const isAlone = async () => {
    const failed = await write("alone");
    return typeof failed !== "string" || promoted.log().slice(second).includes("without the lock");
  };
  // The agent may put the file back before the server looks for it: then it is tried once more.
  await waitFor("its writes", START_MS, async () => {
    const [backend] = await cluster.query<{ pid: number }>(
      promoted,
      "SELECT pid FROM pg_stat_activity WHERE application_name = 'agent heartbeat'",
    );
    rmSync(join(promoted.dataDir, "standby.signal"), { force: true });
    signal(backend!.pid, "SIGKILL");
    return await waitFor("its writes, this time", 3000, isAlone).then(() => true, () => false);
  });
  await rejoined("replica has been created using basebackup", second);
  const tables = "SELECT 1 FROM pg_tables WHERE tablename IN ('by_hand', 'alone')";
  for (const host of cluster.hosts) expect(await cluster.query(host, tables)).toEqual([]);
  for (const aside of readdirSync(promoted.directory).filter((name) => name.startsWith("data.failed-"))) {
    rmSync(join(promoted.directory, aside), { recursive: true });
  }
});

story(
  "a data directory that is moved away under its primary ends the primary, and nothing else",
  async (fixture) => {
    const primary = await fixture.healed();
    const begin = nowMs();
    const aside = `${primary.dataDir}.moved`;
    renameSync(primary.dataDir, aside);
    const next = await fixture.successorOf(primary, begin);
    fixture.expectOnePrimary(primary, begin);
    expect(await fixture.lostEarlierOn(next, primary, begin)).toEqual([]);
    await waitFor("a word about it", START_MS, () => primary.log().includes(`is at ${aside} now`));
    expect(existsSync(join(aside, "postmaster.pid"))).toBe(false);
    await fixture.healed();
    rmSync(aside, { recursive: true });
  },
);

test("an initdb that fails is said once, and ends the agent", async () => {
  const initdb = [{ locale: "no_such_locale" }];
  const cluster = await newCluster({ size: 1, override: () => ({ bootstrap: { initdb } }) });
  try {
    await explained(cluster, async () => {
      const host = cluster.hosts[0]!;
      // Twice: the half of a directory that the first one left is in nobody's way.
      for (const round of [1, 2]) {
        host.start();
        expect(await host.exitCode(START_MS)).toBe(1);
        const log = host.log();
        expect(log.match(/Failed to bootstrap cluster: initdb failed/g)).toHaveLength(round);
        expect(log).toContain("no_such_locale");
        expect(log).not.toContain("starting as primary");
        await host.powerOff();
      }
    });
  } finally {
    await cluster.destroy();
  }
});
