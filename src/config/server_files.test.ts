import { expect, test } from "bun:test";
import { Issues } from "./issues.ts";
import { readHba, readIdent, readRecoveryConf } from "./server_files.ts";
import { minimalWith, parse } from "./testing.ts";
import type { Json } from "../model/json.ts";

const hba = (value: Json | undefined) => {
  const issues = new Issues();
  return { lines: readHba(value, ["pg_hba"], issues), problems: issues.list.map((issue) => issue.message) };
};

test("pg_hba.conf is left alone where nothing is given, and after an error", () => {
  for (const nothing of [undefined, null, "", "\n", []]) {
    expect(hba(nothing)).toEqual({ lines: null, problems: [] });
  }
  for (
    const wrong of [{}, 5, ["# none"], ["local all all trust", "lokal all all trust"], ["host\0"], [["host"]]]
  ) {
    const { lines, problems } = hba(wrong as Json);
    expect([lines, problems.length]).toEqual([null, 1]);
  }
});

test("every kind of rule is taken, with quotes, comments, tabs and continued lines", () => {
  const lines = [
    "local\tall all peer",
    '"host" all all 10.0.0.0/8 md5',
    "hostssl all all all cert",
    "hostnossl all all all reject",
    "hostgssenc all all all gss",
    "hostnogssenc all all all reject # why",
    "include other.conf",
    "include_if_exists other.conf",
    "include_dir more",
    "host all,\\",
    "  other all all trust",
  ];
  expect(hba(lines)).toEqual({ lines, problems: [] });
  expect(hba(lines.join("\n"))).toEqual({ lines, problems: [] });
});

test("pg_ident.conf and recovery settings of the wrong form are not used", () => {
  const issues = new Issues();
  expect(readIdent([{}], ["pg_ident"], issues)).toBeNull();
  expect(readIdent([], ["pg_ident"], issues)).toBeNull();
  expect(readRecoveryConf("x", ["recovery_conf"], issues)).toEqual({});
  expect(readRecoveryConf({ restore_command: "a", "b c": 1, d: null }, ["recovery_conf"], issues))
    .toEqual({ restore_command: "a" });
  expect(issues.list.map((issue) => issue.path)).toEqual(["pg_ident", "recovery_conf", "recovery_conf.b c"]);
});

const LOCAL: readonly [key: string, yaml: string, severity: string, path: string][] = [
  ["a parameter's name", "parameters: {'work mem': 1}", "error", "postgresql.parameters.work mem"],
  ["a parameter's line end", 'parameters: {"a\\nb": 1}', "error", "postgresql.parameters.a\\nb"],
  ["a parameter's map", "parameters: {a: {b: 1}}", "error", "postgresql.parameters.a"],
  [
    "a parameter of the cluster",
    "parameters: {max_connections: 5}",
    "warning",
    "postgresql.parameters.max_connections",
  ],
  ["recovery_conf", "recovery_conf: {'a b': 1}", "error", "postgresql.recovery_conf.a b"],
  ["pg_hba", "pg_hba: [host all all all trust, ghost]", "error", "postgresql.pg_hba[1]"],
  ["pg_ident", 'pg_ident: ["a\\0"]', "error", "postgresql.pg_ident[0]"],
  ["basebackup", 'basebackup: ["a\\nb"]', "error", "postgresql.basebackup[0]"],
];

for (const [name, yaml, severity, path] of LOCAL) {
  test(`the local file is judged as the dynamic configuration is: ${name}`, () => {
    const { issues } = parse(minimalWith("postgresql:\n", `postgresql:\n  ${yaml}\n`));
    expect(issues.map((issue) => [issue.severity, issue.path, issue.line])).toEqual([[severity, path, 10]]);
  });
}

test("a rule of pg_hba that PostgreSQL would refuse is named with its line and the reason", () => {
  const yaml = [
    "postgresql:",
    "  pg_hba:",
    "    - local all all peer",
    "    - host all all 10.0.0.1 md5",
    "    - |",
    "      host all all \\",
    "        10.0.0.0/8 scram-sha-265",
    "",
  ].join("\n");
  const { issues } = parse(minimalWith("postgresql:\n", yaml));
  const begin = "PostgreSQL would refuse this line and with it the whole file:";
  expect(issues.map(({ path, line, message }) => [path, line, message])).toEqual([
    [
      "postgresql.pg_hba[1]",
      12,
      `${begin} "10.0.0.1" has no mask (10.0.0.1/32 is one host): "md5" is none (text "host all all 10.0.0.1 md5")`,
    ],
    ["postgresql.pg_hba[2]", 13, expect.stringMatching(/"scram-sha-265" is no method of authentication/)],
  ]);
});
