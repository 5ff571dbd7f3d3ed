/** The pg_hba.conf of a new cluster when the configuration has none: passwords (SCRAM) for everyone. */
import type { PostgresqlConfig } from "../model/config.ts";

/**
 * bootstrap.pg_hba where given, else the lines that a cluster cannot work without. Appended to the file of
 * initdb.
 */
export function bootstrapHba(
  postgresql: Pick<PostgresqlConfig, "replication" | "superuser">,
  configured: readonly string[],
): string[] {
  if (configured.length > 0) return [...configured];
  const user = quoteUser(postgresql.replication.username);
  return [
    `host replication ${user} all scram-sha-256`,
    "host all all all scram-sha-256",
  ];
}

export function quoteUser(name: string): string {
  return /^[a-z_][a-z0-9_]*$/.test(name) && !["all", "samerole", "sameuser"].includes(name)
    ? name
    : `"${name.replaceAll('"', '""')}"`;
}
