/**
 * Judges a configuration's content for PostgreSQL's files: recovery settings, lines of pg_hba.conf and
 * pg_ident.conf. One judge serves the local file, bootstrap.dcs, changes of the dynamic configuration and the
 * one in force.
 */
import { lines } from "./fields.ts";
import { readParameter } from "./guc.ts";
import { describeValue } from "./issues.ts";
import type { Issues, Path } from "./issues.ts";
import { checkText } from "./names.ts";
import type { Json } from "../model/json.ts";
import { isJsonObject, isSet } from "../model/merge.ts";

/** The longest line: PostgreSQL takes no token that is longer. */
const MAX_LINE_BYTES = 10_000;

/** Decided by the agent itself. */
const IGNORED_RECOVERY =
  /^(recovery_target.*|primary_conninfo|primary_slot_name|standby_mode|trigger_file|promote_trigger_file)$/;

/** Recovery settings as text. What cannot be one is an error, and left out. */
export function readRecoveryConf(
  value: Json | undefined,
  path: Path,
  issues: Issues,
): { [name: string]: string } {
  const result: { [name: string]: string } = {};
  if (!isSet(value)) return result;
  if (!isJsonObject(value)) {
    issues.error(path, `expected a map of settings, got ${describeValue(path, value)}`);
    return result;
  }
  for (const [name, item] of Object.entries(value)) {
    if (IGNORED_RECOVERY.test(name.toLowerCase())) {
      issues.warning([...path, name], "is decided by the agent: it is ignored");
    } else if (item !== null) {
      const text = readParameter(name, item, [...path, name], issues);
      if (text !== null) result[name] = text;
    }
  }
  return result;
}

const FIRST_WORDS = [
  "local",
  "host",
  "hostssl",
  "hostnossl",
  "hostgssenc",
  "hostnogssenc",
  "include",
  "include_if_exists",
  "include_dir",
];

/**
 * Lines of pg_hba.conf; null: the file is left alone, as where nothing is given or after an error. With one
 * line that PostgreSQL cannot read it would not start.
 */
export function readHba(value: Json | undefined, path: Path, issues: Issues): string[] | null {
  const given = readIdent(value, path, issues);
  if (given === null) return null;
  const rules = given.join("\n").replace(/\\\n/g, " ").split("\n").map((line) => line.trim())
    .filter((line) => line !== "" && !line.startsWith("#"));
  const wrong = rules.find((rule) => !FIRST_WORDS.includes(/^"?([^\s,"]*)/.exec(rule)![1]!));
  if (wrong !== undefined) {
    issues.error(
      path,
      `expected lines that begin with one of ${FIRST_WORDS.join(", ")}, got ${describeValue(path, wrong)}`,
    );
  } else if (rules.length === 0) {
    issues.error(path, "holds nothing but comments: PostgreSQL does not start without a rule");
  } else return given;
  return null;
}

/** Lines of pg_ident.conf; null: the file is left alone. */
export function readIdent(value: Json | undefined, path: Path, issues: Issues): string[] | null {
  if (!isSet(value)) return null;
  const given = lines.safeParse(value).data;
  if (given === undefined) {
    issues.error(path, `expected a list of lines, got ${describeValue(path, value)}`);
    return null;
  }
  const fits = given.every((line, at) =>
    line.split("\n").every((part) => checkText(part, MAX_LINE_BYTES, [...path, at], issues))
  );
  return fits && given.length > 0 ? given : null;
}
