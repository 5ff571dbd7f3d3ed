/**
 * A running member beside one of the previous version, which replays what such a member was recorded sending
 * (see testing_recorded_peer.ts). What breaks here breaks upgrading one member after another.
 */
import { afterEach, expect, test } from "bun:test";
import { MemoryStorage } from "../storage/memory_storage.ts";
import type { VersionRange } from "../transport/handshake.ts";
import { TcpTransport } from "../transport/tcp_transport.ts";
import { freePort, until } from "../transport/testing.ts";
import type { ProposeOutcome, ReadOutcome } from "./api.ts";
import { monotonicClock as clock } from "./monotonic_clock.ts";
import { RaftNode } from "./raft_node.ts";
import { ListMachine, text } from "./testing.ts";
import {
  dialAsFirstVersion,
  RECORDED_CLUSTER,
  RECORDED_PASSWORD,
  RecordedPeer,
} from "./testing_recorded_peer.ts";

/** Types of raft messages, by their numbers on the wire. */
const SAID = { preVoteResponse: 2, voteResponse: 4, appendResponse: 6, propose: 11 } as const;

const ended: (() => void)[] = [];
afterEach(() => ended.splice(0).forEach((end) => end()));

interface Setup {
  /** Id of the running member; the recorded one is the other of 1 and 2. */
  readonly id: number;
  readonly versions?: VersionRange;
  /** Whether the running member does not campaign by itself. */
  readonly patient?: boolean;
  /** Whether the recorded member speaks version 1. */
  readonly first?: boolean;
}

async function started({ id, versions, patient = false, first = false }: Setup) {
  const [own, other] = [await freePort(), await freePort()];
  const ports = id === 1 ? [own, other] : [other, own];
  const members = ports.map((port, i) => ({ id: i + 1, name: `n${i + 1}`, addr: `127.0.0.1:${port}` }));
  const peer = new RecordedPeer(3 - id, first);
  const machine = new ListMachine();
  const log: string[] = [];
  const sink = (_level: string, _event: string, line: string) => void log.push(line);
  const node = new RaftNode({
    id,
    clusterId: RECORDED_CLUSTER,
    members,
    storage: new MemoryStorage(clock.now),
    transport: new TcpTransport({
      id,
      clusterId: RECORDED_CLUSTER,
      bindAddr: `127.0.0.1:${own}`,
      peers: members.filter((member) => member.id !== id),
      password: RECORDED_PASSWORD,
      clock,
      random: Math.random,
      versions,
      log: sink,
    }),
    clock,
    random: Math.random,
    stateMachine: machine,
    commandVersion: 2,
    log: sink,
    ...(patient ? { electionMinMs: 60_000, electionMaxMs: 60_000 } : {}),
  });
  ended.push(() => node.stop(), () => peer.close());
  return { node, peer, machine, log, own, other };
}

const propose = (node: RaftNode, command: string, version = 1) =>
  new Promise<ProposeOutcome>((resolve) => node.propose(text(command), resolve, { version }));

test("a running member leads by the vote and the acknowledgements of a recorded one", async () => {
  const { node, peer, machine, other } = await started({ id: 1 });
  await peer.listen(other);
  node.start();
  await until("elected", () => node.leadsWithOwnTerm());
  expect(await propose(node, "a")).toMatchObject({ kind: "applied" });
  expect(machine.commands).toEqual(["a"]);
  const read = await new Promise<ReadOutcome>((resolve) => node.read(resolve));
  expect(read.kind).toBe("confirmed");
  // It knows the first version of commands only, and nothing else is written before it is upgraded.
  expect(await propose(node, "new", 2)).toMatchObject({ kind: "rejected" });
  expect(node.status().agreedVersion).toBe(1);
  expect(peer.verdicts).toEqual([0]);
  // Messages that later versions may send are passed over.
  peer.sayBytes(0, new Uint8Array([99, 1, 2]));
  peer.sayBytes(255, new Uint8Array([99, 1, 2]));
  peer.sayBytes(200, new Uint8Array([1]));
  expect(await propose(node, "b")).toMatchObject({ kind: "applied" });
  expect(machine.commands).toEqual(["a", "b"]);
});

