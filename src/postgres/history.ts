/**
 * Timelines and whether two servers' histories agree (docs/compatibility.md section 6.3). Pure: positions
 * come from pg_control, from the end of WAL on disk, or from a running server.
 */
import { formatLsn, type Lsn, parseLsn } from "../model/lsn.ts";

/** [timeline, position where the next one branched off, reason], oldest first. */
export type TimelineHistory = readonly (readonly [number, Lsn, string])[];

/** Content of a .history file; lines that are none are skipped. */
export function parseHistory(text: string): TimelineHistory {
  const lines: [number, Lsn, string][] = [];
  for (const line of text.split("\n")) {
    const match = /^\s*(\d+)\s+([0-9A-Fa-f]+\/[0-9A-Fa-f]+)(?:\s+(.*))?$/.exec(line);
    const lsn = match ? parseLsn(match[2]!) : null;
    if (match && lsn !== null) lines.push([Number(match[1]), lsn, (match[3] ?? "").trim()]);
  }
  return lines;
}

/**
 * Where a history leaves that timeline; null: it was never on it. PostgreSQL names the timeline that a
 * standby was on its way to as the one before, also where it was promoted short of that one's beginning: then
 * a later line has the lower position, and the server has nothing beyond that.
 */
export function leftAt(history: TimelineHistory, timeline: number): Lsn | null {
  const from = history.findIndex(([parent]) => parent === timeline);
  return from === -1 ? null : Math.min(...history.slice(from).map(([, lsn]) => lsn));
}

export function historyFileName(timeline: number): string {
  return `${timeline.toString(16).toUpperCase().padStart(8, "0")}.history`;
}

export interface LocalPosition {
  readonly systemId: string;
  readonly timeline: number;
  /**
   * Running or cleanly stopped standby: replayed up to here. Former primary: end of the last record on disk.
   */
  readonly lsn: Lsn;
  /** The lowest timeline on which this server wrote without the lock; null: it did not. */
  readonly wroteAlone: number | null;
  /** The history of its timeline; empty: that has none, or it is not known. */
  readonly history: TimelineHistory;
}

export interface OtherHistory {
  readonly systemId: string;
  readonly timeline: number;
  readonly lsn: Lsn;
  readonly history: TimelineHistory;
  /** It is a standby itself, and may be behind. */
  readonly inRecovery: boolean;
}

export interface HistoryVerdict {
  readonly verdict: "same" | "diverged" | "unknown";
  readonly detail: string;
  /** Left out: pg_rewind finds where they part. */
  readonly noRewind?: string;
}

export const ONE_TIMELINE = "pg_rewind does not see that one timeline was written differently";
const OUT_OF_ORDER =
  "pg_rewind goes by the primary's history file, which names a later position for the switch";

/** A standby on an older timeline may yet come to the later one: it has not gone past the switch. */
function mayFollow({ timeline, lsn }: OtherHistory, history: TimelineHistory): boolean {
  if (history.length === 0) return true;
  const left = leftAt(history, timeline);
  return left !== null && lsn <= left;
}

/**
 * Whether a history that is here as a file alone, of a later timeline than the other's, is given up: its
 * member was promoted, and has been rewound or is gone. A server that knows of that timeline would go to it,
 * and takes WAL from nobody who is not on it. A standby may yet come to it.
 */
export function leadsNowhere(history: TimelineHistory, other: OtherHistory): boolean {
  return !other.inRecovery || !mayFollow(other, history);
}

/**
 * The timeline on which two histories part, though both have timelines of the same numbers; null: on none.
 * PostgreSQL gives each number once as far as a server has heard of the others. Two clusters of one system
 * number theirs by themselves, and so does a member that is promoted before it has heard of a timeline whose
 * primary was cut off.
 */
function partsOn(history: TimelineHistory, others: TimelineHistory): number | null {
  // Not known.
  if (others.length === 0) return null;
  const isShared = ([parent, lsn]: TimelineHistory[number]) =>
    others.some(([other, at]) => other === parent && at === lsn);
  return history.find((line) => !isShared(line))?.[0] ?? null;
}

function differently(parted: number, isSameNumber: boolean, at: string): HistoryVerdict {
  return {
    verdict: "diverged",
    detail: `this member is on ${at}, and the two left timeline ${parted} at different positions`,
    // It goes by the numbers alone.
    ...(isSameNumber ? { noRewind: "pg_rewind does not tell two timelines of one number apart" } : {}),
  };
}

/** A standby never has more than the primary that it followed: such a primary is an older copy. */
function onOneTimeline({ timeline, lsn }: LocalPosition, other: OtherHistory): HistoryVerdict {
  if (other.inRecovery || lsn <= other.lsn) {
    return { verdict: "same", detail: `both on timeline ${timeline}, this member at ${formatLsn(lsn)}` };
  }
  const at = `timeline ${timeline}, ${formatLsn(lsn)}`;
  return {
    verdict: "diverged",
    detail: `this member is on ${at}, beyond the end of the primary's WAL at ${formatLsn(other.lsn)}`,
    noRewind: ONE_TIMELINE,
  };
}

/**
 * Whether the local history is a beginning of the other's: then this member can follow it, else it must
 * rewind or copy.
 */
export function compareHistories(local: LocalPosition, other: OtherHistory): HistoryVerdict {
  const { timeline, lsn } = local;
  const at = `timeline ${timeline}, ${formatLsn(lsn)}`;
  if (local.systemId !== other.systemId) {
    return {
      verdict: "unknown",
      detail: `another cluster: system identifier ${other.systemId}, this member's is ${local.systemId}`,
    };
  }
  // Timelines and positions do not show that two servers wrote on one timeline. pg_rewind does not see it
  // either.
  if (local.wroteAlone !== null && local.wroteAlone <= other.timeline) {
    return {
      verdict: "diverged",
      detail: `this member wrote on timeline ${local.wroteAlone} without the lock`,
      noRewind: `pg_rewind does not see what was written on timeline ${local.wroteAlone} without the lock`,
    };
  }
  if (timeline > other.timeline && other.inRecovery && mayFollow(other, local.history)) {
    return {
      verdict: "unknown",
      detail: `this member is on ${at}, the other, a standby, still on timeline ${other.timeline}`,
    };
  }
  if (timeline > other.timeline) {
    return {
      verdict: "diverged",
      detail: `this member is on ${at}, the other is still on timeline ${other.timeline}`,
    };
  }
  const parted = partsOn(local.history, other.history);
  if (parted !== null) return differently(parted, timeline === other.timeline, at);
  if (timeline === other.timeline) return onOneTimeline(local, other);
  const branch = leftAt(other.history, timeline);
  if (branch === null) {
    return {
      verdict: "diverged",
      detail: `timeline ${timeline} is not in the history of timeline ${other.timeline}`,
    };
  }
  const point = formatLsn(branch);
  if (lsn <= branch) {
    return {
      verdict: "same",
      detail: `this member is on ${at}, the switch to timeline ${other.timeline} was at ${point}`,
    };
  }
  const isInOrder = other.history.some(([parent, left]) => parent === timeline && left === branch);
  return {
    verdict: "diverged",
    detail: `this member is on ${at}, beyond the switch at ${point} to timeline ${other.timeline}`,
    ...(isInOrder ? {} : { noRewind: OUT_OF_ORDER }),
  };
}
