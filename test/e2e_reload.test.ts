/**
 * The configuration changes while the cluster runs. Passwords of PostgreSQL's roles, with real authentication
 * on every connection: at each moment it is said who does not answer, and afterwards nothing is left that
 * works by an old password only. Files that somebody else changes. Another address.
 */
import { expect } from "bun:test";
import { chmodSync, existsSync, readFileSync, statSync, unlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import type { ClusterJson, StatusJson } from "../src/api/client.ts";
import type { Cluster } from "../src/demo/cluster.ts";
import type { Host } from "../src/demo/host.ts";
import { toYaml } from "../src/demo/node_config.ts";
import { nowMs } from "../src/demo/now.ts";
import { signal } from "../src/demo/processes.ts";
import { waitFor } from "../src/demo/wait_for.ts";
import type { JsonObject } from "../src/model/json.ts";
import { applyPatch } from "../src/model/merge.ts";
import { type Fixture, START_MS, withCluster } from "./e2e/harness.ts";
import { answersWith, shown } from "./e2e/shown.ts";

/** What is archived is thrown away, but for the story that reads it. */
const { story } = withCluster({
  dcs: { ttl: 2, postgresql: { parameters: { archive_mode: "on", archive_command: "true" } } },
});

const NEXT = { superuser: "new 'super\\", replication: "new:rep\\li", rewind: "new # rewind" };
const literal = (text: string) => `E'${text.replaceAll("\\", "\\\\").replaceAll("'", "''")}'`;

/** Lays a patch over the file, reloads, and waits until the agent has said `expected`. */
async function reload(host: Host, patch: JsonObject, ...expected: string[]): Promise<void> {
  const from = host.log().length;
  const file = parse(readFileSync(host.configFile, "utf8")) as JsonObject;
  writeFileSync(host.configFile, toYaml(applyPatch(file, patch)));
  host.signalAgent("SIGHUP");
  for (const text of expected) await said(host, text, from);
}

async function said(host: Host, text: string, from: number): Promise<void> {
  await waitFor(
    `"${text}" in the log of ${host.name}`,
    START_MS,
    () => host.log().slice(from).includes(text),
  );
}

async function member(by: Host, name: string) {
  const { members } = JSON.parse((await by.rest("/cluster")).text) as ClusterJson;
  return members.find((one) => one.name === name);
}

const authentication = (change: JsonObject): JsonObject => ({ postgresql: { authentication: change } });
const passwords = (secrets: typeof NEXT) =>
  authentication({
    superuser: { password: secrets.superuser },
    replication: { password: secrets.replication },
    rewind: { password: secrets.rewind },
  });

story(
  "three passwords are rotated, member after member; then the primary's host dies and comes back",
  async (fixture) => {
    const { cluster } = fixture;
    const primary = await cluster.waitHealthy(START_MS);
    const [first, second] = cluster.others(primary) as [Host, Host];
    await cluster.query(
      primary,
      `ALTER ROLE postgres PASSWORD ${literal(NEXT.superuser)}; ALTER ROLE replicator PASSWORD ${
        literal(NEXT.replication)
      }; ALTER ROLE rewind_user PASSWORD ${literal(NEXT.rewind)}`,
    );
    cluster.secrets = { ...cluster.secrets, ...NEXT };

    // One whose agent has lost its connection is blind: that is what is shown, and not what was.
    await waitFor("the new password on the standby", START_MS, async () => {
      const ended = await cluster.query<{ n: number }>(
        first,
        "SELECT count(pg_terminate_backend(pid))::int AS n FROM pg_stat_activity WHERE application_name = 'agent heartbeat'",
      );
      return ended[0]!.n > 0;
    });
    const blind = await waitFor("the blind member", START_MS, async () => {
      const seen = await member(primary, first.name);
      return seen?.state === "unknown" ? seen : null;
    });
    expect(blind).toMatchObject({ lag: "unknown", agent: { last_state: "streaming" } });
    await shown<{ state: string }>("its state", first, "/patroni", ({ state }) => state === "unknown");
    await answersWith(first, "/replica", 503);
    await fixture.listed(`Unknown: ${first.name} does not answer`);

    const changed = ["replication", "rewind", "superuser"].map((role) =>
      `postgresql.authentication.${role}.password`
    );
    await reload(first, passwords(NEXT), `configuration reloaded: ${changed.join(", ")}`);
    await waitFor(
      "it to answer again",
      START_MS,
      async () => (await member(primary, first.name))?.state === "streaming",
    );
    // Its receiver comes back by the new password, while the others have not been told yet.
    const receiver = async () => {
      const sql = "SELECT pid, status FROM pg_stat_wal_receiver WHERE status = 'streaming'";
      return (await cluster.query<{ pid: number }>(first, sql))[0]?.pid;
    };
    const before = await waitFor("its WAL receiver", START_MS, receiver);
    signal(before, "SIGTERM");
    await waitFor(
      "a new WAL receiver",
      START_MS,
      async () => ![undefined, before].includes(await receiver()),
    );
    await reload(primary, passwords(NEXT), "configuration reloaded: postgresql.authentication");
    await reload(second, passwords(NEXT), "configuration reloaded: postgresql.authentication");

    await fixture.healed();
    const from = cluster.hosts.map((host) => host.log().length);
    const begin = nowMs();
    await primary.powerOff();
    const successor = await fixture.successorOf(primary, begin);
    fixture.expectOnePrimary(primary, begin);
    await cluster.waitHealthy(START_MS, cluster.others(primary));
    primary.start();
    expect(await cluster.waitHealthy(START_MS)).toBe(successor);
    const names = cluster.others(successor).map(({ name }) => name).sort();
    await waitFor("the slots of all standbys", START_MS, async () => {
      const slots = await cluster.query<{ slot_name: string }>(
        successor,
        "SELECT slot_name FROM pg_replication_slots WHERE active",
      );
      return slots.map(({ slot_name }) => slot_name).sort().join() === names.join();
    });
    for (const [i, host] of cluster.hosts.entries()) {
      expect(host.log().slice(from[i])).not.toContain("password authentication failed");
    }
  },
);

story(
  "a password that is refused is said at the reload; what somebody else has removed or changed comes back",
  async (fixture) => {
    const { cluster } = fixture;
    const primary = await fixture.healed();
    const standby = cluster.others(primary)[0]!;
    const pgpass = join(standby.directory, "pgpass");
    const kept = readFileSync(pgpass, "utf8");
    await reload(
      standby,
      applyPatch(authentication({ replication: { password: "wrong" } }), { raft: { password: "another" } }),
      "configuration reloaded: postgresql.authentication.replication.password",
      "raft.password: not reloaded, the value in force stays until the agent is restarted",
      `${primary.name} refuses postgresql.authentication.replication`,
    );
    await reload(
      standby,
      applyPatch(passwords(cluster.secrets), { raft: { password: cluster.secrets.raft } }),
      "the passwords of the configuration are accepted again",
    );
    const from = standby.log().length;
    const conf = join(standby.dataDir, "postgresql.conf");
    const text = readFileSync(conf, "utf8");
    writeFileSync(conf, text.replace(/^primary_conninfo = .*$/m, "primary_conninfo = 'host=elsewhere'"));
    unlinkSync(pgpass);
    const signalFile = join(standby.dataDir, "standby.signal");
    unlinkSync(signalFile);
    const hba = join(standby.dataDir, "pg_hba.conf");
    chmodSync(hba, 0);
    await cluster.query(standby, "ALTER SYSTEM SET hba_file = '/nonexistent'");
    await said(standby, "changed or removed by others, and written again", from);
    // Found on two rounds, if the first one came between the two.
    await waitFor(
      "all files as they were",
      START_MS,
      () =>
        readFileSync(conf, "utf8") === text && readFileSync(pgpass, "utf8") === kept &&
        existsSync(signalFile) && (statSync(hba).mode & 0o777) === 0o600 &&
        !readFileSync(join(standby.dataDir, "postgresql.auto.conf"), "utf8").includes("hba_file"),
    );
    await cluster.waitHealthy(START_MS);
  },
);

story("a standby whose postmaster was stopped is not shown as one that streams", async (fixture) => {
  const { cluster } = fixture;
  const primary = await fixture.healed();
  const standby = cluster.others(primary)[0]!;
  const postmaster = standby.postmasterPid()!;
  const from = standby.log().length;
  signal(postmaster, "SIGSTOP");
  try {
    await said(standby, `its postmaster (pid ${postmaster}) is stopped`, from);
    await answersWith(standby, "/replica", 503);
    await fixture.listed(`Unknown: ${standby.name} does not answer`);
  } finally {
    signal(postmaster, "SIGCONT");
  }
  await said(standby, "PostgreSQL answers again", from);
  await cluster.waitHealthy(START_MS);
});

story(
  "a tag that is new makes a standby the source of copies; when it dies in the middle, the leader is copied",
  async (fixture) => {
    const { cluster } = fixture;
    const primary = await fixture.healed();
    const [source, target] = cluster.others(primary) as [Host, Host];
    await reload(source, { tags: { clonefrom: true } }, "configuration reloaded: tags");
    await reload(
      target,
      { postgresql: { basebackup: [{ "max-rate": "2M" }] } },
      "configuration reloaded: postgresql.basebackup",
    );
    await shown<ClusterJson>(
      "the tag",
      target,
      "/cluster",
      ({ members }) => members.find(({ name }) => name === source.name)?.tags?.clonefrom === true,
    );
    const reinit = (...options: string[]) =>
      cluster.ctl("reinit", cluster.scope, target.name, "--force", ...options);
    const fromLeader = `trying to bootstrap from leader '${primary.name}'`;
    const fromReplica = `trying to bootstrap from replica '${source.name}'`;
    const logged = (from: number) =>
      [...target.log().slice(from).matchAll(/trying to bootstrap from (?:leader|replica) '\w+'/g)]
        .map(([text]) => text)
        // The reason that follows may change while one copy is under way.
        .filter((text, at, all) => text !== all[at - 1]);

    let from = target.log().length;
    await reinit();
    await fixture.listed(
      new RegExp(`Copying: ${target.name} from ${source.name}, [1-9]\\d* %, .* MiB/s, \\d+ s left`),
    );
    await shown<StatusJson>(
      "the copy",
      target,
      "/patroni",
      ({ state, agent: { copy } }) => state === "creating replica" && copy?.from === source.name,
    );
    const { text } = await target.rest("/metrics");
    expect(text).toMatch(new RegExp(`^agent_copy_done_bytes{.*from="${source.name}"} [1-9]`, "m"));
    // What is under way goes on at its rate; the next copy has no limit.
    await reload(
      target,
      { postgresql: { basebackup: null } },
      "configuration reloaded: postgresql.basebackup",
    );
    await source.killPostgres();
    await said(target, fromLeader, from);
    expect(logged(from)).toEqual([fromReplica, fromLeader]);

    await fixture.healed();
    for (const [options, expected] of [[[], fromReplica], [["--from-leader"], fromLeader]] as const) {
      from = target.log().length;
      expect(await reinit("--wait", ...options)).toContain(`Reinitialize is completed on: ${target.name}`);
      expect(logged(from)).toEqual([expected]);
      expect(await fixture.healed()).toBe(primary);
    }
  },
);

story(
  "a tag that is new makes a standby stream from another one; when that one dies, from the primary again",
  async (fixture) => {
    const { cluster } = fixture;
    const primary = await fixture.healed();
    const [between, last] = cluster.others(primary) as [Host, Host];
    const streamsTo = async (host: Host) =>
      (await cluster.query<{ application_name: string }>(
        host,
        "SELECT application_name FROM pg_stat_replication WHERE state = 'streaming'",
      )).map((row) => row.application_name).sort();
    const chain = () =>
      waitFor(
        "the chain",
        START_MS,
        async () =>
          (await streamsTo(between)).join() === last.name &&
          (await streamsTo(primary)).join() === between.name,
      );
    await reload(last, { tags: { replicatefrom: between.name } }, "configuration reloaded: tags");
    await chain();
    const seen = last.log().length;
    await between.killPostgres();
    // For as long as the other one is down, which may be a moment.
    const follows = `following ${primary.name}: changing primary_conninfo`;
    await waitFor("the primary", START_MS, () => last.log().slice(seen).includes(follows));
    await chain();
    // It may be the next primary all the same, once the statuses say that both stream.
    const names = ["--primary", primary.name, "--candidate", last.name];
    await waitFor(
      "the switchover",
      START_MS,
      () => cluster.ctl("switchover", cluster.scope, ...names, "--force").then(() => true, () => false),
    );
    expect(await fixture.healed()).toBe(last);
    await reload(last, { tags: { replicatefrom: null } }, "configuration reloaded: tags");
  },
);

story(
  "a tag that is new makes a standby read the archive alone; without it, it streams again",
  async (fixture) => {
    const { cluster } = fixture;
    const primary = await fixture.healed();
    const [standby] = cluster.others(primary) as [Host, Host];
    const archive = join(cluster.directory, "archive");
    const configure = (archiving: string, restoring: string) =>
      cluster.ctl(
        ...["edit-config", "--force", "-s", `postgresql.parameters.archive_command=${archiving}`],
        ...["-s", `postgresql.recovery_conf.restore_command=${restoring}`],
      );
    await configure(`mkdir -p ${archive} && cp %p ${archive}/%f`, `cp ${archive}/%f %p`);
    await reload(standby, { tags: { nostream: true } }, "configuration reloaded: tags");
    await waitFor(
      "the archive recovery",
      START_MS,
      async () => (await member(primary, standby.name))?.state === "in archive recovery",
    );
    const traces = () =>
      cluster.query(
        primary,
        `SELECT FROM pg_stat_replication WHERE application_name = '${standby.name}' ` +
          `UNION ALL SELECT FROM pg_replication_slots WHERE slot_name = '${standby.name}'`,
      );
    await waitFor("the end of stream and slot", START_MS, async () => (await traces()).length === 0);
    await cluster.query(primary, "CREATE TABLE archived AS SELECT 1 AS id");
    await cluster.query(primary, "SELECT pg_switch_wal()");
    await waitFor("the row from the archive", START_MS, async () => {
      const rows = await cluster.query(standby, "SELECT FROM pg_class WHERE relname = 'archived'");
      return rows.length === 1;
    });
    expect(await traces()).toEqual([]);
    await reload(standby, { tags: { nostream: null } }, "configuration reloaded: tags");
    await configure("true", "null");
    expect(await fixture.healed()).toBe(primary);
    await waitFor("stream and slot", START_MS, async () => (await traces()).length === 2);
  },
);

story(
  "another address of the primary is published when its PostgreSQL listens there, and the standbys follow it",
  async (fixture) => {
    const { cluster } = fixture;
    const primary = await fixture.healed();
    const { address, postgresPort } = primary.addresses;
    const other = address.replace("127.0.0.", "127.0.1.");
    const listen = `${address},${other}:${postgresPort}`;
    await reload(
      primary,
      { postgresql: { listen, connect_address: `${other}:${postgresPort}` } },
      "postgresql.connect_address, postgresql.listen: counts after a restart of PostgreSQL (agent ctl restart)",
    );
    const host = async () => (await member(primary, primary.name))!.host;
    await waitFor(
      "the pending restart",
      START_MS,
      async () => (await member(primary, primary.name))!.pending_restart,
    );
    expect(await host()).toBe(address);
    await cluster.ctl("restart", cluster.scope, primary.name, "--force");
    await waitFor("the new address", START_MS, async () => await host() === other);
    for (const standby of cluster.others(primary)) {
      await waitFor(`${standby.name} to stream from there`, START_MS, async () => {
        const [receiver] = await cluster.query<{ sender_host: string; status: string }>(
          standby,
          "SELECT sender_host, status FROM pg_stat_wal_receiver",
        );
        return receiver?.sender_host === other && receiver.status === "streaming";
      });
    }
    expect(await cluster.waitHealthy(START_MS)).toBe(primary);
  },
);

/** max_connections on every member, in the order of the hosts. */
async function connectionLimits(cluster: Cluster): Promise<unknown[]> {
  return await Promise.all(cluster.hosts.map(async (host) => {
    const rows = await cluster.query<{ max_connections: string }>(host, "SHOW max_connections");
    return rows[0]?.max_connections;
  }));
}

/** Every member waits for a restart with this value. */
async function limitTo(fixture: Fixture, connections: number): Promise<void> {
  await fixture.cluster.ctl("edit-config", "--pg", `max_connections=${connections}`, "--force");
  for (const { name } of fixture.cluster.hosts) {
    await fixture.listed(new RegExp(`${name} .*max_connections: \\d+->${connections}`));
  }
}

story(
  "a rolling restart raises max_connections on the standbys first, and lowers it on the primary first",
  async (fixture) => {
    const { cluster, client } = fixture;
    const old = await fixture.healed();
    await limitTo(fixture, 150);
    const begin = nowMs();
    const raised = await cluster.ctl("restart", "--rolling", "--pending", "--force");
    expect(raised).toContain(`${old.name} (by switchover)`);
    expect(raised).toContain("Success: rolling restart of");
    const next = await fixture.healed();
    expect(next).not.toBe(old);
    expect(await connectionLimits(cluster)).toEqual(["150", "150", "150"]);
    expect(await fixture.lostOn(next, begin)).toEqual([]);
    const times = client.acks.filter(({ ackMs }) => ackMs >= begin).map(({ ackMs }) => ackMs);
    const gaps = times.slice(1).map((ackMs, index) => ackMs - times[index]!);
    console.log(`rolling restart: no write for ${Math.round(Math.max(...gaps))} ms at most`);

    await limitTo(fixture, 100);
    const refused = await cluster.tryCtl("restart", "--rolling", "--primary", "switchover", "--force");
    expect(refused.code).toBe(1);
    expect(refused.output).toContain("Nothing was restarted: max_connections is lowered (150 -> 100)");
    const lowered = await cluster.ctl("restart", "--rolling", "--force");
    expect(lowered).toContain(`Rolling restart: ${next.name}, `);
    expect(await fixture.healed()).toBe(next);
    expect(await connectionLimits(cluster)).toEqual(["100", "100", "100"]);
  },
);

story("a reload that is refused changes nothing, and is shown until a good one", async (fixture) => {
  const primary = await fixture.healed();
  const before = readFileSync(primary.configFile, "utf8");
  const rule = "host all all 10.0.0.1 md5";
  await reload(primary, { postgresql: { pg_hba: [rule] } }, "the configuration in force stays");
  await fixture.listed(
    new RegExp(` Reload refused: ${primary.name} goes on .*10\\.0\\.0\\.1/32 is one host`),
  );
  const metric = async () =>
    /^agent_reload_refused\{.*\} (.*)$/m.exec((await primary.rest("/metrics")).text)?.[1];
  await waitFor("the metric", START_MS, async () => await metric() === "1");
  expect(readFileSync(join(primary.dataDir, "pg_hba.conf"), "utf8")).not.toContain(rule);
  writeFileSync(primary.configFile, before);
  await reload(primary, {}, "configuration reloaded");
  await waitFor("the metric to be over", START_MS, async () => await metric() === "0");
  await waitFor(
    "it to be over in the list",
    START_MS,
    async () => !(await fixture.cluster.ctl("list")).includes("Reload refused"),
  );
});
