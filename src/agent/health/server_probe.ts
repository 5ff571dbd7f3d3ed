/**
 * Looks at a running PostgreSQL as a new client would: over a connection that is made for each look. The
 * connections that stand go on answering while the postmaster hangs, or while nobody else gets in.
 */
import { serverSymptoms, type Symptom } from "../../brain/health/symptoms.ts";
import { sqlState } from "../../postgres/connection.ts";
import { type LocalServer, TOO_MANY_CONNECTIONS, UnreachableError } from "../../postgres/local_server.ts";

const LIMIT_MS = 5000;

/** Wrong checksums are counted per database, those of the catalogs that all share without a name. */
const QUERY = `
SELECT (SELECT count(*) FROM pg_stat_activity
    WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()) AS used,
  current_setting('max_connections') AS most,
  current_setting('superuser_reserved_connections') AS superusers,
  current_setting('reserved_connections', true) AS reserved,
  (SELECT failed_count FROM pg_stat_archiver) AS archive_failed,
  sum(checksum_failures) AS failures,
  string_agg(coalesce(datname, 'the shared catalogs'), ', ' ORDER BY datname) AS databases
FROM pg_stat_database WHERE checksum_last_failure > now() - interval '24 hours'`;

/**
 * The symptoms; null: the look has failed for a reason that tells of no ailment. `told`: gets how often
 * archive_command has failed.
 */
export async function lookAtServer(
  server: LocalServer,
  told: (archiveFailed: number) => void = () => {},
): Promise<readonly Symptom[] | null> {
  const how = { applicationName: "agent health", connectTimeoutMs: LIMIT_MS, statementTimeoutMs: LIMIT_MS };
  try {
    const [row] = await server.with(how, (connection) => connection.query(QUERY));
    if (row === undefined) return null;
    const number = (column: string) => Number(row[column] ?? 0);
    told(number("archive_failed"));
    return serverSymptoms({
      answers: true,
      used: number("used"),
      most: number("most"),
      reserved: number("superusers") + number("reserved"),
      checksumFailures: number("failures"),
      databases: row.databases ?? "",
    });
  } catch (error) {
    if (sqlState(error) === TOO_MANY_CONNECTIONS) return serverSymptoms({ answers: false, why: "full" });
    if (error instanceof UnreachableError && error.silent) {
      return serverSymptoms({ answers: false, why: "silent", limitMs: LIMIT_MS });
    }
    return null;
  }
}
