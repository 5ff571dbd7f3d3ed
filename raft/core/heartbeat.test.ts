/** Heartbeats that need no answer: none is asked for twice, and every bound that answers serve is kept. */
import { describe, expect, test } from "bun:test";
import { bytesOf, flush, makeLeader, message, newNode, type TestOptions } from "./testing.ts";
import type { RawNode } from "./raw_node.ts";
import type { Message, NodeId } from "./types.ts";

const QUIET: TestOptions = { quietHeartbeats: true, electionTicks: 12, heartbeatTicks: 4 };

function settled(options: TestOptions = QUIET): RawNode {
  const node = newNode(1, [1, 2, 3], options);
  makeLeader(node, [2, 3]);
  for (const from of [2, 3]) {
    node.step(message("appendResponse", from, { term: node.term, index: node.lastIndex }));
  }
  flush(node);
  return node;
}

/** Lets `from` answer the heartbeats that ask for it. */
function answer(node: RawNode, heartbeats: readonly Message[]): void {
  for (const { to: from, term, context, reject } of heartbeats) {
    if (!reject) node.step(message("heartbeatResponse", from, { term, context }));
  }
}

const toMember = (sent: readonly Message[], id: NodeId) =>
  sent.filter(({ type, to }) => type === "heartbeat" && to === id);

/** Ticks on, with answers of both or of member 3 alone; returns at which ticks member 2 was asked. */
function run(node: RawNode, ticks: number, silent = false): { asked: number[]; quiet: number[] } {
  const found = { asked: [] as number[], quiet: [] as number[] };
  for (let tick = 1; tick <= ticks; tick++) {
    node.tick();
    const sent = flush(node);
    for (const { reject } of toMember(sent, 2)) found[reject ? "quiet" : "asked"].push(tick);
    answer(node, silent ? toMember(sent, 3) : sent.filter(({ type }) => type === "heartbeat"));
    flush(node);
  }
  return found;
}

describe("what a leader asks", () => {
  test("at rest one heartbeat in three needs no answer, and none is left out", () => {
    const { asked, quiet } = run(settled(), 240);
    expect([...asked, ...quiet].sort((a, b) => a - b)).toEqual(
      Array.from({ length: 60 }, (_, i) => 4 * i + 4),
    );
    expect(quiet.length).toBe(20);
  });

  test("without the option every heartbeat", () => {
    expect(run(settled({ ...QUIET, quietHeartbeats: false }), 240).quiet).toEqual([]);
  });

  test("a member that does not answer, every time until it does", () => {
    const node = settled();
    run(node, 24);
    const { quiet } = run(node, 48, true);
    // What it was asked last before it fell silent may still be fresh.
    expect(quiet.every((tick) => tick <= 4)).toBe(true);
    expect(run(node, 48).quiet.length).toBeGreaterThan(2);
  });

  test("a member that lacks entries or is probed, every time", () => {
    const lacking = settled();
    run(lacking, 24);
    lacking.propose(bytesOf("one"));
    expect(run(lacking, 24).quiet).toEqual([]);
    const probed = settled();
    run(probed, 24);
    probed.reportUnreachable(2);
    expect(run(probed, 8, true).quiet).toEqual([]);
  });

  test("for a read, all", () => {
    const node = settled();
    run(node, 24);
    node.readIndex();
    const beats = flush(node).filter(({ type }) => type === "heartbeat");
    expect(beats.map(({ to, reject }) => [to, reject])).toEqual([[2, false], [3, false]]);
  });
});

describe("bounds", () => {
  for (
    const [heartbeatTicks, electionTicks] of [[4, 12], [2, 12], [1, 10], [3, 10], [4, 9], [9, 10]] as const
  ) {
    test(`answers come within an election timeout (${heartbeatTicks} of ${electionTicks}), with reads at any time`, () => {
      for (let every = 3; every < 30; every++) {
        const node = settled({ ...QUIET, heartbeatTicks, electionTicks });
        let lastTick = 0;
        for (let tick = 1; tick <= 300; tick++) {
          node.tick();
          if (tick % every === 0) node.readIndex();
          const beats = flush(node).filter(({ type }) => type === "heartbeat");
          if (beats.some(({ to, reject }) => to === 2 && !reject)) lastTick = tick;
          expect(tick - lastTick).toBeLessThan(electionTicks);
          answer(node, beats);
          flush(node);
        }
        expect(node.role).toBe("leader");
      }
    });
  }

  test("a leader that hears nobody steps down at the same tick as one that asks always", () => {
    const downAt = (quietHeartbeats: boolean, heardTicks: number) => {
      const node = settled({ ...QUIET, quietHeartbeats });
      run(node, heardTicks);
      let ticks = 0;
      while (node.role === "leader" && ticks < 100) {
        node.tick();
        flush(node);
        ticks++;
      }
      return ticks;
    };
    // Right after an answer, both count it within the same window.
    for (let heardTicks = 0; heardTicks < 60; heardTicks++) {
      const [quiet, loud] = [downAt(true, heardTicks), downAt(false, heardTicks)];
      expect([heardTicks, quiet]).toEqual([heardTicks, loud]);
      expect(quiet).toBeLessThanOrEqual(24);
    }
  });

  test("a leader that hears a majority leads on, whichever answers are lost", () => {
    for (let lost = 0; lost < 3; lost++) {
      const node = settled();
      let beat = 0;
      for (let tick = 0; tick < 600; tick++) {
        node.tick();
        const beats = flush(node).filter(({ type, to, reject }) =>
          type === "heartbeat" && to === 2 && !reject
        );
        if (beats.length > 0 && beat++ % 3 !== lost) answer(node, beats);
        flush(node);
      }
      expect(node.role).toBe("leader");
    }
  });
});

test("a follower does not answer a quiet heartbeat, and has heard its leader all the same", () => {
  const node = newNode(2, [1, 2, 3], QUIET);
  for (let tick = 0; tick < 100; tick++) {
    node.tick();
    if (tick % 4 === 0) node.step(message("heartbeat", 1, { to: 2, term: 1, reject: true }));
    expect(flush(node)).toEqual([]);
  }
  expect([node.leader, node.role]).toEqual([1, "follower"]);
  node.step(message("heartbeat", 1, { to: 2, term: 1 }));
  expect(flush(node).map(({ type }) => type)).toEqual(["heartbeatResponse"]);
});
