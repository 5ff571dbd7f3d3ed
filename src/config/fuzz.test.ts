import { expect } from "bun:test";
import * as fc from "fast-check";
import { Lexer } from "yaml";
import { anyInput, ODD_KEYS } from "../../raft/testing.ts";
import { effectiveDynamic } from "./dynamic.ts";
import { validateDynamic } from "./dynamic_validate.ts";
import { ENVIRONMENT } from "./env.ts";
import { formatIssue } from "./issues.ts";
import { parseConfig } from "./parse.ts";
import { DYNAMIC_ROOT_KEYS } from "./keys/dynamic.ts";
import { postgresqlSchema } from "./keys/postgresql.ts";
import { localSchema } from "./keys/root.ts";
import { MINIMAL, parsedConfig } from "./testing.ts";
import type { JsonObject } from "../model/json.ts";
import { MAX_TTL_S } from "../model/limits.ts";
import { applyPatch } from "../model/merge.ts";

const RUNS = { usual: 150 };
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
  "type",
  "wal_level",
  ...ODD_KEYS,
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

/**
 * The largest that is read has 256 KiB and 50,000 pieces; a reload takes that long, once, in the agent that
 * was told to.
 */
const YAML_MS = 500;

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

anyInput("a text that its reader does not count the pieces of, since it is short", yamlText, (text) => {
  const pieces = [...new Lexer().lex(text)].length;
  expect(pieces).toBeLessThanOrEqual(2 * text.length + 3);
});

anyInput("the text of a configuration file", yamlText, (text) => {
  const { config, issues, missingRaft } = parseConfig([{ file: "a.yml", text }], {});
  expect(config !== null || missingRaft !== null || issues.length > 0).toBe(true);
  expect(issues.length).toBeLessThan(1000);
}, { usual: 2000, limitMs: YAML_MS });

anyInput("data over a good configuration", json, (value) => {
  const { config, issues, missingRaft } = parseConfig(
    [{ file: "a.yml", text: MINIMAL }, { file: "b.json", text: JSON.stringify(value) }],
    {},
  );
  const failed = issues.some((issue) => issue.severity === "error");
  expect(config === null).toBe(failed || missingRaft !== null);
  if (config) effectiveDynamic(config.bootstrap.dcs, config);
}, RUNS);

const environment = fc.dictionary(
  fc.constantFrom(...ENVIRONMENT.map((variable) => variable.name)),
  fc.string(),
  { maxKeys: 5 },
);
anyInput("the environment of a configuration", environment, (variables) => {
  const { config, issues } = parseConfig([{ file: "a.yml", text: MINIMAL }], variables);
  expect(config === null).toBe(issues.some((issue) => issue.severity === "error"));
}, RUNS);

const local = parsedConfig(MINIMAL);
anyInput("a dynamic configuration, and a patch of it", fc.tuple(json, json), ([value, patch]) => {
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
}, RUNS);

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
anyInput("a password in any place made for one", fc.tuple(places, forms, json), ([place, form, noise]) => {
  const value = place.reduceRight<unknown>((inner, key) => ({ [key]: inner }), form) as JsonObject;
  const { issues } = parseConfig([
    { file: "a.yml", text: MINIMAL },
    { file: "b.json", text: JSON.stringify(noise) },
    { file: "c.json", text: JSON.stringify(value) },
  ], {});
  for (const issue of issues) expect(formatIssue(issue)).not.toContain(SECRET);
}, RUNS);
