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
  return JSON.stringify(encoded(value, ""));
}

/** Throws a SyntaxError for text that is no JSON, or that `exactJson` does not write. */
export function fromExactJson(text: string): unknown {
  const value: unknown = JSON.parse(text);
  // A mark is a key that begins so: without one there is nothing to decode.
  return text.includes('"$') ? decoded(value) : value;
}

/** The value itself where JSON has it, and so have all within: most of a value is not copied. */
function encoded(value: unknown, key: string): unknown {
  if (typeof value === "number") return Number.isFinite(value) ? value : { [NUMBER]: String(value) };
  if (typeof value === "function" || typeof value === "symbol" || typeof value === "bigint") {
    throw new TypeError(`${key}: a ${typeof value} is no plain value`);
  }
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return withItems(value, (item, at) => encoded(item, String(at)));
  if (value instanceof Map) return { [MAP]: encoded([...value], key) };
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) {
    throw new TypeError(`${key}: an instance of ${value.constructor?.name} is no plain value`);
  }
  const inner = withProperties(value, encoded);
  return isMarked(value) ? { [ENTRIES]: Object.entries(inner) } : inner;
}

function decoded(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return withItems(value, decoded);
  const plain = withProperties(value, decoded);
  if (!isMarked(value)) return plain;
  const [[kind, inner]] = Object.entries(plain) as [[string, unknown]];
  if (kind === NUMBER && NUMBERS.includes(String(inner))) return Number(inner);
  if (kind === MAP && isEntries(inner)) return new Map(inner);
  if (kind === ENTRIES && isEntries(inner)) return Object.fromEntries(inner);
  throw new SyntaxError(`${kind} stands for no value here`);
}

/** Its only key begins as the marks do. */
function isMarked(value: object): boolean {
  const [first, ...more] = Object.keys(value);
  return first !== undefined && more.length === 0 && first.startsWith("$");
}

function withItems(value: readonly unknown[], change: (item: unknown, at: number) => unknown): unknown {
  let copy: unknown[] | null = null;
  for (let at = 0; at < value.length; at++) {
    const item = change(value[at], at);
    if (item !== value[at]) (copy ??= [...value])[at] = item;
  }
  return copy ?? value;
}

function withProperties(value: object, change: (inner: unknown, key: string) => unknown): object {
  let changed: [string, unknown][] | null = null;
  for (const key of Object.keys(value)) {
    const before = (value as { readonly [key: string]: unknown })[key];
    const inner = change(before, key);
    if (inner !== before) (changed ??= []).push([key, inner]);
  }
  // Entries, as `__proto__` is a key like any other.
  return changed === null ? value : Object.fromEntries([...Object.entries(value), ...changed]);
}

const NUMBERS = ["Infinity", "-Infinity", "NaN"];

function isEntries(value: unknown): value is [string, unknown][] {
  return Array.isArray(value) && value.every((entry) => Array.isArray(entry) && entry.length === 2);
}
