import { expect, test } from "bun:test";
import fc from "fast-check";
import {
  decodeQuestion,
  decodeVisitAnswer,
  encodeQuestion,
  encodeVisitAnswer,
  type VisitAnswer,
  type VisitQuestion,
} from "./visit_messages.ts";

const text = fc.string({ maxLength: 60, unit: "grapheme" });
const count = fc.nat({ max: Number.MAX_SAFE_INTEGER });
const name = fc.option(fc.string({ minLength: 1, maxLength: 60 }));

const question: fc.Arbitrary<VisitQuestion> = fc.oneof(
  fc.record({ kind: fc.constant("ask" as const), addr: text }),
  fc.record({ kind: fc.constant("join" as const), addr: text, name, votes: fc.boolean() }),
);
const answer: fc.Arbitrary<VisitAnswer> = fc.oneof(
  fc.record({ kind: fc.constant("founding" as const), founded: count, addresses: fc.array(text) }),
  fc.record({
    kind: fc.constant("member" as const),
    clusterId: count,
    founded: count,
    leaderAddr: name,
    seat: fc.constantFrom("none" as const, "founder" as const, "added" as const, "used" as const),
  }),
  fc.record({
    kind: fc.constant("joined" as const),
    clusterId: count,
    founded: count,
    id: fc.integer({ min: 1, max: 2 ** 48 }),
    members: fc.array(fc.record({ id: count, name, addr: text })),
  }),
  fc.record({ kind: fc.constant("refused" as const), reason: text }),
  fc.record({ kind: fc.constant("refused" as const), reason: text, final: fc.constant(true as const) }),
);

test("questions and answers survive the wire", () => {
  fc.assert(fc.property(question, (value) => expect(decodeQuestion(encodeQuestion(value))).toEqual(value)));
  fc.assert(
    fc.property(answer, (value) => expect(decodeVisitAnswer(encodeVisitAnswer(value))).toEqual(value)),
  );
});

test("garbage, and messages cut or changed anywhere, are nothing or another message, never an exception", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
    decodeQuestion(bytes);
    decodeVisitAnswer(bytes);
  }));
  fc.assert(fc.property(answer, fc.nat(), fc.nat(255), (value, at, byte) => {
    const bytes = encodeVisitAnswer(value);
    expect(decodeVisitAnswer(bytes.subarray(0, at % bytes.length))).toBeNull();
    bytes[at % bytes.length] = byte;
    decodeVisitAnswer(bytes);
  }));
});
