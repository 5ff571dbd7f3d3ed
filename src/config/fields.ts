/**
 * Building blocks of the configuration's schemas. The `error` of each is the phrase that completes "expected
 * ...", from which check.ts makes the sentence a user reads.
 */
import * as z from "zod";
import { formatHostPort, parseHostPort, parseListen } from "../model/host_port.ts";
import { isJsonObject } from "../model/merge.ts";
import { parseBool } from "../model/parse_bool.ts";
import { byteLength, hasControl, isWhole, MAX_SECRET_BYTES, secretProblem } from "../model/plain_text.ts";
import { shellSplit } from "../model/shell_split.ts";
import { parseQuantity } from "../model/time_units.ts";
import type { MemoryUnit, TimeUnit } from "../model/time_units.ts";
import type { HostPort } from "../model/config.ts";
import type { JsonObject } from "../model/json.ts";

/** A value that `read` understands; undefined from it means "not what was expected". */
export function field<T>(expected: string, read: (value: unknown) => T | undefined) {
  return z.unknown().transform((value, context): T => {
    const result = read(value);
    if (result !== undefined) return result;
    context.issues.push({ code: "custom", message: expected, input: value });
    return z.NEVER;
  });
}

export function section<Shape extends z.ZodRawShape>(shape: Shape) {
  return z.looseObject(shape, { error: "a section with keys of its own" });
}

/** Numbers are text too: `password: 123456`. */
export const text = field("text", readText);
export const nonEmptyText = field("text that is not empty", (value) => readText(value) || undefined);
/** Text in one line of a file, of a table, of a terminal. Empty: none. */
export const oneLine = field("text on one line, without control characters", (value) => {
  const written = readText(value);
  return written === undefined || hasControl(written) ? undefined : written;
});
export const nonEmptyLine = field(
  "text that is not empty, on one line, without control characters",
  (value) => oneLine.safeParse(value).data || undefined,
);

/** The longest path that Linux takes, with the NUL at its end. */
const PATH_BYTES = 4096;
const FILE = `a path of at most ${PATH_BYTES - 1} bytes, without control characters`;

/** Empty: none. */
export const file = field(FILE, (value) => {
  const written = oneLine.safeParse(value).data;
  return written === undefined || byteLength(written) >= PATH_BYTES ? undefined : written;
});
export const nonEmptyFile = field(FILE, (value) => file.safeParse(value).data || undefined);

/**
 * As a password file, a prompt and an HTTP header can carry it. That it is not empty is judged with the text
 * of the file.
 */
export const secret = field(
  `text on one line of at most ${MAX_SECRET_BYTES} bytes (in YAML, | adds a line break: use single quotes)`,
  (value) => {
    const written = readText(value);
    return written === undefined || secretProblem(written) !== null ? undefined : written;
  },
);

/** A command with its arguments, run without a shell. Empty: none. */
export const command = field("a command whose quotes are closed", (value) => {
  const written = readText(value);
  return written === undefined || shellSplit(written) === null || !isWhole(written) ? undefined : written;
});
export const bool = field(
  "a boolean (on, off, true, false, yes, no)",
  (value) => parseBool(value) ?? undefined,
);
export const json = field(
  "a map",
  (value): JsonObject | undefined => (isJsonObject(value) ? value : undefined),
);
export const anything = z.unknown();
/** Options of a program, as those of pg_basebackup and initdb are written. */
export const options = field(
  "a list of options or a map of them",
  (value) => Array.isArray(value) || isJsonObject(value) ? value : undefined,
);

export function integer(
  min: number,
  max: number,
  unit: TimeUnit | MemoryUnit | null = null,
) {
  const units = unit === null
    ? ""
    : unit === "s" || unit === "ms" || unit === "min"
    ? ` (in ${unit}, or like 30s, 5min)`
    : ` (in ${unit}, or like 64MB)`;
  return field(`an integer from ${min} to ${max}${units}`, (value) => {
    const parsed = parseQuantity(value, unit);
    return parsed !== null && parsed >= min && parsed <= max ? parsed : undefined;
  });
}

export function oneOf<const T extends string>(values: readonly T[]) {
  return field(
    `one of ${values.join(", ")}`,
    (value) => values.find((each) => each === readText(value)?.toLowerCase()),
  );
}

export function hostPort(defaultPort: number | null) {
  return field(
    "text like host:port",
    (value): HostPort | undefined =>
      typeof value === "string" ? withUsableZone(parseHostPort(value, defaultPort)) : undefined,
  );
}

/** As hostPort, as text in one spelling. */
export const address = field("text like host:port", (value) => {
  const parsed = typeof value === "string" ? withUsableZone(parseHostPort(value)) : undefined;
  return parsed ? formatHostPort(parsed) : undefined;
});

export function listen(defaultPort: number | null) {
  return field(
    "text like host:port",
    (value) => {
      const parsed = typeof value === "string" ? parseListen(value, defaultPort) : null;
      return parsed?.hosts.every(isUsableZone) ? parsed : undefined;
    },
  );
}

function withUsableZone(address: HostPort | null): HostPort | undefined {
  return address !== null && isUsableZone(address.host) ? address : undefined;
}

/** Behind the % of an IPv6 address stands a network interface. */
function isUsableZone(host: string): boolean {
  return !host.includes("%") || /%[A-Za-z0-9_.-]{1,15}$/.test(host);
}

/** A list of texts; one text stands for a list, its items separated by commas. */
export const textList = field("a list of texts", (value): string[] | undefined => {
  if (typeof value === "string") {
    return value.split(",").map((item) => item.trim()).filter((item) => item !== "");
  }
  return readTexts(value);
});

/** A list of lines: no commas are special in them. One text of several lines is a list too. */
export const lines = field("a list of lines", (value): string[] | undefined => {
  if (typeof value === "string") return value.split("\n").filter((line) => line.trim() !== "");
  return readTexts(value);
});

export const textMap = field("a map of texts", (value): { [key: string]: string } | undefined => {
  if (!isJsonObject(value)) return undefined;
  const result: { [key: string]: string } = {};
  for (const [key, item] of Object.entries(value)) {
    const read = typeof item === "boolean" ? String(item) : readText(item);
    if (read === undefined) return undefined;
    result[key] = read;
  }
  return result;
});

/** File mode bits: 0644 unquoted is a number already, quoted it is read as octal. */
export const fileMode = field("file permissions like 0644", (value) => {
  const mode = typeof value === "string" && /^(0o?)?[0-7]{3,4}$/.test(value)
    ? parseInt(value.replace("o", ""), 8)
    : parseQuantity(value);
  return mode !== null && mode >= 0 && mode <= 0o7777 ? mode : undefined;
});

export function readText(value: unknown): string | undefined {
  return typeof value === "string" ? value : typeof value === "number" ? String(value) : undefined;
}

function readTexts(value: unknown): string[] | undefined {
  if (!Array.isArray(value)) return undefined;
  const texts = value.map(readText);
  return texts.every((item) => item !== undefined) ? texts : undefined;
}
