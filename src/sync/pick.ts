/**
 * Which standbys a primary's commits are to wait for, in Patroni's order (docs/compatibility.md section 5.1),
 * but for those that hold commits up. Pure.
 */
import type { Lsn } from "../model/lsn.ts";
import type { Voters } from "./record.ts";
import type { SyncTarget } from "./plan.ts";
import { LAST_STANDSTILL_MS, STANDSTILL_MS } from "./standstill.ts";

export interface Pickable {
  readonly name: string;
  readonly token: string;
  /** The tag nosync, or a sync_priority of 0 or less. */
  readonly nosync: boolean;
  readonly syncPriority: number;
  readonly nofailover: boolean;
  /** What it has flushed, or by synchronous_commit written or replayed; null: it does not stream yet. */
  readonly lsn: Lsn | null;
  /** How long it has stood still until now, and what of that kind is held against it (standstill.ts), ms. */
  readonly standsMs: number;
  readonly stoodMs: number;
}

export interface PickOptions {
  readonly mode: "off" | "on" | "quorum";
  readonly strict: boolean;
  readonly nodeCount: number;
  /** 0 or less: no limit. */
  readonly maximumLagBytes: number;
  /** How far the primary has flushed; null: not known. */
  readonly walLsn: Lsn | null;
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
  return promptOf(standbys.filter(({ nosync }) => !nosync), standbys, options).toSorted((a, b) =>
    Number(stands(a)) - Number(stands(b)) ||
    Number(isHeld(a)) - Number(isHeld(b)) ||
    Number(a.nofailover) - Number(b.nofailover) ||
    b.syncPriority - a.syncPriority ||
    Number(isVoter(b, options)) - Number(isVoter(a, options)) ||
    (b.lsn ?? 0) - (a.lsn ?? 0) ||
    (a.name < b.name ? -1 : 1)
  );
}

/**
 * Those that hold no commit up. One that stands still goes as soon as enough others move, and after a while
 * also if they do not. One that has just begun to move again comes before it, unless it had gone for good. In
 * strict mode the last ones stay: commits would wait all the same, and nobody could take over.
 */
function promptOf(
  wanted: readonly Pickable[],
  all: readonly Pickable[],
  options: PickOptions,
): readonly Pickable[] {
  const near = wanted.filter((one) => !lags(one, all, options));
  const steady = near.filter((one) => !isHeld(one));
  if (steady.length >= options.nodeCount) return steady;
  const prompt = near.filter(({ stoodMs }) => stoodMs < LAST_STANDSTILL_MS);
  const moving = prompt.filter((one) => !stands(one));
  if (moving.length >= options.nodeCount) return moving;
  return prompt.length === 0 && options.strict ? wanted : prompt;
}

function stands({ standsMs }: Pickable): boolean {
  return standsMs >= STANDSTILL_MS;
}

function isHeld({ stoodMs }: Pickable): boolean {
  return stoodMs >= STANDSTILL_MS;
}

function isVoter({ name, token }: Pickable, { voters }: PickOptions): boolean {
  return Object.hasOwn(voters, name) && voters[name] === token;
}

/**
 * Lags are measured by the most advanced standby, as in Patroni, and by the primary where there is no other
 * one. One that is not synchronous must come nearer than one that is, so that none goes to and fro.
 */
function lags(one: Pickable, all: readonly Pickable[], options: PickOptions): boolean {
  const { maximumLagBytes, walLsn } = options;
  const positions = all.flatMap(({ lsn }) => lsn ?? []);
  if (maximumLagBytes <= 0 || one.lsn === null) return false;
  const furthest = positions.length > 1 ? Math.max(...positions) : walLsn ?? one.lsn;
  return furthest - one.lsn > (isVoter(one, options) ? maximumLagBytes : maximumLagBytes / 2);
}
