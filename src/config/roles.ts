/**
 * The settings of PostgreSQL that may differ by its role: `parameters_<role>` are laid over `parameters`,
 * `pg_hba_<role>` and `pg_ident_<role>` stand in place of `pg_hba` and `pg_ident`.
 */
import type { EffectivePostgresql, ServerRole } from "../model/config.ts";

export const SERVER_ROLES: readonly ServerRole[] = ["primary", "replica", "standby_leader"];

export interface RoleKeys {
  readonly parameters: `parameters_${ServerRole}`;
  readonly pgHba: `pg_hba_${ServerRole}`;
  readonly pgIdent: `pg_ident_${ServerRole}`;
}

/** Names of the keys in the `postgresql` section. */
export function roleKeys(role: ServerRole): RoleKeys {
  return { parameters: `parameters_${role}`, pgHba: `pg_hba_${role}`, pgIdent: `pg_ident_${role}` };
}

/** The same, with the parameters of a server that has this role. */
export function forRole(effective: EffectivePostgresql, role: ServerRole): EffectivePostgresql {
  return { ...effective, parameters: effective.roles[role].parameters };
}

/** With these lines of pg_hba.conf and pg_ident.conf in place of all that are configured. */
export function withAccess(
  effective: EffectivePostgresql,
  { hba, ident }: { readonly hba: readonly string[]; readonly ident: readonly string[] },
): EffectivePostgresql {
  const without = (role: ServerRole) => ({ ...effective.roles[role], pgHba: null, pgIdent: null });
  return {
    ...effective,
    pgHba: hba,
    pgIdent: ident,
    roles: {
      primary: without("primary"),
      replica: without("replica"),
      standby_leader: without("standby_leader"),
    },
  };
}
