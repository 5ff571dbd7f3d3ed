/** Changes of the group of voters: what is asked, what is sent, what is said. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { StubCluster } from "./testing.ts";

let cluster: StubCluster;

beforeEach(() => {
  cluster = new StubCluster();
});
afterEach(() => cluster.stop());

const changes = () => cluster.port.calls.filter((call) => /^(changeRaft|snapshotRaft)/.test(call));

test("raft add sends address and name, and says how to start the node", async () => {
  const { code, out } = await cluster.ctl(["raft", "add", "10.0.0.4:2222", "node4"]);
  expect(code).toBe(0);
  expect(changes()).toEqual([
    'changeRaft {"kind":"add","address":"10.0.0.4:2222","name":"node4","votes":true}',
  ]);
  expect(out).toContain(
    "with raft.self_addr 10.0.0.4:2222 and a member in raft.partner_addrs. It votes when",
  );
});

test("raft add --no-vote adds one that only follows", async () => {
  await cluster.ctl(["raft", "add", "10.0.0.4:2222", "--no-vote"]);
  expect(changes()).toEqual([
    'changeRaft {"kind":"add","address":"10.0.0.4:2222","name":null,"votes":false}',
  ]);
});

test("raft remove asks first, with what becomes of the majority", async () => {
  const no = await cluster.ctl(["raft", "remove", "node3"], ["n"]);
  expect(no.code).toBe(1);
  expect(no.out).toContain("3 voters become 2, of which 0 may fail.");
  expect(changes()).toEqual([]);
  const yes = await cluster.ctl(["raft", "remove", "node3"], ["y"]);
  expect(yes.code).toBe(0);
  expect(changes()).toEqual(['changeRaft {"kind":"remove","name":"node3"}']);
  expect(yes.out).toContain("can lose 1 more");
});

test("a refused change is an error with its reason, and nobody else is asked", async () => {
  cluster.port.raftChangeOutcome = {
    kind: "rejected",
    reason: "node3 holds the leader lock: switch over first",
  };
  const { code, err } = await cluster.ctl(["raft", "remove", "node3", "--force"]);
  expect(code).toBe(1);
  expect(err).toContain("Error: node3 holds the leader lock: switch over first");
  expect(changes()).toHaveLength(1);
});

test("a member that does not exist is named, with those that do", async () => {
  const { code, err } = await cluster.ctl(["raft", "replace", "node9", "10.0.0.4:2222", "--force"]);
  expect(code).toBe(1);
  expect(err).toContain("No member is named node9: there are node1 (");
  expect(changes()).toEqual([]);
});

test("members that share a name are told apart by the id that the status shows", async () => {
  const { raft } = cluster.port.view();
  const other = { ...raft!.members[2]!, id: 4711, voter: false };
  cluster.port.change({ raft: { ...raft!, members: [...raft!.members, other] } });
  for (const name of ["node3", "10.0.0.3:2222"]) {
    const { code, err } = await cluster.ctl(["raft", "remove", name, "--force"]);
    expect({ code, err }).toEqual({
      code: 1,
      err:
        `Error: More than one member is named ${name}: say which by its raft id, 103 (10.0.0.3:2222, voter), ` +
        "4711 (10.0.0.3:2222, learner)",
    });
  }
  expect(changes()).toEqual([]);
  const removed = await cluster.ctl(["raft", "remove", "4711"], ["y"]);
  expect(removed.out).toContain("3 voters become 3, of which 1 may fail.");
  expect(changes()).toEqual(['changeRaft {"kind":"remove","name":"4711"}']);
});

test("raft replace and raft snapshot say what was done", async () => {
  const replaced = await cluster.ctl(["raft", "replace", "node3", "10.0.0.4:2222", "--force"]);
  expect(replaced.out).toContain("Success: 10.0.0.4:2222 is a member now; node3 leaves when it has a vote");
  const { out } = await cluster.ctl(["raft", "snapshot"]);
  expect(out).toContain("Success: snapshot taken on node1");
});

test("raft with anything else says what there is", async () => {
  const { code, err } = await cluster.ctl(["raft", "remove"]);
  expect(code).toBe(2);
  expect(err).toContain("remove NAME");
});

test("an address that nobody can dial is refused before anything is asked or sent", async () => {
  for (
    const address of [
      "10.55.0.9:70000",
      "10.0.0.4",
      "10.0.0.4:0",
      "*:2222",
      "0.0.0.0:2222",
      "a b:1",
      "__proto__",
    ]
  ) {
    for (const words of [["add", address, "node4"], ["replace", "node3", address]]) {
      const { code, err } = await cluster.ctl(["raft", ...words, "--force"]);
      expect([address, code]).not.toEqual([address, 0]);
      expect(err).toMatch(/"host:port" is expected|stands for every address/);
    }
  }
  expect(changes()).toEqual([]);
});
