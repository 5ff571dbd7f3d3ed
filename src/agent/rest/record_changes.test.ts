/**
 * What the REST interface asks to log is judged before it is proposed, and refused with what was expected.
 */
import { expect, test } from "bun:test";
import { emptyState } from "../../dcs/state_machine.ts";
import { MINIMAL, parsedConfig } from "../../config/testing.ts";
import { NOTHING_FOUND } from "../../model/config_check.ts";
import type { JsonObject } from "../../model/json.ts";
import type { DcsState, FailoverRecord } from "../../model/records.ts";
import type { Proposer } from "../lease/proposer.ts";
import type { HeardData } from "./config_judge.ts";
import { RecordChanges } from "./record_changes.ts";

function changes(
  state: Partial<DcsState> = {},
  found = NOTHING_FOUND,
  heard: readonly HeardData[] = [{ name: "a", directoryUsable: true, running: true }],
): { readonly records: RecordChanges; readonly proposed: unknown[] } {
  const proposed: unknown[] = [];
  const proposer: Pick<Proposer, "request"> = {
    request: (body, done) => {
      proposed.push(body);
      done({ kind: "done", revision: 1 });
    },
  };
  const records = new RecordChanges({
    records: () => ({ ...emptyState(), ...state }),
    config: () => parsedConfig(MINIMAL),
    proposer,
    wallMs: () => Date.parse("2030-01-01T00:00:00Z"),
    heard: () => heard,
    check: () => Promise.resolve(found),
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

test("a request takes the place of the one on record, whatever has become of that", async () => {
  const present = { ...REQUEST, id: "x", revision: 7 };
  const scheduledAt = "2030-01-01T00:00:00+00:00";
  for (
    const [failover, expectRevision] of [
      [{ ...present, scheduledAt }, 7],
      [{ ...present, scheduledAt, accepted: true, epoch: 3 }, 7],
      [present, 7],
      [null, null],
    ] as const
  ) {
    const { records, proposed } = changes({ failover });
    await records.requestFailover(REQUEST);
    expect(proposed).toMatchObject([{ op: "setFailover", expectRevision }]);
  }
});

test("what cannot be used is refused, and does not keep a cluster that has it from being paused", async () => {
  const synchronous_mode = "odd";
  expect(await changes().records.replaceConfig({ synchronous_mode }, null, false)).toMatchObject({
    kind: "invalid",
    reason: expect.stringContaining("synchronous_mode"),
  });
  const { records } = changes({ config: { value: { synchronous_mode }, revision: 3 } });
  expect(await records.patchConfig({ pause: true }, null, false)).toMatchObject({ kind: "ok" });
});

test("a value that cannot be used is refused by PATCH and PUT alike, naming the key", async () => {
  const { records, proposed } = changes();
  for (const value of [{ slots: { "a\nb": null } }, { standby_cluster: { host: "a b" } }] as JsonObject[]) {
    const path = Object.keys(value)[0]!;
    const refused = await records.replaceConfig(value, null, false);
    expect(refused.kind === "invalid" && refused.reason).toStartWith(`${path}.`);
  }
  expect(proposed).toEqual([]);
});

test("a standby cluster ends with its key: an empty map promotes nobody", async () => {
  const { records, proposed } = changes({
    config: { value: { standby_cluster: { host: "10.0.0.9", primary_slot_name: "a" } }, revision: 3 },
    initialize: { by: "a", incarnation: 1, systemId: "7" },
  });
  const empty = "is empty, and this is a standby cluster: it would be promoted";
  for (const value of [{ standby_cluster: {} }, { ttl: 20, standby_cluster: {} }] as JsonObject[]) {
    expect(await records.replaceConfig(value, null, true)).toMatchObject({
      kind: "invalid",
      reason: expect.stringContaining(empty),
    });
  }
  const emptied = { standby_cluster: { host: null, primary_slot_name: null } };
  expect(await records.patchConfig(emptied, null, true)).toMatchObject({ kind: "invalid" });
  expect(proposed).toEqual([]);
  // As a patch it changes nothing: maps are merged.
  expect(await records.patchConfig({ standby_cluster: {} }, null, false)).toMatchObject({
    kind: "ok",
    config: { standby_cluster: { host: "10.0.0.9" } },
  });
  expect(await records.patchConfig({ standby_cluster: null }, null, false)).toMatchObject({ kind: "ok" });
  const { records: ordinary } = changes({ config: { value: {}, revision: 3 } });
  expect(await ordinary.replaceConfig({ standby_cluster: {} }, null, false)).toMatchObject({
    kind: "ok",
    warnings: [expect.stringContaining("is empty: the cluster has a primary of its own")],
  });
});

test("synchronous keys that no member could fulfil are refused unless forced, and others warned of", async () => {
  const { records, proposed } = changes({ config: { value: {}, revision: 3 } });
  const strict = { synchronous_mode: "on", synchronous_mode_strict: true };
  expect(await records.patchConfig(strict, null, false)).toEqual({
    kind: "hopeless",
    reason: "synchronous_mode_strict: there is no other member: no commit is acknowledged",
  });
  expect(proposed).toEqual([]);
  expect(await records.patchConfig(strict, null, true)).toMatchObject({
    kind: "ok",
    warnings: ["synchronous_mode_strict: there is no other member: no commit is acknowledged"],
  });
  expect(await records.patchConfig({ synchronous_mode: "quorum" }, null, false)).toMatchObject({
    kind: "ok",
    warnings: [
      expect.stringContaining("synchronous_mode: there is no other member: commits wait for nobody"),
    ],
  });
  const { records: bound } = changes({ config: { value: strict, revision: 3 } });
  expect(await bound.patchConfig({ pause: true }, null, false)).toMatchObject({ kind: "ok", warnings: [] });
});

test("a configuration that is too deep or too large is refused, saying how large it may be", async () => {
  const { records, proposed } = changes();
  const deep = JSON.parse('{"a":'.repeat(40) + "1" + "}".repeat(40)) as JsonObject;
  expect(await records.replaceConfig(deep, null, false)).toEqual({
    kind: "invalid",
    reason: "the configuration has more than 20 levels of maps and lists in each other",
  });
  const large = { a: "x".repeat(70_000) };
  expect(await records.replaceConfig(large, null, false)).toMatchObject({ kind: "invalid" });
  expect(proposed).toEqual([]);
  expect(await records.replaceConfig({ ttl: 5 }, null, false)).toMatchObject({ kind: "ok" });
});

test("what members find hopeless is refused, unless an operator insists; other findings are warnings", async () => {
  const found = { refusals: ["node2: no such library"], warnings: ["node3: work_mem"] };
  const { records, proposed } = changes({ config: { value: {}, revision: 3 } }, found);
  const value = { postgresql: { parameters: { shared_preload_libraries: "x" } }, loop_wait: 0 };
  expect(await records.patchConfig(value, 3, false)).toEqual({
    kind: "hopeless",
    reason: "node2: no such library",
  });
  expect(proposed).toEqual([]);
  expect(await records.patchConfig(value, 3, true)).toEqual({
    kind: "ok",
    config: value,
    warnings: [
      "loop_wait: 0 is below the minimum: 1 is used",
      "node2: no such library",
      "node3: work_mem",
    ],
  });
  expect(proposed).toEqual([{ op: "setConfig", value, expectRevision: 3 }]);
  // Force is no way around the rules.
  expect(await records.patchConfig({ ttl: "soon" }, null, true)).toMatchObject({ kind: "invalid" });
});

test("a change of the pause is logged with its end, and a resume without it", async () => {
  const { records, proposed } = changes({ config: { value: { ttl: 5 }, revision: 3 } });
  expect(await records.patchConfig({ pause: true, pause_for: "1h" }, null, false)).toMatchObject({
    kind: "ok",
  });
  const value = { ttl: 5, pause: true, pause_until: "2030-01-01T01:00:00+00:00" };
  expect(proposed).toEqual([{ op: "setConfig", value, expectRevision: 3 }]);
  const paused = changes({ config: { value, revision: 4 } });
  await paused.records.patchConfig({ pause: null }, null, false);
  expect(paused.proposed).toEqual([{ op: "setConfig", value: { ttl: 5 }, expectRevision: 4 }]);
  expect(await records.patchConfig({ pause_for: "1h" }, null, false)).toMatchObject({ kind: "invalid" });
});

test("a member that does not know the records since its start does not say that no restart is scheduled", async () => {
  const { records, proposed } = changes();
  expect(await records.cancelRestart("a", true)).toEqual({ kind: "missing" });
  expect(await records.cancelRestart("a", false)).toMatchObject({ kind: "unavailable" });
  const restart = { schedule: "2030-01-01T00:00:00+00:00", id: "x" };
  const scheduled = changes({ restarts: { a: restart } });
  expect(await scheduled.records.cancelRestart("a", false)).toEqual({ kind: "ok" });
  expect([proposed, scheduled.proposed]).toEqual([[], [
    expect.objectContaining({ op: "endRestart", id: "x" }),
  ]]);
});

test("a standby cluster without data is not promoted, as that would make an empty database; forced it is", async () => {
  const config = { value: { standby_cluster: { host: "10.0.0.9" } }, revision: 3, ttlMs: 5000 };
  const initialize = { by: "a", incarnation: 1, systemId: "" } as DcsState["initialize"];
  for (const unfounded of [null, initialize]) {
    const { records, proposed } = changes({ config, initialize: unfounded } as Partial<DcsState>);
    expect(await records.patchConfig({ standby_cluster: null }, null, false)).toMatchObject({
      kind: "hopeless",
      reason: expect.stringContaining("has no data yet"),
    });
    expect(await records.patchConfig({ standby_cluster: { host: "10.0.0.8" } }, null, false)).toMatchObject({
      kind: "ok",
    });
    expect(await records.patchConfig({ standby_cluster: null }, null, true)).toMatchObject({
      kind: "ok",
      warnings: [expect.stringContaining("has no data yet")],
    });
    expect(proposed).toHaveLength(2);
  }
  const founded = changes({ config, initialize: { ...initialize!, systemId: "7" } } as Partial<DcsState>);
  expect(await founded.records.patchConfig({ standby_cluster: null }, null, false)).toMatchObject({
    kind: "ok",
  });
});

test("nor one whose members have all moved their data aside, for a copy that is not made yet", async () => {
  const config = { value: { standby_cluster: { host: "10.0.0.9" } }, revision: 3, ttlMs: 5000 };
  const state = { config, initialize: { by: "a", incarnation: 1, systemId: "7" } } as Partial<DcsState>;
  const promote = (heard: boolean[], force = false, ledBy: string | null = null, running = true) => {
    const lock = { ...emptyState().lock, holder: ledBy };
    const said = heard.map((directoryUsable, i) => ({ name: "abc"[i]!, directoryUsable, running }));
    return changes({ ...state, lock }, NOTHING_FOUND, said)
      .records.patchConfig({ standby_cluster: null }, null, force);
  };
  const why = expect.stringContaining("no member that is heard has data at the moment");
  expect(await promote([false, false])).toMatchObject({ kind: "hopeless", reason: why });
  expect(await promote([])).toMatchObject({ kind: "hopeless", reason: why });
  expect(await promote([false, true])).toMatchObject({ kind: "ok" });
  expect(await promote([false, false], true)).toMatchObject({ kind: "ok", warnings: [why] });
  // Its leader is being rewound.
  const notUp = { kind: "hopeless", reason: expect.stringContaining("of the leader, a, does not run") };
  expect(await promote([true, true], false, "a", false)).toMatchObject(notUp);
  expect(await promote([true, true], false, "a")).toMatchObject({ kind: "ok" });
  // Lost with its host: the others have what there is.
  expect(await promote([true, true], false, "c", false)).toMatchObject({ kind: "ok" });
  expect(await promote([true, true], false, null, false)).toMatchObject({ kind: "ok" });
});

test("a cluster is not demoted to a member of its own: it would take no writes, and follow nobody; forced it is", async () => {
  const config = { value: {}, revision: 3, ttlMs: 5000 };
  const members = { b: { name: "b", connUrl: "postgres://10.0.0.2:5432/postgres", tags: {} } };
  const state = { config, members } as unknown as Partial<DcsState>;
  const demote = (host: string, port: number, force: boolean) =>
    changes(state).records.patchConfig({ standby_cluster: { host, port } }, null, force);
  const why = expect.stringContaining("10.0.0.2:5432 is b, a member of this very cluster");
  for (const host of ["10.0.0.2", "10.0.0.9,10.0.0.2"]) {
    expect(await demote(host, 5432, false)).toMatchObject({ kind: "hopeless", reason: why });
    expect(await demote(host, 5432, true)).toMatchObject({ kind: "ok", warnings: [why] });
  }
  // The other cluster may be on the same hosts.
  expect(await demote("10.0.0.2", 5433, false)).toMatchObject({ kind: "ok", warnings: [] });
});
