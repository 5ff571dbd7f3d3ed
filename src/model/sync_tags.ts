/** What the tags of a member say of it as a synchronous standby. */
import type { JsonObject } from "./json.ts";

/** As Patroni reads these tags: the boolean wins, and a priority of 0 or less means the same. */
export function syncTags({ nosync, sync_priority: priority }: JsonObject): {
  readonly nosync: boolean;
  readonly syncPriority: number;
} {
  const syncPriority = typeof priority === "number" ? priority : 1;
  return { nosync: nosync === true || (nosync === undefined && syncPriority <= 0), syncPriority };
}

/** It does not stream from the primary. */
export function streamsElsewhere({ replicatefrom, nostream }: JsonObject): boolean {
  return typeof replicatefrom === "string" || nostream === true;
}

export function mayBeSynchronous(tags: JsonObject): boolean {
  return !syncTags(tags).nosync && !streamsElsewhere(tags);
}
