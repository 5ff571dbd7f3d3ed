/** Compares configured server parameters with those in force, as PostgreSQL itself reads values and units. */
import { parseBool } from "../model/parse_bool.ts";
import type { Row } from "./connection.ts";
import { RECOVERY_PARAMETERS } from "./server_conf.ts";

export interface Setting {
  readonly name: string;
  /** The value in force, in units of `unit`, without a suffix. */
  readonly setting: string;
  readonly unit: string | null;
  readonly vartype: string;
  /** "postmaster": a change needs a restart. */
  readonly context: string;
  /** The server itself says that a value in its files waits for a restart. */
  readonly pendingRestart: boolean;
  /** The value where no file and no argument names one, in units of `unit`. */
  readonly bootValue: string | null;
}

export const SETTINGS_QUERY =
  "SELECT name, setting, unit, vartype, context, pending_restart, boot_val FROM pg_settings WHERE context <> 'internal'";

/** Values that the files hold for settings that wait for a restart. */
export const PENDING_QUERY =
  "SELECT DISTINCT ON (name) name, setting FROM pg_file_settings WHERE name IS NOT NULL ORDER BY name, seqno DESC";

export function parseSetting(row: Row): Setting {
  return {
    name: row.name ?? "",
    setting: row.setting ?? "",
    unit: row.unit ?? null,
    vartype: row.vartype ?? "string",
    context: row.context ?? "",
    pendingRestart: row.pending_restart === "t",
    bootValue: row.boot_val ?? null,
  };
}

export type PendingRestart = {
  readonly [parameter: string]: { readonly old_value: string; readonly new_value: string };
};

/**
 * The changes that a restart would bring. `desired`: name and value as configured; `inFiles`: values of
 * pg_file_settings, for changes that are not the agent's; `leftOut`: parameters that are configured but not
 * written, which no restart brings. null: nothing.
 */
export function pendingRestart(
  settings: readonly Setting[],
  desired: { readonly [name: string]: string },
  inFiles: { readonly [name: string]: string },
  leftOut: readonly string[] = [],
): PendingRestart | null {
  const wanted = new Map(Object.entries(desired).map(([name, value]) => [name.toLowerCase(), value]));
  for (const name of leftOut) wanted.delete(name.toLowerCase());
  const pending: { [parameter: string]: { old_value: string; new_value: string } } = {};
  for (const one of settings) {
    const name = one.name.toLowerCase();
    if (one.context !== "postmaster" || RECOVERY_PARAMETERS.has(name) || name === "hot_standby") continue;
    // One that waits and is in no file any more comes back to what it is by itself.
    const foreign = one.pendingRestart ? inFiles[one.name] ?? one.bootValue : null;
    const value = wanted.get(name) ?? foreign;
    if (value === null || sameValue(one, value, settings)) continue;
    pending[one.name] = { old_value: humanValue(one, one.setting), new_value: humanValue(one, value) };
  }
  return Object.keys(pending).length === 0 ? null : pending;
}

function sameValue(setting: Setting, value: string, all: readonly Setting[]): boolean {
  // -1 means "from shared_buffers"; the server shows the result.
  if (setting.name === "wal_buffers" && Number(value) === -1) {
    return setting.setting === String(autoWalBuffers(all));
  }
  return equalValues(setting, value);
}

/** A thirty-second of shared_buffers, at least 64 kB, at most a WAL segment; in pages of 8 kB. */
function autoWalBuffers(all: readonly Setting[]): number {
  const shared = Number(all.find((one) => one.name === "shared_buffers")?.setting ?? 0);
  const segmentBytes = 16 * 2 ** 20;
  return Math.min(Math.max(Math.floor(shared / 32), 8), segmentBytes / 8192);
}

