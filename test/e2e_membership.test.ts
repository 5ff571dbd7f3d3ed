/** Nodes join, leave, and lose their raft directories, under load. */
import { expect } from "bun:test";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { encodeMessage, makeMessage } from "../raft/core/message.ts";
import { directoryIdentity, monotonicClock, TcpTransport } from "../raft/mod.ts";
import { encodeEnvelope } from "../raft/node/envelope.ts";
import type { ClusterJson, RaftJson } from "../src/api/client.ts";
import type { Cluster } from "../src/demo/cluster.ts";
import type { Host } from "../src/demo/host.ts";
import { nowMs } from "../src/demo/now.ts";
import { freePorts } from "../src/demo/ports.ts";
import { waitFor } from "../src/demo/wait_for.ts";
import { START_MS, withCluster } from "./e2e/harness.ts";
import { answersWith, raftOf, raftThat, shown } from "./e2e/shown.ts";

const VOTERS = 4;
/** A replica far away: it has no vote, and never becomes the primary. */
const READER = "node5";
const OTHER_READER = "node6";
const asReader = { raft: { self_addr: null }, tags: { nofailover: true } };
const options = {
  dcs: { ttl: 2 },
  size: VOTERS + 2,
  founders: 3,
  override: (name: string) => [READER, OTHER_READER].includes(name) ? asReader : {},
};
const { story } = withCluster(options, async (cluster) => {
  const founders = cluster.hosts.slice(0, 3);
  for (const host of founders) host.start();
  await cluster.waitHealthy(START_MS, founders);
});

/** Starts those that do not run: the cluster may be a new one, of its founders only. */
function started(hosts: readonly Host[]): Host[] {
  for (const host of hosts) if (host.agentPid() === null) host.start();
  return [...hosts];
}

function withoutOtherReader({ hosts }: Cluster): Host[] {
  return hosts.filter(({ name }) => name !== OTHER_READER);
}

function voters({ members }: RaftJson): string[] {
  return members.filter(({ voter }) => voter).map(({ name }) => name).sort();
}

story(
  "a node that names members of the running cluster joins it: learner, voter, standby",
  async ({ cluster }) => {
    const [first, , , fourth] = cluster.hosts as [Host, Host, Host, Host];
    expect(voters(await raftOf(first))).toEqual(["node1", "node2", "node3"]);
    fourth.start();
    await cluster.waitHealthy(START_MS, cluster.hosts.slice(0, VOTERS));
    for (const host of [first, fourth]) {
      await raftThat(
        "four voters with names and addresses",
        host,
        (status) =>
          voters(status).length === VOTERS &&
          status.members.every(({ name, api_url: url }) => name.startsWith("node") && url !== null),
      );
    }
  },
);

story(
  "a node without raft.self_addr joins without a vote, and is a standby as any other",
  async (fixture) => {
    const { cluster } = fixture;
    const [first] = cluster.hosts as [Host];
    const reader = cluster.host(READER);
    await cluster.waitHealthy(START_MS, started(withoutOtherReader(cluster)));
    const status = await raftThat(
      "four voters and the reader",
      first,
      (status) => voters(status).length === VOTERS && status.members.some(({ name }) => name === READER),
    );
    expect(status.members.find(({ name }) => name === READER)).toMatchObject({
      addr: `no-address/${READER}`,
      voter: false,
    });
    // Restarted, it finds its way by itself: nobody dials it.
    await reader.stopAgent(START_MS);
    reader.start();
    await cluster.waitHealthy(START_MS, withoutOtherReader(cluster));
    await fixture.listed(READER);
    expect(cluster.hosts.some((host) => host.log().includes(`no connection to ${READER}`))).toBe(false);
  },
);

