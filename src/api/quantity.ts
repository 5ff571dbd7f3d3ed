/** Numbers with a unit as they appear in queries and bodies: `lag=16MB`, `timeout: "2min"`. */

const BYTE_UNITS: { readonly [unit: string]: number } = {
  "": 1,
  B: 1,
  kB: 1024,
  MB: 1024 ** 2,
  GB: 1024 ** 3,
  TB: 1024 ** 4,
};
const SECOND_UNITS: { readonly [unit: string]: number } = {
  "": 1,
  s: 1,
  min: 60,
  h: 3600,
  d: 86400,
  ms: 0.001,
};

/** Bytes, rounded; null when `text` is no such quantity. Units are PostgreSQL's and case-sensitive. */
export function parseBytes(text: string): number | null {
  return parseQuantity(text, BYTE_UNITS);
}

/** Whole seconds; null when `value` is no such quantity. */
export function parseSeconds(value: unknown): number | null {
  if (typeof value === "number") return Number.isFinite(value) ? Math.round(value) : null;
  return typeof value === "string" ? parseQuantity(value, SECOND_UNITS) : null;
}

function parseQuantity(text: string, units: { readonly [unit: string]: number }): number | null {
  const match = /^\s*([+-]?(?:\d+\.?\d*|\.\d+))\s*([A-Za-z]*)\s*$/.exec(text);
  if (!match) return null;
  const factor = units[match[2]!];
  return factor === undefined ? null : Math.round(Number(match[1]) * factor);
}

/** "15.2" as PostgreSQL's integer 150002, "9.6.24" as 90624; null when it is no version. */
export function parsePostgresVersion(text: string): number | null {
  const match = /^(\d+)(?:\.(\d+))?(?:\.(\d+))?$/.exec(text.trim());
  if (!match) return null;
  const [first, second, third] = [Number(match[1]), Number(match[2] ?? 0), match[3]];
  if (first >= 10) return third === undefined ? first * 10000 + second : null;
  return match[2] === undefined ? null : first * 10000 + second * 100 + Number(third ?? 0);
}