/** Whether a value as written in a configuration is the one in force. */
export function equalValues(setting: Setting, value: string): boolean {
  switch (setting.vartype) {
    case "bool": {
      const wanted = parsePgBool(value);
      return wanted !== null && wanted === parsePgBool(setting.setting);
    }
    case "integer": {
      const wanted = inBaseUnit(value, setting.unit);
      return wanted !== null && Math.round(wanted) === Number(setting.setting);
    }
    case "real": {
      const wanted = inBaseUnit(value, setting.unit);
      return wanted !== null &&
        Math.abs(wanted - Number(setting.setting)) <= 1e-9 * Math.max(1, Math.abs(wanted));
    }
    case "enum":
      return enumValue(setting.name, value) === enumValue(setting.name, setting.setting);
    default:
      return value === setting.setting;
  }
}

function enumValue(name: string, value: string): string {
  const lower = value.toLowerCase();
  // Spellings of older versions that the server still understands.
  if (name === "wal_level" && (lower === "hot_standby" || lower === "archive")) return "replica";
  const bool = parseBool(lower);
  return bool === null ? lower : bool ? "on" : "off";
}

/** Takes also unique beginnings, as the server does ("t", "fal"). */
function parsePgBool(value: string): boolean | null {
  const exact = parseBool(value);
  if (exact !== null) return exact;
  const lower = value.trim().toLowerCase();
  if (lower === "" || lower === "o") return null;
  if ("true".startsWith(lower) || "yes".startsWith(lower)) return true;
  return "false".startsWith(lower) || "no".startsWith(lower) || "off".startsWith(lower) ? false : null;
}

const UNITS: { readonly [unit: string]: readonly ["bytes" | "ms", number] } = {
  B: ["bytes", 1],
  kB: ["bytes", 2 ** 10],
  MB: ["bytes", 2 ** 20],
  GB: ["bytes", 2 ** 30],
  TB: ["bytes", 2 ** 40],
  us: ["ms", 0.001],
  ms: ["ms", 1],
  s: ["ms", 1_000],
  min: ["ms", 60_000],
  h: ["ms", 3_600_000],
  d: ["ms", 86_400_000],
};

/** "8kB" is a unit of pg_settings: a number of unit. */
function unitSize(unit: string): readonly ["bytes" | "ms", number] | null {
  const match = /^(\d*)([A-Za-z]+)$/.exec(unit);
  const known = match ? UNITS[match[2]!] : undefined;
  return match && known ? [known[0], known[1] * Number(match[1] || 1)] : null;
}

/** A value with or without a unit, as a number of `unit`; null when it is none. */
export function inBaseUnit(value: string, unit: string | null): number | null {
  const match = /^\s*([+-]?(?:0[xX][0-9a-fA-F]+|(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?))\s*([A-Za-z]*)\s*$/
    .exec(value);
  if (!match) return null;
  const digits = match[1]!;
  const number = /^[+-]?0\d+$/.test(digits) ? parseInt(digits, 8) : Number(digits);
  const suffix = match[2]!;
  if (suffix === "") return number;
  const from = unitSize(suffix);
  const to = unit === null ? null : unitSize(unit);
  return from && to && from[0] === to[0] ? number * from[1] / to[1] : null;
}

/**
 * The largest unit that leaves a whole number: 131072 pages are "1GB". Other values come back as they are.
 */
export function humanValue(setting: Pick<Setting, "unit" | "vartype">, value: string): string {
  if (setting.vartype === "bool") {
    const bool = parsePgBool(value);
    return bool === null ? value : bool ? "on" : "off";
  }
  if (setting.unit === null || (setting.vartype !== "integer" && setting.vartype !== "real")) return value;
  const number = inBaseUnit(value, setting.unit);
  const size = unitSize(setting.unit);
  if (number === null || size === null) return value;
  if (number <= 0) return String(number);
  const fitting =
    Object.entries(UNITS).filter(([, [kind, factor]]) =>
      kind === size[0] && Number.isInteger(number * size[1] / factor)
    ).sort((a, b) => b[1][1] - a[1][1])[0];
  return fitting === undefined ? value : `${number * size[1] / fitting[1][1]}${fitting[0]}`;
}
