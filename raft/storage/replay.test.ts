import { describe, expect, test } from "bun:test";
import { Replay } from "./replay.ts";
import { entry, IDENTITY } from "./testing.ts";
import type { SegmentHeader } from "./wal_format.ts";

function header(parts: Partial<SegmentHeader> = {}): SegmentHeader {
  return {
    sequence: 1,
    ...IDENTITY,
    segmentBytes: 4096,
    firstIndex: 1,
    hardState: { term: 2, vote: 1, commit: 0 },
    snapshot: { index: 0, term: 0 },
    ...parts,
  };
}

function begun(...indexes: number[]): Replay {
  const replay = new Replay(IDENTITY);
  replay.apply({ kind: "segmentHeader", header: header() }, 1);
  for (const index of indexes) replay.apply({ kind: "entry", entry: entry(1, index) }, 1);
  return replay;
}

describe("a log is refused", () => {
  test("when it is of another cluster or member, or its segments are mixed up", () => {
    const problem = (parts: Partial<SegmentHeader>) =>
      new Replay(IDENTITY).apply({ kind: "segmentHeader", header: header(parts) }, 1);
    expect(problem({})).toBeNull();
    expect(problem({ clusterId: 1 })).toBe("the segment belongs to another cluster");
    expect(problem({ nodeId: 9 })).toBe("the segment belongs to another member");
    expect(problem({ sequence: 2 })).toBe("the segment says that it is number 2");
  });

  test("when an entry is missing in between, or a segment begins elsewhere", () => {
    expect(begun(1, 2).apply({ kind: "entry", entry: entry(1, 4) }, 1)).toBe("entry 4 where 3 was expected");
    const next = { kind: "segmentHeader", header: header({ sequence: 2, firstIndex: 5 }) } as const;
    expect(begun(1, 2).apply(next, 2)).toBe("the segment begins at 5");
  });

  test("when something stands before the first header, or is truncated behind the end", () => {
    const hardState = { kind: "hardState", hardState: { term: 1, vote: 1, commit: 0 } } as const;
    expect(new Replay(IDENTITY).apply(hardState, 1)).toBe("the segment has no header");
    expect(begun(1).apply({ kind: "truncate", from: 3 }, 1)).toBe("truncation from 3 behind the end at 1");
  });
});

test("a header stands for the segments before it; those that follow only continue", () => {
  const replay = new Replay(IDENTITY);
  const first = header({ sequence: 7, firstIndex: 11, hardState: { term: 5, vote: 3, commit: 9 } });
  replay.apply({ kind: "segmentHeader", header: first }, 7);
  expect(replay).toMatchObject({ hardState: first.hardState, last: 10, first: 11 });
  replay.apply({ kind: "entry", entry: entry(5, 11) }, 7);
  replay.apply({ kind: "segmentHeader", header: header({ sequence: 8, firstIndex: 12 }) }, 8);
  expect(replay).toMatchObject({ hardState: first.hardState, last: 11 });
});
