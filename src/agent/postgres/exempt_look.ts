/** Looks whose commits wait for no standby by a setting of their own, for people to read. */
import { errorText } from "../../postgres/error_text.ts";
import { readExemptCommits } from "../../postgres/exempt_commits.ts";
import type { PostgresContext } from "./context.ts";

/**
 * Over a connection that nothing else waits for: behind a lock on the catalog the server would look hung.
 * Never rejects.
 */
export async function lookForExempt({ dynamic, parts }: PostgresContext): Promise<void> {
  const { memory, server, changed, log } = parts;
  const own = memory.server;
  if (own === null || !own.ready || own.status?.inRecovery !== false) return;
  const isOwed = dynamic.synchronousMode !== "off";
  try {
    own.exempt = isOwed ? await server.with({ applicationName: "agent check" }, readExemptCommits) : [];
    changed();
  } catch (error) {
    // A server that does not answer is the monitor's to report.
    log.debug("sync_setting", `settings of synchronous_commit are not known: ${errorText(error)}`);
  }
}
