/** The smallest transaction with WAL that any database takes. */
import type { Connection } from "../../postgres/connection.ts";

/** A lock of one row of a system catalog is a transaction with WAL. It conflicts with nothing but DROP. */
const QUERIES = [
  "SET default_transaction_read_only = off",
  "SELECT FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database() FOR KEY SHARE",
] as const;

/** On disk when it resolves; with "on" also where the synchronous standbys have it. */
export async function writeSmall(
  connection: Pick<Connection, "query">,
  commit: "on" | "local",
): Promise<void> {
  for (const query of [`SET synchronous_commit = ${commit}`, ...QUERIES]) await connection.query(query);
}
