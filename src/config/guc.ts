/**
 * Server parameters: which of them must be equal on all members (and so are given on the command line, from
 * the dynamic configuration only), and how the layers of the others merge. A bad value never stops a server:
 * it is replaced by the default, with a warning.
 */
import { describeValue, Issues } from "./issues.ts";
import type { Path } from "./issues.ts";
import type { Json, JsonObject } from "../model/json.ts";
import { parseBool } from "../model/parse_bool.ts";
import { isWhole } from "../model/plain_text.ts";
import { parseQuantity } from "../model/time_units.ts";
import { textOf } from "../model/text_of.ts";

interface ControlledParameter {
  readonly name: string;
  readonly default: string;
  readonly expected: string;
  /** The allowed values, as the table of docs/configuration.md has them. */
  readonly allowed: string;
  /** The value as written on the command line; null when it is not allowed. */
  readonly read: (value: Json) => string | null;
}

/**
 * From docs/compatibility.md section 3.4; upper bounds are those of PostgreSQL, beyond which it would not
 * start.
 */
export const CONTROLLED_PARAMETERS: readonly ControlledParameter[] = [
  {
    name: "wal_level",
    default: "replica",
    expected: "one of replica, logical (hot_standby means replica)",
    allowed: "`replica`, `logical` (`hot_standby` means `replica`)",
    read: (value) => {
      const level = textOf(value).toLowerCase();
      return level === "hot_standby" ? "replica" : level === "replica" || level === "logical" ? level : null;
    },
  },
  {
    name: "hot_standby",
    default: "on",
    expected: "on",
    allowed: "`on`",
    read: (value) => (parseBool(value) === true ? "on" : null),
  },
  atLeast("max_connections", 100, 25, 262_143),
  atLeast("max_wal_senders", 10, 3, 262_143),
  atLeast("max_replication_slots", 10, 4, 262_143),
  atLeast("max_worker_processes", 8, 2, 262_143),
  atLeast("max_prepared_transactions", 0, 0, 262_143),
  atLeast("max_locks_per_transaction", 64, 32, 2_147_483_647),
  onOff("track_commit_timestamp", "off"),
  onOff("wal_log_hints", "on"),
];

/** Equal on all members too, but in the file: changing them needs no restart. */
const WAL_KEEP_SIZE = "wal_keep_size";
const WAL_KEEP_SEGMENTS = "wal_keep_segments";
const DEFAULT_WAL_KEEP_MB = 128;
export const WAL_KEEP_DEFAULT = `${DEFAULT_WAL_KEEP_MB}MB`;
const MIN_WAL_KEEP_MB = 16;
const MAX_WAL_KEEP_MB = 2_147_483_647;
/** Follow from postgresql.listen and scope; they cannot be set. */
const NEVER_SETTABLE = ["listen_addresses", "port", "cluster_name"];

/** The table of docs/configuration.md, in Markdown. */
export const CONTROLLED_ROWS: readonly {
  readonly names: string;
  readonly default: string;
  readonly allowed: string;
}[] = [
  ...CONTROLLED_PARAMETERS.map(({ name, default: standard, allowed }) => ({
    names: `\`${name}\``,
    default: `\`${standard}\``,
    allowed,
  })),
  {
    names: `\`${WAL_KEEP_SIZE}\` (or \`${WAL_KEEP_SEGMENTS}\`, 16 MB each)`,
    default: `\`${DEFAULT_WAL_KEEP_MB}MB\``,
    allowed: `${MIN_WAL_KEEP_MB}..${MAX_WAL_KEEP_MB} MB; written into the file, a reload is enough`,
  },
  {
    names: NEVER_SETTABLE.map((name) => `\`${name}\``).join(", "),
    default: "from `postgresql.listen` and `scope`",
    allowed: "never settable",
  },
];

