/**
 * What the REST interface asks to log is judged before it is proposed, and refused with what was expected.
 */
import { expect, test } from "bun:test";
import { emptyState } from "../../dcs/state_machine.ts";
import { MINIMAL, parsedConfig } from "../../config/testing.ts";
import type { JsonObject } from "../../model/json.ts";
import type { DcsState, FailoverRecord } from "../../model/records.ts";
import type { Proposer } from "../lease/proposer.ts";
import { RecordChanges } from "./record_changes.ts";

function changes(
  state: Partial<DcsState> = {},
): { readonly records: RecordChanges; readonly proposed: unknown[] } {
  const proposed: unknown[] = [];
  const proposer = {
    propose: (body: unknown, done: (outcome: { kind: "done"; revision: number }) => void) => {
      proposed.push(body);
      done({ kind: "done", revision: 1 });
      return true;
    },
  } as unknown as Proposer;
  const records = new RecordChanges({
    records: () => ({ ...emptyState(), ...state }),
    config: () => parsedConfig(MINIMAL),
    proposer,
  });
  return { records, proposed };
}

const REQUEST: FailoverRecord = {
  kind: "switchover",
  leader: "a",
  candidate: "b",
  scheduledAt: null,
  id: "",
  accepted: false,
  epoch: 0,
};

test("a request whose names or time nothing could be done with is refused, naming the field", async () => {
  const { records, proposed } = changes();
  expect(await records.requestFailover({ ...REQUEST, candidate: "x".repeat(300) })).toEqual({
    kind: "invalid",
    reason: "candidate: a text of at most 256 characters is expected, not of 300",
  });
  expect(await records.requestFailover({ ...REQUEST, scheduledAt: "tomorrow" })).toMatchObject({
    kind: "invalid",
  });
  expect(proposed).toEqual([]);
  expect(await records.requestFailover(REQUEST)).toEqual({ kind: "ok" });
});

test("a request takes the place of one that waits for its time, and of no other", async () => {
  const present = { ...REQUEST, id: "x", revision: 7 };
  const scheduledAt = "2030-01-01T00:00:00+00:00";
  for (
    const [failover, expectRevision] of [
      [{ ...present, scheduledAt }, 7],
      [{ ...present, scheduledAt, accepted: true, epoch: 3 }, null],
      [present, null],
    ] as const
  ) {
    const { records, proposed } = changes({ failover });
    await records.requestFailover(REQUEST);
    expect(proposed).toMatchObject([{ op: "setFailover", expectRevision }]);
  }
});

test("what this version does not do is refused, and does not keep a cluster that has it from being paused", async () => {
  const value = { synchronous_mode: "quorum", slots: { analytics: null } };
  for (const [key, asked] of Object.entries(value)) {
    expect(await changes().records.replaceConfig({ [key]: asked }, null)).toMatchObject({
      kind: "invalid",
      reason: expect.stringContaining(key),
    });
  }
  const { records } = changes({ config: { value, revision: 3 } });
  expect(await records.patchConfig({ pause: true }, null)).toMatchObject({ kind: "ok" });
  expect(await records.patchConfig({ standby_cluster: { host: "10.0.0.9" } }, null)).toMatchObject({
    kind: "invalid",
    reason: expect.stringMatching(/^standby_cluster/),
  });
});

test("a value that cannot be used is refused by PATCH and PUT alike, naming the key", async () => {
  const { records, proposed } = changes();
  for (const value of [{ slots: { "a\nb": null } }, { standby_cluster: { host: "a b" } }] as JsonObject[]) {
    const path = Object.keys(value)[0]!;
    const refused = await records.replaceConfig(value, null);
    expect(refused.kind === "invalid" && refused.reason).toStartWith(`${path}.`);
  }
  expect(proposed).toEqual([]);
});

test("a configuration that is too deep or too large is refused, saying how large it may be", async () => {
  const { records, proposed } = changes();
  const deep = JSON.parse('{"a":'.repeat(40) + "1" + "}".repeat(40)) as JsonObject;
  expect(await records.replaceConfig(deep, null)).toEqual({
    kind: "invalid",
    reason: "the configuration has more than 20 levels of maps and lists in each other",
  });
  const large = { a: "x".repeat(70_000) };
  expect(await records.replaceConfig(large, null)).toMatchObject({ kind: "invalid" });
  expect(proposed).toEqual([]);
  expect(await records.replaceConfig({ ttl: 5 }, null)).toMatchObject({ kind: "ok" });
});
