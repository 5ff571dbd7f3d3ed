/**
 * The log that people and collectors read. One line an event, in the layout that Patroni's users know
 * (`2026-01-31 12:00:00,123 INFO: text`), in one that was asked for, or as JSON. Must never throw and never
 * stop the program: a full pipe or disk costs lines (counted and reported later), not service. Every text
 * stays one line of bounded length, whatever it quotes.
 */
import { type LineSink, MemorySink } from "./line_sink.ts";
import { wallClockMs } from "./clock.ts";
import { dateText, type Facts, fieldOf, type Layout, layoutOf } from "./log_layout.ts";
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
  /** By the beginning of the event: `raft` is for `raft.tls`, too. The longest one counts. @default none */
  readonly levels?: { readonly [event: string]: Level };
  /** A stack of calls is a part of the text at this level of the log only. @default "error": always */
  readonly tracebackLevel?: Level;
  /** @default "plain" */
  readonly type?: "plain" | "json";
  /** The layout of a plain line, see log_layout.ts. @default Patroni's layout */
  readonly format?: string | null;
  /** strftime. @default with milliseconds behind a comma */
  readonly dateFormat?: string | null;
  /** Fields of a JSON line and the names to give them. @default asctime, levelname, message */
  readonly jsonFields?: readonly JsonField[] | null;
  /** Added to every JSON record. */
  readonly staticFields?: LogFields;
  readonly sink: LineSink;
  /** @default the wall clock */
  readonly now?: () => number;
}

export interface JsonField {
  readonly field: string;
  readonly name: string;
}

const JSON_FIELDS: readonly JsonField[] = ["asctime", "levelname", "message"].map((field) => ({
  field,
  name: field,
}));

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

/** Events are few; a text from outside as an event must not fill the memory all the same. */
const MAX_KNOWN_EVENTS = 1000;
/** Where the stack of an error begins in its text. */
const STACK = /\n\s+at /;

export class Logger implements Log {
  #options: LogOptions;
  #layout: Layout | null = null;
  /** Lowest rank that is written, by event. */
  readonly #ranks = new Map<string, number>();
  /** Lost by sinks that are in use no more. */
  #lostBefore = 0;

  constructor(options: LogOptions) {
    this.#options = options;
    this.#use(options);
  }

  /** New settings from a reloaded configuration. The old sink is closed when another one takes its place. */
  configure(options: LogOptions): void {
    const old = this.#options.sink;
    this.#options = options;
    this.#use(options);
    if (old === options.sink) return;
    old.close();
    this.#lostBefore += old.lost;
    // One that comes back has been counted.
    this.#lostBefore -= options.sink.lost;
  }

  /** Lines that wait in the sink, and lines that were not written where they should be. */
  counts(): { readonly queued: number; readonly lost: number } {
    const { queued, lost } = this.#options.sink;
    return { queued, lost: this.#lostBefore + lost };
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

  #use({ sink, format }: LogOptions): void {
    this.#layout = format === undefined || format === null ? null : layoutOf(format);
    this.#ranks.clear();
    sink.compose = (level, event, text) => this.#compose(level, event, text, {});
  }

  #write(level: Level, event: string, text: string, fields: LogFields = {}): void {
    const lowest = this.#lowestRank(event);
    if (ranks[level] < lowest) return;
    const { sink, tracebackLevel = "error" } = this.#options;
    const stackless = ranks[tracebackLevel] < lowest ? text.split(STACK)[0]! : text;
    sink.write(this.#compose(level, event, stackless, fields));
  }

  #lowestRank(event: string): number {
    const known = this.#ranks.get(event);
    if (known !== undefined) return known;
    const { level = "info", levels = {} } = this.#options;
    let found = "";
    for (const prefix in levels) {
      const fits = event === prefix || event.startsWith(`${prefix}.`);
      if (fits && prefix.length >= found.length) found = prefix;
    }
    const rank = ranks[levels[found] ?? level];
    if (this.#ranks.size < MAX_KNOWN_EVENTS) this.#ranks.set(event, rank);
    return rank;
  }

  #compose(level: Level, event: string, text: string, fields: LogFields): string {
    const { type, staticFields = {}, now = wallClockMs, dateFormat = null, jsonFields } = this.#options;
    const record = { atMs: now(), level, event, text: oneLine(text, MAX_TEXT), fields };
    if (type === "json") return jsonLine(record, staticFields, jsonFields ?? JSON_FIELDS, dateFormat);
    if (this.#layout === null && dateFormat === null) return plainLine(record);
    return (this.#layout ?? PATRONIS_LAYOUT)(factsOf(record, dateFormat));
  }
}

const PATRONIS_LAYOUT = layoutOf("%(asctime)s %(levelname)s: %(message)s");
const NUMBERS: { readonly [level in Level]: number } = {
  debug: 10,
  info: 20,
  warning: 30,
  error: 40,
  critical: 50,
};

function factsOf({ atMs, level, event, text }: LogRecord, dateFormat: string | null): Facts {
  return {
    asctime: dateFormat === null ? timestamp(atMs) : dateText(dateFormat, atMs),
    levelname: level.toUpperCase(),
    levelno: NUMBERS[level],
    message: text,
    name: event,
    atMs,
  };
}

/** `2026-01-31 12:00:00,123 INFO: text`, in local time; the fields are for JSON only. */
export function plainLine(record: LogRecord): string {
  return `${timestamp(record.atMs)} ${record.level.toUpperCase()}: ${record.text}`;
}

/** The event has its own name unless `fields` gives it another one. */
export function jsonLine(
  record: LogRecord,
  staticFields: LogFields,
  fields: readonly JsonField[] = JSON_FIELDS,
  dateFormat: string | null = null,
): string {
  const facts = factsOf(record, dateFormat);
  const asked = fields.map(({ field, name }) => [name, fieldOf(field)?.(facts) ?? null]);
  const named = fields.some(({ field }) => field === "event");
  return JSON.stringify({
    ...Object.fromEntries(asked),
    ...(named ? {} : { event: record.event }),
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
