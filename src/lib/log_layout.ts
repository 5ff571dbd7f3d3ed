/**
 * The layouts of the log that a configuration may ask for, in the words of Python's logging, which Patroni's
 * users know: `%(levelname)-8s`, `%H:%M:%S`. What cannot be honoured is found when the configuration is read:
 * there are no source lines and no threads here.
 */

/** What a line can be made of. */
export interface Facts {
  readonly asctime: string;
  readonly levelname: string;
  readonly levelno: number;
  readonly message: string;
  /** The event. */
  readonly name: string;
  readonly atMs: number;
}

const FIELDS: { readonly [name: string]: (facts: Facts) => string | number } = {
  asctime: ({ asctime }) => asctime,
  levelname: ({ levelname }) => levelname,
  levelno: ({ levelno }) => levelno,
  message: ({ message }) => message,
  name: ({ name }) => name,
  event: ({ name }) => name,
  module: ({ name }) => name.split(".")[0]!,
  process: () => process.pid,
  processName: () => "MainProcess",
  threadName: () => "MainThread",
  created: ({ atMs }) => atMs / 1000,
  msecs: ({ atMs }) => ((atMs % 1000) + 1000) % 1000,
};

const PLACE = /%(?:%|\((\w+)\)([-0 ]*)(\d{0,3})(?:\.(\d{1,3}))?([sdif]))/g;

export type Layout = (facts: Facts) => string;

/** Throws nothing: what is not known stays as it is written (`flawOfFormat` has told of it). */
export function layoutOf(format: string): Layout {
  const parts: (string | Layout)[] = [];
  let end = 0;
  for (const match of format.matchAll(PLACE)) {
    parts.push(format.slice(end, match.index));
    end = match.index + match[0].length;
    const [whole, name, flags = "", width = "", precision, type = "s"] = match;
    const field = name === undefined ? undefined : fieldOf(name);
    if (whole === "%%") parts.push("%");
    else if (field === undefined) parts.push(whole);
    else {
      const digits = precision === undefined ? null : Number(precision);
      parts.push((facts) => padded(shown(field(facts), type, digits), flags, Number(width)));
    }
  }
  parts.push(format.slice(end));
  return (facts) => parts.map((part) => typeof part === "string" ? part : part(facts)).join("");
}

/** It would end a line, steer a terminal, or be shown as nothing. */
const UNPRINTABLE = /[\p{C}\p{Zl}\p{Zp}]/u;

export function isPrintable(text: string): boolean {
  return !UNPRINTABLE.test(text);
}

/** Why a format cannot be honoured as it is written; null: it can. */
export function flawOfFormat(format: string): string | null {
  if (!isPrintable(format)) return "it has signs that are not printed";
  if (!placesOf(format).includes("message")) return "it has no %(message)s";
  const unknown = [...format.matchAll(PLACE)].flatMap(([, name]) =>
    name === undefined || fieldOf(name) !== undefined ? [] : [`%(${name})`]
  );
  if (unknown.length > 0) return `${[...new Set(unknown)].join(", ")}: not known here`;
  const rest = format.replace(PLACE, "");
  return rest.includes("%") ? 'a % that begins no place like %(message)s; write "%%" for the sign' : null;
}

export function fieldOf(name: string): ((facts: Facts) => string | number) | undefined {
  return Object.hasOwn(FIELDS, name) ? FIELDS[name] : undefined;
}

/** The names of places in a format, for the fields of a JSON line. */
export function placesOf(format: string): readonly string[] {
  return [...format.matchAll(PLACE)].flatMap(([, name]) => name ?? []);
}

function shown(value: string | number, type: string, digits: number | null): string {
  if (typeof value === "string") return digits === null ? value : value.slice(0, digits);
  if (type === "f") return value.toFixed(Math.min(digits ?? 6, 20));
  return type === "s" ? String(value) : String(Math.trunc(value));
}

function padded(text: string, flags: string, width: number): string {
  if (flags.includes("-")) return text.padEnd(width);
  return text.padStart(width, flags.includes("0") && /^\d+(?:\.\d+)?$/.test(text) ? "0" : " ");
}

const two = (value: number) => String(value).padStart(2, "0");
const DAYS = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
const MONTHS = [
  "January",
  "February",
  "March",
  "April",
  "May",
  "June",
  "July",
  "August",
  "September",
  "October",
  "November",
  "December",
];

/** Directives of strftime, in local time. */
const DIRECTIVES: { readonly [letter: string]: (at: Date) => string } = {
  Y: (at) => String(at.getFullYear()),
  y: (at) => two(at.getFullYear() % 100),
  m: (at) => two(at.getMonth() + 1),
  d: (at) => two(at.getDate()),
  e: (at) => String(at.getDate()).padStart(2),
  H: (at) => two(at.getHours()),
  I: (at) => two(at.getHours() % 12 || 12),
  M: (at) => two(at.getMinutes()),
  S: (at) => two(at.getSeconds()),
  p: (at) => at.getHours() < 12 ? "AM" : "PM",
  a: (at) => DAYS[at.getDay()]!.slice(0, 3),
  A: (at) => DAYS[at.getDay()]!,
  b: (at) => MONTHS[at.getMonth()]!.slice(0, 3),
  B: (at) => MONTHS[at.getMonth()]!,
  j: (at) => String(dayOfYear(at)).padStart(3, "0"),
  s: (at) => String(Math.floor(at.getTime() / 1000)),
  F: (at) => `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`,
  T: (at) => `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`,
  R: (at) => `${two(at.getHours())}:${two(at.getMinutes())}`,
  D: (at) => `${two(at.getMonth() + 1)}/${two(at.getDate())}/${two(at.getFullYear() % 100)}`,
  z: offsetOf,
  "%": () => "%",
};

export function dateText(format: string, atMs: number): string {
  const at = new Date(atMs);
  return format.replace(/%(.)/g, (whole, letter: string) => directive(letter)?.(at) ?? whole);
}

/** Why a date format cannot be honoured as it is written; null: it can. */
export function flawOfDate(format: string): string | null {
  if (!isPrintable(format)) return "it has signs that are not printed";
  const unknown = [...format.matchAll(/%(.?)/g)].filter(([, letter]) =>
    directive(letter ?? "") === undefined
  );
  return unknown.length === 0
    ? null
    : `${[...new Set(unknown.map(([whole]) => whole))].join(", ")}: not known here`;
}

function directive(letter: string): ((at: Date) => string) | undefined {
  return Object.hasOwn(DIRECTIVES, letter) ? DIRECTIVES[letter] : undefined;
}

function dayOfYear(at: Date): number {
  const day = Date.UTC(at.getFullYear(), at.getMonth(), at.getDate());
  return Math.round((day - Date.UTC(at.getFullYear(), 0, 1)) / 86_400_000) + 1;
}

function offsetOf(at: Date): string {
  const minutes = -at.getTimezoneOffset();
  const size = Math.abs(minutes);
  return `${minutes < 0 ? "-" : "+"}${two(Math.floor(size / 60))}${two(size % 60)}`;
}
