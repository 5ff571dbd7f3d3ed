/** Finds where the tablespaces of another server lie: a copy of it fills the same places here. */
import type { Credentials } from "../model/config.ts";
import { askByUrl } from "./replication_source.ts";

/** Rejects when the server does not let the agent ask. */
export function tablespacesOf(
  connUrl: string,
  credentials: Credentials,
  applicationName: string,
): Promise<string[]> {
  return askByUrl(connUrl, credentials, applicationName, async (connection) => {
    const rows = await connection.query("SELECT pg_tablespace_location(oid) AS place FROM pg_tablespace");
    return rows.flatMap(({ place }) => place?.startsWith("/") ? [place] : []);
  });
}
