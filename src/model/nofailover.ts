/** The tags that rule a member out as a primary or a synchronous standby: a flag, and its priority. */
import type { Json, JsonObject } from "./json.ts";
import { isSet } from "./parse_bool.ts";
import { parseQuantity } from "./time_units.ts";

const MAX_PRIORITY = 2 ** 31 - 1;

export function isNofailover({ nofailover, failover_priority: priority }: JsonObject): boolean {
  return isRuledOut(nofailover, priority);
}

/** By the flag where it is there; else a priority of 0 or less says the same. */
export function isRuledOut(flag: Json | undefined, priority: Json | undefined): boolean {
  if (flag !== undefined && flag !== null) return isSet(flag);
  return (priorityOf(priority) ?? 1) <= 0;
}

/** `failover_priority`, `sync_priority`; null: no number that counts. */
export function priorityOf(value: Json | undefined): number | null {
  const priority = parseQuantity(value);
  return priority !== null && Math.abs(priority) <= MAX_PRIORITY ? priority : null;
}
