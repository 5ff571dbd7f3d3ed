/**
 * Odd values at every key that there is, as they may stand in a file: understood, or refused by a message
 * that names the key and says what is expected there.
 */
import { expect } from "bun:test";
import fc from "fast-check";
import { anyInput } from "../../raft/testing.ts";
import { effectiveDynamic } from "./dynamic.ts";
import { validateDynamic } from "./dynamic_validate.ts";
import { formatIssue, type LocatedIssue } from "./issues.ts";
import { LOCAL_ROWS } from "./key_rows.ts";
import { DYNAMIC_ROOT_KEYS } from "./keys/dynamic.ts";
import { parseConfig } from "./parse.ts";
import { MINIMAL, parsedConfig } from "./testing.ts";
import { parseYaml } from "./yaml.ts";

/** Values as YAML spells them. */
const ODD = [
  ...["", "~", "on", "off", "y", "''", "' '", "x", "'*'", "'.'", "/", "'a b'", "'a,b'", "'${HOME}'", "'%s'"],
  ...["0", "-1", "-0", "1", "1.5", "1e3", "1e308", "1e999", ".inf", "-.inf", ".nan", "0o17", "0x1f", "0755"],
  ...["9007199254740993", "99999999999999999999", "1_000", "12:30:45", "2026-01-31", "2026-01-31T12:00:00Z"],
  ...[
    "10s",
    "'10 min'",
    "16MB",
    "-1MB",
    "1e999d",
    "'0'",
    "'5432'",
    "127.0.0.1",
    "127.0.0.1:0",
    "'[::1]:70000'",
  ],
  ...[
    "':'",
    "a:b:c",
    "http://u:p@h/",
    "'\\0'",
    '"\\0"',
    '"\\u202e\\x1b[2J"',
    '"a\\nb"',
    "!!str 5",
    "!!binary AA==",
  ],
  ...[
    "!!set {a, b}",
    "!!omap [a: 1]",
    "!custom x",
    "&a [*a]",
    "&x 5",
    "[]",
    "[x]",
    "[~]",
    "[[]]",
    "[1, x, {}]",
  ],
  ...["{}", "{a: 1}", "{a: ~}", "{'': 1}", "{1: 2}", "{on: off}", "{__proto__: {a: 1}}", "{constructor: {}}"],
  ...[
    "{a: {b: {c: {d: 1}}}}",
    "[{name: a, password: b}]",
    "{name: x, type: y, command: [z]}",
    "? {a: b}\n : c",
  ],
  // What is quadratic takes seconds with these.
  ...["x", "pass", "a:", "a@", "1", " ", "a ", "=", "/", ",", ".", "-", "1.", "[", "%", "$", "\\"].map((
    part,
  ) => `'${part.repeat(30_000 / part.length)}'`),
  `[${"0, ".repeat(3000)}]`,
  `${"[".repeat(30)}${"]".repeat(30)}`,
  `${"{a: ".repeat(30)}1${"}".repeat(30)}`,
];

/** Names in place of what a table shows for the user's own: `<method>`, `NAME`. */
const named = (part: string) => /^[a-z0-9_-]+$/i.test(part) ? part : "own";
const LOCAL = [...LOCAL_ROWS.keys()].map((path) => path.split(".").map(named));
/** Below their roots: sections of both files have the same keys. */
const DYNAMIC = [
  ...DYNAMIC_ROOT_KEYS.map((key) => [key]),
  ...LOCAL.filter(([first]) => first === "postgresql"),
  ...["host", "port", "primary_slot_name", "create_replica_methods", "restore_command", "own"].map((
    key,
  ) => ["standby_cluster", key]),
  ...["type", "database", "plugin", "own"].map((key) => ["slots", "own", key]),
  ["slots", "own"],
  ["postgresql", "parameters", "max_connections"],
  ["postgresql", "parameters", "own"],
];

/** A file of one key. A value of more lines must not end the sections around it. */
const fileOf = (path: readonly string[], value: string) =>
  path.map((part, depth) => `${" ".repeat(depth)}${part}:`).join("\n") +
  ` ${value.replaceAll("\n", `\n${" ".repeat(path.length)}`)}\n`;

const READABLE = (issue: LocatedIssue) => {
  const line = formatIssue(issue);
  expect(line.length).toBeLessThan(700);
  // deno-lint-ignore no-control-regex -- controls are what must not be in a message
  expect(line).not.toMatch(/undefined|\[object |Invalid input|[\x00-\x1f\x7f\u202e]/);
};

function judge(path: readonly string[], value: string): void {
  const text = fileOf(path, value);
  const { config, issues, missingRaft } = parseConfig([
    { file: "a.yml", text: MINIMAL },
    { file: "b.yml", text },
  ], {});
  const errors = issues.filter(({ severity }) => severity === "error");
  expect(config === null).toBe(errors.length > 0 || missingRaft !== null);
  issues.forEach(READABLE);
  if (errors.length > 0) {
    const about = errors.some((issue) =>
      issue.file === "b.yml" || formatIssue(issue).includes(path.at(-1)!) ||
      path.join(".").startsWith(issue.path)
    );
    expect([text, errors.map(formatIssue), about]).toEqual([text, errors.map(formatIssue), true]);
  }
  if (config !== null) effectiveDynamic(config.bootstrap.dcs, config);
}

const odd = fc.constantFrom(...ODD);
anyInput(
  "an odd value at any key of a file",
  fc.tuple(fc.constantFrom(...LOCAL), odd),
  ([path, value]) => judge(path, value),
  { usual: 1500, limitMs: 500 },
);

const local = parsedConfig(MINIMAL);

function judgeDynamic(path: readonly string[], value: string): void {
  const { value: dcs } = parseYaml("dcs.yml", fileOf(path, value));
  if (dcs === null) return;
  const problems = validateDynamic(dcs);
  const { config, issues } = effectiveDynamic(dcs, local);
  for (const issue of [...issues, ...problems]) READABLE({ file: null, ...issue });
  expect(JSON.stringify(config)).not.toContain("[object ");
  judge(["bootstrap", "dcs", ...path], value);
}

anyInput(
  "an odd value at any key of the dynamic configuration",
  fc.tuple(fc.constantFrom(...DYNAMIC), odd),
  ([path, value]) => judgeDynamic(path, value),
  { usual: 1000, limitMs: 500 },
);

const placed = fc.tuple(fc.constantFrom(...LOCAL, ...DYNAMIC), odd);
anyInput("odd values at several keys at once", fc.array(placed, { minLength: 1, maxLength: 5 }), (pairs) => {
  const sources = pairs.map(([path, value], at) => ({ file: `${at}.yml`, text: fileOf(path, value) }));
  const { config, issues, missingRaft } = parseConfig([{ file: "a.yml", text: MINIMAL }, ...sources], {});
  const failed = issues.some(({ severity }) => severity === "error");
  expect(config === null).toBe(failed || missingRaft !== null);
  issues.forEach(READABLE);
  if (config !== null) effectiveDynamic(config.bootstrap.dcs, config);
}, { usual: 500, limitMs: 500 });
