/**
 * Judges those keys of the `postgresql` section that the local file and the dynamic configuration have in
 * common. Both take the same values, and a configuration in force was judged alike.
 */
import { check } from "./check.ts";
import { textList } from "./fields.ts";
import { checkLocalParameters, controlledParameters, fileParameters, readRoleParameters } from "./guc.ts";
import { describeValue } from "./issues.ts";
import type { Issues, Path } from "./issues.ts";
import { checkPath } from "./names.ts";
import { checkMethod } from "./methods.ts";
import { optionList } from "./options.ts";
import { postgresqlSchema } from "./keys/postgresql.ts";
import { checkRejoin } from "./rejoin.ts";
import { roleKeys, SERVER_ROLES } from "./roles.ts";
import { readHba, readIdent, readRecoveryConf } from "./server_files.ts";
import type { ServerRole } from "../model/config.ts";
import type { JsonObject } from "../model/json.ts";
import { isJsonObject, isSet } from "../model/merge.ts";

type Layer = "local" | "dynamic";

/** Keys whose values have the right type. An error for each of the others, which is left out. */
export function usableKeys(section: JsonObject, path: Path, issues: Issues): JsonObject {
  const { shape } = postgresqlSchema;
  return Object.fromEntries(
    Object.entries(section).filter(([key, value]) =>
      !Object.hasOwn(shape, key) ||
      check(shape[key as keyof typeof shape], value, [...path, key], issues) !== null
    ),
  );
}

const PATHS = ["data_dir", "config_dir", "bin_dir", "pgpass", "custom_conf"];

/** Everything but types: whether PostgreSQL, its programs and files can do with each value. */
export function checkValues(section: JsonObject, layer: Layer, path: Path, issues: Issues): void {
  const { parameters } = section;
  if (isJsonObject(parameters)) checkParameters(parameters, layer, [...path, "parameters"], issues);
  readRecoveryConf(section["recovery_conf"], [...path, "recovery_conf"], issues);
  readHba(section["pg_hba"], [...path, "pg_hba"], issues);
  readIdent(section["pg_ident"], [...path, "pg_ident"], issues);
  for (const role of SERVER_ROLES) checkRole(section, role, layer, path, issues);
  for (const key of PATHS) {
    const value = section[key];
    if (typeof value === "string") checkPath(value, [...path, key], issues);
  }
  checkRejoin(section, path, issues);
  const { basebackup, rewind } = section;
  if (Array.isArray(basebackup) || isJsonObject(basebackup)) {
    optionList(basebackup, [...path, "basebackup"], issues);
  }
  if (isSet(rewind)) checkRewindOptions(rewind, [...path, "rewind"], issues);
  for (const key of ["create_replica_methods", "create_replica_method"] as const) {
    checkMethods(section, key, path, issues);
  }
}

function checkParameters(parameters: JsonObject, layer: Layer, path: Path, issues: Issues): void {
  if (layer === "local") return checkLocalParameters(parameters, path, issues);
  controlledParameters(parameters, path, issues);
  fileParameters(parameters, {}, path, issues);
}

function checkRole(section: JsonObject, role: ServerRole, layer: Layer, path: Path, issues: Issues): void {
  const keys = roleKeys(role);
  const parameters = section[keys.parameters];
  if (isJsonObject(parameters)) {
    const judge = layer === "local" ? checkLocalParameters : readRoleParameters;
    judge(parameters, [...path, keys.parameters], issues);
  }
  readHba(section[keys.pgHba], [...path, keys.pgHba], issues);
  readIdent(section[keys.pgIdent], [...path, keys.pgIdent], issues);
}

const METHOD_FLAGS = ["no_params", "no_leader", "no_master", "keep_data"];

/** Names a section, and is part of messages. */
export const METHOD_NAME = /^[\w.-]{1,63}$/;

/** Each is a section beside the others, of a name of its own. */
function checkMethods(
  section: JsonObject,
  key: "create_replica_methods" | "create_replica_method",
  path: Path,
  issues: Issues,
): void {
  for (const method of textList.safeParse(section[key] ?? []).data ?? []) {
    if (method === "basebackup") continue;
    const own = section[method];
    if (!METHOD_NAME.test(method)) {
      issues.error(
        [...path, key],
        `${describeValue(path, method)} is no name of a method: letters, digits, _, - and .`,
      );
    } else if (Object.hasOwn(postgresqlSchema.shape, method)) {
      issues.error(
        [...path, key],
        `names ${method}, which is a key of the section itself: choose another name`,
      );
    } else if (!isJsonObject(own)) {
      issues.warning(
        [...path, key],
        `names ${method}, and there is no section postgresql.${method} with its command: the command ${method} is run`,
      );
    } else checkMethod(own, { flags: METHOD_FLAGS }, [...path, method], issues);
  }
}

const FORBIDDEN_REWIND_OPTIONS = [
  "target-pgdata",
  "source-pgdata",
  "source-server",
  "write-recovery-conf",
  "dry-run",
  "restore-target-wal",
  "config-file",
  "no-ensure-shutdown",
  "version",
  "help",
];

function checkRewindOptions(value: unknown, path: Path, issues: Issues): void {
  if (!Array.isArray(value) && !isJsonObject(value)) {
    issues.warning(path, "expected a list of options for pg_rewind: it is ignored");
    return;
  }
  for (const option of optionList(value, path, issues)) {
    const name = typeof option === "string" ? option : Object.keys(option)[0]!;
    if (FORBIDDEN_REWIND_OPTIONS.includes(name)) {
      issues.warning(path, `the option ${name} is set by the agent itself: it is ignored`);
    }
  }
}
