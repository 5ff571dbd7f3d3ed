import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { majority, majorityIndex, tally } from "./quorum.ts";
import type { NodeId } from "./types.ts";

const voterIds = fc.uniqueArray(fc.integer({ min: 1, max: 20 }), { minLength: 1, maxLength: 7 });

function subsets(ids: readonly NodeId[]): NodeId[][] {
  return ids.reduce<NodeId[][]>((all, id) => [...all, ...all.map((subset) => [...subset, id])], [[]]);
}

describe("majority", () => {
  test("two majorities of the same voters always share one", () => {
    for (let voters = 1; voters <= 9; voters++) expect(2 * majority(voters)).toBeGreaterThan(voters);
  });
});

describe("majorityIndex", () => {
  test("is the highest index that some majority has reached in full", () => {
    fc.assert(
      fc.property(voterIds, fc.array(fc.nat(9), { minLength: 7, maxLength: 7 }), (voters, indexes) => {
        const reached = (id: NodeId) => indexes[voters.indexOf(id)]!;
        const perMajority = subsets(voters)
          .filter((subset) => subset.length > voters.length / 2)
          .map((subset) => Math.min(...subset.map(reached)));
        expect(majorityIndex(voters, reached)).toBe(Math.max(...perMajority));
      }),
    );
  });

  test("is 0 without voters: nobody commits nothing", () => {
    expect(majorityIndex([], () => 5)).toBe(0);
  });
});

describe("tally", () => {
  const ballot = fc.constantFrom(true, false, undefined);

  test("is won when some majority granted, lost when none can any more", () => {
    fc.assert(fc.property(voterIds, fc.array(ballot, { minLength: 7, maxLength: 7 }), (voters, ballots) => {
      const votes = new Map<NodeId, boolean>();
      voters.forEach((id, at) => {
        const vote = ballots[at];
        if (vote !== undefined) votes.set(id, vote);
      });
      const majorities = subsets(voters).filter((subset) => subset.length > voters.length / 2);
      const won = majorities.some((subset) => subset.every((id) => votes.get(id) === true));
      const open = majorities.some((subset) => subset.every((id) => votes.get(id) !== false));
      expect(tally(voters, votes)).toBe(won ? "won" : open ? "pending" : "lost");
    }));
  });

  test("does not count votes of strangers", () => {
    expect(tally([1, 2, 3], new Map([[1, true], [8, true], [9, true]]))).toBe("pending");
  });

  test("is lost without voters", () => {
    expect(tally([], new Map([[1, true]]))).toBe("lost");
  });
});
