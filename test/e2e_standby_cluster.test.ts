/**
 * Two clusters, of which one follows the other: its bootstrap, a switchover in the cluster that is followed,
 * a failover inside, promote-cluster, demote-cluster with a rewind, and the exchange of the two roles.
 */
import { afterAll, expect } from "bun:test";
import { readdirSync } from "node:fs";
import type { Cluster } from "../src/demo/cluster.ts";
import type { Host } from "../src/demo/host.ts";
import { nowMs } from "../src/demo/now.ts";
import { waitFor } from "../src/demo/wait_for.ts";
import type { ClusterJson } from "../src/api/client.ts";
import { explained, newCluster, START_MS, startHealthy, withCluster } from "./e2e/harness.ts";
import { OutsideServer } from "./e2e/outside_server.ts";
import { answersWith, shown } from "./e2e/shown.ts";

/** Two members and a witness. */
let standby: Cluster;

const { fixture, story } = withCluster(
  { dcs: { ttl: 2, slots: { site_b: { type: "physical" } } } },
  async (site) => {
    await startHealthy(site);
    await fixture.client.waitForWrite(0, START_MS);
    await site.query(await site.waitForPrimary(), "CREATE TABLE told (text text)");
    await startFollowing(site);
  },
);

/** Its member's name: the other cluster has members node1, node2 and node3. */
const nameOf = (host: Host) => host.name.replace("node", "site-b-");

/** `standby` becomes a new cluster that follows `site`. */
async function startFollowing(site: Cluster): Promise<void> {
  await standby?.destroy();
  const { superuser, replication, rewind } = site.secrets;
  standby = await newCluster({
    scope: "site-b",
    witnesses: 1,
    dcs: { ttl: 2, standby_cluster: { ...addressesOf(site), primary_slot_name: "site_b" } },
    override: (name) => ({
      name: name.replace("node", "site-b-"),
      postgresql: {
        authentication: {
          superuser: { password: superuser },
          replication: { password: replication },
          rewind: { password: rewind },
        },
      },
    }),
  });
  standby.secrets = { ...standby.secrets, superuser, replication, rewind };
  standby.start();
}

afterAll(() => standby?.destroy(), START_MS);

/** The standby cluster's logs come with a failure, too. */
function told(name: string, tell: () => Promise<void>): void {
  story(name, () => explained(standby, tell));
}

function addressesOf({ members }: Cluster): { host: string; port: number } {
  return {
    host: members.map(({ addresses }) => addresses.address).join(","),
    port: members[0]!.addresses.postgresPort,
  };
}

/** The member that leads `cluster`, once another one streams from it and all of them are on one timeline. */
async function leaderOf(cluster: Cluster, role: "leader" | "standby_leader"): Promise<Host> {
  const { members } = cluster;
  return await waitFor(`a ${role} with its standbys`, START_MS, async () => {
    for (const host of members.filter((one) => one.agentPid() !== null)) {
      const { members: seen } = JSON.parse((await host.rest("/cluster")).text) as ClusterJson;
      const leader = seen.find((member) => member.role === role);
      const others = seen.filter((member) => member !== leader);
      if (leader === undefined || others.length !== members.length - 1) return null;
      if (others.some(({ state, timeline }) => state !== "streaming" || timeline !== leader.timeline)) {
        return null;
      }
      const found = members.find(({ addresses }) => addresses.address === leader.host)!;
      const path = role === "leader" ? "/primary" : "/standby-leader";
      if (!await found.answers(path)) return null;
      if (role === "standby_leader" && leader.state !== "streaming") return null;
      return found;
    }
    return null;
  });
}

/** A data directory that was moved aside. */
const isAside = (name: string) => name.includes(".failed");

const standbyLeader = () => leaderOf(standby, "standby_leader");

/** Right after a promotion a member has not read it yet. */
async function timelineOf(host: Host): Promise<number> {
  const isThere = ({ timeline }: { timeline?: number }) => timeline !== undefined;
  return (await shown<{ timeline?: number }>("its timeline", host, "/patroni", isThere)).timeline!;
}

/** A member may show the leader before for a moment. */
async function standbyLedBy(host: Host): Promise<void> {
  await waitFor(`the lead of ${nameOf(host)}`, START_MS, async () => await standbyLeader() === host);
}

/** All of the standby cluster stream on `timeline`, which a member shows a moment after it has rows of it. */
async function standbysOn(timeline: number): Promise<void> {
  await waitFor(
    `the standby cluster on timeline ${timeline}`,
    START_MS,
    async () => await timelineOf(await standbyLeader()) === timeline,
  );
}

