/** Whether a member may be promoted, by its tags alone. */
import type { Json, JsonObject } from "./json.ts";
import { isSet } from "./parse_bool.ts";
import { parseQuantity } from "./time_units.ts";

const MAX_PRIORITY = 2 ** 31 - 1;

/** The tag `nofailover` where it is there; else a `failover_priority` of 0 or less says the same. */
export function isNofailover({ nofailover: flag, failover_priority: priority }: JsonObject): boolean {
  if (flag !== undefined && flag !== null) return isSet(flag);
  return (priorityOf(priority) ?? 1) <= 0;
}

/** `failover_priority`, `sync_priority`; null: no number that counts. */
export function priorityOf(value: Json | undefined): number | null {
  const priority = parseQuantity(value);
  return priority !== null && Math.abs(priority) <= MAX_PRIORITY ? priority : null;
}
