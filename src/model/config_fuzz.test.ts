import { expect, test } from "bun:test";
import * as fc from "fast-check";
import { cpuMs } from "../lib/testing_cpu.ts";
import { effectiveDynamic } from "./config_dynamic.ts";
import { validateDynamic } from "./config_dynamic_validate.ts";
import { ENVIRONMENT } from "./config_env.ts";
import { formatIssue } from "./config_issues.ts";
import { parseConfig } from "./config_parse.ts";
import { DYNAMIC_ROOT_KEYS, localSchema, postgresqlSchema } from "./config_schema.ts";
import { MINIMAL, parsedConfig } from "./config_testing.ts";
import type { JsonObject } from "./json.ts";
import { MAX_TTL_S } from "./limits.ts";
import { applyPatch } from "./merge.ts";

const RUNS = { numRuns: 150 };
/** Texts that are read; 10^6 were, once: FUZZ_RUNS=1000000. */
const YAML_RUNS = Number(process.env["FUZZ_RUNS"] ?? 2000);
const CONFIG_KEYS: readonly string[] = [
  ...Object.keys(localSchema.shape),
  ...Object.keys(postgresqlSchema.shape),
  ...DYNAMIC_ROOT_KEYS,
  "postgresql",
  "watchdog",
  "dcs",
  "superuser",
  "listen",
  "nofailover",
  "__proto__",
];

const SIGNS = [
  ": ",
  "\n",
  "\n  ",
  "\n    ",
  "- ",
  "{",
  "}",
  "[",
  "]",
  ",",
  "*a",
  "&a ",
  "*b",
  "&b ",
  "<<: ",
  "'",
  '"',
  "|",
  ">",
];
const MORE_SIGNS = [
  "!",
  "!!str ",
  "\t",
  "? ",
  "# ",
  "---\n",
  "...\n",
  "%YAML 1.1\n",
  "\\",
  "~",
  "on",
  "0x1f",
  "1e9",
  "12:30",
  "\u0000",
];

const piece = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom(...CONFIG_KEYS) },
  { weight: 4, arbitrary: fc.constantFrom(...SIGNS) },
  { weight: 2, arbitrary: fc.constantFrom(...MORE_SIGNS) },
  { weight: 1, arbitrary: fc.string({ maxLength: 5 }) },
);
/** Sometimes the same again and again: what is quadratic shows there. */
const pieces = fc.oneof(
  { weight: 20, arbitrary: piece },
  {
    weight: 1,
    arbitrary: fc.tuple(fc.array(piece, { minLength: 1, maxLength: 4 }), fc.integer({ min: 1, max: 400 }))
      .map(([parts, times]) => parts.join("").repeat(times)),
  },
);

const yamlText = fc.array(pieces, { maxLength: 40 }).map((parts) => parts.join(""));

const SECRET = "hunter2-secret";

const { tree } = fc.letrec((tie) => ({
  tree: fc.dictionary(fc.constantFrom(...CONFIG_KEYS), tie("value"), { maxKeys: 6 }),
  value: fc.oneof(
    { maxDepth: 4 },
    fc.constantFrom<unknown>(
      "on",
      "10",
      "30min",
      "127.0.0.1:5432",
      "*:1",
      "a:b@c",
      "",
      0,
      5,
      -1,
      5432,
      4294967296,
      "136 d",
      1e300,
      true,
      false,
      null,
    ),
    fc.string({ maxLength: 12 }),
    fc.double(),
    fc.array(tie("value"), { maxLength: 3 }),
    tie("tree"),
  ),
}));
const json = tree.map((value) => JSON.parse(JSON.stringify(value)) as JsonObject);

test("any text is a configuration or a list of issues, in bounded time", () => {
  fc.assert(
    fc.property(yamlText, (text) => {
      const beganMs = cpuMs();
      const { config, issues, missingRaft } = parseConfig([{ file: "a.yml", text }], {});
      expect(config !== null || missingRaft !== null || issues.length > 0).toBe(true);
      expect(issues.length).toBeLessThan(1000);
      expect(cpuMs() - beganMs).toBeLessThan(3000);
    }),
    { numRuns: YAML_RUNS },
  );
}, YAML_RUNS * 10 + 20_000);

test("any data over a good configuration gives a configuration or an error", () => {
  fc.assert(
    fc.property(json, (value) => {
      const { config, issues, missingRaft } = parseConfig(
        [{ file: "a.yml", text: MINIMAL }, { file: "b.json", text: JSON.stringify(value) }],
        {},
      );
      const failed = issues.some((issue) => issue.severity === "error");
      expect(config === null).toBe(failed || missingRaft !== null);
      if (config) effectiveDynamic(config.bootstrap.dcs, config);
    }),
    RUNS,
  );
});

test("any environment gives a configuration or an error", () => {
  const environment = fc.dictionary(
    fc.constantFrom(...ENVIRONMENT.map((variable) => variable.name)),
    fc.string(),
    { maxKeys: 5 },
  );
  fc.assert(
    fc.property(environment, (variables) => {
      const { config, issues } = parseConfig([{ file: "a.yml", text: MINIMAL }], variables);
      expect(config === null).toBe(issues.some((issue) => issue.severity === "error"));
    }),
    RUNS,
  );
});

test("any dynamic configuration has an effective one, with times that can be used", () => {
  const local = parsedConfig(MINIMAL);
  fc.assert(
    fc.property(json, json, (value, patch) => {
      const dcs = applyPatch(value, patch);
      validateDynamic(dcs);
      const { config } = effectiveDynamic(dcs, local);
      expect(config.ttlS).toBeGreaterThanOrEqual(2);
      expect(config.loopWaitS).toBeGreaterThanOrEqual(1);
      expect(config.retryTimeoutS).toBeGreaterThanOrEqual(1);
      for (const seconds of [config.ttlS, config.loopWaitS, config.retryTimeoutS]) {
        expect(seconds).toBeLessThanOrEqual(MAX_TTL_S);
      }
      for (const seconds of [config.primaryStartTimeoutS, config.primaryStopTimeoutS]) {
        expect(seconds * 1000).toBeLessThan(2 ** 31);
      }
      for (const text of Object.values(config.postgresql.parameters)) expect(typeof text).toBe("string");
    }),
    RUNS,
  );
});

test("a password in any place made for one is in no message", () => {
  const places = fc.constantFrom(
    ["raft", "password"],
    ["restapi", "authentication", "password"],
    ["restapi", "authentication"],
    ["restapi", "keyfile_password"],
    ["postgresql", "authentication"],
    ["postgresql", "authentication", "superuser"],
    ["postgresql", "authentication", "replication", "password"],
    ["bootstrap", "users", "admin", "password"],
  );
  const forms = fc.constantFrom<unknown>(SECRET, [SECRET], { x: SECRET }, { [SECRET]: {} });
  fc.assert(
    fc.property(places, forms, json, (place, form, noise) => {
      const value = place.reduceRight<unknown>((inner, key) => ({ [key]: inner }), form) as JsonObject;
      const { issues } = parseConfig([
        { file: "a.yml", text: MINIMAL },
        { file: "b.json", text: JSON.stringify(noise) },
        { file: "c.json", text: JSON.stringify(value) },
      ], {});
      for (const issue of issues) expect(formatIssue(issue)).not.toContain(SECRET);
    }),
    RUNS,
  );
});