test("a running member follows a recorded one, and proposes through it", async () => {
  const { node, peer, machine, own } = await started({ id: 2, patient: true });
  peer.campaigns = true;
  node.start();
  peer.dial(own);
  // A founder says so to every connected member.
  await until("taking part", () => node.status().notVoting === null);
  // It has asked for votes itself, and answers nobody of a lower id meanwhile.
  await until("a pre-vote", () => {
    peer.say("preVote", { term: 1 });
    return peer.heard.includes(SAID.preVoteResponse);
  });
  peer.say("vote", { term: 1 });
  await until("a vote", () => peer.heard.includes(SAID.voteResponse));
  // Neither answer is a rejection.
  expect([SAID.preVoteResponse, SAID.voteResponse].map((type) => peer.last.get(type)![1])).toEqual([0, 0]);
  peer.say("appendNothing", { term: 1, entryTerm: 1, entryIndex: 1 });
  await until("an acknowledgement", () => peer.heard.includes(SAID.appendResponse));
  expect(node.status()).toMatchObject({ leader: 1, term: 1 });
  peer.say("appendCommand", { term: 1, logTerm: 1, index: 1, commit: 1, entryTerm: 1, entryIndex: 2 });
  peer.say("heartbeat", { term: 1, commit: 2 });
  await until("applied", () => machine.commands.length === 1);
  expect(machine.commands).toEqual(["a"]);

  const outcome = propose(node, "from here");
  await until("forwarded", () => peer.heard.includes(SAID.propose));
  const data = peer.entryOf(SAID.propose);
  peer.say("appendCommand", { term: 1, logTerm: 1, index: 2, commit: 2, entryTerm: 1, entryIndex: 3 }, data);
  peer.say("heartbeat", { term: 1, commit: 3 });
  expect(await outcome).toMatchObject({ kind: "applied", index: 3 });
  expect(machine.commands).toEqual(["a", "from here"]);
});

test("what a recorded member forwards is carried out once", async () => {
  const { node, peer, machine, other } = await started({ id: 2 });
  await peer.listen(other);
  node.start();
  await until("elected", () => node.leadsWithOwnTerm());
  peer.say("propose");
  peer.say("propose");
  await until("applied", () => machine.commands.length > 0);
  expect(await propose(node, "last")).toMatchObject({ kind: "applied" });
  expect(machine.commands).toEqual(["b", "last"]);
});

test("a member that speaks a later version, too, offers that first, and then speaks the recorded one's", async () => {
  const { node, peer, other } = await started({ id: 1, versions: { oldest: 2, newest: 3 } });
  await peer.listen(other);
  node.start();
  await until("elected", () => node.leadsWithOwnTerm());
  expect(peer.offered).toEqual([3, 2]);
});

test("a recorded dialer is let in by a member that speaks a later version, too", async () => {
  const { node, peer, own } = await started({ id: 2, versions: { oldest: 2, newest: 3 } });
  node.start();
  peer.dial(own);
  await until("elected", () => node.leadsWithOwnTerm());
});

test("a member that does not speak the recorded version any more says so, naming both", async () => {
  const { node, peer, log, own, other } = await started({ id: 1, versions: { oldest: 3, newest: 4 } });
  await peer.listen(other);
  node.start();
  const dialed = "another version of the protocol: it speaks 2, this member 3 to 4";
  await until("refused", () => log.some((line) => line.includes(dialed)));
  peer.dial(own);
  const accepted = "another version of the protocol: it offers 2, this member speaks 3 to 4";
  await until("refusing", () => log.some((line) => line.includes(accepted)));
  expect(node.status().members.filter(({ connected }) => connected).map(({ id }) => id)).toEqual([1]);
});

test("a member of version 1, whose frames nobody could tell from forged ones, is refused whoever dials, naming both", async () => {
  const { node, peer, log, own, other } = await started({ id: 1, first: true });
  await peer.listen(other);
  node.start();
  const dialed = "another version of the protocol: it speaks 1, this member 2";
  await until("refused", () => log.some((line) => line.includes(dialed)));
  // No other version is offered to it.
  expect(new Set(peer.offered)).toEqual(new Set([2]));
  let refusal = "";
  const socket = dialAsFirstVersion(2, own, (payload) => (refusal = payload.toString("hex")));
  ended.push(() => socket.destroy());
  await until("refusing", () => refusal !== "");
  // The refusal holds the code that version 1 knows, and the versions that are spoken here.
  expect(refusal).toBe("0100020002");
  expect(log.join()).toContain("another version of the protocol: it offers 1, this member speaks 2");
  expect(node.status().members.filter(({ connected }) => connected).map(({ id }) => id)).toEqual([1]);
});
