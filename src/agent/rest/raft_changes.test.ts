/** Which member an operator means, and what becomes of the records when one has left. */
import { expect, test } from "bun:test";
import type { MemberOutcome, PeerStatus, Raft } from "../../../raft/mod.ts";
import { cluster } from "../../brain/testing.ts";
import type { CommandBody } from "../../dcs/commands.ts";
import type { WitnessNotice } from "../../model/witness_notice.ts";
import type { CommandOutcome } from "../lease/proposer.ts";
import { RaftChanges } from "./raft_changes.ts";

const peer = (id: number, name: string | null, addr: string) => ({ id, name, addr }) as PeerStatus;
/** a lives, and has a place for another one at its own address. */
const SHARED = [peer(101, "a", "a:2222"), peer(102, "b", "b:2222"), peer(107, null, "a:2222")];

function changesOf(
  members: readonly PeerStatus[],
  answer: CommandOutcome = { kind: "done", revision: 1 },
  meanwhile = () => {},
) {
  const calls: string[] = [];
  const proposed: CommandBody[] = [];
  let peers = members;
  const { members: known, ...dcs } = cluster();
  let facts = known;
  const remove = (id: number, done: (outcome: MemberOutcome) => void) => {
    calls.push(`remove ${id}`);
    peers = peers.filter((one) => one.id !== id);
    done({ kind: "done" });
  };
  const raft = {
    status: () => ({ members: peers }),
    removeMember: remove,
    addMember: (_: unknown, done: (outcome: MemberOutcome) => void) => {
      calls.push("add");
      done({ kind: "done" });
    },
    replaceMember: (id: number, _: unknown, done: (outcome: MemberOutcome) => void) => {
      calls.push(`replace ${id}`);
      done({ kind: "done" });
    },
    transferLeadership: (id: number, done: (error: string | null) => void) => {
      calls.push(`transfer ${id}`);
      done(null);
    },
  } as unknown as Raft;
  const changes = new RaftChanges({
    raft,
    records: () => ({ ...dcs, members: facts }),
    witnesses: () => [{ name: "w", raftAddr: "w:2222" } as WitnessNotice],
    propose: (body) => {
      proposed.push(body);
      meanwhile();
      return Promise.resolve(answer);
    },
  });
  return {
    changes,
    calls,
    proposed,
    forget: (name: string) =>
      facts = Object.fromEntries(Object.entries(facts).filter(([key]) => key !== name)),
  };
}

test("a member is named as in the status, by its address, or by its raft id", async () => {
  const { changes, calls } = changesOf([
    peer(101, "a", "a:2222"),
    peer(102, null, "b:2222"),
    peer(103, null, "w:2222"),
  ]);
  for (const name of ["a", "a:2222", "101", "b", "b:2222", "102", "w", "w:2222", "103"]) {
    await changes.transfer(name);
  }
  expect(calls).toEqual([101, 101, 101, 102, 102, 102, 103, 103, 103].map((id) => `transfer ${id}`));
  for (const name of ["z", "104", "0", "", "1e2", "0x65"]) {
    expect(await changes.transfer(name)).toBe(`there is no member named ${name} in the raft group`);
  }
});

test("a name goes before an id", async () => {
  const { changes, calls } = changesOf([peer(101, "102", "a:2222"), peer(102, "b", "b:2222")]);
  await changes.transfer("102");
  expect(calls).toEqual(["transfer 101"]);
});

test("where members share a name and an address, their ids tell them apart", async () => {
  const { changes, calls, proposed } = changesOf(SHARED);
  const reason = (name: string) =>
    `there is more than one member ${name}: say which by its raft id, 101 (a at a:2222) or 107 (at a:2222)`;
  for (const name of ["a", "a:2222"]) {
    expect(await changes.change({ kind: "remove", name })).toEqual({
      kind: "rejected",
      reason: reason(name),
    });
    expect(await changes.transfer(name)).toBe(reason(name));
    expect(await changes.change({ kind: "replace", name, address: "d:2222", newName: null })).toMatchObject({
      kind: "rejected",
    });
  }
  expect(calls).toEqual([]);
  await changes.change({ kind: "replace", name: "107", address: "d:2222", newName: null });
  expect(await changes.change({ kind: "remove", name: "107" })).toEqual({ kind: "done" });
  expect(calls).toEqual(["replace 107", "remove 107"]);
  // The member at that address is still there, and in the records.
  expect(proposed).toEqual([]);
  expect(await changes.change({ kind: "remove", name: "a" })).toEqual({ kind: "done" });
  expect(proposed).toEqual([{ op: "dropMember", name: "a", raftAddr: "a:2222" }]);
});

test("a removal whose record stays is not known to be done", async () => {
  const { changes } = changesOf([peer(102, "b", "b:2222")], { kind: "refused", reason: "b holds the lock" });
  expect(await changes.change({ kind: "remove", name: "b" })).toEqual({
    kind: "unknown",
    reason: "b has left the raft group, but is still in the records: b holds the lock",
  });
});

test("a record that the leader has dropped meanwhile is dropped", async () => {
  const { changes, proposed, forget } = changesOf([peer(102, "b", "b:2222")], {
    kind: "refused",
    reason: "there is no such member",
  }, () => forget("b"));
  expect(await changes.change({ kind: "remove", name: "b" })).toEqual({ kind: "done" });
  expect(proposed).toHaveLength(1);
});

test("nobody is added under the name of another member, by raft or by the records", async () => {
  const { changes, calls } = changesOf([peer(101, "a", "a:2222"), peer(102, null, "b:2222")]);
  for (const [name, addr] of [["a", "a:2222"], ["b", "b:2222"]] as const) {
    expect(await changes.change({ kind: "add", address: "d:2222", name, votes: true })).toEqual({
      kind: "rejected",
      reason:
        `${name} is the name of the member at ${addr}: give the new one another name, or put it in that member's place ` +
        `(agent ctl raft replace ${name} d:2222)`,
    });
  }
  const replace = { kind: "replace", name: "a", address: "d:2222" } as const;
  expect(await changes.change({ ...replace, newName: "b" })).toMatchObject({ kind: "rejected" });
  expect(calls).toEqual([]);
  expect(await changes.change({ ...replace, newName: "a" })).toEqual({ kind: "done" });
  // Its place is kept.
  await changes.change({ kind: "add", address: "a:2222", name: "a", votes: true });
  await changes.change({ kind: "add", address: "d:2222", name: "d", votes: true });
  expect(calls).toEqual(["replace 101", "add", "add"]);
});
