/**
 * Methods of the user's own: commands that copy a member (`postgresql.create_replica_methods`) or make the
 * first data directory (`bootstrap.method`). Their scripts are written for Patroni, so that they are called
 * with exactly its arguments.
 */
import { check } from "./check.ts";
import { command, integer, readText, textList } from "./fields.ts";
import { describeValue } from "./issues.ts";
import type { Issues, Path } from "./issues.ts";
import { checkOneLine } from "./names.ts";
import type { ReplicaMethod } from "../model/config.ts";
import type { Json, JsonObject } from "../model/json.ts";
import { MAX_COMMAND_BYTES, MAX_TIMEOUT_S } from "../model/limits.ts";
import { isJsonObject, isSet } from "../model/merge.ts";
import { parseBool } from "../model/parse_bool.ts";

/** Long enough for a restore of terabytes. A command without a limit that hangs would keep a member out. */
export const METHOD_LIMIT_S = 24 * 3600;

/** Keys of a method that are no arguments of its command. `time_limit` is the agent's own key. */
const NO_ARGUMENTS: readonly string[] = ["command", "time_limit"];
/** Keys of a replica method that its command is not told of with `no_params`, as with Patroni. */
const ABOUT_COPY: readonly string[] = ["no_params", "no_leader", "no_master", "keep_data"];

export function readReplicaMethods(section: JsonObject): ("basebackup" | ReplicaMethod)[] {
  return replicaMethodNames(section).map((name) =>
    name === "basebackup" ? name : readReplicaMethod(name, section[name])
  );
}

/** From the key or its old name; empty or not given: basebackup alone. */
export function replicaMethodNames(section: JsonObject): string[] {
  const lists = [section["create_replica_methods"], section["create_replica_method"]];
  return lists.map((list) => textList.safeParse(list).data).find((list) => list?.length) ?? ["basebackup"];
}

/** A method without a section, or without `command` in it, is a command of its own name. */
function readReplicaMethod(name: string, section: Json | undefined): ReplicaMethod {
  const own = isJsonObject(section) ? section : {};
  const noParams = parseBool(own["no_params"]) ?? false;
  const left = noParams ? [...NO_ARGUMENTS, ...ABOUT_COPY] : NO_ARGUMENTS;
  return {
    name,
    command: readText(own["command"]) || name,
    keepData: parseBool(own["keep_data"]) ?? false,
    noLeader: parseBool(own["no_leader"] ?? own["no_master"]) ?? false,
    noParams,
    timeLimitS: readTimeLimit(own),
    options: readOptions(own, left),
  };
}

export function readTimeLimit(section: JsonObject): number {
  return TIME_LIMIT.safeParse(section["time_limit"]).data ?? METHOD_LIMIT_S;
}

/** Values as Python writes them: `keep_data: true` reaches the command as `--keep_data=True`. */
export function readOptions(section: JsonObject, left: readonly string[]): { [option: string]: string } {
  return Object.fromEntries(
    Object.entries(section).flatMap(([key, value]) => {
      const text = argument(value);
      return left.includes(key) || text === undefined ? [] : [[key, text]];
    }),
  );
}

function argument(value: Json | undefined): string | undefined {
  return typeof value === "boolean" ? (value ? "True" : "False") : readText(value);
}

const TIME_LIMIT = integer(1, MAX_TIMEOUT_S, "s");
const SECRET = /passw|secret|token/i;

/** Everything in the section of a method. `known`: its keys that have a meaning of their own. */
export function checkMethod(
  section: JsonObject,
  known: { readonly flags: readonly string[]; readonly maps?: readonly string[] },
  path: Path,
  issues: Issues,
): void {
  for (const [key, value] of Object.entries(section)) {
    const inner = [...path, key];
    if (!isSet(value) || known.maps?.includes(key)) continue;
    if (key === "command") check(command, value, inner, issues);
    else if (key === "time_limit") check(TIME_LIMIT, value, inner, issues);
    else if (known.flags.includes(key)) {
      if (parseBool(value) === null) {
        issues.error(inner, `expected a boolean (on, off, true, false), got ${describeValue(inner, value)}`);
      }
    } else checkArgument(key, value, path, issues);
  }
}

function checkArgument(key: string, value: Json, path: Path, issues: Issues): void {
  const inner = [...path, key];
  const text = argument(value);
  if (!/^[\w.-]+$/.test(key)) return issues.error(inner, "is no name of an option");
  if (text === undefined) return issues.error(inner, "expected text, a number or a boolean");
  // An empty value is one: `--key=`.
  if (text !== "" && !checkOneLine(text, MAX_COMMAND_BYTES, inner, issues)) return;
  if (SECRET.test(key)) {
    issues.warning(
      inner,
      "is an argument of the command, which every user of the host can read: let the command read it from a file",
    );
  }
}
