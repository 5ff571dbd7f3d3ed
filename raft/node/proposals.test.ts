import { expect, test } from "bun:test";
import type { Proposal } from "../core/outcome.ts";
import type { ProposeOutcome } from "./api.ts";
import { decodeEnvelope } from "./envelope.ts";
import { Proposals } from "./proposals.ts";
import { text } from "./testing.ts";

/** Proposals on a leader of term 5 whose log ends at 10. */
function newProposals() {
  const world = { busy: false, leads: true, nowMs: 0, refuseTogether: false };
  const log: string[][] = [];
  let lastIndex = 10;
  const append = (commands: readonly Uint8Array[]): Proposal => {
    lastIndex += commands.length;
    log.push(commands.map((data) => {
      const envelope = decodeEnvelope(data);
      return envelope?.kind === "command"
        ? `${new TextDecoder().decode(envelope.command)}:${envelope.floor}`
        : "?";
    }));
    return { kind: "appended", index: lastIndex, term: 5 };
  };
  const proposals = new Proposals({
    origin: 1,
    incarnation: 7,
    now: () => world.nowMs,
    propose: (data) => append([data]),
    proposeAll: (data) =>
      world.refuseTogether ? { kind: "dropped", reason: "tooMuchUncommitted" } : append(data),
    busy: () => world.leads && world.busy,
    leadingTerm: () => world.leads ? 5 : null,
    later: (run) => run(),
  });
  const outcomes: ProposeOutcome[] = [];
  const add = (command: string, onlyInTerm: number | null = null) =>
    proposals.add(text(command), (outcome) => outcomes.push(outcome), { onlyInTerm, timeoutMs: 1000 });
  return { world, log, proposals, outcomes, add };
}

test("a command alone goes at once; those that come during a write go together after it", () => {
  const { world, log, proposals, add } = newProposals();
  add("a");
  world.busy = true;
  add("b");
  add("c");
  add("d");
  proposals.flush();
  expect(log).toEqual([["a:1"]]);
  world.busy = false;
  proposals.flush();
  expect(log).toEqual([["a:1"], ["b:1", "c:1", "d:1"]]);
});

test("each of them is known by its own place: what is overwritten there is rejected", () => {
  const { world, proposals, outcomes, add } = newProposals();
  world.busy = true;
  add("a", 5);
  add("b", 5);
  world.busy = false;
  proposals.flush();
  proposals.passed(11, 5);
  expect(outcomes).toEqual([]);
  proposals.passed(12, 6);
  expect(outcomes).toEqual([{ kind: "rejected", reason: "leadership was lost before it was committed" }]);
});

test("what is refused together is tried one by one", () => {
  const { world, log, proposals, add } = newProposals();
  Object.assign(world, { busy: true, refuseTogether: true });
  add("a");
  add("b");
  world.busy = false;
  proposals.flush();
  expect(log).toEqual([["a:1"], ["b:1"]]);
});

test("what waited when leadership was lost is forwarded, or rejected if it was for that term only", () => {
  const { world, log, proposals, outcomes, add } = newProposals();
  world.busy = true;
  add("a");
  add("b", 5);
  world.leads = false;
  proposals.leaderChanged();
  expect(log).toEqual([["a:1"]]);
  expect(outcomes).toEqual([{ kind: "rejected", reason: "this node does not lead in term 5" }]);
});

test("what waits behind a disk that hangs was never sent: it is rejected when its time is over", () => {
  const { world, log, proposals, outcomes, add } = newProposals();
  world.busy = true;
  add("a");
  world.nowMs = 500;
  proposals.tick();
  expect(log).toEqual([]);
  world.nowMs = 1000;
  proposals.tick();
  expect(outcomes).toEqual([{ kind: "rejected", reason: "the log's disk did not answer" }]);
  world.busy = false;
  proposals.flush();
  expect(log).toEqual([]);
});
