import { expect, test } from "bun:test";
import { compareHistories, type LocalPosition, type OtherHistory } from "./history.ts";
import { stretchesBeyond } from "./parting.ts";

const OTHER: OtherHistory = {
  systemId: "7",
  timeline: 3,
  lsn: 900,
  history: [[1, 100, ""], [2, 200, ""]],
  inRecovery: false,
};
const at = (timeline: number, lsn: number, part: Partial<LocalPosition> = {}): LocalPosition => ({
  systemId: "7",
  timeline,
  lsn,
  wroteAlone: null,
  history: OTHER.history.filter(([parent]) => parent < timeline),
  ...part,
});
const stretch = (timeline: number, from: number, to: number) => ({ timeline, from, to });

const TABLE: readonly (readonly [string, LocalPosition, Partial<OtherHistory>, unknown])[] = [
  ["a former primary, beyond the switch", at(1, 130), {}, [stretch(1, 100, 130)]],
  ["the same on the timeline in between", at(2, 260), {}, [stretch(2, 200, 260)]],
  ["one whose history file is gone", at(2, 260, { history: [] }), {}, [stretch(2, 200, 260)]],
  ["one that ended at the switch", at(1, 100), {}, null],
  ["one that is behind the switch", at(1, 90), {}, []],
  [
    "one that was promoted to a timeline of its own, and left the old one later",
    at(2, 150, { history: [[1, 120, ""]] }),
    {},
    [stretch(1, 100, 120), stretch(2, 120, 150)],
  ],
  [
    "one that left the old one earlier",
    at(2, 150, { history: [[1, 80, ""]] }),
    {},
    [stretch(2, 80, 150)],
  ],
  [
    "one that left it at the same place, for a timeline of its own",
    at(4, 150, { history: [[1, 100, ""]] }),
    {},
    [stretch(4, 100, 150)],
  ],
  [
    "a standby promoted by hand, while the primary is where it was",
    at(2, 150, { history: [[1, 80, ""]], wroteAlone: 2 }),
    { timeline: 1, history: [] },
    [stretch(2, 80, 150)],
  ],
  [
    "the same, beside a primary that went back and wrote on",
    at(2, 150, { history: [[1, 80, ""]] }),
    { timeline: 1, history: [], lsn: 60 },
    null,
  ],
  ["both on one timeline, this one further", at(3, 950), {}, null],
  ["both on one timeline, and not with the same WAL", at(3, 850), {}, null],
  ["a timeline that the other never had", at(9, 950, { history: [] }), {}, null],
  ["one that wrote without the lock on a timeline that both have", at(1, 130, { wroteAlone: 1 }), {}, null],
  ["the same behind the switch", at(1, 90, { wroteAlone: 1 }), {}, null],
  ["one whose mark of that cannot be read", at(1, 130, { wroteAlone: 0 }), {}, null],
  ["one that wrote so later only", at(1, 130, { wroteAlone: 2 }), {}, [stretch(1, 100, 130)]],
];
for (const [name, local, other, expected] of TABLE) {
  test(`${name}: ${expected === null ? "where they part does not show" : "what it has beyond"}`, () =>
    expect(stretchesBeyond(local, { ...OTHER, ...other })).toEqual(expected as never));
}

test("whatever two histories are, what is lost is in order, not empty, and the verdict agrees", () => {
  const ends = [50, 100, 150];
  for (const first of ends) {
    for (const second of ends.filter((end) => end >= first)) {
      for (const lsn of [40, 100, 120, 200]) {
        for (const timeline of [1, 2, 3]) {
          const history = ([[1, first, ""], [2, second, ""]] as const).slice(0, timeline - 1);
          if (lsn <= (history.at(-1)?.[1] ?? 0)) continue;
          const local = at(timeline, lsn, { history });
          const found = stretchesBeyond(local, OTHER);
          const { verdict } = compareHistories(local, OTHER);
          if (verdict === "same") expect(found ?? []).toEqual([]);
          else expect([timeline, history, lsn, found?.length ?? 1]).not.toContain(0);
          for (const [at, { from, to }] of (found ?? []).entries()) {
            expect(from).toBeLessThan(to);
            if (at > 0) expect(from).toBe(found![at - 1]!.to);
          }
        }
      }
    }
  }
});
