import { describe, expect, test } from "bun:test";
import { decodeMessage, encodeMessage, makeMessage } from "../core/message.ts";
import type { Message, NodeId } from "../core/types.ts";
import { encodeEnvelope } from "./envelope.ts";
import {
  decodeSnapshotMessage,
  encodeSnapshotMessage,
  SNAPSHOT_CHANNEL,
  type SnapshotMessage,
} from "./snapshot_messages.ts";
import { TestCluster, text } from "./testing.ts";

/** Three members, of which one follower has gone mad: what it is sent, and how to speak for it. */
function withMadMember() {
  const cluster = new TestCluster(3);
  cluster.startAll();
  const leader = cluster.leader();
  const [mad, other] = cluster.ids.filter((id) => id !== leader.id).map((id) => cluster.member(id));
  cluster.stop(mad!.id);
  const answers: Message[] = [];
  const aboutSnapshots: string[] = [];
  const liar = cluster.network.transport(mad!.id);
  liar.start({
    onFrame: (_, channel, payload) => {
      if (channel === 0) answers.push(decodeMessage(payload));
      if (channel === SNAPSHOT_CHANNEL) aboutSnapshots.push(decodeSnapshotMessage(payload)!.kind);
    },
    onPeer: () => {},
  });
  cluster.clock.advance(10);
  const term = leader.node.status().term;
  const say = (to: NodeId, message: Partial<Message> & Pick<Message, "type">) =>
    liar.send(to, 0, encodeMessage(makeMessage({ from: mad!.id, to, ...message })));
  const piece = (to: NodeId, message: SnapshotMessage) =>
    liar.send(to, SNAPSHOT_CHANNEL, encodeSnapshotMessage(message));
  const goesOn = () => {
    expect(leader.node.status().term).toBe(term);
    let outcome: unknown = null;
    leader.node.propose(text("on"), (got) => (outcome = got));
    cluster.until("committed", () => outcome !== null);
    expect(outcome).toMatchObject({ kind: "applied" });
    cluster.until("applied", () => other!.machine.commands.includes("on"));
  };
  return { cluster, leader, other: other!, mad: mad!, term, answers, aboutSnapshots, say, piece, goesOn };
}

describe("a member that has gone mad", () => {
  test("and speaks as the leader of another's term ends nobody, and is not followed", () => {
    const { cluster, leader, other, term, say, goesOn } = withMadMember();
    for (const type of ["append", "heartbeat"] as const) {
      for (const { id } of [leader, other]) say(id, { type, term, index: 0, commit: 0 });
    }
    cluster.clock.advance(20);
    expect(other.node.status().leader).toBe(leader.id);
    expect(leader.logged.filter(({ event }) => event === "raft_garbage").length).toBe(1);
    goesOn();
  });

  test("and acknowledges what the leader never sent ends nobody", () => {
    const { cluster, leader, term, say, goesOn } = withMadMember();
    say(leader.id, { type: "appendResponse", term, index: 1e9 });
    cluster.clock.advance(20);
    goesOn();
  });

  test("and asks for reads without end costs the others a few rounds", () => {
    const { cluster, leader, answers, say, goesOn } = withMadMember();
    for (let i = 0; i < 5000; i++) say(leader.id, { type: "readIndex", context: new Uint8Array(16) });
    cluster.clock.advance(20);
    const rounds = answers.filter(({ type }) => type === "readIndexResponse").length;
    expect(rounds).toBeGreaterThan(100);
    expect(rounds).toBeLessThan(140);
    goesOn();
  });

  test("and begins snapshots though another member leads is given no memory for them, in any term", () => {
    const { cluster, leader, other, mad, term, aboutSnapshots, piece, goesOn } = withMadMember();
    const snapshot = {
      index: 1e6,
      term: 1,
      configuration: { voters: [mad.id], learners: [] },
      data: new Uint8Array(0),
    };
    for (const { id: to } of [leader, other]) {
      for (const claimed of [term, term + 1]) {
        const head = encodeMessage(
          makeMessage({ type: "snapshot", from: mad.id, to, term: claimed, snapshot }),
        );
        piece(to, { kind: "begin", transfer: claimed, total: 1 << 24, head });
        piece(to, { kind: "piece", transfer: claimed, offset: 0, data: new Uint8Array(1 << 17) });
      }
    }
    cluster.clock.advance(20);
    expect(aboutSnapshots.sort()).toEqual([...Array(4).fill("lost"), ...Array(4).fill("refused")]);
    goesOn();
  });

  test("and proposes without end fills no log, though each of its commands is a good one", () => {
    const { cluster, leader, mad, say, goesOn } = withMadMember();
    for (let i = 1; i <= 5000; i++) {
      const data = encodeEnvelope({
        kind: "command",
        origin: mad.id,
        incarnation: 7,
        seq: i,
        floor: i,
        command: text("mad"),
      });
      say(leader.id, { type: "propose", entries: [{ kind: "normal", term: 0, index: 0, data }] });
    }
    cluster.clock.advance(1000);
    const done = leader.machine.commands.filter((command) => command === "mad").length;
    expect(done).toBeGreaterThan(400);
    expect(done).toBeLessThan(800);
    goesOn();
  });
});
