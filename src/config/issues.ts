/**
 * Problems of a configuration in plain sentences: which key, where, what was expected, what was found. Owns
 * the rule that no secret is ever part of a message.
 */
import type { ConfigIssue } from "../model/config.ts";
import type { Json } from "../model/json.ts";
import { isJsonObject } from "../model/merge.ts";
import { oneLine, quotedOutside } from "../lib/plain_text.ts";
import { textOf } from "../model/text_of.ts";
import { keyHoldsSecret, textHoldsSecret } from "./secret_text.ts";

export type Path = readonly (string | number)[];

export interface Location {
  /** A file, or `environment PATRONI_...`. */
  readonly file: string;
  readonly line: number | null;
  /** From 1. */
  readonly column?: number;
}

export interface LocatedIssue extends ConfigIssue {
  readonly file: string | null;
}

/** Where each value was written, by `pathKey`. */
export type Locations = Map<string, Location>;

export function pathKey(path: Path): string {
  return path.join("\u0000");
}

/** `postgresql.listen`, `raft.partner_addrs[1]`. */
export function dottedPath(path: Path): string {
  let text = "";
  for (const part of path) {
    if (typeof part === "number") text += `[${part}]`;
    else text += (text === "" ? "" : ".") + showKey(part);
  }
  return text;
}

/**
 * The most issues of one severity that are shown: a text that is no configuration has a problem in every
 * line.
 */
const MAX_SHOWN = 100;
const MAX_MESSAGE = 600;

/** Collects issues and finds out where they are. */
export class Issues {
  readonly #locations: Locations;
  readonly #whole: Location | null;
  readonly #found: LocatedIssue[] = [];
  readonly #counts = { error: 0, warning: 0 };

  /** `whole`: the place of a missing value, such as a section that is not there. */
  constructor(locations: Locations = new Map(), whole: Location | null = null) {
    this.#locations = locations;
    this.#whole = whole;
  }

  error(path: Path, message: string): void {
    this.#add("error", path, message);
  }

  warning(path: Path, message: string): void {
    this.#add("warning", path, message);
  }

  /** A problem of the text itself, before there are keys. */
  at(severity: ConfigIssue["severity"], location: Location, message: string): void {
    this.#push({ severity, path: "", ...location, message });
  }

  get list(): readonly LocatedIssue[] {
    return this.#found;
  }

  get hasErrors(): boolean {
    return this.#found.some((issue) => issue.severity === "error");
  }

  /** false: one more of them would not be shown, so nobody reads its message. */
  showsMore(severity: ConfigIssue["severity"]): boolean {
    return this.#counts[severity] < MAX_SHOWN;
  }

  #add(severity: ConfigIssue["severity"], path: Path, message: string): void {
    const location = locate(this.#locations, path) ?? this.#whole;
    this.#push({
      severity,
      path: dottedPath(path),
      file: location?.file ?? null,
      line: location?.line ?? null,
      ...(location?.column === undefined ? {} : { column: location.column }),
      message,
    });
  }

  #push(issue: LocatedIssue): void {
    const count = ++this.#counts[issue.severity];
    // It may quote what a file says, which may neither steer a terminal nor fill a log.
    const message = oneLine(issue.message, MAX_MESSAGE);
    if (count <= MAX_SHOWN) this.#found.push({ ...issue, message });
    else if (count === MAX_SHOWN + 1) {
      const rest = `more than ${MAX_SHOWN} problems of this kind: the rest is not shown`;
      this.#found.push({ ...issue, path: "", message: rest });
    }
  }
}

/** The place of the value or, for a missing one, of the nearest section around it. */
export function locate(locations: Locations, path: Path): Location | null {
  for (let length = path.length; length > 0; length--) {
    const location = locations.get(pathKey(path.slice(0, length)));
    if (location) return location;
  }
  return null;
}

/** `file:12:3: error: postgresql.listen: expected text like host:port, got number 5432` */
export function formatIssue(issue: ConfigIssue & { readonly file?: string | null }): string {
  const place = placeOf(issue);
  return `${place === "" ? "" : `${place}: `}${issue.severity}: ${messageWithKey(issue)}`;
}

/** `file:12:3`, as far as it is known; "" if nothing is. */
export function placeOf({ file, line, column }: ConfigIssue & { readonly file?: string | null }): string {
  return [file ?? "", line ?? "", column ?? ""].filter((part) => part !== "").join(":");
}

/** `line 12: postgresql.listen: expected text like host:port, got number 5432` */
export function describeIssue(issue: ConfigIssue): string {
  return (issue.line === null ? "" : `line ${issue.line}: `) + messageWithKey(issue);
}

/** By file, then line, errors before warnings of one line, then column. */
export function compareIssues(a: LocatedIssue, b: LocatedIssue): number {
  return compareText(a.file ?? "", b.file ?? "") || (a.line ?? 0) - (b.line ?? 0) ||
    compareText(a.severity, b.severity) || (a.column ?? 0) - (b.column ?? 0) || compareText(a.path, b.path);
}

/** `number 5432`, `text "abc"`, `a list of 3`; never the content of a possible secret. */
export function describeValue(path: Path, value: unknown): string {
  if (value === undefined || value === null) return "nothing";
  if (Array.isArray(value)) return `a list of ${value.length}`;
  if (typeof value === "object") return "a map";
  const kind = typeof value === "string" ? "text" : typeof value;
  if (isSecret(path, value)) return `${kind} (not shown)`;
  return `${kind} ${typeof value === "string" ? quotedOutside(value, 60) : value}`;
}

export function isSecret(path: Path, value: unknown): boolean {
  return isSecretPlace(path) || textHoldsSecret(textOf(value));
}

/**
 * Whether what stands there may be a secret by the names on the way to it. Names that say what it is instead
 * make an exception: an unknown name inside of `authentication` is more likely a misspelt `password`.
 */
export function isSecretPlace(path: Path): boolean {
  const name = path.findLast((part) => typeof part === "string");
  if (typeof name === "string" && PLAIN_KEYS.has(name)) return false;
  return path.some((part) => typeof part === "string" && SECRET_KEY.test(part));
}

/** A copy that may be shown: possible secrets read ***. */
export function withoutSecrets(value: Json, path: Path = []): Json {
  if (Array.isArray(value)) return value.map((item, i) => withoutSecrets(item, [...path, i]));
  if (isJsonObject(value)) {
    return Object.fromEntries(
      Object.entries(value).map(([key, item]) => [key, withoutSecrets(item, [...path, key])]),
    );
  }
  const shown = value === null || typeof value === "boolean" || !isSecret(path, value);
  return shown ? value : "***";
}

const SECRET_KEY = /password|passwd|passphrase|secret|token|credential|^authentication$|^auth$|^users$/i;
/** Keys of sections with secrets, and one that only sounds like it, whose values are none. */
const PLAIN_KEYS: ReadonlySet<string> = new Set([
  "username",
  "sslmode",
  "sslkey",
  "sslcert",
  "sslrootcert",
  "sslcrl",
  "sslcrldir",
  "sslnegotiation",
  "gssencmode",
  "channel_binding",
  // Of bootstrap.users.
  "options",
  "server_tokens",
]);
/** A key is shown unless a missing space made a secret part of it. */
function showKey(key: string): string {
  if (keyHoldsSecret(key)) return "(not shown)";
  return oneLine(key, 64);
}

function messageWithKey(issue: ConfigIssue): string {
  return issue.path === "" ? issue.message : `${issue.path}: ${issue.message}`;
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
