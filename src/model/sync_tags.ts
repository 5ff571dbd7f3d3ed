/** What the tags of a member say of it as a synchronous standby. */
import type { JsonObject } from "./json.ts";
import { isRuledOut, priorityOf } from "./nofailover.ts";
import { isSet } from "./parse_bool.ts";

/** As Patroni reads these tags: the boolean wins, and a priority of 0 or less means the same. */
export function syncTags({ nosync, sync_priority: priority }: JsonObject): {
  readonly nosync: boolean;
  readonly syncPriority: number;
} {
  return { nosync: isRuledOut(nosync, priority), syncPriority: priorityOf(priority) ?? 1 };
}

/** It does not stream from the primary. */
export function streamsElsewhere({ replicatefrom, nostream }: JsonObject): boolean {
  return typeof replicatefrom === "string" || isSet(nostream);
}

export function mayBeSynchronous(tags: JsonObject): boolean {
  return !syncTags(tags).nosync && !streamsElsewhere(tags);
}
