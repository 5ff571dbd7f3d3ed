/** Whether a dynamic configuration may become the cluster's: PATCH and PUT /config, edit-config, bootstrap.dcs. */
import type { ConfigIssue } from "./config.ts";
import { check, unknownKey, warnUnknownKeys } from "./config_check.ts";
import { LOCAL_ONLY_POSTGRESQL_KEYS } from "./config_dynamic.ts";
import { isSet, readRoot } from "./config_dynamic_read.ts";
import { controlledParameters, fileParameters } from "./config_guc.ts";
import { describeValue, Issues } from "./config_issues.ts";
import type { Path } from "./config_issues.ts";
import { DYNAMIC_ROOT_KEYS, postgresqlSchema } from "./config_schema.ts";
import type { JsonObject } from "./json.ts";
import { isJsonObject } from "./merge.ts";

/** Errors: to be refused. Warnings: accepted, to be shown. */
export function validateDynamic(dcs: unknown): ConfigIssue[] {
  const issues = new Issues();
  checkDynamic(dcs, [], issues);
  return issues.list.map(({ severity, path, message }) => ({ severity, path, line: null, message }));
}

export function checkDynamic(dcs: unknown, path: Path, issues: Issues): void {
  if (!isJsonObject(dcs)) {
    issues.error(path, `expected a map, got ${describeValue(path, dcs)}`);
    return;
  }
  const known = [...DYNAMIC_ROOT_KEYS, "postgresql"];
  for (const [key, value] of Object.entries(dcs)) {
    if (key === "primary_race_backoff" && isSet(value)) {
      issues.warning([...path, key], "is not supported and has no effect");
    } else if (!known.includes(key)) {
      issues.warning([...path, key], unknownKey(key, known, path));
    }
  }
  readRoot(dcs, {}, path, issues);
  checkPostgresql(dcs, [...path, "postgresql"], issues);
}

function checkPostgresql(dcs: JsonObject, path: Path, issues: Issues): void {
  const section = dcs["postgresql"];
  if (!isSet(section)) return;
  if (!isJsonObject(section)) {
    issues.error(path, `expected a map, got ${describeValue(path, section)}`);
    return;
  }
  const shape = postgresqlSchema.shape;
  const localOnly: readonly string[] = LOCAL_ONLY_POSTGRESQL_KEYS;
  const methods = Array.isArray(section["create_replica_methods"])
    ? section["create_replica_methods"].map(String)
    : [];
  const checked: JsonObject = {};
  for (const [key, value] of Object.entries(section)) {
    if (!isSet(value)) continue;
    if (localOnly.includes(key)) {
      issues.warning([...path, key], "belongs to each member's own file: it is ignored here");
      continue;
    }
    checked[key] = value;
    if (Object.hasOwn(shape, key)) check(shape[key as keyof typeof shape], value, [...path, key], issues);
  }
  warnUnknownKeys(postgresqlSchema, checked, path, issues, methods);
  const parameters = checked["parameters"];
  if (!isJsonObject(parameters)) return;
  controlledParameters(parameters, [...path, "parameters"], issues);
  fileParameters(parameters, {}, [...path, "parameters"], issues);
}
