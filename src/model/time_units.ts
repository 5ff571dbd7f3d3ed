/** Integers with units as PostgreSQL writes them: `30min`, `64MB`, `0x10`, `1.5GB`. */

export type TimeUnit = "ms" | "s" | "min";
export type MemoryUnit = "B" | "kB" | "MB";

const TIME_MS = new Map([["us", 0.001], ["ms", 1], ["s", 1_000], ["min", 60_000], ["h", 3_600_000], [
  "d",
  86_400_000,
]]);
const MEMORY_BYTES = new Map([["B", 1], ["kB", 2 ** 10], ["MB", 2 ** 20], ["GB", 2 ** 30], ["TB", 2 ** 40]]);

const QUANTITY =
  /^\s*([+-]?)(0[xX][0-9a-fA-F]+|\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?)\s*([A-Za-z]*)\s*$/;

/**
 * The integer `value` means in units of `base` (rounded); a number without a unit counts in `base` already.
 * Without `base` no unit is allowed. null when it is not such a quantity. Units are case-sensitive, as in
 * PostgreSQL.
 */
export function parseQuantity(value: unknown, base: TimeUnit | MemoryUnit | null = null): number | null {
  if (typeof value === "number") return integer(value);
  if (typeof value !== "string") return null;
  const match = QUANTITY.exec(value);
  if (!match) return null;
  const amount = (match[1] === "-" ? -1 : 1) * magnitude(match[2]!);
  const unit = match[3]!;
  if (unit === "") return integer(amount);
  const factor = base === null ? null : unitFactor(unit, base);
  return factor === null ? null : integer(amount * factor);
}

/** A leading zero means octal, as in PostgreSQL and in YAML 1.1. */
function magnitude(digits: string): number {
  if (/^0[0-7]+$/.test(digits)) return parseInt(digits, 8);
  return Number(digits);
}

function unitFactor(unit: string, base: TimeUnit | MemoryUnit): number | null {
  for (const table of [TIME_MS, MEMORY_BYTES]) {
    const from = table.get(unit);
    const to = table.get(base);
    if (from !== undefined && to !== undefined) return from / to;
  }
  return null;
}

function integer(value: number): number | null {
  const rounded = Math.round(value);
  return Number.isSafeInteger(rounded) ? rounded + 0 : null;
}
