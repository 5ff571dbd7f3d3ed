/**
 * Where two histories part, and the WAL that one of them has from there on. Pure: it goes by timelines and
 * positions, and says nothing where those do not show it.
 */
import type { Lsn } from "../model/lsn.ts";
import type { WalStretch } from "../model/lost_wal.ts";
import { leftAt, type LocalPosition, type OtherHistory, type TimelineHistory } from "./history.ts";

/** A timeline, and where this history leaves it. */
type Line = readonly [timeline: number, end: Lsn];
type Own = Pick<LocalPosition, "timeline" | "lsn" | "history" | "wroteAlone">;

/** What `own` has and `other` does not, in order; empty: nothing. null: it does not show. */
export function stretchesBeyond(own: Own, other: OtherHistory): readonly WalStretch[] | null {
  const lines = linesOf(own.history, own.timeline, own.lsn);
  const others = linesOf(other.history, other.timeline, Infinity);
  // A timeline that came from a backup may have no file of its history here: what it names is enough.
  const first = others.findIndex(([timeline]) => timeline === lines[0]![0]);
  if (first === -1) return null;
  const at = lines.findIndex(([timeline, end], index) => {
    const line = others[first + index];
    return line === undefined || line[0] !== timeline || line[1] !== end;
  });
  const begin = at === -1 ? null : beginOf(at, lines, others[first + at], other.lsn);
  if (begin === null) return null;
  const found = lines.slice(at)
    .map(([timeline, to], index) => ({
      timeline,
      from: index === 0 ? begin : Math.max(begin, lines[at + index - 1]![1]),
      to,
    }))
    .filter(({ from, to }) => from < to);
  return wroteBefore(own.wroteAlone, found[0]?.timeline ?? own.timeline, others) ? null : found;
}

function linesOf(history: TimelineHistory, timeline: number, end: Lsn): readonly Line[] {
  return [...history.map(([parent, lsn]): Line => [parent, leftAt(history, parent) ?? lsn]), [timeline, end]];
}

/** Where the line `at` of these begins to differ from the other's; null: it does not show. */
function beginOf(at: number, lines: readonly Line[], other: Line | undefined, otherLsn: Lsn): Lsn | null {
  const [timeline, end] = lines[at]!;
  // They left the timeline before at the same position, for different ones.
  if (other === undefined || other[0] !== timeline) return at === 0 ? null : lines[at - 1]![1];
  if (other[1] !== Infinity) return Math.min(end, other[1]);
  // The other is on this timeline still. Has this one left it, then where it did; unless the other has come
  // less far: it went back, and wrote on. Are both on it, positions do not show what was written differently.
  return at < lines.length - 1 && end <= otherLsn ? end : null;
}

/**
 * Without the lock it wrote on a timeline that the other has as well: what it wrote may begin before the
 * position at which timelines part.
 */
function wroteBefore(alone: number | null, timeline: number, others: readonly Line[]): boolean {
  return alone !== null && alone <= timeline && others.some(([one]) => one === alone || alone === 0);
}
