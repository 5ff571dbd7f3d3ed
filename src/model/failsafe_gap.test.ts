import { expect, test } from "bun:test";
import { failsafeGap, type FailsafeGapView } from "./failsafe_gap.ts";
import type { DcsState, MemberFacts } from "./records.ts";

const addr = (name: string) => `10.0.0.${name}:7800`;

function view(
  members: readonly string[],
  voters: readonly string[],
  unheard: readonly string[] = [],
): FailsafeGapView {
  const facts = Object.fromEntries(
    members.map((name) => [name, { name, raftAddr: addr(name) } as MemberFacts]),
  );
  const lock = { holder: members[0] ?? null } as DcsState["lock"];
  return {
    enabled: true,
    state: { lock, members: facts },
    voters: voters.map((name) => ({ addr: addr(name), heard: !unheard.includes(name) })),
  };
}

test("a cluster whose members have all joined lacks nothing, whoever is away at the moment", () => {
  expect(failsafeGap(view(["1", "2", "3"], ["1", "2", "3"]))).toBeNull();
  expect(failsafeGap(view(["1", "2", "3"], ["1", "2", "3"], ["3"]))).toBeNull();
  // The third voter is a witness.
  expect(failsafeGap(view(["1", "2"], ["1", "2", "3"]))).toBeNull();
});

test("with one member nobody can be asked", () => {
  expect(failsafeGap(view(["1"], ["1"]))).toContain("no other member with PostgreSQL has joined");
  expect(failsafeGap(view(["1"], ["1", "2", "3"], ["3"]))).toContain("(never seen so far: 10.0.0.3:7800)");
});

test("a voter that was never up is named", () => {
  expect(failsafeGap(view(["1", "2"], ["1", "2", "3"], ["3"]))).toStartWith(
    "never seen so far: 10.0.0.3:7800. It counts for raft's majority of 3 voters",
  );
});

test("nothing is said where failsafe mode is off or nobody holds the lock", () => {
  expect(failsafeGap({ ...view(["1"], ["1"]), enabled: false })).toBeNull();
  expect(failsafeGap(view([], ["1"]))).toBeNull();
  expect(failsafeGap({ ...view(["1"], ["1"]), state: null })).toBeNull();
});
