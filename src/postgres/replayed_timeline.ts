/**
 * The timeline that a running standby has come to. PostgreSQL names it while a WAL receiver runs. Afterwards
 * it names that of the last restartpoint, which is an older one where the receiver wrote a new timeline for a
 * moment only. Its disk shows it: the startup process goes to a timeline once its history file is there, and
 * has it streamed into files of that timeline.
 */
import type { Lsn } from "../model/lsn.ts";
import { exists, join, list } from "./disk.ts";
import { historyOnDisk } from "./data_directory.ts";
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
    const left = historyOnDisk(dataDir, timeline).find(([parent]) => parent === known.timeline);
    return left !== undefined && left[1] < known.lsn &&
      exists(join(walDir, walFileName(timeline, known.lsn - 1, segmentBytes)));
  };
  return youngerTimelines(walDir, known.timeline).findLast(isReached) ?? known.timeline;
}
