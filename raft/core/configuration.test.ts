import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { DecodeError } from "./bytes.ts";
import {
  changeConfiguration,
  type ConfigChange,
  decodeConfiguration,
  encodeConfiguration,
  makeConfiguration,
  MAX_NODE_ID,
} from "./configuration.ts";
import { majority } from "./quorum.ts";

const configurations = fc.uniqueArray(fc.integer({ min: 1, max: MAX_NODE_ID }), { maxLength: 9 })
  .chain((ids) =>
    fc.nat(ids.length).map((split) => makeConfiguration(ids.slice(0, split), ids.slice(split)))
  );

describe("configuration codec", () => {
  test("what was encoded is decoded", () => {
    fc.assert(fc.property(configurations, (configuration) => {
      expect(decodeConfiguration(encodeConfiguration(configuration))).toEqual(configuration);
    }));
  });

  test("garbage, cut and longer bytes are refused with a DecodeError", () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
      try {
        expect(encodeConfiguration(decodeConfiguration(bytes))).toEqual(bytes);
      } catch (error) {
        expect(error).toBeInstanceOf(DecodeError);
      }
    }));
    const whole = encodeConfiguration(makeConfiguration([1, 2, 3], [4]));
    for (let length = 0; length < whole.length; length++) {
      expect(() => decodeConfiguration(whole.slice(0, length))).toThrow(DecodeError);
    }
    expect(() => decodeConfiguration(new Uint8Array([...whole, 0]))).toThrow(DecodeError);
  });

  test("ids out of order, twice, or in both lists are refused", () => {
    for (const [voters, learners] of [[[2, 1], []], [[1, 1], []], [[1, 2], [2]], [[0], []]] as const) {
      const bytes = encodeConfiguration({ voters, learners });
      expect(() => decodeConfiguration(bytes)).toThrow(DecodeError);
    }
  });
});

describe("changeConfiguration", () => {
  const three = makeConfiguration([1, 2, 3], [4]);
  const change = (kind: ConfigChange["kind"], id: number) => changeConfiguration(three, { kind, id });

  test("adds learners, promotes them, removes members", () => {
    expect(change("addLearner", 5)).toEqual(makeConfiguration([1, 2, 3], [4, 5]));
    expect(change("promote", 4)).toEqual(makeConfiguration([1, 2, 3, 4]));
    expect(change("remove", 2)).toEqual(makeConfiguration([1, 3], [4]));
    expect(change("remove", 4)).toEqual(makeConfiguration([1, 2, 3]));
  });

  test("refuses what makes no sense", () => {
    expect(change("addLearner", 4)).toBe("alreadyMember");
    expect(change("addLearner", 1)).toBe("alreadyMember");
    expect(change("promote", 9)).toBe("notLearner");
    expect(change("promote", 1)).toBe("alreadyMember");
    expect(change("remove", 9)).toBe("notMember");
    expect(changeConfiguration(makeConfiguration([1]), { kind: "remove", id: 1 })).toBe("lastVoter");
  });

  test("every majority before a change shares a voter with every majority after it", () => {
    const kinds = fc.constantFrom("addLearner", "promote", "remove");
    fc.assert(fc.property(configurations, kinds, fc.nat(8), (before, kind, at) => {
      const ids = [...before.voters, ...before.learners, 77];
      const after = changeConfiguration(before, { kind, id: ids[at % ids.length]! });
      if (typeof after === "string" || before.voters.length === 0) return;
      const all = new Set([...before.voters, ...after.voters]);
      expect(majority(before.voters.length) + majority(after.voters.length)).toBeGreaterThan(all.size);
    }));
  });
});
