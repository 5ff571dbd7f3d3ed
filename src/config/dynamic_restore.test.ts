import { expect, test } from "bun:test";
import { JSON_BOUNDS } from "../model/bounded_json.ts";
import type { JsonObject } from "../model/json.ts";
import { restoreConfig } from "./dynamic_restore.ts";
import { validateDynamic } from "./dynamic_validate.ts";

const errorsOf = (value: JsonObject) =>
  validateDynamic(value).filter((issue) => issue.severity === "error").map((issue) => issue.message);

function restored(value: unknown, refusals: (value: JsonObject) => readonly string[] = errorsOf) {
  const text = typeof value === "string" ? value : JSON.stringify(value);
  const found = restoreConfig(text, JSON_BOUNDS, refusals);
  if ("problem" in found) throw new Error(found.problem);
  return { ...found, dropped: found.dropped.map((line) => line.split(": ")[0]) };
}

test("what Patroni has left in a data directory is taken as it is", () => {
  const value = {
    ttl: 30,
    loop_wait: 10,
    retry_timeout: 10,
    maximum_lag_on_failover: 1048576,
    master_start_timeout: 60,
    postgresql: {
      use_pg_rewind: true,
      parameters: { max_connections: 200, wal_level: "hot_standby", "pg_stat_statements.max": 500 },
      pg_hba: ["host all all all md5"],
    },
    unknown_key: { a: [1, null] },
  };
  expect(restored(value)).toEqual({ value, dropped: [] });
});

test("one key that cannot be used does not cost its neighbours their effect", () => {
  const found = restored({
    ttl: "soon",
    loop_wait: 1,
    restapi: { listen: "0.0.0.0:1" },
    slots: { good: { type: "physical" }, Bad: { type: "physical" } },
    postgresql: {
      authentication: { superuser: { password: "x" } },
      pg_hba: ["nonsense"],
      use_pg_rewind: true,
      parameters: { work_mem: "4MB", "no name": 1, shared_buffers: { a: 1 } },
      parameters_primary: { max_connections: 5 },
    },
  });
  expect(found.value).toEqual({
    loop_wait: 1,
    slots: { good: { type: "physical" } },
    postgresql: { use_pg_rewind: true, parameters: { work_mem: "4MB" } },
  });
  expect(found.dropped).toEqual([
    "ttl",
    "restapi",
    "slots.Bad",
    "postgresql.authentication",
    "postgresql.pg_hba",
    "postgresql.parameters.no name",
    "postgresql.parameters.shared_buffers",
    "postgresql.parameters_primary.max_connections",
  ]);
});

test("a new cluster does not begin in maintenance mode", () => {
  expect(restored({ pause: true, ttl: 10 })).toEqual({ value: { ttl: 10 }, dropped: ["pause"] });
  const timed = { pause: true, pause_until: "2030-01-01T00:00:00Z", ttl: 10 };
  expect(restored(timed)).toEqual({ value: { ttl: 10 }, dropped: ["pause"] });
  expect(restored({ pause: false, ttl: 10 })).toEqual({ value: { ttl: 10 }, dropped: [] });
});

test("times that are right alone and wrong together are left out together", () => {
  const refusals = (value: JsonObject) =>
    Number(value["ttl"] ?? 5) < Number(value["loop_wait"] ?? 1) ? ["they do not fit"] : [];
  const found = restored({ ttl: 4, loop_wait: 4.5, retry_timeout: 1, check_timeline: true }, refusals);
  expect(found).toEqual({ value: { check_timeline: true }, dropped: ["ttl, loop_wait, retry_timeout"] });
});

test("text that is no configuration is no configuration", () => {
  for (const text of ["", "{", "[]", "null", "5", `{"a":${"[".repeat(50)}${"]".repeat(50)}}`]) {
    expect(restoreConfig(text, JSON_BOUNDS, errorsOf)).toHaveProperty("problem");
  }
  expect(restored('{"__proto__": {"ttl": 9}, "ttl": 7}').value).toEqual({ ttl: 7 });
});
