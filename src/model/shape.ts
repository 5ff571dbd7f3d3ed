/**
 * Small checks of plain data, which are put together to the schema of a command or of a record.
 *
 * They judge the entries of the log, on every member, for ever: so nothing here may depend on a library, a
 * locale, a clock or a version of Unicode, and no check throws on any value. `bounded`: sizes and contents
 * are judged too; else only the types, which is what members did before the version of commands that brought
 * bounds (commands.ts).
 */
import { boundsProblem, type JsonBounds } from "./bounded_json.ts";

/** A JSON Schema (2020-12) of at least the values that a check takes where it is bounded. */
export interface JsonSchema {
  readonly [keyword: string]: unknown;
}

/** Why the value does not fit, for people; null: it fits. */
export interface Check {
  (value: unknown, bounded: boolean): string | null;
  /** For documents alone: nothing is judged by it. Absent: any value. */
  readonly schema?: JsonSchema;
}

/** A check with words for its document, or with a schema of its own. */
export function described(check: Check, schema: JsonSchema): Check {
  return Object.assign((value: unknown, bounded: boolean) => check(value, bounded), { schema });
}

export function schemaOf({ schema = {} }: Check): JsonSchema {
  return schema;
}

export type Fields = { readonly [key: string]: unknown };

const SHOWN_CHARACTERS = 40;

export function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export const flag = described(
  (value) => typeof value === "boolean" ? null : "true or false is expected",
  { type: "boolean" },
);

/** A whole number from 0. */
export function wholeNumber(max: number = Number.MAX_SAFE_INTEGER, min = 0): Check {
  return described((value, bounded) => {
    if (typeof value !== "number") return "a number is expected";
    if (!bounded) return null;
    // -0 is another value in memory than the 0 that a snapshot makes of it.
    const whole = Number.isSafeInteger(value) && !Object.is(value, -0);
    return whole && value >= min && value <= max ? null : `a whole number from ${min} to ${max} is expected`;
  }, { type: "integer", minimum: min, maximum: max });
}

/** A number that need not be whole. */
export function finite(min: number, max: number): Check {
  return described(
    (value) =>
      typeof value === "number" && value >= min && value <= max
        ? null
        : `a number from ${min} to ${max} is expected`,
    { type: "number", minimum: min, maximum: max },
  );
}

/** Text of at most so many characters. */
export function text(max: number): Check {
  return described((value, bounded) => {
    if (typeof value !== "string") return "a text is expected";
    if (!bounded) return null;
    if (value.length > max) return `a text of at most ${max} characters is expected, not of ${value.length}`;
    return value.isWellFormed() ? null : "a text of whole characters is expected";
  }, { type: "string", maxLength: max });
}

/** One line of text, not empty. */
export function line(max: number): Check {
  const isText = text(max);
  return described((value, bounded) => {
    const flaw = isText(value, bounded);
    if (flaw !== null || !bounded) return flaw;
    if (value === "") return "a text that is not empty is expected";
    return /[\u0000-\u001f\u007f]/.test(value as string)
      ? "a text without control characters is expected"
      : null;
  }, { type: "string", minLength: 1, maxLength: max });
}

/** Text of that form; `expected` says which. */
export function matching(pattern: RegExp, expected: string): Check {
  return described((value, bounded) => {
    if (typeof value !== "string") return "a text is expected";
    return !bounded || pattern.test(value) ? null : `${expected} is expected`;
  }, { type: "string", description: expected });
}

export function oneOf(...words: readonly string[]): Check {
  return described(
    (value) => words.some((word) => word === value) ? null : `${words.join(" or ")} is expected`,
    { enum: words },
  );
}

export function orNull(check: Check): Check {
  return described(
    (value, bounded) => value === null ? null : check(value, bounded),
    { anyOf: [schemaOf(check), { type: "null" }] },
  );
}

/**
 * A map of any JSON; `loose`: the bounds where only types are judged, so that no code overflows that goes
 * through it.
 */
export function json(bounds: JsonBounds, loose: JsonBounds): Check {
  return described((value, bounded) => {
    if (!isFields(value)) return "a map is expected";
    return boundsProblem(value, bounded ? bounds : loose);
  }, { type: "object" });
}

/**
 * Exactly these fields; those of `optional` may be missing. Where only types are judged, others are passed
 * over.
 */
export function fields(
  required: { readonly [name: string]: Check },
  optional: { readonly [name: string]: Check } = {},
): Check {
  const known = openFields(required, optional);
  return described((value, bounded) => {
    const flaw = known(value, bounded);
    if (flaw !== null || !bounded) return flaw;
    const stranger = Object.keys(value as Fields).find((name) =>
      !Object.hasOwn(required, name) && !Object.hasOwn(optional, name)
    );
    return stranger === undefined ? null : `${shown(stranger)} is not known`;
  }, { ...schemaOf(known), additionalProperties: false });
}

/**
 * At least these fields; those of `optional` may be missing. Others are of a later version, and are not
 * judged.
 */
export function openFields(
  required: { readonly [name: string]: Check },
  optional: { readonly [name: string]: Check } = {},
): Check {
  const checks = [...Object.entries(required), ...Object.entries(optional)];
  const properties = Object.fromEntries(checks.map(([name, check]) => [name, schemaOf(check)]));
  const names = Object.keys(required);
  return described((value, bounded) => {
    if (!isFields(value)) return "a map is expected";
    for (const [name, check] of checks) {
      if (Object.hasOwn(value, name)) {
        const flaw = check(value[name], bounded);
        if (flaw !== null) return `${name}: ${flaw}`;
      } else if (Object.hasOwn(required, name)) return `${name} is missing`;
    }
    return null;
  }, { type: "object", properties, ...(names.length === 0 ? {} : { required: names }) });
}

/** A map from names to values of one kind. */
export function map(key: Check, item: Check, max: number): Check {
  return described((value, bounded) => {
    if (!isFields(value)) return "a map is expected";
    const entries = Object.entries(value);
    if (bounded && entries.length > max) return `at most ${max} are expected, not ${entries.length}`;
    for (const [name, one] of entries) {
      const flaw = key(name, bounded) ?? item(one, bounded);
      if (flaw !== null) return `${shown(name)}: ${flaw}`;
    }
    return null;
  }, { type: "object", additionalProperties: schemaOf(item), maxProperties: max });
}

export function list(item: Check, max: number): Check {
  return described((value, bounded) => {
    if (!Array.isArray(value)) return "a list is expected";
    if (bounded && value.length > max) return `at most ${max} are expected, not ${value.length}`;
    for (const one of value) {
      const flaw = item(one, bounded);
      if (flaw !== null) return flaw;
    }
    return null;
  }, { type: "array", items: schemaOf(item), maxItems: max });
}

export function tuple(...items: readonly Check[]): Check {
  return described((value, bounded) => {
    if (!Array.isArray(value) || value.length !== items.length) {
      return `a list of ${items.length} is expected`;
    }
    for (const [at, item] of items.entries()) {
      const flaw = item(value[at], bounded);
      if (flaw !== null) return `${at}: ${flaw}`;
    }
    return null;
  }, {
    type: "array",
    prefixItems: items.map(schemaOf),
    minItems: items.length,
    maxItems: items.length,
  });
}

function shown(name: string): string {
  return JSON.stringify(name.slice(0, SHOWN_CHARACTERS));
}
