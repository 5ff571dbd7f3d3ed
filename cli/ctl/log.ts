/**
 * What `agent ctl` does behind its output, on standard error: LOGLEVEL, as patronictl has it. Warnings of the
 * commands themselves are no part of it.
 */
import type { Io } from "./io.ts";
import { timestamp } from "./time.ts";

const LEVELS = ["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"] as const;
export type Level = (typeof LEVELS)[number];
export type Log = (level: Level, text: string) => void;

/** The last of these that is set counts. */
const VARIABLES = ["LOGLEVEL", "PATRONI_LOGLEVEL", "PATRONI_LOG_LEVEL"];
const SYNONYMS: { readonly [name: string]: Level } = { WARN: "WARNING", FATAL: "CRITICAL" };
const DEFAULT: Level = "WARNING";

export function logOf(io: Pick<Io, "err" | "environment">, now = () => new Date()): Log {
  const variable = VARIABLES.findLast((name) => io.environment[name]) ?? null;
  const asked = variable === null ? DEFAULT : levelOf(io.environment[variable]!);
  if (asked === null) {
    io.err(`Warning: ${variable} is ignored: it must be one of ${LEVELS.join(", ")}`);
  }
  const least = LEVELS.indexOf(asked ?? DEFAULT);
  return (level, text) => {
    if (LEVELS.indexOf(level) < least) return;
    const stamp = timestamp(3, now()).replace(".", ",");
    io.err(`${stamp} - ${level} - ${text}`);
  };
}

function levelOf(text: string): Level | null {
  const name = text.trim().toUpperCase();
  return LEVELS.find((level) => level === name) ?? SYNONYMS[name] ?? null;
}