const CONTROLLED_NAMES: ReadonlySet<string> = new Set([
  ...CONTROLLED_PARAMETERS.map((parameter) => parameter.name),
  ...NEVER_SETTABLE,
  WAL_KEEP_SIZE,
  WAL_KEEP_SEGMENTS,
]);

const PARAMETER_NAME = /^[A-Za-z_][A-Za-z0-9_$]*(\.[A-Za-z_][A-Za-z0-9_$]*)*$/;

export function isControlled(name: string): boolean {
  return CONTROLLED_NAMES.has(name.toLowerCase());
}

/** The values in force on the command line, complete. Reads the dynamic `postgresql.parameters` only. */
export function controlledParameters(
  dynamic: JsonObject,
  path: Path,
  issues: Issues,
): { [name: string]: string } {
  for (const [name, value] of Object.entries(dynamic)) {
    if (value !== null && NEVER_SETTABLE.includes(name.toLowerCase())) {
      issues.warning(
        [...path, name],
        "cannot be set: it follows from postgresql.listen and scope of each member",
      );
    }
  }
  return Object.fromEntries(CONTROLLED_PARAMETERS.map((parameter) => {
    const [key, value] = lookup(dynamic, parameter.name);
    if (value === null) return [parameter.name, parameter.default];
    const text = parameter.read(value);
    if (text === null) warnDefault([...path, key], parameter.expected, value, parameter.default, issues);
    return [parameter.name, text ?? parameter.default];
  }));
}

/** Everything that goes into postgresql.conf: dynamic values, the local ones over them, wal_keep_size. */
export function fileParameters(
  dynamic: JsonObject,
  local: JsonObject,
  path: Path,
  issues: Issues,
): { [name: string]: string } {
  const merged = new Map<string, readonly [string, string]>();
  // The local ones were judged with their file (checkLocalParameters).
  for (const [layer, found] of [[dynamic, issues], [local, new Issues()]] as const) {
    for (const [name, value] of Object.entries(layer)) {
      if (value === null || isControlled(name)) continue;
      const text = readParameter(name, value, [...path, name], found);
      if (text !== null) merged.set(name.toLowerCase(), [name, text]);
    }
  }
  merged.set(WAL_KEEP_SIZE, [WAL_KEEP_SIZE, walKeepSize(dynamic, path, issues)]);
  return Object.fromEntries([...merged.values()].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)));
}

/**
 * The parameters of one role: `common`, as fileParameters gives them, with dynamic values for the role over
 * it, and local ones over those. A parameter that must be equal on all members cannot differ by role.
 */
export function roleParameters(
  common: { readonly [name: string]: string },
  dynamic: JsonObject,
  local: JsonObject,
  path: Path,
  issues: Issues,
): { [name: string]: string } {
  const merged = new Map(Object.entries(common).map(([name, text]) => [name.toLowerCase(), [name, text]]));
  // The local ones were judged with their file (checkLocalParameters).
  for (const [layer, found] of [[dynamic, issues], [local, new Issues()]] as const) {
    for (const [name, text] of Object.entries(readRoleParameters(layer, path, found))) {
      merged.set(name.toLowerCase(), [name, text]);
    }
  }
  return Object.fromEntries([...merged.values()].sort(([a], [b]) => (a! < b! ? -1 : a! > b! ? 1 : 0)));
}

/** The usable ones of the dynamic `postgresql.parameters_<role>`, as text. */
export function readRoleParameters(
  dynamic: JsonObject,
  path: Path,
  issues: Issues,
): { [name: string]: string } {
  const result: { [name: string]: string } = {};
  for (const [name, value] of Object.entries(dynamic)) {
    if (value === null) continue;
    if (isControlled(name)) {
      issues.error(
        [...path, name],
        "must be equal on all members, whatever their role: set it in postgresql.parameters",
      );
      continue;
    }
    const text = readParameter(name, value, [...path, name], issues);
    if (text !== null) result[name] = text;
  }
  return result;
}