story(
  "a node whose name gives the slot of another one is refused, and nodes without raft.self_addr hear each other",
  async ({ cluster }) => {
    const [reader, other] = [cluster.host(READER), cluster.host(OTHER_READER)];
    await cluster.waitHealthy(START_MS, started(withoutOtherReader(cluster)));
    const original = readFileSync(other.configFile, "utf8");
    writeFileSync(other.configFile, original.replace(/^name: .*$/m, `name: ${READER.toUpperCase()}`));
    other.start();
    expect(await other.exitCode(START_MS)).toBe(1);
    expect(other.log()).toContain(`the names ${READER} and NODE5 give the same replication slot, node5`);
    // It was refused before it became a member of anything.
    expect((await raftOf(reader)).members.map(({ name }) => name)).not.toContain("NODE5");
    rmSync(join(other.directory, "raft"), { recursive: true, force: true });
    writeFileSync(other.configFile, original);
    other.start();
    await cluster.waitHealthy(START_MS);
    // Asked themselves: they share no connection.
    for (const [asked, sees] of [[reader, OTHER_READER], [other, READER]] as const) {
      await shown<ClusterJson>(
        `${sees} streaming`,
        asked,
        "/cluster",
        ({ members }) => members.some(({ name, state }) => name === sees && state === "streaming"),
      );
    }
  },
);

story("the primary cannot be removed, and says what to do first", async (fixture) => {
  const primary = await fixture.healed();
  const [other] = fixture.cluster.others(primary);
  const refused = await fixture.cluster.tryCtl("raft", "remove", primary.name, "--force");
  expect(refused.code).toBe(1);
  expect(refused.output).toContain(
    `${primary.name} holds the leader lock: switch over to another member first`,
  );
  expect(voters(await raftOf(other!))).toContain(primary.name);
});

story("a living member is not replaced at its own address, and is known by its id, too", async (fixture) => {
  const { cluster } = fixture;
  const primary = await fixture.healed();
  const before = (await raftOf(primary)).members;
  const [other] = cluster.others(primary) as [Host];
  for (const host of [primary, other]) {
    const { id, addr } = before.find(({ name }) => name === host.name)!;
    for (const name of [host.name, String(id)]) {
      const refused = await cluster.tryCtl("raft", "replace", name, addr, "--force");
      expect(refused).toMatchObject({
        code: 1,
        output: expect.stringContaining(
          `the member at ${addr} is in contact, and is not replaced by itself`,
        ),
      });
    }
  }
  expect((await raftOf(primary)).members.map(({ id }) => id)).toEqual(before.map(({ id }) => id));
});

story("an address that is none, and garbage of a member, are refused, and end nobody", async (fixture) => {
  const { cluster } = fixture;
  const primary = await fixture.healed();
  const before = (await raftOf(primary)).members.map(({ id }) => id);
  const agents = cluster.hosts.map((host) => host.agentPid());
  for (const address of ["10.55.0.9:70000", "10.55.0.9:0", "10.55.0.9", "*:2222", "__proto__:x"]) {
    for (const words of [["add", address], ["replace", primary.name, address]]) {
      const refused = await cluster.tryCtl("raft", ...words, "--force");
      expect([address, refused.code]).not.toEqual([address, 0]);
      expect(refused.output).toMatch(/"host:port" is expected|stands for every address/);
    }
  }
  for (const name of ["__proto__", "constructor", "70000", "a b", "x".repeat(3000)]) {
    expect((await cluster.tryCtl("raft", "remove", name, "--force")).code).toBe(1);
  }
  const { raft, restapi } = parse(readFileSync(primary.configFile, "utf8")) as {
    raft: { password: string };
    restapi: { authentication: { username: string; password: string } };
  };
  const user = `${restapi.authentication.username}:${restapi.authentication.password}`;
  for (
    const body of [{ address: "10.55.0.9:70000" }, { address: "h:1\n" }, {
      address: "h:1",
      name: "x".repeat(300),
    }]
  ) {
    const { status } = await primary.rest("/agent/raft/add", {
      method: "POST",
      user,
      body,
      timeoutMs: 10_000,
    });
    expect([body, status >= 400 && status < 500]).toEqual([body, true]);
  }

  // A member whose program is at fault: it has a place, knows the password, and sends what no program sends.
  const [port] = await freePorts(1);
  await cluster.ctl("raft", "add", `127.0.0.1:${port}`, "ghost", "--no-vote", "--force");
  const status = await raftThat(
    "the ghost and a leader in sight of the primary",
    primary,
    ({ members, leader }) => leader !== null && members.some(({ name }) => name === "ghost"),
  );
  const ghost = status.members.find(({ name }) => name === "ghost")!;
  const leader = cluster.host(status.leader!);
  const to = status.members.find(({ name }) => name === leader.name)!;
  const transport = new TcpTransport({
    id: ghost.id,
    clusterId: directoryIdentity(join(primary.directory, "raft"))!.clusterId,
    bindAddr: ghost.addr,
    peers: [{ id: to.id, name: to.name, addr: to.addr }],
    password: raft.password,
    clock: monotonicClock,
    random: Math.random,
  });
  try {
    let connected = false;
    transport.start({ onFrame: () => {}, onPeer: (_, is) => (connected = is) });
    await waitFor("a connection to the leader", START_MS, () => connected);
    const record = { id: 77, name: "x", addr: "10.55.0.9:70000", votes: true, replaces: 0 };
    const command = new TextEncoder().encode('{"v":1,"op":"setMember","facts":5,"by":"x","at":""}');
    for (
      const data of [
        new Uint8Array([99, 1, 2]),
        encodeEnvelope({ kind: "version", version: 4 }),
        encodeEnvelope({ kind: "member", record }),
        encodeEnvelope({ kind: "command", origin: ghost.id, incarnation: 1, seq: 1, floor: 1, command }),
      ]
    ) {
      const entries = [{ term: 0, index: 0, kind: "normal" as const, data }];
      const message = makeMessage({ type: "propose", from: ghost.id, to: to.id, entries });
      expect(transport.send(to.id, 0, encodeMessage(message))).toBe(true);
    }
    for (const channel of [1, 2, 3, 252, 253, 254, 255]) {
      transport.send(to.id, channel, new Uint8Array([1, 2, 3]));
    }
    await waitFor("a word about it", START_MS, () => leader.log().includes("unusable message of ghost"));
  } finally {
    transport.close();
    await cluster.ctl("raft", "remove", "ghost", "--force");
  }
  await fixture.healed();
  const withoutGhost = ({ members }: RaftJson) => !members.some(({ name }) => name === "ghost");
  const { members } = await raftThat("the end of the ghost", primary, withoutGhost);
  expect(members.map(({ id }) => id)).toEqual(before);
  expect(cluster.hosts.map((host) => host.agentPid())).toEqual(agents);
});

