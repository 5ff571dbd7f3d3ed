/**
 * What Patroni's users search for in the log of a standby that does not take over. Each of Patroni's members
 * decides for itself; here the raft leader chooses (docs/decisions.md), and the others say once a choice how
 * it looks from where they are.
 */
import { isLater } from "../../brain/cluster/candidate.ts";
import type { MemberStatus } from "../../model/member_status.ts";
import { type DcsState, isInitialized } from "../../model/records.ts";

export interface RaceLook {
  readonly name: string;
  readonly dcs: Pick<DcsState, "lock" | "failover" | "initialize">;
  readonly paused: boolean;
  /** All that are heard, this member's own among them. Asked for only around a choice: a look is made often. */
  readonly heard: () => readonly MemberStatus[];
}

export class RaceLines {
  #epoch: number | null = null;
  /** What members had while the lock was free: the chosen one goes on to write. */
  readonly #heard = new Map<string, MemberStatus>();
  #said = false;

  /** null: there is nothing to say. */
  look(now: RaceLook): string | null {
    const { epoch, holder } = now.dcs.lock;
    const isGranted = holder !== null && this.#epoch !== null && epoch !== this.#epoch;
    this.#epoch = epoch;
    if (holder !== null && !isGranted) return null;
    for (const status of now.heard()) {
      if (!status.writable && (holder === null || !this.#heard.has(status.name))) {
        this.#heard.set(status.name, status);
      }
    }
    const line = this.#said ? null : lineOf(now, this.#heard);
    this.#said = !isGranted && (this.#said || line !== null);
    if (isGranted) this.#heard.clear();
    return line;
  }
}

function lineOf({ name, dcs, paused }: RaceLook, heard: ReadonlyMap<string, MemberStatus>): string | null {
  const { lock: { holder }, failover } = dcs;
  const own = heard.get(name);
  if (paused || !isInitialized(dcs) || holder === name || own?.running !== true || own.role !== "replica") {
    return null;
  }
  if (own.nofailover) return "following a different leader because I am not allowed to promote";
  // A member that was asked for by its name need not be the best one.
  const isNamed = failover?.accepted === true && failover.candidate === holder;
  const chosen = holder === null || isNamed ? undefined : heard.get(holder);
  if (chosen === undefined || isLater(own, chosen)) return null;
  if (isLater(chosen, own)) return `Wal position of ${holder} is ahead of my wal position`;
  if (chosen.failoverPriority <= own.failoverPriority) return null;
  return `${holder} has equally tolerable WAL position and priority ${chosen.failoverPriority}, ` +
    `while this node has priority ${own.failoverPriority}`;
}
