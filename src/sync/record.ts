/**
 * The record of synchronous replication: V (`syncStandby`) and Q (`quorum`), and which changes of it keep its
 * promise. The invariants and their proof are in DESIGN.md. Pure set arithmetic: no time, no positions.
 */
import type { SyncRecord } from "../model/records.ts";
import { type SyncSetting, takesAnybody } from "./setting.ts";

/**
 * The data that a member had when it became one of V: a member whose directory was made anew, and another
 * machine of that name, has acknowledged nothing with it.
 */
export type DataToken = string;
export type Voters = { readonly [name: string]: DataToken };

export const ASYNCHRONOUS: SyncRecord = { leader: null, syncStandby: [], quorum: 0 };

/** Acknowledged transactions are promised to survive. */
export function isPromised(sync: Pick<SyncRecord, "leader" | "unknown">): boolean {
  return sync.leader !== null || sync.unknown === true;
}

export function votersOf({ syncStandby, data = {} }: SyncRecord): Voters {
  return Object.fromEntries(
    syncStandby.map((name) => [name, Object.hasOwn(data, name) ? data[name]! : ""]),
  );
}

/** One of V, with the data that it had when it became so. */
export function isVoter(sync: SyncRecord, name: string, token: DataToken | undefined): boolean {
  const voters = votersOf(sync);
  return Object.hasOwn(voters, name) && token !== undefined && voters[name] === token;
}

export function recordOf(
  leader: string,
  ownToken: DataToken | null,
  voters: Voters,
  quorum: number,
): SyncRecord {
  const data = { ...voters, ...(ownToken === null ? {} : { [leader]: ownToken }) };
  return { leader, syncStandby: Object.keys(voters).sort(), quorum, data };
}

export function isSameRecord(one: SyncRecord, other: SyncRecord): boolean {
  const text = ({ leader, quorum, data = {}, ...sync }: SyncRecord) =>
    JSON.stringify([leader, quorum, [...sync.syncStandby].sort(), Object.entries(data).sort()]);
  return text(one) === text(other);
}

/**
 * Rule G: every set that satisfies the setting meets every set of Q + 1 members of V. With an empty V nobody
 * but the leader may be chosen, so that any setting will do.
 */
export function covers({ syncStandby, quorum }: SyncRecord, setting: SyncSetting): boolean {
  if (syncStandby.length === 0) return true;
  if (takesAnybody(setting)) return false;
  const all = new Set([...syncStandby, ...setting.names]);
  return quorum + setting.count >= all.size;
}

/**
 * Rule H is kept for everything acknowledged until now: at most Q' members of V' lack any of it. The members
 * of V that stay lack at most Q of them together. Those that come may all lack it, unless they have flushed
 * everything (`flushed`): then these are known to lack nothing.
 */
export function isSound(before: SyncRecord, after: SyncRecord, flushed: readonly string[]): boolean {
  const [old, next] = [votersOf(before), votersOf(after)];
  const names = Object.keys(next);
  const come = names.filter((name) => !Object.hasOwn(old, name) || old[name] !== next[name]).length;
  const unproven = names.filter((name) => !flushed.includes(name)).length;
  return after.quorum >= Math.min(before.quorum + come, unproven);
}

/** The record after a grant: the new holder leads, and is none of the others that vote. */
export function afterGrant(sync: SyncRecord, to: string, token: DataToken | null): SyncRecord {
  const { [to]: _, ...voters } = votersOf(sync);
  return recordOf(to, token, voters, sync.quorum);
}
