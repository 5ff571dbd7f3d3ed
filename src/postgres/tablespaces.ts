/** Finds where the tablespaces of another server lie: a copy of it fills the same places here. */
import type { Credentials } from "../model/config.ts";
import { connectByUrl } from "./replication_source.ts";

/** Rejects when the server does not let the agent ask. */
export async function tablespacesOf(
  connUrl: string,
  credentials: Credentials,
  applicationName: string,
): Promise<string[]> {
  const connection = await connectByUrl(connUrl, { credentials, database: "postgres", applicationName });
  try {
    const rows = await connection.query("SELECT pg_tablespace_location(oid) AS place FROM pg_tablespace");
    return rows.flatMap(({ place }) => place?.startsWith("/") ? [place] : []);
  } finally {
    connection.close();
  }
}
