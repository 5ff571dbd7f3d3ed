import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { DecodeError } from "./bytes.ts";
import { encodeConfiguration, makeConfiguration } from "./configuration.ts";
import {
  contextNumber,
  decodeMessage,
  encodeMessage,
  isTransferCampaign,
  makeMessage,
  numberContext,
  TRANSFER_CONTEXT,
} from "./message.ts";
import { bytesOf } from "./testing.ts";
import type { Entry, Message } from "./types.ts";

const count = fc.oneof(fc.nat(100), fc.maxSafeNat());
const term = fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER });
const id = fc.integer({ min: 1, max: 2 ** 48 });
const bytes = fc.uint8Array({ maxLength: 40 });
const configuration = fc.uniqueArray(fc.integer({ min: 1, max: 50 }), { minLength: 1, maxLength: 6 }).map((
  ids,
) => makeConfiguration(ids.slice(0, 3), ids.slice(3)));
const command = fc.oneof(
  bytes.map((data) => ({ kind: "normal" as const, data })),
  configuration.map((config) => ({ kind: "config" as const, data: encodeConfiguration(config) })),
);
const head = fc.record({
  from: id,
  to: id,
  rejectHint: count,
  reject: fc.boolean(),
  commit: count,
  context: bytes,
});

const appends: fc.Arbitrary<Message> = fc.record({
  head,
  index: fc.nat(1000),
  logTerm: fc.nat(50),
  commands: fc.array(command, { maxLength: 5 }),
  steps: fc.array(fc.nat(2), { minLength: 5, maxLength: 5 }),
}).map(({ head, index, logTerm, commands, steps }) => {
  let entryTerm = logTerm;
  const entries = commands.map((parts, at): Entry => {
    entryTerm = Math.max(1, entryTerm + steps[at]!);
    return { ...parts, index: index + 1 + at, term: entryTerm };
  });
  return makeMessage({ ...head, type: "append", term: Math.max(1, entryTerm), index, logTerm, entries });
});

const proposals: fc.Arbitrary<Message> = fc.record({
  head,
  data: fc.array(bytes, { minLength: 1, maxLength: 4 }),
}).map(({ head, data }) => {
  const entries = data.map((data): Entry => ({ kind: "normal", term: 0, index: 0, data }));
  return makeMessage({ ...head, type: "propose", entries });
});

const snapshots: fc.Arbitrary<Message> = fc.record({
  head,
  term,
  configuration,
  data: bytes,
  index: fc.integer({ min: 1, max: 10 ** 9 }),
}).map(({ head, term, configuration, data, index }) =>
  makeMessage({ ...head, type: "snapshot", term, snapshot: { index, term, configuration, data } })
);

const others: fc.Arbitrary<Message> = fc.record({
  head,
  term,
  index: count,
  logTerm: count,
  type: fc.constantFrom(
    "preVote",
    "preVoteResponse",
    "vote",
    "voteResponse",
    "appendResponse",
    "heartbeat",
    "heartbeatResponse",
    "timeoutNow",
    "transferLeader",
    "readIndex",
    "readIndexResponse",
  ),
}).map(({ head, term, ...rest }) =>
  makeMessage({ ...head, ...rest, term: rest.type === "readIndex" ? 0 : term })
);

const messages = fc.oneof(appends, proposals, snapshots, others);

function expectRefused(encoded: Uint8Array): void {
  expect(() => decodeMessage(encoded)).toThrow(DecodeError);
}

