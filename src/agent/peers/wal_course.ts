/**
 * When the primary's WAL was first known to be how far, so that the lag of a standby is a time on this node's
 * own clock: no clock of another host, and no commit that happened to be long ago, has a part in it. Bounded:
 * of what is long ago, every second point is forgotten, so that a long lag is a little too short.
 */
import type { Lsn } from "../../model/lsn.ts";

const MAX_POINTS = 512;

interface Point {
  readonly lsn: Lsn;
  readonly atMs: number;
}

export class WalCourse {
  #points: Point[] = [];

  /** The primary says that its WAL ends there. */
  note(lsn: Lsn, nowMs: number): void {
    const last = this.#points.at(-1);
    if (last?.lsn === lsn) return;
    // A new primary may begin before the end of the old one's WAL.
    if (last !== undefined && lsn < last.lsn) this.#points = this.#points.filter((point) => point.lsn < lsn);
    this.#points.push({ lsn, atMs: nowMs });
    if (this.#points.length <= MAX_POINTS) return;
    this.#points = this.#points.filter((_, place) => place % 2 === 1 || place >= MAX_POINTS / 2);
  }

  /** For how long a standby that has replayed so much lacks WAL, at least; null: no primary was heard. */
  lagMs(replayed: Lsn, nowMs: number): number | null {
    if (this.#points.length === 0) return null;
    const lacking = this.#points.find(({ lsn }) => lsn > replayed);
    return lacking === undefined ? 0 : Math.max(0, nowMs - lacking.atMs);
  }
}
