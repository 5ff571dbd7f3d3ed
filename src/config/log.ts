/** The log section. */
import { fieldOf, flawOfDate, flawOfFormat, isPrintable, placesOf } from "../lib/log_layout.ts";
import type { LogConfig } from "../model/config.ts";
import type { Issues } from "./issues.ts";
import type { LogSection } from "./keys/log.ts";
import { loggersOf, PATRONI_LOGGERS } from "./loggers.ts";

type JsonFields = NonNullable<LogConfig["jsonFields"]>;

export function buildLog(section: LogSection, issues: Issues): LogConfig {
  const isJson = section.type === "json";
  if (section.static_fields !== undefined && !isJson) {
    issues.warning(["log", "static_fields"], "has an effect only with log.type: json");
  }
  if (section.deduplicate_heartbeat_logs === false) {
    issues.warning(
      ["log", "deduplicate_heartbeat_logs"],
      "has no effect: a line that says nothing new is never repeated",
    );
  }
  return {
    type: section.type ?? "plain",
    level: LEVELS[section.level ?? "info"],
    dir: section.dir ?? null,
    mode: section.mode ?? null,
    fileNum: section.file_num ?? 4,
    fileSizeBytes: section.file_size ?? 25_000_000,
    decisions: section.decisions ?? null,
    staticFields: section.static_fields ?? {},
    format: isJson ? null : plainFormat(section.format, issues),
    jsonFields: isJson ? jsonFields(section.format, issues) : null,
    dateFormat: dateFormat(section.dateformat, issues),
    loggers: loggers(section.loggers ?? {}, issues),
    tracebackLevel: LEVELS[section.traceback_level ?? "error"],
    maxQueueSize: section.max_queue_size ?? 1000,
  };
}

const LEVELS = {
  debug: "DEBUG",
  info: "INFO",
  warn: "WARNING",
  warning: "WARNING",
  error: "ERROR",
  fatal: "CRITICAL",
  critical: "CRITICAL",
} as const;

const UNUSED = "the format is not used";

function plainFormat(format: unknown, issues: Issues): string | null {
  if (format === undefined || format === null) return null;
  const flaw = typeof format !== "string" || format === ""
    ? "expected text like %(asctime)s %(levelname)s: %(message)s (a list needs log.type: json)"
    : flawOfFormat(format);
  if (flaw === null) return format as string;
  issues.warning(["log", "format"], `${UNUSED}: ${flaw}`);
  return null;
}

/** A list of names, and of maps that give new names; or a text whose places count. */
function jsonFields(format: unknown, issues: Issues): JsonFields | null {
  if (format === undefined || format === null) return null;
  const found = typeof format === "string"
    ? ofText(format)
    : Array.isArray(format)
    ? ofList(format)
    : ofList([format]);
  if (typeof found !== "string") return found;
  issues.warning(["log", "format"], `${UNUSED}: ${found}`);
  return null;
}

function ofText(format: string): JsonFields | string {
  const names = placesOf(format);
  const flaw = names.length === 0 ? "it names no field" : flawOfFormat(format);
  return flaw ?? names.map((name) => ({ field: name, name }));
}

function ofList(list: readonly unknown[]): JsonFields | string {
  const pairs = list.flatMap((one): (readonly [string, unknown])[] => {
    if (typeof one === "string") return [[one, one]];
    return typeof one === "object" && one !== null && !Array.isArray(one)
      ? Object.entries(one)
      : [["", null]];
  });
  for (const [field, name] of pairs) {
    if (fieldOf(field) === undefined) {
      return field === "" ? "expected names of fields, or {field: name}" : `${field} is not known here`;
    }
    if (typeof name !== "string" || name === "" || !isPrintable(name)) {
      return `the name for ${field} must be text`;
    }
  }
  return pairs.length === 0
    ? "it names no field"
    : pairs.map(([field, name]) => ({ field, name: name as string }));
}

function dateFormat(format: string | undefined, issues: Issues): string | null {
  if (format === undefined || format === "") return null;
  const flaw = flawOfDate(format);
  if (flaw === null) return format;
  issues.warning(["log", "dateformat"], `the format of dates is not used: ${flaw}`);
  return null;
}

function loggers(section: { readonly [name: string]: unknown }, issues: Issues): LogConfig["loggers"] {
  const found: { [event: string]: LogConfig["level"] } = {};
  for (const [name, value] of Object.entries(section)) {
    const path = ["log", "loggers", name];
    const written = typeof value === "string" ? value.toLowerCase() : "";
    const level = Object.hasOwn(LEVELS, written) ? LEVELS[written as keyof typeof LEVELS] : null;
    const events = loggersOf(name);
    if (level === null) issues.error(path, "expected one of DEBUG, INFO, WARNING, ERROR, CRITICAL");
    else if (events.length === 0) {
      const known = Object.keys(PATRONI_LOGGERS).slice(0, 3).join(", ");
      issues.warning(
        path,
        `no line comes from it here; there are events (raft, restapi, ...) and ${known}, ...`,
      );
    } else for (const event of events) found[event] = level;
  }
  return found;
}
