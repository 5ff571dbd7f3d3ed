/**
 * Which standbys a primary's commits are to wait for, in Patroni's order (docs/compatibility.md section 5.1).
 * Pure.
 */
import type { Lsn } from "../model/lsn.ts";
import type { Voters } from "./record.ts";
import type { SyncTarget } from "./plan.ts";

export interface Pickable {
  readonly name: string;
  readonly token: string;
  /** The tag nosync, or a sync_priority of 0 or less. */
  readonly nosync: boolean;
  readonly syncPriority: number;
  readonly nofailover: boolean;
  /** What it has flushed, or by synchronous_commit written or replayed; null: it does not stream yet. */
  readonly lsn: Lsn | null;
}

export interface PickOptions {
  readonly mode: "off" | "on" | "quorum";
  readonly strict: boolean;
  readonly nodeCount: number;
  /** 0 or less: no limit. */
  readonly maximumLagBytes: number;
  /** The standbys that the record names. */
  readonly voters: Voters;
}

export function pickTarget(standbys: readonly Pickable[], options: PickOptions): SyncTarget {
  const { mode, strict, nodeCount } = options;
  if (mode === "off") return null;
  const able = ordered(standbys, options);
  // In quorum mode any of them may acknowledge: the fastest do.
  const chosen = mode === "quorum" ? able : able.slice(0, nodeCount);
  return {
    quorum: mode === "quorum",
    standbys: Object.fromEntries(chosen.map(({ name, token }) => [name, token])),
    count: Math.min(nodeCount, chosen.length),
    strict,
  };
}

/** Those that may be promoted come first, then by priority; one that is synchronous stays so. */
function ordered(standbys: readonly Pickable[], options: PickOptions): readonly Pickable[] {
  const { maximumLagBytes, voters } = options;
  const furthest = Math.max(0, ...standbys.map(({ lsn }) => lsn ?? 0));
  const isVoter = ({ name, token }: Pickable) => Object.hasOwn(voters, name) && voters[name] === token;
  const lags = ({ lsn }: Pickable) => maximumLagBytes > 0 && lsn !== null && furthest - lsn > maximumLagBytes;
  return standbys.filter((one) => !one.nosync && !lags(one)).sort((a, b) =>
    Number(a.nofailover) - Number(b.nofailover) ||
    b.syncPriority - a.syncPriority ||
    Number(isVoter(b)) - Number(isVoter(a)) ||
    (b.lsn ?? 0) - (a.lsn ?? 0) ||
    (a.name < b.name ? -1 : 1)
  );
}
