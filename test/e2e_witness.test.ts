/**
 * Two members with data and a witness: its vote, its leadership of the raft group, and what it says of
 * itself.
 */
import { afterAll, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { parse, stringify } from "yaml";
import type { Host } from "../src/demo/host.ts";
import { nowMs } from "../src/demo/now.ts";
import { waitFor } from "../src/demo/wait_for.ts";
import type { JsonObject } from "../src/model/json.ts";
import { applyPatch } from "../src/model/merge.ts";
import { Certificates } from "./e2e/certificates.ts";
import { Fixture, START_MS, startHealthy, TEST_MS, withCluster, WRITES_MS } from "./e2e/harness.ts";
import { answersWith, raftOf, raftThat, shown } from "./e2e/shown.ts";

/** A witness proves itself as any member does. */
const certificates = new Certificates();
afterAll(() => certificates.remove());

const { fixture, story } = withCluster({
  dcs: { ttl: 2 },
  witnesses: 1,
  override: (name) => certificates.override(name),
});

const witness = () => fixture.cluster.hosts[2]!;

async function lead(host: Host): Promise<void> {
  await waitFor(`${host.name} to lead the raft group`, START_MS, async () => {
    const { leader } = await raftOf(host);
    if (leader !== host.name) await fixture.cluster.tryCtl("raft", "transfer", host.name);
    return leader === host.name;
  });
}

story("the witness votes, and is listed apart from the members", async ({ cluster }) => {
  const list = await fixture.listed("Witness: node3");
  expect(list).not.toContain("| node3");
  await fixture.listed("Quorum: can lose 1 more");
  const expected = [["node1", true, false], ["node2", true, false], ["node3", true, true]];
  for (const host of cluster.hosts) {
    await raftThat(
      "two members and a witness",
      host,
      ({ members }) =>
        Bun.deepEquals(members.map(({ name, voter, witness }) => [name, voter, witness]).sort(), expected),
    );
  }
});

story("its health checks take it for no server, and it says why it restarts nothing", async ({ cluster }) => {
  const answers = await Promise.all(
    ["/primary", "/replica", "/read-only", "/health"].map((path) => witness().answers(path)),
  );
  expect(answers).toEqual([false, false, false, false]);
  await answersWith(witness(), "/liveness", 200);
  await shown<{ agent: { witness: boolean } }>(
    "a witness",
    witness(),
    "/patroni",
    ({ agent }) => agent.witness,
  );
  const user = `agent:${cluster.secrets.restapi}`;
  for (const path of ["/restart", "/reinitialize"]) {
    const answer = await witness().rest(path, { method: "POST", user, body: {} });
    expect([path, answer.status, answer.text]).toEqual([
      path,
      503,
      "this is a witness: it has no PostgreSQL",
    ]);
  }
});

story("SIGHUP reads its file again; one that cannot be used changes nothing", async ({ cluster }) => {
  const host = witness();
  const pid = host.agentPid();
  const original = readFileSync(host.configFile, "utf8");
  const file = parse(original) as JsonObject;
  const answerTo = async (password: string) =>
    (await host.rest("/restart", { method: "POST", user: `agent:${password}`, body: {} })).status;
  const reload = async (text: string, said: string) => {
    const before = host.log().length;
    writeFileSync(host.configFile, text);
    host.signalAgent("SIGHUP");
    await waitFor(said, START_MS, () => host.log().slice(before).includes(said));
  };
  const { restapi } = cluster.secrets;
  try {
    const patch = { restapi: { authentication: { password: "another" } } };
    await reload(stringify(applyPatch(file, patch)), "configuration reloaded");
    expect([await answerTo(restapi), await answerTo("another")]).toEqual([401, 503]);
    await reload("scope: [", "the configuration in force stays");
    expect([await answerTo(restapi), await answerTo("another")]).toEqual([401, 503]);
  } finally {
    await reload(original, "configuration reloaded");
  }
  expect([await answerTo(restapi), await answerTo("another")]).toEqual([503, 401]);
  expect(host.agentPid()).toBe(pid);
});

for (const led of ["witness", "standby"] as const) {
  story(
    `the host of the primary dies while the ${led} leads the raft group: the standby takes over`,
    async (fixture) => {
      const { cluster } = fixture;
      const old = await fixture.healed();
      const standby = cluster.members.find((host) => host !== old)!;
      await lead(led === "witness" ? witness() : standby);
      const begin = nowMs();
      await old.powerOff();
      expect(await fixture.successorOf(old, begin)).toBe(standby);
      fixture.expectOnePrimary(old, begin);
      await fixture.listed("Quorum: can lose 0 more");
      expect(await fixture.lostEarlierOn(standby, old, begin)).toEqual([]);
      await fixture.healed();
      await fixture.listed("Quorum: can lose 1 more");
    },
  );
}

story("without the witness the primary goes on; without a majority it does not", async (fixture) => {
  const primary = await fixture.healed();
  await witness().powerOff();
  await fixture.listed("Quorum: can lose 0 more");
  await fixture.client.waitForWrite(nowMs(), WRITES_MS, primary.name);
  const standby = fixture.cluster.members.find((host) => host !== primary)!;
  await standby.powerOff();
  await waitFor("the end of its writes", START_MS, async () => !await primary.answers("/primary"));
  // The witness alone brings the majority back.
  witness().start();
  await fixture.client.waitForWrite(nowMs(), WRITES_MS, primary.name);
  await fixture.healed();
});

story("the file of the one is refused by the command of the other, with the right command", ({ cluster }) => {
  const [member] = cluster.hosts as [Host];
  const { binary, prefix } = member.settings;
  const run = (command: string, file: string) => {
    const [program, ...args] = [...prefix, binary, command, file];
    return spawnSync(program!, args, { cwd: member.directory, encoding: "utf8", timeout: START_MS });
  };
  const asWitness = run("witness", member.configFile);
  expect(asWitness.status).toBe(1);
  expect(asWitness.stderr).toContain("start the file of a member by `agent run`");
  const asMember = run("run", witness().configFile);
  expect(asMember.status).toBe(1);
  expect(asMember.stderr).toContain("agent witness");
});

test(
  "two members without a witness: failover --force hands over while both are there, and does nothing alone",
  async () => {
    const fixture = new Fixture();
    await fixture.open({ size: 2, dcs: { ttl: 2 } }, startHealthy);
    try {
      await fixture.tell(() => forcedAlone(fixture));
    } finally {
      await fixture.close();
    }
  },
  TEST_MS,
);

async function forcedAlone(fixture: Fixture): Promise<void> {
  const { cluster } = fixture;
  const first = await fixture.healed();
  const standby = cluster.others(first)[0]!;
  const force = (candidate: Host) => cluster.tryCtl("failover", "--candidate", candidate.name, "--force");
  const begin = nowMs();
  expect((await force(standby)).output).toContain(`Successfully failed over to "${standby.name}"`);
  fixture.expectOnePrimary(first, begin);
  expect(await fixture.healed()).toBe(standby);

  // The primary's host is gone: what its standby is asked to do does not happen, now or later. When both are
  // back, the ordinary choice decides.
  const logs = () => cluster.hosts.map((host) => host.log());
  const before = logs();
  await standby.powerOff();
  const refused = await force(first);
  expect(refused.code).toBe(1);
  expect(refused.output).toContain("no majority of the voters is in contact");
  expect(refused.output).toContain("agent recover --force-new-cluster");
  expect(await first.answers("/primary")).toBe(false);
  standby.start();
  const primary = await fixture.healed();
  const said = logs().map((log, index) => log.slice(before[index]!.length)).join("");
  expect(said).not.toContain(`failover to ${first.name}`);

  // The standby's host is gone: the primary ends its writes.
  const other = cluster.others(primary)[0]!;
  await other.powerOff();
  await answersWith(primary, "/primary", 503);
  expect((await force(other)).code).toBe(1);
  other.start();
  await fixture.healed();
}
