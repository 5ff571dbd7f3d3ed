import { expect, test } from "bun:test";
import fc from "fast-check";
import { advance, ailmentsOf, type Course, forget, HEALTHY } from "./course.ts";
import { DISK_CAUSES, type Symptom, symptom } from "./symptoms.ts";

const FULL = symptom("data-space", "critical", "full");
const SHORT = symptom("data-space", "warning", "short");
const HUNG = symptom("hung-disk", "critical", "hung");

/** Looks every 10 s, and what is shown after each. */
function after(looks: readonly (readonly Symptom[])[], course: Course = HEALTHY, about = DISK_CAUSES) {
  return looks.map((symptoms, index) => {
    course = advance(course, { nowMs: index * 10_000, at: `t${index}`, about, symptoms });
    return ailmentsOf(course).map(({ cause, severity, since, sinceMs }) =>
      `${cause} ${severity} ${since} ${sinceMs}`
    );
  });
}

test("one look proves nothing", () => {
  expect(after([[FULL], [], [FULL], []])).toEqual([[], [], [], []]);
});

test("what lasts is an ailment, and ends when several looks have it no more", () => {
  const shown = ["data-space critical t1 10000"];
  expect(after([[FULL], [FULL], [], [], [FULL], [], [], []])).toEqual(
    [[], shown, shown, shown, shown, shown, shown, []],
  );
});

test("an ailment that becomes worse is the same one, and so severe only from then on", () => {
  const warning = "data-space warning t1 10000";
  expect(after([[SHORT], [SHORT], [FULL], [FULL]])).toEqual(
    [[], [warning], [warning], ["data-space critical t1 30000"]],
  );
});

test("a host that stood still finds its own probe late, once", () => {
  expect(after([[HUNG], [], [HUNG], [HUNG]]).map(({ length }) => length)).toEqual([0, 0, 0, 1]);
});

test("an ailment that the latest look has not found, or not so severe, is doubted", () => {
  let course: Course = HEALTHY;
  const doubted = [[FULL], [FULL], [], [FULL], [SHORT], [FULL]].map((symptoms, nowMs) => {
    course = advance(course, { nowMs, at: "t", about: DISK_CAUSES, symptoms });
    return ailmentsOf(course)[0]?.doubted ?? false;
  });
  expect(doubted).toEqual([false, false, true, false, true, false]);
});

test("what is forgotten has to begin anew", () => {
  const look = { nowMs: 0, at: "t", about: DISK_CAUSES, symptoms: [FULL, HUNG] };
  const course = forget(advance(advance(HEALTHY, look), look), ["data-space"]);
  expect(ailmentsOf(course).map(({ cause }) => cause)).toEqual(["hung-disk"]);
  expect(ailmentsOf(advance(course, look)).map(({ cause }) => cause)).toEqual(["hung-disk"]);
});

test("a look says nothing of causes that it is not about", () => {
  const look = { nowMs: 0, at: "t", about: ["hung-disk"], symptoms: [HUNG] } as const;
  const course = advance(advance(HEALTHY, look), look);
  expect(after([[], [], [], []], course, ["postmaster-hung"]).at(-1)).toEqual(["hung-disk critical t 0"]);
});

test("whatever the looks are, a severity is shown only after two looks with it, and none after three without", () => {
  fc.assert(fc.property(fc.array(fc.constantFrom([], [FULL], [SHORT]), { maxLength: 40 }), (looks) => {
    const shown = after(looks);
    shown.forEach((now, index) => {
      const before = index === 0 ? [] : shown[index - 1]!;
      if (now[0] !== undefined && now[0] !== before[0]) {
        const both = [looks[index]![0]?.severity, looks[index - 1]?.[0]?.severity];
        expect(both).not.toContain(undefined);
        if (now[0]!.includes("critical")) expect(both).toEqual(["critical", "critical"]);
      }
      const lastThree = looks.slice(Math.max(0, index - 2), index + 1);
      if (lastThree.length === 3 && lastThree.every((look) => look.length === 0)) expect(now).toEqual([]);
    });
  }));
});
