/**
 * Sightings prove that the end of an epoch was the death of a primary, and not the return of hosts that were
 * all off. In a sighting, a node that still runs heard the holder of that epoch say that its PostgreSQL runs
 * under it. A renewal proves nothing, as an agent renews while its PostgreSQL is dead. An age proves nothing
 * either: only the process that made a sighting remembers it, so every sighting it tells was made since its
 * start. A witness's sighting is as good as a member's. What the standby missed meanwhile is bounded by the
 * position that belongs to the sighting, through the lag limit.
 */
import { FRESH_MS, type SeenStatus } from "../../brain/cluster/successor_view.ts";
import type { Lsn } from "../../model/lsn.ts";
import { isSameMachine } from "../../model/life.ts";
import { leaderLsn, type MemberStatus } from "../../model/member_status.ts";
import type { LockRecord } from "../../model/records.ts";
import type { WitnessNotice } from "../../model/witness_notice.ts";

export interface Sighting {
  /** Highest epoch whose holder was seen alive; 0: none. */
  readonly epoch: number;
  /** Last WAL position that this holder told; null: none. */
  readonly lsn: Lsn | null;
}

export class HolderSightings {
  #epoch = 0;
  #lsn: Lsn | null = null;

  get last(): Sighting {
    return { epoch: this.#epoch, lsn: this.#lsn };
  }

  /** A status came, from another member or from this one. */
  heard(status: MemberStatus, lock: LockRecord): void {
    if (lock.holder !== status.name || status.epochSeen !== lock.epoch || !status.running) return;
    // A namesake is another machine: that its PostgreSQL runs says nothing of the holder's.
    if (lock.life !== null && status.life !== undefined && !isSameMachine(lock.life, status.life)) return;
    this.seen(lock.epoch);
    const position = leaderLsn(status);
    if (lock.epoch === this.#epoch && position !== null) this.#lsn = position;
  }

  /** The holder of that epoch is known to live by other means. */
  seen(epoch: number): void {
    if (epoch <= this.#epoch) return;
    this.#epoch = epoch;
    this.#lsn = null;
  }
}

/**
 * A raft leader's knowledge of the holder of `epoch`: its own, and the recent reports of members and
 * witnesses. The furthest position counts; null: none is known.
 */
export function sightingOf(
  epoch: number,
  own: Sighting,
  statuses: readonly SeenStatus[],
  witnesses: readonly WitnessNotice[],
): { readonly seen: boolean; readonly lsn: Lsn | null } {
  const told = statuses.filter(({ ageMs }) => ageMs < FRESH_MS).map(({ status }) => status);
  const all: Sighting[] = [
    own,
    ...[...told, ...witnesses].map(({ holderSeenEpoch = 0, holderLsn = null }) => ({
      epoch: holderSeenEpoch,
      lsn: holderLsn,
    })),
  ];
  const known = all.filter((one) => one.epoch === epoch && one.lsn !== null).map(({ lsn }) => lsn!);
  return {
    seen: all.some((one) => one.epoch >= epoch),
    lsn: known.length === 0 ? null : Math.max(...known),
  };
}
