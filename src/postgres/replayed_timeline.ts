/**
 * The timeline that a running standby has come to. PostgreSQL names it while a WAL receiver runs. Afterwards
 * it names that of the last restartpoint, which is an older one where the receiver wrote a new timeline for a
 * moment only. Its disk shows it: the startup process goes to a timeline once its history file is there, and
 * has it streamed into files of that timeline.
 */
import type { Lsn } from "../model/lsn.ts";
import { exists, join, list } from "./disk.ts";
import { historyOnDisk } from "./data_directory.ts";
import { leftAt } from "./history.ts";
import { walFileName } from "./source_wal.ts";

/** The timelines above that one whose history files are here, oldest first. */
export function youngerTimelines(walDir: string, timeline: number): number[] {
  return (list(walDir) ?? []).map((name) => /^([0-9A-F]{8})\.history$/.exec(name)?.[1])
    .filter((name) => name !== undefined).map((name) => parseInt(name, 16)).filter((one) => one > timeline)
    .sort((a, b) => a - b);
}

/**
 * `known`: the timeline that the server names, and up to where it has replayed. A history file alone shows
 * nothing: PostgreSQL stays on its timeline where a later one begins before that position.
 */
export function replayedTimeline(
  dataDir: string,
  known: { readonly timeline: number; readonly lsn: Lsn },
  segmentBytes: number,
): number {
  const walDir = join(dataDir, "pg_wal");
  const isReached = (timeline: number) => {
    const left = leftAt(historyOnDisk(dataDir, timeline), known.timeline);
    return left !== null && left < known.lsn &&
      exists(join(walDir, walFileName(timeline, known.lsn - 1, segmentBytes)));
  };
  return youngerTimelines(walDir, known.timeline).findLast(isReached) ?? known.timeline;
}

/**
 * The timelines above its own that a server with WAL up to `end` is on its way to, and has not come to: they
 * begin beyond that position. Promoted there, PostgreSQL would name the last of them as the one before, and
 * its history would tell of WAL that it never had.
 */
export function timelinesAhead(
  dataDir: string,
  end: { readonly timeline: number; readonly lsn: Lsn },
): number[] {
  return youngerTimelines(join(dataDir, "pg_wal"), end.timeline)
    .filter((timeline) => (leftAt(historyOnDisk(dataDir, timeline), end.timeline) ?? 0) > end.lsn);
}