/** Written on the primary of one cluster, and read on every member of the other. */
async function arrives(text: string, primary: Host | (() => Promise<Host>), at: Cluster): Promise<void> {
  await waitFor(`a write of ${text}`, START_MS, async () => {
    const host = typeof primary === "function" ? await primary() : primary;
    await fixture.cluster.query(host, `INSERT INTO told VALUES ('${text}')`);
    return true;
  });
  for (const host of at.members) {
    await waitFor(`${text} on ${host.name} of ${at.scope}`, START_MS, async () => {
      const rows = await at.query<{ text: string }>(host, `SELECT text FROM told WHERE text = '${text}'`);
      return rows.length > 0;
    });
  }
}

told(
  "it is made from the other cluster: one member follows its primary, the other follows that member",
  async () => {
    const leader = await standbyLeader();
    const [other] = standby.members.filter((host) => host !== leader);
    for (const path of ["/standby-leader", "/standby_leader", "/leader", "/read-only", "/readiness"]) {
      await answersWith(leader, path, 200);
    }
    for (const path of ["/primary", "/read-write", "/replica"]) await answersWith(leader, path, 503);
    await answersWith(other!, "/replica", 200);
    await answersWith(other!, "/standby-leader", 503);
    await shown<{ role: string }>("its role", leader, "/patroni", ({ role }) => role === "standby_leader");
    expect((await leader.rest("/metrics")).text).toMatch(/^patroni_standby_leader\{.*\} 1$/m);
    const list = await standby.ctl("list");
    expect(list).toMatch(/site-b-\d .*\| Standby Leader \| streaming/);
    await arrives("first", await fixture.cluster.waitForPrimary(), standby);
    const [{ settings }] = await standby.query<{ settings: string }>(
      leader,
      "SELECT current_setting('primary_slot_name') || ' ' || current_setting('primary_conninfo') AS settings",
    ) as [{ settings: string }];
    expect(settings).toStartWith("site_b ");
    expect(settings).toContain("target_session_attrs=read-write");
    expect(await standby.query(leader, "SELECT slot_name FROM pg_replication_slots WHERE active"))
      .toHaveLength(1);
  },
);

told("a switchover in the other cluster: it goes on with the new primary's timeline", async () => {
  const { cluster } = fixture;
  const before = await cluster.waitHealthy();
  await cluster.ctl("switchover", "--force");
  const primary = await cluster.waitForPrimary(START_MS, (host) => host !== before);
  await arrives("after the switchover", primary, standby);
  await standbysOn(await timelineOf(primary));
});

told("its leader's host dies: the other member takes over, without a timeline of its own", async () => {
  const old = await standbyLeader();
  const [other] = standby.members.filter((host) => host !== old);
  const timeline = await timelineOf(old);
  await old.powerOff();
  await answersWith(other!, "/standby-leader", 200);
  const primary = await fixture.cluster.waitForPrimary();
  await fixture.cluster.query(primary, "INSERT INTO told VALUES ('while one is away')");
  old.start();
  await standbyLedBy(other!);
  await arrives("after the failover", primary, standby);
  expect(await timelineOf(other!)).toBe(timeline);
  expect(await timelineOf(old)).toBe(timeline);
});

told("a switchover inside moves the lock, and PostgreSQL of no member stops", async () => {
  const old = await standbyLeader();
  const [other] = standby.members.filter((host) => host !== old);
  const pids = standby.members.map((host) => host.postmasterPid());
  const output = await standby.ctl("switchover", "--candidate", nameOf(other!), "--force");
  expect(output).toContain(`Successfully switched over to "${nameOf(other!)}"`);
  await standbyLedBy(other!);
  expect(standby.members.map((host) => host.postmasterPid())).toEqual(pids);
});

/** By which words depends on what the member has done under the lock before. */
const PROMOTED = /promoted self to leader (by acquiring|because I had) (the )?session lock/;

told(
  "promote-cluster gives it a primary, and demote-cluster brings it back, without what it has written",
  async () => {
    const leader = await standbyLeader();
    const timeline = await timelineOf(leader);
    const from = leader.log().length;
    const promoted = await standby.ctl("promote-cluster", "--force");
    expect(promoted).toContain("cluster is successfully promoted");
    await waitFor("Patroni's line of a promotion", START_MS, () => PROMOTED.test(leader.log().slice(from)));
    expect(await leaderOf(standby, "leader")).toBe(leader);
    await answersWith(leader, "/primary", 200);
    await answersWith(leader, "/standby-leader", 503);
    await shown<{ timeline: number }>(
      "its own timeline",
      leader,
      "/patroni",
      (now) => now.timeline === timeline + 1,
    );
    await arrives("in both", leader, standby);
    // Both clusters have written since: a line of its own is given up.
    const { host, port } = addressesOf(fixture.cluster);
    const demoted = await standby.ctl(
      ...[
        "demote-cluster",
        "--force",
        "--host",
        host,
        "--port",
        String(port),
        "--primary-slot-name",
        "site_b",
      ],
    );
    expect(demoted).toContain("cluster is successfully demoted");
    const primary = await fixture.cluster.waitForPrimary();
    await arrives("after the demotion", primary, standby);
    await standbysOn(await timelineOf(primary));
    for (const member of standby.members) {
      expect(await standby.query(member, "SELECT text FROM told WHERE text = 'in both'")).toEqual([]);
    }
  },
);

