/** Snapshots in pieces: both sides over a bad network, and members of a cluster. */
import { expect, test } from "bun:test";
import fc from "fast-check";
import { encodeMessage, makeMessage } from "../core/message.ts";
import { seededRandom } from "../core/seeded_random.ts";
import type { Message, Snapshot } from "../core/types.ts";
import { ADMISSION_CHANNEL } from "./admission_messages.ts";
import type { AddOutcome, ProposeOutcome } from "./api.ts";
import {
  decodeSnapshotMessage,
  encodeSnapshotMessage,
  SNAPSHOT_CHANNEL,
  type SnapshotMessage,
} from "./snapshot_messages.ts";
import { SnapshotReceiver } from "./snapshot_receiver.ts";
import { SnapshotSender } from "./snapshot_sender.ts";
import { TestCluster, type TestMember, text } from "./testing.ts";

const LEADER = 1;
const MEMBER = 2;

function snapshotMessage(
  bytes: number,
  index = 9,
  term = 4,
): { message: Message; data: Uint8Array; snapshot: Snapshot } {
  const data = Uint8Array.from({ length: bytes }, (_, at) => at * 7);
  const snapshot = { index, term: 3, configuration: { voters: [1, 2], learners: [] }, data };
  const message = makeMessage({ type: "snapshot", from: LEADER, to: MEMBER, term, snapshot });
  return { message, data, snapshot };
}

/** A sender and a receiver; the test deals out the network between them. */
class Pair {
  nowMs = 0;
  /** In which the sender leads. */
  term = 4;
  readonly log: string[] = [];
  delivered: Message[] = [];
  toMember: Uint8Array[] = [];
  toLeader: Uint8Array[] = [];
  sent = 0;
  verdict: string | null = null;
  receiver: SnapshotReceiver;
  sender: SnapshotSender;

  readonly pieceBytes: number;

  constructor(pieceBytes: number, readonly maxBytes = 1e6) {
    this.pieceBytes = pieceBytes;
    this.sender = this.newSender();
    this.receiver = this.newReceiver();
  }

  newSender(): SnapshotSender {
    return new SnapshotSender({
      now: () => this.nowMs,
      pieceBytes: this.pieceBytes,
      send: (_, bytes) => {
        this.sent += bytes.length;
        return this.toMember.push(bytes) > 0;
      },
      progress: () => void this.log.push("progress"),
      ended: (_, ok) => void this.log.push(ok ? "arrived" : "failed"),
      refused: (_, reason) => void this.log.push(reason),
    });
  }

  newReceiver(): SnapshotReceiver {
    return new SnapshotReceiver({
      now: () => this.nowMs,
      maxBytes: this.maxBytes,
      send: (_, bytes) => void this.toLeader.push(bytes),
      objection: () => null,
      needless: () => false,
      deliver: (message) => {
        if (this.verdict === null) this.delivered.push(message);
        return this.verdict;
      },
    });
  }

  /** Delivers one frame each way, as `fate` says. */
  exchange(fate: () => "arrives" | "is lost" | "arrives twice" | "waits"): void {
    const deal = (queue: Uint8Array[], take: (message: SnapshotMessage) => void) => {
      const frame = queue.shift();
      if (frame === undefined) return;
      const what = fate();
      if (what === "waits") return void queue.push(frame);
      for (let n = what === "arrives twice" ? 2 : what === "arrives" ? 1 : 0; n > 0; n--) {
        take(decodeSnapshotMessage(frame)!);
      }
    };
    deal(this.toMember, (message) => this.receiver.took(LEADER, message));
    deal(this.toLeader, (message) => this.sender.answered(MEMBER, message));
    this.nowMs += 20;
    this.sender.tick(this.term);
    this.receiver.tick();
  }

  get over(): boolean {
    return this.log.includes("arrived") || this.log.includes("failed");
  }
}

const always = () => "arrives" as const;

test("a leader that has restarted is not answered for the transfer of its earlier life", () => {
  for (const pieces of [3, 100]) {
    const pair = new Pair(100);
    const old = snapshotMessage(1000);
    pair.sender.begin(old.message, old.snapshot);
    for (let i = 0; i < pieces && !pair.over; i++) pair.exchange(always);
    pair.sender = pair.newSender();
    pair.toMember = [];
    pair.toLeader = [];
    pair.log.length = 0;
    pair.term = 5;
    const { message, snapshot } = snapshotMessage(700, 12, pair.term);
    pair.sender.begin(message, snapshot);
    const beganMs = pair.nowMs;
    while (!pair.over) pair.exchange(always);
    expect(pair.log).toContain("arrived");
    expect(pair.delivered.at(-1)!.snapshot).toEqual(snapshot);
    expect(pair.nowMs - beganMs).toBeLessThan(1000);
  }
});

