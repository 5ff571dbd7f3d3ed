/** Options of programs (pg_basebackup, initdb, pg_rewind) as configurations write them. */
import { readText } from "./fields.ts";
import type { Issues, Path } from "./issues.ts";
import { checkOneLine } from "./names.ts";
import type { JsonObject } from "../model/json.ts";
import { MAX_COMMAND_BYTES } from "../model/limits.ts";
import { isJsonObject } from "../model/merge.ts";

/**
 * Strings, and maps with one or more options, of a list or one map: as pg_basebackup's and initdb's are
 * written.
 */
export function optionList(
  value: readonly unknown[] | JsonObject | undefined,
  path: Path,
  issues: Issues,
): (string | { [option: string]: string })[] {
  if (value === undefined) return [];
  const items = Array.isArray(value) ? value : Object.entries(value).map(([key, item]) => ({ [key]: item }));
  const result: (string | { [option: string]: string })[] = [];
  items.forEach((item: unknown, i) => {
    const simple = readText(item);
    if (simple !== undefined && checkOneLine(simple, MAX_COMMAND_BYTES, [...path, i], issues)) {
      result.push(simple);
    } else if (simple !== undefined) return;
    else if (isJsonObject(item)) result.push(...optionPairs(item, path, issues));
    else issues.error([...path, i], "expected an option as text, or as option: value");
  });
  return result;
}

/** `verbose: true` is the option alone, `verbose: false` none. */
function optionPairs(
  item: JsonObject,
  path: Path,
  issues: Issues,
): (string | { [option: string]: string })[] {
  return Object.entries(item).flatMap(([option, value]): (string | { [option: string]: string })[] => {
    if (!/^-{0,2}[A-Za-z][\w-]*$/.test(option)) {
      issues.error([...path, option], "is no name of an option");
      return [];
    }
    if (value === true || value === null) return [option];
    if (value === false) return [];
    const written = readText(value);
    if (written !== undefined) {
      return checkOneLine(written, MAX_COMMAND_BYTES, [...path, option], issues)
        ? [{ [option]: written }]
        : [];
    }
    issues.error([...path, option], "expected text, a number or a boolean");
    return [];
  });
}