told(
  "a server of another database system is refused before the primary stops; forced on the cluster, it costs no data",
  async () => {
    const { cluster, client } = fixture;
    const primary = await cluster.waitHealthy();
    const pid = primary.postmasterPid();
    const kept = () => cluster.members.map(({ directory }) => readdirSync(directory).filter(isAside));
    const before = kept();
    const other = await OutsideServer.start(cluster, "other-system");
    try {
      await other.connection.query("CREATE ROLE replicator REPLICATION LOGIN");
      const there = ["--host", "127.0.0.1", "--port", String(other.port)];
      const refused = await cluster.tryCtl("demote-cluster", "--force", ...there);
      expect(refused).toMatchObject({ code: 1, output: expect.stringContaining("another database system") });
      expect(primary.postmasterPid()).toBe(pid);
      await client.waitForWrite(nowMs(), START_MS, primary.name);

      const body = { standby_cluster: { host: "127.0.0.1", port: other.port } };
      const change = { method: "PATCH", body, user: `agent:${cluster.secrets.restapi}` };
      const forced = await primary.rest("/config?force=true", change);
      expect(forced.status).toBe(200);
      await shown<{ reason: string }[]>(
        "the wait",
        primary,
        "/agent/decisions",
        (decisions) => decisions.some(({ reason }) => reason.includes("another cluster: system identifier")),
      );
    } finally {
      await other.stop();
    }
    const from = cluster.members.map((host) => host.log().length);
    await cluster.ctl("promote-cluster", "--force");
    const now = await cluster.waitHealthy();
    const log = () => now.log().slice(from[cluster.members.indexOf(now)]);
    await waitFor("Patroni's line of a promotion", START_MS, () => PROMOTED.test(log()));
    await client.waitForWrite(nowMs(), START_MS, now.name);
    expect(kept()).toEqual(before);
    client.read();
    const present = await cluster.presentIds(now);
    expect(client.acks.filter(({ id }) => !present.has(id))).toEqual([]);
    await standbysOn(await timelineOf(now));
  },
);

/** Sets what `cluster` is to follow, and does not wait for it. */
async function follows(cluster: Cluster, asked: Host, source: object | null): Promise<void> {
  const change = {
    method: "PATCH",
    body: { standby_cluster: source },
    user: `agent:${cluster.secrets.restapi}`,
  };
  expect(await asked.rest("/config", change)).toMatchObject({ status: 200 });
}

/** `host` begins to do what its log calls so. */
async function begins(host: Host, line: string, change: () => Promise<void>): Promise<void> {
  const said = () => host.log().split(line).length;
  const before = said();
  await change();
  await waitFor(`"${line}" of ${host.name}`, START_MS, () => said() > before, 20);
}

told("a change of role while another one is under way: the last one counts", async () => {
  const { cluster, client } = fixture;
  const leader = await standbyLeader();
  await begins(leader, "promoting self to leader", () => follows(standby, leader, null));
  await follows(standby, leader, { ...addressesOf(cluster), primary_slot_name: "site_b" });
  const primary = await cluster.waitForPrimary();
  await arrives("after a promotion in between", primary, standby);
  await standbysOn(await timelineOf(primary));

  const demoting = () => follows(cluster, primary, addressesOf(standby));
  await begins(primary, "demoting the cluster", demoting);
  await follows(cluster, primary, null);
  // It may still lead as before, and be about to stop.
  await arrives("after a demotion in between", () => leaderOf(cluster, "leader"), standby);
  await waitFor("both clusters on one timeline, and all that was acknowledged", START_MS, async () => {
    const last = await leaderOf(cluster, "leader");
    await standbysOn(await timelineOf(last));
    client.read();
    const present = await cluster.presentIds(last);
    expect(client.acks.filter(({ id }) => !present.has(id))).toEqual([]);
    return true;
  });
});

told("the clusters change their roles: nothing that was acknowledged is lost", async () => {
  const { cluster, client } = fixture;
  await standbyLeader();
  const { host, port } = addressesOf(standby);
  const output = await cluster.ctl("demote-cluster", "--force", "--host", host, "--port", String(port));
  expect(output).toContain("cluster is successfully demoted");
  await standby.ctl("promote-cluster", "--force");
  const primary = await leaderOf(standby, "leader");
  await arrives("the other way", primary, cluster);
  await leaderOf(cluster, "standby_leader");
  client.read();
  const present = await standby.presentIds(primary);
  expect(client.acks.filter(({ id }) => !present.has(id))).toEqual([]);
});
