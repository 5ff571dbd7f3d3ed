/** Parts of answers that several of them have, as checks. */
import type { JsonBounds } from "../model/bounded_json.ts";
import { described, finite, flag, json, list, map, openFields, orNull, text } from "../model/shape.ts";

/** The same bounds as for the tags in a record. */
const TAGS_BOUNDS: JsonBounds = { maxBytes: 16 * 1024, maxDepth: 8, maxValues: 500, maxText: 4096 };

/** A cluster has 64 raft members at most, and members without a vote beside them. */
export const MAX_MEMBERS = 256;
export const MAX_RISKS = 100;
export const MAX_AILMENTS = 50;
/** Settings that wait for a restart, rules, lines of history: more than a member ever has. */
export const MANY = 10_000;
/**
 * A table is as wide as its widest cell in each of its lines, so the length of each text counts many times.
 */
export const anyText = text(16 * 1024);
export const cellText = text(1024);
export const number = described(finite(-Number.MAX_VALUE, Number.MAX_VALUE), { type: "number" });
export const textOrNull = orNull(anyText);
export const numberOrNull = orNull(number);
export const tags = json(TAGS_BOUNDS, TAGS_BOUNDS);
export const lag = described(
  (value, bounded) => value === "unknown" ? null : number(value, bounded),
  { anyOf: [{ type: "number" }, { enum: ["unknown"] }] },
);

export const pendingRestart = map(anyText, openFields({ old_value: anyText, new_value: anyText }), 1000);
export const lastStop = openFields({ at: anyText, steps: list(anyText, 10), why: anyText, over: flag });
export const copy = openFields({
  from: anyText,
  done_bytes: number,
  total_bytes: numberOrNull,
  bytes_per_second: numberOrNull,
  seconds_left: numberOrNull,
}, { by: anyText });
export const watchdogFields = {
  mode: anyText,
  active: flag,
  device: anyText,
  identity: textOrNull,
  timeout: numberOrNull,
  boot_cause: textOrNull,
};

export const leadFailure = openFields({ at: anyText, why: anyText, times: number, sits_out: flag });
export const reloadRefused = openFields({ at: anyText, why: anyText });
export const certificates = list(openFields({ key: anyText, ends: anyText }), MAX_AILMENTS);
export const ailments = list(
  openFields({ cause: anyText, severity: anyText, since: anyText, detail: anyText }),
  MAX_AILMENTS,
);
export const syncTroubles = list(
  openFields({ kind: anyText, since: anyText, detail: anyText }),
  MAX_AILMENTS,
);
export const reinitialize = openFields({ state: anyText, detail: anyText });
