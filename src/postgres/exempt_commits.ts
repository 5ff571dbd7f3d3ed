/**
 * Settings of synchronous_commit by which commits wait for no standby: of a role, of a database, of a role in
 * one database, or of all sessions. What a session sets for itself is seen by nobody else.
 */
import type { ExemptCommits } from "../model/postgres_view.ts";
import { WAITS_FOR_NOBODY } from "../model/sync_setting.ts";
import type { Connection } from "./connection.ts";

const MAX_SHOWN = 20;

const QUERY = `
SELECT role, base, value FROM (
  SELECT roles.rolname AS role, bases.datname AS base, lower(split_part(entry, '=', 2)) AS value
    FROM pg_db_role_setting AS own
      LEFT JOIN pg_authid AS roles ON roles.oid = own.setrole
      LEFT JOIN pg_database AS bases ON bases.oid = own.setdatabase
      CROSS JOIN unnest(own.setconfig) AS entry
    WHERE lower(split_part(entry, '=', 1)) = 'synchronous_commit'
  UNION ALL
  SELECT NULL, NULL, lower(setting) FROM pg_file_settings WHERE lower(name) = 'synchronous_commit' AND applied
) AS found
WHERE value IN (${WAITS_FOR_NOBODY.map((value) => `'${value}'`).join(", ")})
ORDER BY role NULLS FIRST, base NULLS FIRST LIMIT ${MAX_SHOWN}`;

export async function readExemptCommits(connection: Connection): Promise<readonly ExemptCommits[]> {
  const rows = await connection.query(QUERY);
  return rows.map(({ role, base, value }) => ({
    role: role ?? null,
    database: base ?? null,
    value: value ?? "",
  }));
}
