/**
 * pg_hba.conf and pg_ident.conf as configured. Lines of one role stand in the file only while the server has
 * that role: the file that they replace is kept beside it, and comes back where nothing is configured.
 */
import type { EffectivePostgresql, ServerRole } from "../model/config.ts";
import { roleKeys } from "../config/roles.ts";
import { readText, textIfReadable, writeAtomically } from "./disk.ts";
import { isOfRole, renderLines } from "./server_conf.ts";

export interface AccessFile {
  readonly name: "pg_hba.conf" | "pg_ident.conf";
  /** Where the agent writes it. */
  readonly path: string;
  /** Where it is now; elsewhere while nobody has written it yet. */
  readonly present: string;
  /** Permissions of a file that is made. */
  readonly mode: number;
}

/** True when the file was changed. */
export function writeAccessFile(
  { name, path, present, mode }: AccessFile,
  effective: Pick<EffectivePostgresql, "pgHba" | "pgIdent" | "roles">,
  role: ServerRole,
): boolean {
  const field = name === "pg_hba.conf" ? "pgHba" : "pgIdent";
  const own = effective.roles[role][field];
  const common = effective[field];
  const base = path.replace(/\.conf$/, ".base.conf");
  const text = textIfReadable(present);
  const isAnotherRoles = text !== null && isOfRole(text);
  if (own !== null) {
    if (text !== null && !isAnotherRoles) writeAtomically(base, text, mode);
    return writeAtomically(path, renderLines(own, roleKeys(role)[field]), mode);
  }
  if (common !== null) return writeAtomically(path, renderLines(common), mode);
  const kept = isAnotherRoles ? readText(base) : null;
  return kept !== null && writeAtomically(path, kept, mode);
}
