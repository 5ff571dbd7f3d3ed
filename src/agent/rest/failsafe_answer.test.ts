import { expect, test } from "bun:test";
import { answerFailsafe, type FailsafeParts } from "./failsafe_answer.ts";

const REQUEST = { name: "a", connUrl: "x", apiUrl: "y", slots: {}, epoch: 3, to: "b", node: 2 };

function answered(request: Partial<typeof REQUEST> | { epoch: null }, change: Partial<FailsafeParts> = {}) {
  return answerFailsafe({ ...REQUEST, ...request }, {
    leads: false,
    answer: () => ({ kind: "accepted" }),
    position: () => 1000,
    ...change,
  });
}

test("a request without a lease is refused, and by a leader in Patroni's words", () => {
  expect(answered({ epoch: null })).toMatchObject({ kind: "refused" });
  expect(answered({ epoch: null }, { leads: true })).toEqual({ kind: "running-as-leader" });
});

test("a request about a lease is judged, and accepted with the position", () => {
  expect(answered({})).toEqual({ kind: "accepted", lsn: 1000 });
  expect(answered({}, { position: () => null })).toEqual({ kind: "accepted", lsn: null });
  const refused = { kind: "refused", reason: "no" } as const;
  expect(answered({}, { answer: () => refused, leads: true })).toEqual(refused);
});
