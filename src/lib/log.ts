/**
 * The log that people and collectors read. One line an event, in the layout that Patroni's users know
 * (`2026-01-31 12:00:00,123 INFO: text`) or as JSON. Must never throw and never stop the program: a full pipe
 * or disk costs lines (counted and reported later), not service. Every text stays one line of bounded length,
 * whatever it quotes.
 */
import { type LineSink, MemorySink } from "./line_sink.ts";
import { wallClockMs } from "./clock.ts";
import { oneLine } from "./plain_text.ts";

export type Level = "debug" | "info" | "warning" | "error" | "critical";
export type LogFields = { readonly [name: string]: string | number | boolean | null };

/** `event` is a stable name for machines, `text` the sentence for people. */
export interface Log {
  debug(event: string, text: string, fields?: LogFields): void;
  info(event: string, text: string, fields?: LogFields): void;
  warning(event: string, text: string, fields?: LogFields): void;
  error(event: string, text: string, fields?: LogFields): void;
  critical(event: string, text: string, fields?: LogFields): void;
}

export interface LogRecord {
  readonly atMs: number;
  readonly level: Level;
  readonly event: string;
  readonly text: string;
  readonly fields: LogFields;
}

export interface LogOptions {
  /** @default "info" */
  readonly level?: Level;
  /** @default "plain" */
  readonly type?: "plain" | "json";
  /** Added to every JSON record. */
  readonly staticFields?: LogFields;
  readonly sink: LineSink;
  /** @default the wall clock */
  readonly now?: () => number;
}

/** The longest text: room for the stack of an error, and for the output of a program that failed. */
const MAX_TEXT = 8000;

const ranks: { readonly [level in Level]: number } = { debug: 0, info: 1, warning: 2, error: 3, critical: 4 };

/** Patroni's spellings (WARN, FATAL, lower case) as a level; null when it is none. */
export function parseLevel(name: string): Level | null {
  switch (name.toUpperCase()) {
    case "DEBUG":
      return "debug";
    case "INFO":
      return "info";
    case "WARN":
    case "WARNING":
      return "warning";
    case "ERROR":
      return "error";
    case "FATAL":
    case "CRITICAL":
      return "critical";
    default:
      return null;
  }
}

export class Logger implements Log {
  #options: LogOptions;

  constructor(options: LogOptions) {
    this.#options = options;
  }

  /** New settings from a reloaded configuration. The old sink is closed when another one takes its place. */
  configure(options: LogOptions): void {
    const old = this.#options.sink;
    this.#options = options;
    if (old !== options.sink) old.close();
  }

  debug(event: string, text: string, fields?: LogFields): void {
    this.#write("debug", event, text, fields);
  }

  info(event: string, text: string, fields?: LogFields): void {
    this.#write("info", event, text, fields);
  }

  warning(event: string, text: string, fields?: LogFields): void {
    this.#write("warning", event, text, fields);
  }

  error(event: string, text: string, fields?: LogFields): void {
    this.#write("error", event, text, fields);
  }

  critical(event: string, text: string, fields?: LogFields): void {
    this.#write("critical", event, text, fields);
  }

  #write(level: Level, event: string, text: string, fields: LogFields = {}): void {
    const { sink, type, staticFields, now } = this.#options;
    if (ranks[level] < ranks[this.#options.level ?? "info"]) return;
    const record = { atMs: (now ?? wallClockMs)(), level, event, text: oneLine(text, MAX_TEXT), fields };
    sink.write(type === "json" ? jsonLine(record, staticFields ?? {}) : plainLine(record));
  }
}

/** `2026-01-31 12:00:00,123 INFO: text`, in local time; the fields are for JSON only. */
export function plainLine(record: LogRecord): string {
  return `${timestamp(record.atMs)} ${record.level.toUpperCase()}: ${record.text}`;
}

export function jsonLine(record: LogRecord, staticFields: LogFields): string {
  return JSON.stringify({
    asctime: timestamp(record.atMs),
    levelname: record.level.toUpperCase(),
    message: record.text,
    event: record.event,
    ...record.fields,
    ...staticFields,
  });
}

function timestamp(atMs: number): string {
  const at = new Date(atMs);
  const two = (value: number) => String(value).padStart(2, "0");
  const date = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
  const time = `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
  return `${date} ${time},${String(at.getMilliseconds()).padStart(3, "0")}`;
}

/** The twin for tests: keeps what was logged. */
export class MemoryLog extends Logger {
  readonly #memory: MemorySink;

  constructor(level: Level = "debug") {
    const memory = new MemorySink();
    super({ sink: memory, level, now: () => 0 });
    this.#memory = memory;
  }

  /** "LEVEL: text" of every event, oldest first. */
  get lines(): readonly string[] {
    return this.#memory.lines.map((line) => line.slice(line.indexOf(" ", 11) + 1));
  }
}

/** Logs nothing. */
export const silentLog: Log = { debug() {}, info() {}, warning() {}, error() {}, critical() {} };
