/**
 * Judges a configuration's content for PostgreSQL's files: recovery settings, lines of pg_hba.conf and
 * pg_ident.conf. One judge serves the local file, bootstrap.dcs, changes of the dynamic configuration and the
 * one in force.
 */
import { lines } from "./fields.ts";
import { readParameter } from "./guc.ts";
import { hbaFlaw } from "./hba.ts";
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

/** Recovery settings as text. An unusable one is an error, and left out. */
export function readRecoveryConf(
  value: Json | undefined,
  path: Path,
  issues: Issues,
): { [name: string]: string } {
  return readSettings(value, path, issues, (name) => {
    return IGNORED_RECOVERY.test(name.toLowerCase()) ? "is decided by the agent: it is ignored" : null;
  });
}

/** `whyIgnored`: of a setting, by its name; null: it counts. */
function readSettings(
  value: Json | undefined,
  path: Path,
  issues: Issues,
  whyIgnored: (name: string) => string | null,
): { [name: string]: string } {
  const result: { [name: string]: string } = {};
  if (!isSet(value)) return result;
  if (!isJsonObject(value)) {
    issues.error(path, `expected a map of settings, got ${describeValue(path, value)}`);
    return result;
  }
  for (const [name, item] of Object.entries(value)) {
    const why = whyIgnored(name);
    if (why !== null) issues.warning([...path, name], why);
    else if (item !== null) {
      const text = readParameter(name, item, [...path, name], issues);
      if (text !== null) result[name] = text;
    }
  }
  return result;
}

/** Settings that end a recovery: at most one of them. */
export const RECOVERY_TARGETS: readonly string[] = [
  "recovery_target",
  "recovery_target_lsn",
  "recovery_target_name",
  "recovery_target_time",
  "recovery_target_xid",
];
const OF_RESTORE = [
  ...RECOVERY_TARGETS,
  "recovery_target_action",
  "recovery_target_inclusive",
  "recovery_target_timeline",
  "restore_command",
  "archive_cleanup_command",
  "recovery_end_command",
];

/** Recovery settings of a restored cluster (`bootstrap.<method>.recovery_conf`), by lower-case names. */
export function readRestoreConf(
  value: Json | undefined,
  path: Path,
  issues: Issues,
): { [name: string]: string } {
  const given = readSettings(value, path, issues, (name) => {
    return OF_RESTORE.includes(name.toLowerCase())
      ? null
      : "is no setting of the recovery of a new cluster: it is ignored";
  });
  const result = Object.fromEntries(Object.entries(given).map(([name, text]) => [name.toLowerCase(), text]));
  const targets = RECOVERY_TARGETS.filter((name) => result[name]);
  if (targets.length > 1) {
    issues.error(path, `${targets.join(" and ")}: PostgreSQL takes one target of a recovery`);
  }
  const action = result["recovery_target_action"];
  if (action !== undefined && action !== "promote" && action !== "pause") {
    issues.error(
      [...path, "recovery_target_action"],
      `expected promote or pause, got ${describeValue(path, action)}: a new cluster begins with a primary`,
    );
  }
  return result;
}

/** More say nothing new. */
const MAX_FLAWS = 10;

/**
 * Lines of pg_hba.conf; null: the file is left alone, as where nothing is given or after an error. With one
 * line that PostgreSQL cannot read it would not start, and takes nothing of the file at a reload.
 */
export function readHba(value: Json | undefined, path: Path, issues: Issues): string[] | null {
  const given = readIdent(value, path, issues);
  if (given === null) return null;
  const rules = rulesOf(given);
  const flaws = rules.flatMap((rule) => {
    const flaw = hbaFlaw(rule.text);
    return flaw === null ? [] : [{ ...rule, flaw }];
  });
  for (const { text, at, flaw } of flaws.slice(0, MAX_FLAWS)) {
    issues.error(
      Array.isArray(value) ? [...path, at] : path,
      `PostgreSQL would refuse this line and with it the whole file: ${flaw} (${describeValue(path, text)})`,
    );
  }
  if (flaws.length > 0) return null;
  if (rules.length > 0) return given;
  issues.error(path, "holds nothing but comments: PostgreSQL does not start without a rule");
  return null;
}

/** Lines that hold a rule, with the item of the list in which each begins. A backslash continues a line. */
function rulesOf(items: readonly string[]): { readonly text: string; readonly at: number }[] {
  const rules: { text: string; at: number }[] = [];
  let goesOn = false;
  for (const [at, item] of items.entries()) {
    for (const part of item.split("\n")) {
      const line = part.replace(/\r+$/, "");
      if (goesOn) rules.at(-1)!.text += line;
      else rules.push({ text: line, at });
      goesOn = line.endsWith("\\");
      if (goesOn) rules.at(-1)!.text = rules.at(-1)!.text.slice(0, -1);
    }
  }
  return rules.map(({ text, at }) => ({ text: text.trim(), at })).filter(({ text }) =>
    text !== "" && !text.startsWith("#")
  );
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
