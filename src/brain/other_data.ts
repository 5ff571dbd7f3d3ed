/**
 * A holder whose data directory is not the one that the lock was granted for: somebody has put another one in
 * its place while its server was down. It may lack what was acknowledged, so its epoch is no reason to become
 * a primary with it (src/sync/DESIGN.md, "The choice of the next holder"), and what it would log of itself is
 * not believed later.
 */
import { ownValue } from "../lib/own_value.ts";
import type { DataDirectory } from "../model/postgres_view.ts";
import type { SyncRecord } from "../model/records.ts";
import type { NodeView } from "./keep/view.ts";

/** The data's own id, without that of the machine. */
export function dataIdOf(token: string): string {
  return token.slice(token.lastIndexOf(":") + 1);
}

/** Whether this member, which holds the lock, has other data than it was granted for. */
export function hasOtherData(
  { name, dcs: { sync }, postgres: { directory }, syncWithout }: NodeView,
): boolean {
  return syncWithout?.data ? false : isOtherData(name, sync, directory);
}

/**
 * While acknowledged transactions are promised. A directory that no agent has managed has no id, and is
 * another one; any other gets one before it is looked at.
 */
export function isOtherData(name: string, sync: SyncRecord, directory: DataDirectory): boolean {
  if (sync.leader !== name || directory.kind !== "valid") return false;
  const then = ownValue(sync.data ?? {}, name);
  if (then === undefined) return false;
  return directory.dataId === undefined ? directory.unmanaged === true : dataIdOf(then) !== directory.dataId;
}