test("a snapshot arrives whole, a window at a time, and its bytes once", () => {
  const pair = new Pair(100);
  const { message, data } = snapshotMessage(1234);
  pair.sender.begin(message, message.snapshot!);
  let most = 0;
  while (!pair.over) {
    pair.exchange(always);
    most = Math.max(most, pair.toMember.length);
  }
  expect(most).toBeLessThanOrEqual(4);
  expect(pair.delivered.map(({ snapshot }) => snapshot!.data)).toEqual([data]);
  expect(pair.delivered[0]!.snapshot).toMatchObject({ index: 9, term: 3, configuration: { voters: [1, 2] } });
  expect(pair.sent).toBeLessThan(1234 + 14 * 20 + 300);
  expect(pair.receiver.size).toBe(0);
});

test("whatever a network does to frames, the snapshot arrives as it is, or its end is told", () => {
  for (let seed = 1; seed <= 300; seed++) {
    const random = seededRandom(seed);
    const pair = new Pair(1 + Math.floor(random() * 60));
    const { message, data } = snapshotMessage(1 + Math.floor(random() * 1500));
    pair.sender.begin(message, message.snapshot!);
    const loss = random() * 0.4;
    let restarts = 0;
    for (let step = 0; !pair.over; step++) {
      pair.exchange(() =>
        random() < loss
          ? (["is lost", "arrives twice", "waits"] as const)[Math.floor(random() * 3)]!
          : "arrives"
      );
      // The member is restarted, and has lost what it had.
      if (restarts < 3 && random() < 0.005) {
        restarts++;
        pair.receiver = pair.newReceiver();
      }
      expect(step).toBeLessThan(100_000);
    }
    for (const { snapshot } of pair.delivered) expect(snapshot!.data).toEqual(data);
    if (pair.log.includes("arrived")) expect(pair.delivered.length).toBeGreaterThan(0);
  }
});

test("a connection that breaks for a while costs only what was on its way", () => {
  const pair = new Pair(10);
  const { message } = snapshotMessage(1000);
  pair.sender.begin(message, message.snapshot!);
  for (let step = 0; step < 60; step++) pair.exchange(always);
  const before = pair.receiver.size;
  expect(before).toBeGreaterThan(100);
  for (let step = 0; step < 200; step++) pair.exchange(() => "is lost");
  const sent = pair.sent;
  while (!pair.over) pair.exchange(always);
  expect(pair.log.at(-1)).toBe("arrived");
  expect(pair.sent - sent).toBeLessThan((1000 - before) * 3 + 500);
});

test("a member that is restarted in the middle gets all of it again, from the beginning", () => {
  const pair = new Pair(10);
  const { message, data } = snapshotMessage(1000);
  pair.sender.begin(message, message.snapshot!);
  for (let step = 0; step < 60; step++) pair.exchange(always);
  pair.receiver = pair.newReceiver();
  while (!pair.over) pair.exchange(always);
  expect(pair.log.at(-1)).toBe("arrived");
  expect(pair.delivered.map(({ snapshot }) => snapshot!.data)).toEqual([data]);
});

test("who does not lead in that term any more sends nothing more of it", () => {
  for (const term of [null, 5]) {
    const pair = new Pair(10);
    const { message } = snapshotMessage(1000);
    pair.sender.begin(message, message.snapshot!);
    for (let step = 0; step < 20; step++) pair.exchange(always);
    pair.sender.tick(term);
    const { sent } = pair;
    for (let step = 0; step < 100; step++) pair.exchange(always);
    expect(pair.sent).toBe(sent);
    // The core of another term has not asked for this snapshot.
    expect(pair.over).toBe(false);
  }
});

test("it is given up when nothing arrives, and what was collected is forgotten", () => {
  const pair = new Pair(10);
  const { message } = snapshotMessage(1000);
  pair.sender.begin(message, message.snapshot!);
  for (let step = 0; step < 50; step++) pair.exchange(always);
  expect(pair.receiver.size).toBeGreaterThan(0);
  for (let step = 0; !pair.over; step++) {
    pair.exchange(() => "is lost");
    expect(step).toBeLessThan(600);
  }
  expect(pair.log.at(-1)).toBe("failed");
  for (let step = 0; step < 2000; step++) pair.exchange(always);
  expect(pair.receiver.size).toBe(0);
  expect(pair.delivered).toEqual([]);
});

test("one that is too large, or none, is refused with the reason, before it is collected", () => {
  const large = new Pair(100, 1000);
  const { message } = snapshotMessage(1001);
  large.sender.begin(message, message.snapshot!);
  while (!large.over) large.exchange(always);
  expect(large.log).toEqual(["a snapshot of 1001 bytes: 1 to 1000 are taken", "failed"]);
  const unreadable = new Pair(100);
  unreadable.verdict = "it cannot be read";
  unreadable.sender.begin(message, message.snapshot!);
  while (!unreadable.over) unreadable.exchange(always);
  expect(unreadable.log.slice(-2)).toEqual(["it cannot be read", "failed"]);
  expect(unreadable.receiver.size).toBe(0);
});

test("a snapshot in tiny pieces costs no more memory than twice what has come", () => {
  const pair = new Pair(100);
  const { message } = snapshotMessage(0);
  const head = encodeMessage(message);
  const total = 500_000;
  pair.receiver.took(LEADER, { kind: "begin", transfer: 1, total, head });
  Bun.gc(true);
  const before = process.memoryUsage().heapUsed;
  for (let offset = 0; offset < 200_000; offset++) {
    pair.receiver.took(LEADER, { kind: "piece", transfer: 1, offset, data: Uint8Array.of(offset) });
    pair.toLeader.length = 0;
  }
  expect(pair.receiver.size).toBeLessThanOrEqual(400_000);
  Bun.gc(true);
  expect(process.memoryUsage().heapUsed - before).toBeLessThan(4_000_000);
});

