/** Whether a server is one that a restart is meant for. */
import { parsePostgresVersion } from "./postgres_version.ts";
import type { RestartConditions } from "./records.ts";

export interface RestartSubject {
  readonly role: string;
  /** As PostgreSQL's integer; null: not known. */
  readonly serverVersion: number | null;
  readonly pendingRestart: boolean;
}

export function restartConditionsMet(
  { role, postgres_version, restart_pending }: RestartConditions,
  server: RestartSubject,
): boolean {
  if (role !== undefined && role !== server.role) return false;
  if (postgres_version !== undefined) {
    const wanted = parsePostgresVersion(postgres_version);
    const { serverVersion } = server;
    if (wanted === null || serverVersion === null || serverVersion >= wanted) return false;
  }
  return restart_pending !== true || server.pendingRestart;
}
