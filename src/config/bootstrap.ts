/**
 * The bootstrap section: how the first member makes a cluster out of an empty directory. Never read again
 * after that.
 */
import type { BootstrapConfig, CustomBootstrap } from "../model/config.ts";
import { checkDynamic } from "./dynamic_validate.ts";
import { readText } from "./fields.ts";
import { describeValue } from "./issues.ts";
import type { Issues, Path } from "./issues.ts";
import { checkPassword, checkRole } from "./names.ts";
import { bootstrapSchema } from "./keys/bootstrap.ts";
import type { BootstrapSection } from "./keys/bootstrap.ts";
import { checkMethod, readOptions, readTimeLimit } from "./methods.ts";
import { optionList } from "./options.ts";
import { readHba, readRestoreConf } from "./server_files.ts";
import type { JsonObject } from "../model/json.ts";
import { isJsonObject } from "../model/merge.ts";
import { isRoleOption } from "../model/role_option.ts";
import { parseBool } from "../model/parse_bool.ts";

const PATH: Path = ["bootstrap"];
/** Options of initdb that the agent gives itself, or that would make the result unsafe. */
const FORBIDDEN_INITDB_OPTIONS = ["pgdata", "nosync", "no-sync", "pwfile", "sync-only", "version"];

export function buildBootstrap(section: BootstrapSection, raw: JsonObject, issues: Issues): BootstrapConfig {
  // `section` is empty after an error in it, which is no reason to leave the rest unjudged.
  const dcs = isJsonObject(raw["dcs"]) ? raw["dcs"] : {};
  checkDynamic(dcs, [...PATH, "dcs"], issues);
  if (section.users !== undefined) {
    issues.warning([...PATH, "users"], "is an old form: create roles in bootstrap.post_bootstrap instead");
  }
  return {
    dcs,
    initdb: initdbOptions(section, issues),
    pgHba: readHba(raw["pg_hba"], [...PATH, "pg_hba"], issues) ?? [],
    postBootstrap: section.post_bootstrap || section.post_init || null,
    users: users(section.users ?? {}, issues),
    custom: customMethod(readText(raw["method"]) || "initdb", raw, issues),
  };
}

function initdbOptions(section: BootstrapSection, issues: Issues): string[] {
  const path = [...PATH, "initdb"];
  return optionList(section.initdb, path, issues).flatMap((option) => {
    const [name, value] = typeof option === "string" ? splitOption(option) : Object.entries(option)[0]!;
    if (FORBIDDEN_INITDB_OPTIONS.includes(name)) {
      issues.error(path, `the option ${name} is not allowed: the agent decides it`);
      return [];
    }
    return [value === null ? `--${name}` : `--${name}=${value}`];
  });
}

/** `data-checksums`, `--data-checksums` and `--encoding=UTF8` all occur. */
function splitOption(option: string): [string, string | null] {
  const bare = option.trim().replace(/^--/, "");
  const equals = bare.indexOf("=");
  return equals < 0 ? [bare, null] : [bare.slice(0, equals), bare.slice(equals + 1)];
}

function users(section: JsonObject, issues: Issues): BootstrapConfig["users"] {
  const result: { [name: string]: { password: string | null; options: string[] } } = {};
  for (const [name, value] of Object.entries(section)) {
    const options = isJsonObject(value) ? value["options"] : undefined;
    if (!isJsonObject(value) || (options !== undefined && !Array.isArray(options))) {
      issues.error([...PATH, "users", name], "expected a map with password and options (a list)");
      continue;
    }
    const path = [...PATH, "users", name];
    const password = readText(value["password"]) ?? null;
    const texts = (options ?? []).map((option) => readText(option)).filter((option) => option !== undefined);
    checkRole(name, path, issues);
    checkPassword(password ?? "", [...path, "password"], issues);
    const wrong = texts.find((option) => !isRoleOption(option));
    if (wrong !== undefined) {
      issues.error([...path, "options"], `${describeValue(path, wrong)} is no option of CREATE ROLE`);
    }
    result[name] = { password, options: texts };
  }
  return result;
}

/** Keys of a method that are no arguments of its command. */
const NO_ARGUMENTS = [
  "command",
  "keep_existing_recovery_conf",
  "no_params",
  "recovery_conf",
  "time_limit",
  "scope",
  "datadir",
];

function customMethod(name: string, raw: JsonObject, issues: Issues): CustomBootstrap | null {
  if (name === "initdb") return null;
  const path = [...PATH, "method"];
  const section = raw[name];
  const command = isJsonObject(section) ? readText(section["command"]) : undefined;
  if (Object.hasOwn(bootstrapSchema.shape, name)) {
    issues.error(path, `names ${name}, which is a key of the section itself: choose another name`);
    return null;
  }
  const own = [...PATH, name];
  if (!command) issues.error(path, `bootstrap.${name}.command is required when bootstrap.method is ${name}`);
  if (!isJsonObject(section)) return null;
  const flags = ["no_params", "keep_existing_recovery_conf"];
  checkMethod(section, { flags, maps: ["recovery_conf"] }, own, issues);
  const recoveryConf = readRestoreConf(section["recovery_conf"], [...own, "recovery_conf"], issues);
  if (!command) return null;
  return {
    name,
    command,
    keepExistingRecoveryConf: parseBool(section["keep_existing_recovery_conf"]) ?? false,
    noParams: parseBool(section["no_params"]) ?? false,
    timeLimitS: readTimeLimit(section),
    recoveryConf,
    options: readOptions(section, NO_ARGUMENTS),
  };
}
