import { expect, test } from "bun:test";
import * as fc from "fast-check";
import type { Json } from "../model/json.ts";
import { ENVIRONMENT } from "./env.ts";
import { withoutSecrets } from "./issues.ts";
import { isSecretKey } from "./secret.ts";
import { MINIMAL, minimalWith, parse, parsedConfig } from "./testing.ts";

/** Where a secret is written, with the text in front of it. */
const PLACES: readonly [path: string, text: (value: string) => string][] = [
  [
    "raft.password",
    (value) => MINIMAL.replace("  data_dir: /srv/raft\n", `  data_dir: /srv/raft\n  password: ${value}\n`),
  ],
  [
    "restapi.authentication.password",
    (value) =>
      MINIMAL.replace(
        "postgresql:\n",
        `  authentication:\n    username: a\n    password: ${value}\npostgresql:\n`,
      ),
  ],
  [
    "restapi.keyfile_password",
    (value) => MINIMAL.replace("postgresql:\n", `  keyfile_password: ${value}\npostgresql:\n`),
  ],
  ["restapi.auth", (value) => MINIMAL.replace("postgresql:\n", `  auth: ${value}\npostgresql:\n`)],
  [
    "ctl.authentication.password",
    (value) => `${MINIMAL}ctl:\n  authentication:\n    username: a\n    password: ${value}\n`,
  ],
  ...["superuser", "replication", "rewind"].flatMap((role): typeof PLACES[number][] =>
    ["password", "sslpassword"].map((key) => [
      `postgresql.authentication.${role}.${key}`,
      (value) =>
        MINIMAL.replace(/ {4}superuser:[^]*$/, "") +
        `    ${role}:\n      username: u\n      ${key}: ${value}\n`,
    ])
  ),
  [
    "bootstrap.users.admin.password",
    (value) => `${MINIMAL}bootstrap:\n  users:\n    admin:\n      password: ${value}\n`,
  ],
];
const MISREAD = [
  "",
  "~",
  "null",
  "''",
  '""',
  "' '",
  "!x",
  "!x secret",
  "!!int 5",
  "&x",
  "&x secret",
  "#secret",
  "|\n",
  ">-\n",
];

for (const [path, text] of PLACES) {
  test(`${path}: a secret that is there and empty, or read as something else, is an error`, () => {
    for (const value of MISREAD) {
      const { config, issues } = parse(text(value));
      expect(config).toBeNull();
      expect([value, issues.filter(({ severity }) => severity === "error").map((issue) => issue.path)])
        .toEqual([value, [path]]);
    }
    expect(
      parse(text("'#se!c&r~et'")).issues.filter(({ severity }) => severity === "error")
        .filter(({ path: at }) => at === path && path !== "restapi.auth"),
    ).toEqual([]);
  });
}

test("a section of credentials that is there and empty is an error", () => {
  for (
    const [find, replacement, path] of [
      [
        "    superuser: {username: postgres, password: hunter2}",
        "    superuser:",
        "postgresql.authentication.superuser",
      ],
      ["postgresql:\n", "  authentication:\npostgresql:\n", "restapi.authentication"],
    ] as const
  ) {
    const { issues } = parse(minimalWith(find, replacement));
    expect(issues.filter(({ severity }) => severity === "error").map((issue) => issue.path)).toEqual([path]);
  }
});

test("an empty key that only has the name of a role is none", () => {
  expect(parse(`${MINIMAL}  rewind:\n`).config).not.toBeNull();
});

test("an anchor that an alias names is one, and the secret is what follows it", () => {
  const text = MINIMAL.replace("postgres, password: hunter2", "postgres, password: &pw hunter2")
    .replace("replicator, password: hunter2", "replicator, password: *pw");
  expect(parsedConfig(text).postgresql).toMatchObject({
    superuser: { password: "hunter2" },
    replication: { password: "hunter2" },
  });
});

test("a # that may belong to the secret is warned of, a comment is not", () => {
  const warnings = (value: string) =>
    parse(`${MINIMAL}ctl:\n  authentication:\n    username: a\n    password: ${value}\n`).issues.map((
      { path },
    ) => path);
  expect(warnings("abc #def")).toEqual(["ctl.authentication.password"]);
  expect(warnings("abc # to be changed")).toEqual([]);
  expect(warnings("'abc #def'")).toEqual([]);
  expect(warnings("abc#def")).toEqual([]);
});

test("a variable for a secret that is set and empty is an error that names it", () => {
  for (const { name, path } of ENVIRONMENT) {
    if (!isSecretKey(path.at(-1))) continue;
    for (const value of ["", " ", "\t\n"]) {
      const { config, issues } = parse(MINIMAL, { [name]: value });
      expect(config).toBeNull();
      expect(issues).toMatchObject([{ severity: "error", file: `environment ${name}` }]);
    }
  }
});

test("a quoted secret comes out as it was put in, whatever it is made of", () => {
  fc.assert(fc.property(fc.string({ unit: "grapheme", minLength: 1, maxLength: 20 }), (secret) => {
    if (/[\u0000-\u001f\u007f\u0085\u2028\u2029\ufeff]/.test(secret) || secret.trim() === "") return;
    const quoted = `'${secret.replaceAll("'", "''")}'`;
    expect(
      parsedConfig(minimalWith("password: hunter2}", `password: ${quoted}}`)).postgresql!.superuser.password,
    )
      .toBe(secret);
  }));
});

test("what is shown of a configuration hides each secret, and nothing that is none", () => {
  for (const { path } of ENVIRONMENT) {
    const shown = withoutSecrets(path.reduceRight<Json>((inner, key) => ({ [key]: inner }), "value"));
    const hidden = JSON.stringify(shown).includes("***");
    expect([path.join("."), hidden]).toEqual([path.join("."), isSecretKey(path.at(-1))]);
  }
  expect(withoutSecrets({
    restapi: { auth: "u:p", server_tokens: "Minimal", authentication: { username: "u", pasword: "p" } },
    bootstrap: { users: { admin: { password: "p", options: ["createrole", "createdb"] } } },
    postgresql: { authentication: { rewind: { sslmode: "verify-full", sslkey: "/k", sslpassword: 1234 } } },
  })).toEqual({
    restapi: { auth: "***", server_tokens: "Minimal", authentication: { username: "u", pasword: "***" } },
    bootstrap: { users: { admin: { password: "***", options: ["createrole", "createdb"] } } },
    postgresql: { authentication: { rewind: { sslmode: "verify-full", sslkey: "/k", sslpassword: "***" } } },
  });
});
