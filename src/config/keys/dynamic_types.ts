/** The types of dynamic keys: how a value is read, its default, and how both are shown. */
import type { DynamicConfig } from "../../model/config.ts";
import type { Json } from "../../model/json.ts";
import { parseBool } from "../../model/parse_bool.ts";
import { parseQuantity } from "../../model/time_units.ts";
import type { MemoryUnit, TimeUnit } from "../../model/time_units.ts";
import { describeValue } from "../issues.ts";
import type { Issues, Path } from "../issues.ts";

/** "proposed": a value above the largest is an error. "in force": the largest value stands in for it. */
export type Standing = "proposed" | "in force";

/** The times that other keys' defaults follow from; complete where they are asked for. */
export type Timing = Pick<DynamicConfig, "ttlS" | "loopWaitS">;

export interface DynamicType<Value> {
  /** The default; it may follow from keys that stand before. */
  readonly fallback: (timing: Timing) => Value;
  /** The default, in Markdown. */
  readonly shown: string;
  /** The allowed values, in Markdown. */
  readonly range: string;
  /** undefined after an error: the default stands in. */
  readonly read: (
    value: Exclude<Json, null>,
    path: Path,
    issues: Issues,
    standing: Standing,
  ) => Value | undefined;
}

interface IntegerType {
  readonly fallback: number | ((timing: Timing) => number);
  readonly shown?: string;
  readonly min: number;
  readonly max: number;
  readonly unit: TimeUnit | MemoryUnit | null;
}

const DAY_S = 86_400;

export function integer({ fallback, shown, min, max, unit }: IntegerType): DynamicType<number> {
  const suffix = unit === null ? "" : ` ${unit}`;
  const most = max === Number.MAX_SAFE_INTEGER
    ? ""
    : unit === "s" && max > DAY_S
    ? `${max / DAY_S}d`
    : String(max);
  return {
    fallback: typeof fallback === "number" ? () => fallback : fallback,
    shown: shown ?? `\`${String(fallback)}\`${suffix}`,
    range: `${min}..${most}`,
    read: (value, path, issues, standing) => {
      const number = parseQuantity(value, unit ?? "B");
      if (number === null) {
        const units = unit === "s" ? "seconds (30, or 30s, 5min)" : "an integer";
        issues.error(path, `expected ${units}, got ${describeValue(path, value)}`);
        return undefined;
      }
      if (number > max) {
        const text = `${number} is above the largest value`;
        if (standing === "proposed") issues.error(path, `${text}, ${max}`);
        else issues.warning(path, `${text}: ${max} is used`);
        return max;
      }
      if (number >= min) return number;
      issues.warning(path, `${number} is below the minimum: ${min} is used`);
      return min;
    },
  };
}

export function boolean(fallback: boolean): DynamicType<boolean> {
  return {
    fallback: () => fallback,
    shown: `\`${fallback}\``,
    range: "",
    read: (value, path, issues) => {
      const flag = parseBool(value);
      if (flag !== null) return flag;
      issues.error(path, `expected a boolean, got ${describeValue(path, value)}`);
      return undefined;
    },
  };
}

const TIME = /^\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}:\d{2}(?:\.\d+)?(?:Z|[+-]\d{2}:?\d{2})$/;

/** A time of day; null: none. */
export function time(): DynamicType<string | null> {
  return {
    fallback: () => null,
    shown: "",
    range: "ISO 8601 with a time zone",
    read: (value, path, issues) => {
      if (typeof value === "string" && TIME.test(value) && !Number.isNaN(Date.parse(value))) return value;
      issues.error(path, `expected an ISO 8601 time with a time zone, got ${describeValue(path, value)}`);
      return undefined;
    },
  };
}