/** `postgresql.parameters`, or those of a role, of the local file. */
export function checkLocalParameters(local: JsonObject, path: Path, issues: Issues): void {
  for (const [name, value] of Object.entries(local)) {
    if (value === null) continue;
    if (isControlled(name)) {
      issues.warning(
        [...path, name],
        "must be equal on all members: set it in the dynamic configuration; the local value is ignored",
      );
    } else readParameter(name, value, [...path, name], issues);
  }
}

const MAX_PARAMETER_NAME = 63;

/** A setting's value as postgresql.conf writes it, without quotes; null after an error. */
export function readParameter(name: string, value: Json, path: Path, issues: Issues): string | null {
  if (!PARAMETER_NAME.test(name) || name.length > MAX_PARAMETER_NAME) {
    issues.error(
      path,
      `is no name of a parameter: at most ${MAX_PARAMETER_NAME} letters, digits, _ and $, with dots between its parts`,
    );
    return null;
  }
  const text = parameterText(value);
  if (text === null) {
    const found = typeof value === "string"
      ? "text with a NUL or half a character"
      : describeValue(path, value);
    issues.error(path, `expected text, a number, a boolean or a list of them, got ${found}`);
  }
  return text;
}

function parameterText(value: Json): string | null {
  if (typeof value === "boolean") return value ? "on" : "off";
  if (typeof value === "number") return Number.isFinite(value) ? String(value) : null;
  if (typeof value === "string") return isWhole(value) ? value : null;
  if (!Array.isArray(value)) return null;
  const items = value.map((item) => Array.isArray(item) ? null : parameterText(item));
  return items.every((item) => item !== null) ? items.join(", ") : null;
}

/** wal_keep_segments is the name before PostgreSQL 13: 16 MB each. */
function walKeepSize(dynamic: JsonObject, path: Path, issues: Issues): string {
  const fallback = `${DEFAULT_WAL_KEEP_MB}MB`;
  const [sizeKey, size] = lookup(dynamic, WAL_KEEP_SIZE);
  if (size !== null) {
    const megabytes = parseQuantity(size, "MB");
    if (megabytes !== null && megabytes >= MIN_WAL_KEEP_MB && megabytes <= MAX_WAL_KEEP_MB) {
      return typeof size === "string" ? size : `${megabytes}MB`;
    }
    warnDefault([...path, sizeKey], `${MIN_WAL_KEEP_MB}MB to ${MAX_WAL_KEEP_MB}MB`, size, fallback, issues);
    return fallback;
  }
  const [segmentsKey, segments] = lookup(dynamic, WAL_KEEP_SEGMENTS);
  if (segments === null) return fallback;
  const count = parseQuantity(segments);
  if (count !== null && count >= 1 && count * 16 <= MAX_WAL_KEEP_MB) return `${count * 16}MB`;
  warnDefault([...path, segmentsKey], "an integer of at least 1", segments, "8", issues);
  return fallback;
}

function warnDefault(path: Path, expected: string, value: Json, fallback: string, issues: Issues): void {
  issues.warning(
    path,
    `expected ${expected}, got ${describeValue(path, value)}: the default ${fallback} is used`,
  );
}

function lookup(parameters: JsonObject, name: string): [string, Json] {
  for (const [key, value] of Object.entries(parameters)) {
    if (key.toLowerCase() === name && value !== null) return [key, value];
  }
  return [name, null];
}

function atLeast(name: string, fallback: number, min: number, max: number): ControlledParameter {
  return {
    name,
    default: String(fallback),
    expected: `an integer from ${min} to ${max}`,
    allowed: `${min}..${max}`,
    read: (value) => {
      const count = parseQuantity(value);
      return count !== null && count >= min && count <= max ? String(count) : null;
    },
  };
}

function onOff(name: string, fallback: "on" | "off"): ControlledParameter {
  return {
    name,
    default: fallback,
    expected: "a boolean",
    allowed: "boolean",
    read: (value) => {
      const flag = parseBool(value);
      return flag === null ? null : flag ? "on" : "off";
    },
  };
}
