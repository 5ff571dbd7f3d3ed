/** Secrets that nobody has filled in yet: `agent generate-config` leaves a word in their place. */
import type { Issues } from "./issues.ts";
import type { LocalConfig } from "../model/config.ts";

export const PLACEHOLDER = "FIXME";

/** A known word keeps no stranger out. */
export function warnPlaceholders(
  { raft, restapi, postgresql }: Pick<LocalConfig, "raft" | "restapi" | "postgresql">,
  issues: Issues,
): void {
  const warn = (secret: string | null | undefined, ...path: string[]) => {
    if (secret === PLACEHOLDER) {
      issues.warning(path, `is still ${PLACEHOLDER}, the word that stands for a secret`);
    }
  };
  warn(raft.password, "raft", "password");
  warn(restapi.authentication?.password, "restapi", "authentication", "password");
  if (postgresql === null) return;
  for (const role of ["superuser", "replication", "rewind"] as const) {
    // Left out, it is the superuser's.
    if (role === "rewind" && postgresql.rewind.username === postgresql.superuser.username) continue;
    warn(postgresql[role].password, "postgresql", "authentication", role, "password");
  }
}
