import { expect, test } from "bun:test";
import type { BootstrapConfig, PostgresqlConfig } from "../model/config.ts";
import { bootstrapHba } from "./default_hba.ts";
import { initdbArguments, initdbOptions } from "./initdb.ts";
import { rolesOf, roleStatements } from "./roles.ts";

const user = (username: string, password: string | null = null) => ({ username, password, options: {} });
const postgresql = {
  superuser: user("postgres", "s"),
  replication: user("rep", "r"),
  rewind: user("rep", null),
} as unknown as PostgresqlConfig;
const bootstrap = (users: BootstrapConfig["users"]) => ({ users }) as BootstrapConfig;

test("one user with two duties is one role, and the superuser is not made again", () => {
  const roles = rolesOf(postgresql, bootstrap({ postgres: { password: "x", options: [] } }));
  expect(roles.map((role) => [role.name, role.password, role.options])).toEqual([["rep", "r", [
    "LOGIN",
    "REPLICATION",
  ]]]);
  expect(roles[0]!.grants).toHaveLength(4);
});

test("everything that a user may write is quoted, or refused", () => {
  const [first, grant] = roleStatements({
    name: 'r"x',
    password: "p'w",
    options: ["LOGIN"],
    grants: ["f(text)"],
  }, false);
  expect(first).toBe(`CREATE ROLE "r""x" WITH LOGIN PASSWORD 'p''w'`);
  expect(grant).toBe(`GRANT EXECUTE ON FUNCTION pg_catalog.f(text) TO "r""x"`);
  const evil = { name: "x", password: null, options: ["LOGIN; DROP TABLE t"], grants: [] };
  expect(() => roleStatements(evil, true)).toThrow("no option");
});

test("users of the old bootstrap section may log in unless told otherwise", () => {
  const roles = rolesOf(
    postgresql,
    bootstrap({ a: { password: "p", options: ["createdb"] }, b: { password: null, options: ["nologin"] } }),
  );
  expect(roles.slice(1).map((role) => role.options)).toEqual([["LOGIN", "CREATEDB"], ["NOLOGIN"]]);
});

test("initdb gets SCRAM and a password file, and not what is ours to say", () => {
  const warnings: string[] = [];
  const options = initdbOptions(
    ["encoding=UTF8", "--data-checksums", "pgdata=/x", "pwfile=/y"],
    (text) => warnings.push(text),
  );
  expect(options).toEqual(["--encoding=UTF8", "--data-checksums"]);
  expect(warnings).toHaveLength(2);
  expect(initdbArguments(postgresql, options, "/d", "/p")).toEqual([
    "-D",
    "/d",
    "--no-sync",
    "--username=postgres",
    "--encoding=UTF8",
    "--data-checksums",
    "--pwfile=/p",
    "--auth=scram-sha-256",
  ]);
  expect(initdbArguments(postgresql, ["--auth-host=md5"], "/d", "/p")).not.toContain("--auth=scram-sha-256");
  expect(initdbArguments(postgresql, [], "/d", null)).toEqual([
    "-D",
    "/d",
    "--no-sync",
    "--username=postgres",
  ]);
});

test("without a configuration, replication and everyone else log in by password", () => {
  expect(bootstrapHba(postgresql, ["local all all trust"])).toEqual(["local all all trust"]);
  expect(bootstrapHba({ ...postgresql, replication: user("Rep-1") }, [])).toEqual([
    'host replication "Rep-1" all scram-sha-256',
    "host all all all scram-sha-256",
  ]);
});