describe("message codec", () => {
  test("what was encoded is decoded", () => {
    fc.assert(fc.property(messages, (message) => {
      expect(decodeMessage(encodeMessage(message))).toEqual(message);
    }));
  });

  test("decoded bytes do not alias the buffer they came from", () => {
    const entries: Entry[] = [{ term: 0, index: 0, kind: "normal", data: bytesOf("command") }];
    const encoded = encodeMessage(makeMessage({ type: "propose", from: 1, to: 2, entries }));
    const decoded = decodeMessage(encoded);
    encoded.fill(0);
    expect(decoded.entries[0]!.data).toEqual(bytesOf("command"));
  });

  test("every cut, and every byte too many, is refused", () => {
    fc.assert(
      fc.property(
        messages,
        fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
        (message, part) => {
          const encoded = encodeMessage(message);
          expectRefused(encoded.slice(0, Math.floor(part * encoded.length)));
          expectRefused(new Uint8Array([...encoded, 0]));
        },
      ),
    );
  });

  test("changed bytes give a valid message or a DecodeError, nothing else", () => {
    const change = fc.record({ at: fc.nat(), to: fc.nat(255) });
    fc.assert(
      fc.property(messages, fc.array(change, { minLength: 1, maxLength: 3 }), (message, changes) => {
        const encoded = encodeMessage(message);
        for (const { at, to } of changes) encoded[at % encoded.length] = to;
        try {
          expect(encodeMessage(decodeMessage(encoded))).toEqual(encoded);
        } catch (error) {
          expect(error).toBeInstanceOf(DecodeError);
        }
      }),
      { numRuns: 500 },
    );
  });

  test("random bytes are refused", () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (garbage) => {
      try {
        expect(encodeMessage(decodeMessage(garbage))).toEqual(garbage);
      } catch (error) {
        expect(error).toBeInstanceOf(DecodeError);
      }
    }));
  });

  test("a length of four billion in a short message is refused before anything is allocated", () => {
    const encoded = encodeMessage(makeMessage({ type: "append", from: 1, to: 2, term: 1 }));
    encoded.fill(0xff, encoded.length - 4);
    expectRefused(encoded);
  });

  test("entries with gaps, of decreasing or of later terms are refused", () => {
    const entry = (index: number, term: number): Entry => ({
      index,
      term,
      kind: "normal",
      data: bytesOf(""),
    });
    const append = (entries: Entry[], logTerm = 1) =>
      encodeMessage(makeMessage({ type: "append", from: 1, to: 2, term: 3, index: 4, logTerm, entries }));
    expectRefused(append([entry(6, 2)]));
    expectRefused(append([entry(5, 2), entry(7, 2)]));
    expectRefused(append([entry(5, 2), entry(6, 1)]));
    expectRefused(append([entry(5, 4)]));
    expectRefused(append([entry(5, 1)], 2));
    expect(decodeMessage(append([entry(5, 1), entry(6, 3)])).entries.length).toBe(2);
  });

  test("a config entry whose data is no configuration is refused", () => {
    const entries: Entry[] = [{ index: 1, term: 1, kind: "config", data: bytesOf("nonsense") }];
    expectRefused(encodeMessage(makeMessage({ type: "append", from: 1, to: 2, term: 1, entries })));
  });

  test("only proposals and reads come without a term", () => {
    expectRefused(encodeMessage(makeMessage({ type: "appendResponse", from: 1, to: 2, index: 7 })));
    expectRefused(encodeMessage(makeMessage({ type: "readIndex", from: 1, to: 2, term: 4 })));
  });

  test("a snapshot message without a snapshot, and a snapshot in another message, are refused", () => {
    const snapshot = { index: 1, term: 1, configuration: makeConfiguration([1]), data: bytesOf("") };
    expectRefused(encodeMessage(makeMessage({ type: "snapshot", from: 1, to: 2, term: 1 })));
    expectRefused(encodeMessage(makeMessage({ type: "heartbeat", from: 1, to: 2, term: 1, snapshot })));
  });
});

describe("contexts", () => {
  test("a number survives; anything else is no number", () => {
    fc.assert(fc.property(fc.maxSafeNat(), (value) => {
      expect(contextNumber(numberContext(value))).toBe(value);
    }));
    expect(contextNumber(bytesOf(""))).toBeNull();
    expect(contextNumber(new Uint8Array(8).fill(0xff))).toBeNull();
  });

  test("only the exact mark makes a campaign a transfer", () => {
    const vote = makeMessage({ type: "vote", from: 1, to: 2, term: 1 });
    expect(isTransferCampaign({ ...vote, context: TRANSFER_CONTEXT })).toBe(true);
    expect(isTransferCampaign(vote)).toBe(false);
    expect(isTransferCampaign({ ...vote, context: bytesOf("transfeR") })).toBe(false);
  });
});