test("garbage on the channel is none of its messages, and harms nothing", () => {
  const pair = new Pair(10);
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), fc.integer({ min: 0, max: 7 }), (bytes, kind) => {
      const frame = Uint8Array.from([kind, 0, 0, 0, 0, 0, 0, 0, ...bytes]);
      const message = decodeSnapshotMessage(frame);
      if (message === null) return;
      expect(decodeSnapshotMessage(encodeSnapshotMessage(message))).toEqual(message);
      pair.receiver.took(LEADER, message);
      pair.sender.answered(MEMBER, message);
    }),
    { numRuns: 3000 },
  );
  expect(pair.delivered).toEqual([]);
  expect(pair.receiver.size).toBe(0);
});

// --- members ---

const PIECES = { snapshotEveryEntries: 8, keepEntries: 1, snapshotPieceBytes: 1000 };

function propose(cluster: TestCluster, size: number): void {
  const outcomes: ProposeOutcome[] = [];
  cluster.leader().node.propose(text("x".repeat(size)), (outcome) => outcomes.push(outcome));
  cluster.until("an outcome", () => outcomes.length > 0);
  expect(outcomes[0]!.kind).toBe("applied");
}

function caughtUp(cluster: TestCluster, member: TestMember): void {
  const { machine } = cluster.leader();
  cluster.until("it has caught up", () => member.machine.commands.length === machine.commands.length, 60_000);
  expect(member.machine.commands).toEqual(machine.commands);
}

test("a member that was away, and one that joins, are brought up in pieces while the cluster works on", () => {
  const cluster = new TestCluster(3, PIECES);
  cluster.startAll();
  const away = [...cluster.members.values()].find((one) => one !== cluster.leader())!;
  cluster.stop(away.id);
  for (let n = 0; n < 20; n++) propose(cluster, 3000);
  const back = cluster.start(away.id);
  cluster.clock.advance(20);
  propose(cluster, 10);
  caughtUp(cluster, back);
  const outcomes: AddOutcome[] = [];
  cluster.leader().node.addMember({ addr: "127.0.0.1:4", name: "n4" }, (one) => outcomes.push(one));
  cluster.until("added", () => outcomes.length > 0);
  caughtUp(cluster, cluster.join(outcomes[0], PIECES));
});

test("a snapshot that no frame can carry reaches a member, and it goes on from there after a restart", () => {
  const cluster = new TestCluster(3, { snapshotEveryEntries: 4, keepEntries: 0 });
  cluster.startAll();
  const away = [...cluster.members.values()].find((one) => one !== cluster.leader())!;
  cluster.stop(away.id);
  for (let n = 0; n < 14; n++) propose(cluster, 900_000);
  caughtUp(cluster, cluster.start(away.id));
  cluster.stop(away.id);
  const again = cluster.start(away.id);
  expect(again.machine.commands.length).toBeGreaterThan(10);
  propose(cluster, 5);
  caughtUp(cluster, again);
}, 60_000);

test("a new leader begins its own transfer; a member that was cut off in the middle gets the rest", () => {
  const cluster = new TestCluster(3, PIECES);
  cluster.startAll();
  const away = [...cluster.members.values()].find((one) => one !== cluster.leader())!;
  cluster.stop(away.id);
  for (let n = 0; n < 40; n++) propose(cluster, 3000);
  const back = cluster.start(away.id);
  cluster.clock.advance(30);
  expect(back.machine.commands.length).toBe(0);
  const first = cluster.leader();
  const other = [...cluster.members.values()].find((one) => one !== first && one !== back)!;
  first.node.transferLeadership(other.id, () => {});
  cluster.until("another leader", () => other.node.leadsWithOwnTerm());
  caughtUp(cluster, back);
});

test("a member that does not take pieces gets one message", () => {
  const cluster = new TestCluster(3, PIECES);
  const away = cluster.ids[2]!;
  for (const id of cluster.ids) cluster.start(id);
  cluster.leader();
  cluster.stop(away);
  for (let n = 0; n < 20; n++) propose(cluster, 3000);
  // The member acts as an older program: its hello ends before that, and the channel means nothing to it.
  const transport = cluster.network.transport(away);
  const seen: number[] = [];
  const back = cluster.start(away, false, undefined, {
    transport: {
      ...transport,
      send: (to, channel, payload) =>
        transport.send(to, channel, channel === ADMISSION_CHANNEL ? payload.subarray(0, -1) : payload),
      start: (handlers) =>
        transport.start({
          ...handlers,
          onFrame: (from, channel, payload) => {
            seen.push(channel);
            handlers.onFrame(from, channel, payload);
          },
        }),
    },
  });
  caughtUp(cluster, back);
  expect(seen).not.toContain(SNAPSHOT_CHANNEL);
});
