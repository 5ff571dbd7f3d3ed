/**
 * Whether a dynamic configuration may become the cluster's: PATCH and PUT /config, edit-config,
 * bootstrap.dcs.
 */
import type { ConfigIssue } from "../model/config.ts";
import { boundsProblem } from "../model/bounded_json.ts";
import { warnUnknownKey, warnUnknownKeys } from "./check.ts";
import { readRoot } from "./dynamic_read.ts";
import { controlledParameters } from "./guc.ts";
import { describeIssue, describeValue, Issues } from "./issues.ts";
import type { Path } from "./issues.ts";
import { replicaMethodNames } from "./methods.ts";
import { checkValues, usableKeys } from "./postgresql_keys.ts";
import { DYNAMIC_ROOT_KEYS, UNSUPPORTED } from "./keys/dynamic.ts";
import { LOCAL_ONLY_POSTGRESQL_KEYS, postgresqlSchema } from "./keys/postgresql.ts";
import { OTHER_STORES } from "./keys/root.ts";
import { warnWithoutEffect } from "./keys/row.ts";
import type { Json, JsonObject } from "../model/json.ts";
import { isJsonObject, isSet } from "../model/merge.ts";
import { WAITS_FOR_NOBODY } from "../model/sync_setting.ts";

/**
 * The problems of `value` that `present` does not have: a rule that came later must not keep a cluster, whose
 * configuration was accepted before it, from being paused. null: there is no configuration yet.
 */
export function newProblems(value: JsonObject, present: JsonObject | null): ConfigIssue[] {
  const known = new Set(present === null ? [] : validateDynamic(present).map(describeIssue));
  return validateDynamic(value).filter((issue) => !known.has(describeIssue(issue)));
}

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
  const unsupported: readonly string[] = UNSUPPORTED;
  const tooLarge = boundsProblem(dcs);
  if (tooLarge !== null) return issues.error(path, `${tooLarge}: this is no configuration`);
  for (const [key, value] of Object.entries(dcs)) {
    if (LOCAL_SECTIONS.includes(key) && isSet(value)) {
      issues.error([...path, key], LOCAL_ONLY);
      continue;
    }
    refuseSecrets(value, [...path, key], issues);
    if (unsupported.includes(key) && isSet(value)) {
      issues.warning([...path, key], "is not supported and has no effect");
    } else if (!known.includes(key)) {
      warnUnknownKey(key, known, path, issues);
    }
  }
  const { slots, pause, pauseUntil, synchronousMode } = readRoot(dcs, {}, path, issues, "proposed");
  // In bootstrap.dcs: a change of the configuration is refused for it (model/pause_end.ts).
  if (path.length > 0 && pauseUntil !== null && !pause) {
    issues.warning([...path, "pause_until"], "has no effect without pause");
  }
  checkPostgresql(dcs, [...path, "postgresql"], issues);
  if (synchronousMode !== "off") warnOfSynchronous(dcs, [...path, "postgresql"], issues);
  const logical = slots.filter(({ type }) => type === "logical").map(({ name }) => name);
  if (logical.length > 0 && walLevel(dcs) !== "logical") {
    issues.warning(
      [...path, "slots"],
      `logical slots (${logical.join(", ")}) are made once postgresql.parameters.wal_level is logical`,
    );
  }
}

function parametersOf(dcs: JsonObject, key = "parameters"): JsonObject {
  const section = dcs["postgresql"];
  const parameters = isJsonObject(section) ? section[key] : null;
  return isJsonObject(parameters) ? parameters : {};
}

function walLevel(dcs: JsonObject): string | undefined {
  return controlledParameters(parametersOf(dcs), [], new Issues())["wal_level"];
}

/** Values by which a commit waits for no standby, as PostgreSQL reads them. */
/** Where a parameter of a primary stands. */
const OF_PRIMARY: readonly string[] = ["parameters", "parameters_primary", "recovery_conf"];

/** Parameters that undo what a synchronous mode promises, or that it takes the place of. */
function warnOfSynchronous(dcs: JsonObject, path: Path, issues: Issues): void {
  const all = OF_PRIMARY.flatMap((section) =>
    Object.entries(parametersOf(dcs, section)).map(([name, value]) => [section, name, value] as const)
  );
  for (const [section, name, value] of all) {
    const key = name.toLowerCase();
    if (key === "synchronous_standby_names" && isSet(value)) {
      issues.warning(
        [...path, section, name],
        "has no effect with synchronous_mode: the agent decides on it",
      );
    } else if (key === "synchronous_commit" && WAITS_FOR_NOBODY.includes(String(value).toLowerCase())) {
      issues.warning(
        [...path, section, name],
        "commits do not wait for a standby, so that synchronous_mode promises nothing of them",
      );
    }
  }
}

const LOCAL_SECTIONS: readonly string[] = [
  "name",
  "scope",
  "namespace",
  "restapi",
  "ctl",
  "raft",
  "bootstrap",
  ...OTHER_STORES,
];
const LOCAL_ONLY =
  "belongs to each member's own file: a value here is the same on all members, kept in their logs, and " +
  "shown to everyone who can reach GET /config. Remove it here, and set it there";
const SECRET_KEYS: readonly string[] = ["password", "sslpassword", "keyfile_password", "passwd"];
/** A password in a connection string; not in a command, where it may be a variable's name. */
const SECRET_SETTING = /(?:^|\s)(?:ssl)?password\s*=\s*\S/i;
const CONNECTION_STRINGS: readonly string[] = ["primary_conninfo"];

/**
 * A password that everyone can read protects nothing. The keys under `parameters` are PostgreSQL's, and none
 * of them is a password.
 */
function refuseSecrets(value: Json, path: Path, issues: Issues): void {
  if (Array.isArray(value)) return value.forEach((item, i) => refuseSecrets(item, [...path, i], issues));
  if (!isJsonObject(value)) return;
  for (const [key, item] of Object.entries(value)) {
    const inner = [...path, key];
    // Refused as a whole, once.
    if (path.at(-1) === "postgresql" && key === "authentication") continue;
    if (isSet(item) && SECRET_KEYS.includes(key)) issues.error(inner, LOCAL_ONLY);
    else if (CONNECTION_STRINGS.includes(key) && typeof item === "string" && SECRET_SETTING.test(item)) {
      issues.error(inner, `holds a password, and ${LOCAL_ONLY}`);
    } else refuseSecrets(item, inner, issues);
  }
}

function checkPostgresql(dcs: JsonObject, path: Path, issues: Issues): void {
  const section = dcs["postgresql"];
  if (!isSet(section)) return;
  if (!isJsonObject(section)) {
    issues.error(path, `expected a map, got ${describeValue(path, section)}`);
    return;
  }
  const localOnly: readonly string[] = LOCAL_ONLY_POSTGRESQL_KEYS;
  const methods = replicaMethodNames(section);
  const shared: JsonObject = {};
  for (const [key, value] of Object.entries(section)) {
    if (isSet(value) && localOnly.includes(key)) issues.error([...path, key], LOCAL_ONLY);
    else if (isSet(value)) shared[key] = value;
  }
  warnUnknownKeys(postgresqlSchema, shared, path, issues, methods);
  warnWithoutEffect(postgresqlSchema, shared, path, issues);
  checkValues(usableKeys(shared, path, issues), "dynamic", path, issues);
}