story("a removed member stops itself and its PostgreSQL, and comes back as a new one", async (fixture) => {
  const { cluster } = fixture;
  const primary = await fixture.healed();
  const [leaving] = cluster.others(primary) as [Host];
  const oldId = (await raftOf(primary)).members.find(({ name }) => name === leaving.name)!.id;
  const removed = await cluster.ctl("raft", "remove", leaving.name, "--force");
  expect(removed).toContain(`Success: ${leaving.name} is no member any more`);
  expect(removed).toContain("can lose 1 more");
  await waitFor("the end of its processes", START_MS, () => leaving.processes().length === 0);
  expect(leaving.log()).toContain(
    "was removed from the cluster: PostgreSQL is stopped, and so is this agent",
  );
  expect(await leaving.exitCode(START_MS)).toBe(3);
  await raftThat("a vote less", primary, (status) => !voters(status).includes(leaving.name));
  await cluster.waitHealthy(START_MS, cluster.others(leaving));

  // Its directory is of no use: it ends again. Without it, it joins.
  leaving.start();
  await waitFor("its end", START_MS, () => leaving.agentPid() === null && leaving.processes().length === 0);
  rmSync(join(leaving.directory, "raft"), { recursive: true });
  leaving.start();
  await cluster.waitHealthy(START_MS);
  const after = await raftThat("a vote", primary, (status) => voters(status).includes(leaving.name));
  expect(after.members.map(({ id }) => id)).not.toContain(oldId);
});

story(
  "a primary whose host loses its raft directory is succeeded, and joins anew in its own place",
  async (fixture) => {
    const { cluster } = fixture;
    const old = await fixture.healed();
    const begin = nowMs();
    await old.powerOff();
    rmSync(join(old.directory, "raft"), { recursive: true });
    old.start();
    const successor = await fixture.successorOf(old, begin);
    fixture.expectOnePrimary(old, begin);
    await cluster.waitHealthy(START_MS);
    await raftThat(
      "all voters again",
      successor,
      (status) => voters(status).length === VOTERS && status.members.length === VOTERS + 2,
    );
    // The others can be lost as before: three voters of four go on.
    const [lost] = cluster.others(successor).filter(({ name }) =>
      ![old.name, READER, OTHER_READER].includes(name)
    ) as [Host];
    await lost.powerOff();
    const sinceMs = nowMs();
    await fixture.client.waitForWrite(sinceMs, START_MS, successor.name);
    await answersWith(old, "/replica", 200);
  },
);
