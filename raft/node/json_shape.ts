/** Checks the shape of JSON from another member, or from a snapshot, before its fields are used. Pure. */
import { DecodeError } from "../core/bytes.ts";

export type Fields = { readonly [key: string]: unknown };

/**
 * Reads JSON; throws DecodeError for bytes that are no JSON, or not of that shape. `what` names them in the
 * error.
 */
export function readJson<T>(bytes: Uint8Array, isShape: (value: unknown) => value is T, what: string): T {
  const value = parseJson(new TextDecoder().decode(bytes));
  if (!isShape(value)) throw new DecodeError(`${what} that are none`);
  return value;
}

export function hasFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0 && !Object.is(value, -0);
}

export function isList(value: unknown, isItem: (item: unknown) => boolean): boolean {
  return Array.isArray(value) && value.every(isItem);
}

export function isPair(isFirst: (item: unknown) => boolean, isSecond: (item: unknown) => boolean) {
  return (value: unknown): boolean =>
    Array.isArray(value) && value.length === 2 && isFirst(value[0]) && isSecond(value[1]);
}

export function isJsonText(value: unknown): boolean {
  return typeof value === "string" && parseJson(value) !== undefined;
}

/** Parses JSON; undefined: the text is none. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    // JSON too deep for this program's stack is as unusable as JSON that is not well formed.
    if (error instanceof SyntaxError || error instanceof RangeError) return undefined;
    throw error;
  }
}
