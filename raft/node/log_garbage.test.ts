/** No sequence of entries, whatever their bytes, ends a member or makes two members differ. */
import { expect, test } from "bun:test";
import { encodeMessage, makeMessage } from "../core/message.ts";
import { seededRandom } from "../core/seeded_random.ts";
import type { Entry } from "../core/types.ts";
import type { ProposeOutcome } from "./api.ts";
import { encodeEnvelope, type Envelope } from "./envelope.ts";
import { MEMBERS_CHANNEL } from "./member_messages.ts";
import { ReplicatedState } from "./replicated_state.ts";
import { ListMachine, TestCluster, text } from "./testing.ts";
import { borderTest } from "../testing.ts";
import { UnreadableSnapshotError } from "./unreadable_snapshot.ts";

/** Random bytes, and mutations of entries that members propose. */
function garbage(random: () => number): Uint8Array {
  const below = (n: number) => Math.floor(random() * n);
  const bytesOf = (length: number) => Uint8Array.from({ length }, () => below(256));
  if (below(4) === 0) return bytesOf(below(80));
  const kinds: Envelope[] = [
    {
      kind: "command",
      origin: 1 + below(5),
      incarnation: below(3),
      seq: 1 + below(9),
      floor: 1,
      command: bytesOf(below(20)),
    },
    { kind: "joined", member: below(4), instance: below(9) },
    { kind: "forget", member: below(9) },
    {
      kind: "member",
      record: {
        id: 1 + below(9),
        name: `n${below(9)}`,
        addr: `h:${below(80_000)}`,
        votes: below(2) === 0,
        replaces: below(9),
      },
    },
  ];
  const bytes = encodeEnvelope(kinds[below(kinds.length)]!);
  for (let flips = below(4); flips > 0; flips--) bytes[below(bytes.length)] = below(256);
  return below(5) === 0 ? bytes.subarray(0, below(bytes.length)) : bytes;
}

/** Kind of the version record, which stops an older program by design: only leaders write it. */
const VERSION_KIND = 5;

/** Entries of one log; each log begins anew, because the compared state grows with it. */
const ENTRIES_OF_A_LOG = 10_000;

borderTest("an entry of the log, and a snapshot of the state goes on as the state does", 10_000, (inputs) => {
  const random = seededRandom(5);
  for (let done = 0; inputs.wants(done); done += ENTRIES_OF_A_LOG) {
    const state = new ReplicatedState(new ListMachine(), 1);
    let twin = new ReplicatedState(new ListMachine(), 1);
    for (let index = 1; index <= ENTRIES_OF_A_LOG; index++) {
      const data = garbage(random);
      if (data[0] === VERSION_KIND) continue;
      const entry: Entry = { term: 1, index, kind: "normal", data };
      const { kind } = twin.apply(entry);
      let applied: string | null = null;
      inputs.tried(() => applied ??= state.apply(entry).kind);
      expect(applied!).toBe(kind);
      if (index % 500 !== 0) continue;
      const snapshot = state.snapshot();
      expect(snapshot).toEqual(twin.snapshot());
      expect(state.snapshotFlaw(snapshot)).toBeNull();
      twin = new ReplicatedState(new ListMachine(), 1);
      twin.restore(snapshot, index);
    }
  }
});

borderTest("a snapshot: one that is none is refused, one that passes the check restores", 2000, (inputs) => {
  const random = seededRandom(6);
  const source = new ReplicatedState(new ListMachine(), 1);
  for (let index = 1; index <= 200; index++) {
    const data = garbage(random);
    if (data[0] !== VERSION_KIND) source.apply({ term: 1, index, kind: "normal", data });
  }
  const snapshot = source.snapshot();
  for (let n = 0; inputs.wants(n); n++) {
    const bytes = snapshot.slice(0, random() < 0.2 ? Math.floor(random() * snapshot.length) : undefined);
    bytes[Math.floor(random() * bytes.length)] = Math.floor(random() * 256);
    inputs.tried(() => {
      const state = new ReplicatedState({
        ...new ListMachine(),
        apply: () => 0,
        snapshot: () => bytes,
        restore: () => {},
      }, 1);
      if (state.snapshotFlaw(bytes) === null) restoreOrUpgrade(state, bytes);
      else expect(() => state.restore(bytes, 1)).toThrow(UnreadableSnapshotError);
    });
  }
});

function restoreOrUpgrade(state: ReplicatedState, bytes: Uint8Array): void {
  try {
    state.restore(bytes, 1);
  } catch (error) {
    // The flip has hit a digit of the version.
    expect(String(error)).toContain("upgrade this member");
  }
}

test("what a member passes on is judged by the leader: garbage is not appended, and everybody lives", () => {
  const cluster = new TestCluster(3);
  cluster.startAll();
  const leader = cluster.leader();
  const follower = [...cluster.members.values()].find((one) => one !== leader)!;
  const before = leader.node.status().lastIndex;
  const pass = (data: Uint8Array) => {
    const entries = [{ term: 0, index: 0, kind: "normal" as const, data }];
    follower.node.send(
      leader.id,
      0,
      encodeMessage(makeMessage({ type: "propose", from: follower.id, to: leader.id, entries })),
    );
    cluster.clock.advance(20);
  };
  const record = { id: 99, name: "x", addr: "10.55.0.9:70000", votes: true, replaces: 0 };
  pass(new Uint8Array([99, 1, 2]));
  pass(encodeEnvelope({ kind: "version", version: 2 }));
  pass(encodeEnvelope({ kind: "member", record }));
  pass(
    encodeEnvelope({
      kind: "command",
      origin: leader.id,
      incarnation: 1,
      seq: 1,
      floor: 1,
      command: text("x"),
    }),
  );
  follower.node.send(
    leader.id,
    MEMBERS_CHANNEL,
    text(JSON.stringify({ kind: "request", seq: 1, operation: { kind: "add", record } })),
  );
  cluster.clock.advance(3000);
  expect(leader.node.status().lastIndex).toBe(before);
  // One line a minute is written, however much comes.
  expect(leader.logged.filter(({ event }) => event === "raft_garbage").length).toBe(1);
  const outcomes: ProposeOutcome[] = [];
  follower.node.propose(text("goes on"), (outcome) => outcomes.push(outcome));
  cluster.until("applied", () => outcomes[0]?.kind === "applied");
});
