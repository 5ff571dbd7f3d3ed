import { describe, expect, test } from "bun:test";
import {
  decodeMessage,
  encodeMessage,
  makeMessage,
  numberContext,
  TRANSFER_CONTEXT,
} from "../core/message.ts";
import type { Message, NodeId } from "../core/types.ts";
import { encodeEnvelope } from "./envelope.ts";
import {
  decodeSnapshotMessage,
  encodeSnapshotMessage,
  SNAPSHOT_CHANNEL,
  type SnapshotMessage,
} from "./snapshot_messages.ts";
import { TestCluster, text } from "./testing.ts";

/** Three members with one mad follower: the messages it gets, and a way to speak for it. */
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

  test("and says of a log that it confirmed what it does not hold ends nobody, in this term or a later one", () => {
    const { cluster, leader, other, term, say } = withMadMember();
    for (const later of [0, 1, 2]) {
      for (const { id } of [leader, other]) say(id, { type: "heartbeat", term: term + later, commit: 1e9 });
      cluster.clock.advance(20);
    }
    expect([leader.node.status().term, other.node.status().term]).toEqual([term, term]);
    const said = other.logged.find(({ event }) => event === "raft_garbage");
    expect(said?.text).toContain("speaks as the leader");
    let outcome: unknown = null;
    leader.node.propose(text("on"), (got) => (outcome = got));
    cluster.until("committed", () => outcome !== null);
    expect(outcome).toMatchObject({ kind: "applied" });
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

  /**
   * Lets `ms` pass, while the mad member speaks every 10 ms. Returns how long the leader of the others
   * confirmed no read, and at how many of these moments it did.
   */
  function readsUnder(
    { cluster, leader, other, say }: ReturnType<typeof withMadMember>,
    message: (term: number) => Partial<Message> & Pick<Message, "type">,
    ms = 20_000,
  ) {
    const began = cluster.clock.now();
    const confirmed = new Set([began]);
    for (let at = 0; at < ms; at += 10) {
      for (const { id, node } of [leader, other]) say(id, message(node.status().term));
      for (const { node } of [leader, other]) {
        node.read((outcome) => {
          if (outcome.kind === "confirmed") confirmed.add(cluster.clock.now());
        });
      }
      cluster.clock.advance(10);
    }
    const times = [...confirmed, cluster.clock.now()];
    const longestMs = Math.max(...times.slice(1).map((at, i) => at - times[i]!));
    return { longestMs, share: confirmed.size / (ms / 10) };
  }

  test("and asks for votes as after a transfer deposes nobody", () => {
    const mad = withMadMember();
    const { longestMs } = readsUnder(mad, (term) => ({
      type: "vote",
      term: term + 1,
      index: 1e6,
      logTerm: term + 1,
      context: TRANSFER_CONTEXT,
    }), 5000);
    expect(longestMs).toBeLessThan(20);
    mad.goesOn();
  });

  test("and tells others to take over, or claims the term at the end of all numbers, is not heard", () => {
    const mad = withMadMember();
    for (const later of [0, 1]) {
      const said = readsUnder(mad, (term) => ({ type: "timeoutNow", term: term + later }), 2000);
      expect(said.longestMs).toBeLessThan(20);
    }
    for (const type of ["heartbeat", "appendResponse", "timeoutNow"] as const) {
      const term = Number.MAX_SAFE_INTEGER - 1;
      expect(readsUnder(mad, () => ({ type, term }), 1000).longestMs).toBeLessThan(20);
    }
    mad.goesOn();
  });

  test("and wishes without end that it lead itself keeps the leader from reads for an election timeout in two seconds", () => {
    const mad = withMadMember();
    const { leader, mad: { id }, term } = mad;
    const wish = { type: "transferLeader", term, context: numberContext(id) } as const;
    const { longestMs, share } = readsUnder(mad, () => wish);
    expect(longestMs).toBeLessThan(700);
    expect(share).toBeGreaterThan(0.6);
    expect(leader.node.status().term).toBe(term);
  });
});
