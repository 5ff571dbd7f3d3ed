/**
 * JSON that gives back exactly what it was made of, for plain values: numbers that JSON lacks (Infinity,
 * -Infinity, NaN) and maps included. A property without a value is left out.
 */

const NUMBER = "$number";
const MAP = "$map";
/** An object with a key that could be taken for one of these, as its entries. */
const ENTRIES = "$entries";

/**
 * One line. Throws a TypeError that names the key of what is no plain value: a function, an instance of a
 * class.
 */
export function exactJson(value: unknown): string {
  // Not the value that is passed: that of a Date is its text already.
  return JSON.stringify(value, function (this: { readonly [key: string]: unknown }, key) {
    return encoded(this[key], key);
  });
}

/** Throws a SyntaxError for text that is no JSON, or that `exactJson` does not write. */
export function fromExactJson(text: string): unknown {
  return JSON.parse(text, (_key, value: unknown) => decoded(value));
}

function encoded(value: unknown, key: string): unknown {
  if (typeof value === "number") return Number.isFinite(value) ? value : { [NUMBER]: String(value) };
  if (typeof value === "function" || typeof value === "symbol" || typeof value === "bigint") {
    throw new TypeError(`${key}: a ${typeof value} is no plain value`);
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  if (value instanceof Map) return { [MAP]: [...value] };
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) {
    throw new TypeError(`${key}: an instance of ${value.constructor?.name} is no plain value`);
  }
  const [first, ...more] = Object.keys(value);
  if (first === undefined || more.length > 0 || !first.startsWith("$")) return value;
  return { [ENTRIES]: Object.entries(value) };
}

function decoded(value: unknown): unknown {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  const [first, ...more] = Object.entries(value) as [string, unknown][];
  if (first === undefined || more.length > 0 || !first[0].startsWith("$")) return value;
  const [kind, inner] = first;
  if (kind === NUMBER && NUMBERS.includes(String(inner))) return Number(inner);
  if (kind === MAP && isEntries(inner)) return new Map(inner);
  if (kind === ENTRIES && isEntries(inner)) return Object.fromEntries(inner);
  throw new SyntaxError(`${kind} stands for no value here`);
}

const NUMBERS = ["Infinity", "-Infinity", "NaN"];

function isEntries(value: unknown): value is [string, unknown][] {
  return Array.isArray(value) && value.every((entry) => Array.isArray(entry) && entry.length === 2);
}
