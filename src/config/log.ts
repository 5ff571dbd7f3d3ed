/** The log section. */
import type { LogConfig } from "../model/config.ts";
import type { Issues } from "./issues.ts";
import { logSchema } from "./keys/log.ts";
import type { LogSection } from "./keys/log.ts";
import { warnWithoutEffect } from "./keys/row.ts";

export function buildLog(section: LogSection, issues: Issues): LogConfig {
  warnWithoutEffect(logSchema, section, ["log"], issues);
  if (section.static_fields !== undefined && section.type !== "json") {
    issues.warning(["log", "static_fields"], "has an effect only with log.type: json");
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
