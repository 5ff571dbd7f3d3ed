import { expect, test } from "bun:test";
import { bootstrapDifference } from "./bootstrap_difference.ts";

test("a bootstrap.dcs that is in force is not worth a word, whatever else is in force", () => {
  const dcs = { ttl: 30, gone: null, postgresql: { parameters: { work_mem: "4MB" }, pg_hba: ["a", "b"] } };
  const inForce = { ...dcs, slots: { a: null }, postgresql: { ...dcs.postgresql, use_slots: true } };
  expect(bootstrapDifference(dcs, inForce)).toBeNull();
  expect(bootstrapDifference({}, inForce)).toBeNull();
  expect(bootstrapDifference({ postgresql: {} }, {})).toBeNull();
});

test("maintenance mode is no difference", () => {
  expect(bootstrapDifference({ pause: true }, {})).toBeNull();
});

test("each key is named with the value in the file and the one in force", () => {
  const text = bootstrapDifference(
    { ttl: 30, loop_wait: 10, postgresql: { pg_hba: ["a"], parameters: { "my.work": 1 }, use_slots: true } },
    { ttl: 5, loop_wait: 10, postgresql: { pg_hba: ["a", "b"], use_slots: null } },
  );
  expect(text).toContain(
    `in force: ttl (30 in the file, 5 in force), postgresql.pg_hba (["a"] in the file, ["a","b"] in force), ` +
      "postgresql.parameters.my.work (1 in the file, nothing in force), " +
      "postgresql.use_slots (true in the file, nothing in force). ",
  );
});

test("long values are cut, many keys are counted, and no secret is shown", () => {
  const many = Object.fromEntries(Array.from({ length: 25 }, (_, i) => [`key${i}`, "x".repeat(100)]));
  const text = bootstrapDifference({ ...many, restapi: { password: "hunter2" } }, {})!;
  expect(text).toContain(`"${"x".repeat(55)} ... in the file`);
  expect(text).toContain(", and 6 more.");
  expect(bootstrapDifference({ authentication: { password: "hunter2" } }, { password: "hunter3" })).not
    .toContain("hunter");
});
