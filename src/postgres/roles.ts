/**
 * The roles of a new cluster: replication, rewind, and (deprecated) those of bootstrap.users. initdb makes
 * the superuser.
 */
import type { BootstrapConfig, Credentials, PostgresqlConfig } from "../model/config.ts";
import { isRoleOption } from "../model/role_option.ts";
import type { Connection } from "./connection.ts";
import { quoteIdentifier, quoteLiteral } from "./quote.ts";

/** Functions that pg_rewind calls on its source. */
const REWIND_FUNCTIONS = [
  "pg_ls_dir(text, boolean, boolean)",
  "pg_stat_file(text, boolean)",
  "pg_read_binary_file(text)",
  "pg_read_binary_file(text, bigint, bigint, boolean)",
];

/** Passwords in statements must not reach the server's log, nor its statistics. */
const QUIET = [
  "SET log_statement = 'none'",
  "SET log_min_duration_statement = -1",
  "SET log_min_error_statement = 'panic'",
  "SET pg_stat_statements.track_utility = off",
  "SET synchronous_commit = local",
];

export interface Role {
  readonly name: string;
  readonly password: string | null;
  /** As in CREATE ROLE: "LOGIN", "REPLICATION", ... */
  readonly options: readonly string[];
  readonly grants: readonly string[];
}

/**
 * Roles to make, without those that initdb made already. `restored`: the superuser is that of another
 * cluster, and gets the password of this one.
 */
export function rolesOf(
  postgresql: PostgresqlConfig,
  bootstrap: BootstrapConfig,
  restored = false,
): Role[] {
  const roles = new Map<string, Role>();
  const { superuser, replication, rewind } = postgresql;
  const add = (credentials: Credentials, options: readonly string[], grants: readonly string[]) => {
    const { username: name, password } = credentials;
    if (name === superuser.username) return;
    const known = roles.get(name);
    roles.set(name, {
      name,
      password: password ?? known?.password ?? null,
      options: [...new Set([...known?.options ?? [], "LOGIN", ...options])],
      grants: [...known?.grants ?? [], ...grants],
    });
  };
  if (restored) {
    const { username: name, password } = superuser;
    roles.set(name, { name, password, options: ["LOGIN", "SUPERUSER"], grants: [] });
  }
  add(replication, ["REPLICATION"], []);
  add(rewind, [], REWIND_FUNCTIONS);
  for (const [name, user] of Object.entries(bootstrap.users)) {
    if (name === superuser.username || roles.has(name)) continue;
    const options = user.options.map((option) => option.trim().toUpperCase());
    const login = options.includes("LOGIN") || options.includes("NOLOGIN") ? [] : ["LOGIN"];
    roles.set(name, { name, password: user.password, options: [...login, ...options], grants: [] });
  }
  return [...roles.values()];
}

/** Statements for one role. Throws on an option that is none: it stands unquoted in SQL. */
export function roleStatements(role: Role, exists: boolean): string[] {
  const wrong = role.options.find((option) => !isRoleOption(option));
  if (wrong !== undefined) throw new Error(`role ${role.name}: "${wrong}" is no option of CREATE ROLE`);
  const name = quoteIdentifier(role.name);
  const password = role.password === null ? "" : ` PASSWORD ${quoteLiteral(role.password)}`;
  const statements = [
    `${exists ? "ALTER" : "CREATE"} ROLE ${name} WITH ${role.options.join(" ")}${password}`,
  ];
  for (const target of role.grants) {
    statements.push(`GRANT EXECUTE ON FUNCTION pg_catalog.${target} TO ${name}`);
  }
  return statements;
}

export async function createRoles(connection: Connection, roles: readonly Role[]): Promise<void> {
  for (const statement of QUIET) await connection.query(statement);
  for (const role of roles) {
    const found = await connection.query(
      `SELECT 1 AS found FROM pg_roles WHERE rolname = ${quoteLiteral(role.name)}`,
    );
    for (const statement of roleStatements(role, found.length > 0)) await connection.query(statement);
  }
}
