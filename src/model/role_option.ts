/** Options of a role in bootstrap.users: they stand unquoted in SQL, so only these are taken. */

const OPTION =
  /^(?:(?:NO)?(?:SUPERUSER|CREATEDB|CREATEROLE|INHERIT|LOGIN|REPLICATION|BYPASSRLS)|CONNECTION LIMIT -?\d{1,9})$/;

/** True for an option in upper or lower case, also with spaces around it. */
export function isRoleOption(option: string): boolean {
  return OPTION.test(option.trim().toUpperCase());
}
