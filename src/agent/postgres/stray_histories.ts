/**
 * Files of histories in pg_wal that keep a standby from its primary. They are copies: PostgreSQL fetches a
 * history file from its primary where it has none of that number.
 */
import { historyOnDisk } from "../../postgres/data_directory.ts";
import { join, readText, removeFile } from "../../postgres/disk.ts";
import {
  historyFileName,
  leadsNowhere,
  leftAt,
  type OtherHistory,
  parseHistory,
  type TimelineHistory,
} from "../../postgres/history.ts";
import { youngerTimelines } from "../../postgres/replayed_timeline.ts";
import type { ControlFile } from "../../postgres/control_file.ts";
import { surelyThere, type WalEnd } from "../../postgres/wal_end.ts";
import { isWhole } from "./server_memory.ts";

interface Place {
  readonly dataDir: string;
  readonly warn: (text: string) => void;
}

export class StrayHistories {
  readonly #place: Place;
  /** Later timelines than that of the one compared with last, and whose they are not. */
  #found: { readonly timelines: readonly number[]; readonly than: number } = { timelines: [], than: 0 };
  /** Those of them that begin before what this member has replayed: it will not come to them. */
  #passed: readonly number[] = [];
  /** Text of those that were removed, by timeline. */
  readonly #removed = new Map<number, string>();
  /** Text of those that had to be left, by timeline. */
  readonly #left = new Map<number, string>();

  constructor(place: Place) {
    this.#place = place;
  }

  /** The next start of a standby is to remove a file, once the end of its WAL is known. */
  get areFound(): boolean {
    return this.#found.timelines.length > 0;
  }

  /**
   * This member's WAL is a part of the other's. Returns the names of the files here of later timelines, which
   * the other will not come to. One that is there again after its removal comes from the archive: no restart
   * mends that, and it is told of instead. `own`: where this member's WAL was compared.
   */
  note(other: OtherHistory, own: WalEnd): readonly string[] {
    const { dataDir, warn } = this.#place;
    const timelines = youngerTimelines(join(dataDir, "pg_wal"), other.timeline).filter((timeline) =>
      leadsNowhere(historyOnDisk(dataDir, timeline), other)
    );
    const isNews = timelines.join() !== this.#found.timelines.join();
    this.#found = { timelines, than: other.timeline };
    this.#passed = timelines.filter((timeline) => this.#begins(timeline, own.timeline) < own.lsn);
    return timelines.filter((timeline) => {
      const text = this.#textOf(timeline);
      if (this.#left.get(timeline) === text && !this.#passed.includes(timeline)) return false;
      if (this.#removed.get(timeline) !== text) return true;
      if (isNews) {
        warn(
          `${
            historyFileName(timeline)
          } is there again: the archive has it, and while it has, this standby does not ` +
            `follow timeline ${other.timeline}. Remove it from the archive, with the files of that timeline`,
        );
      }
      return false;
    }).map(historyFileName);
  }

  /**
   * A standby is about to start, from that end of its WAL. A timeline that its WAL is on already is kept:
   * that WAL is compared, and kept aside, before it is given up. Where the end is not known, only a timeline
   * is removed that begins before what was replayed, or what `control` vouches for: PostgreSQL cannot go
   * there. No later start mends the others: the server is not stopped for them again.
   */
  remove(end: WalEnd | null, control: ControlFile | null): void {
    const isLeft = (timeline: number) =>
      isWhole(end) ? timeline > end.timeline : control !== null && this.#isPassed(timeline, control);
    for (const timeline of this.#found.timelines) {
      const text = this.#textOf(timeline);
      if (text === null) continue;
      if (!isLeft(timeline)) {
        if (!isWhole(end)) this.#leave(timeline, text);
        continue;
      }
      this.#removed.set(timeline, text);
      removeFile(this.#path(timeline));
      this.#place.warn(
        `${historyFileName(timeline)} is of a timeline that was given up, the primary is on timeline ` +
          `${this.#found.than}: it is removed`,
      );
    }
    this.#found = { timelines: [], than: 0 };
  }

  /** A directory that was rewound or copied since is on a timeline of its own. */
  #isPassed(timeline: number, control: ControlFile): boolean {
    if (timeline <= control.timeline) return false;
    const sure = surelyThere(this.#place.dataDir, control);
    return this.#passed.includes(timeline) || this.#begins(timeline, sure.timeline) < sure.lsn;
  }

  /** Where a history leaves `parent`; -Infinity: it was never on it. */
  #begins(timeline: number, parent: number): number {
    return leftAt(historyOnDisk(this.#place.dataDir, timeline), parent) ?? -Infinity;
  }

  #leave(timeline: number, text: string): void {
    if (this.#left.get(timeline) === text) return;
    this.#left.set(timeline, text);
    this.#place.warn(
      `${
        historyFileName(timeline)
      } is of a timeline that was given up, and stays: the end of the WAL on this ` +
        `disk is not known. While it is there this standby may not follow timeline ${this.#found.than}; ` +
        "`agent ctl reinit` copies it anew",
    );
  }

  /**
   * One of another timeline of the primary's number, whose own primary was cut off, would keep this server
   * from the primary's for ever. This server is not on that timeline.
   */
  replace(timeline: number, history: TimelineHistory): void {
    const text = this.#textOf(timeline);
    if (text === null || history.length === 0) return;
    const points = (lines: TimelineHistory) => JSON.stringify(lines.map(([parent, lsn]) => [parent, lsn]));
    if (points(parseHistory(text)) === points(history)) return;
    removeFile(this.#path(timeline));
    const file = historyFileName(timeline);
    this.#place.warn(`${file} is of another timeline ${timeline} than the primary's: it is removed`);
  }

  #path(timeline: number): string {
    return join(this.#place.dataDir, "pg_wal", historyFileName(timeline));
  }

  #textOf(timeline: number): string | null {
    return readText(this.#path(timeline));
  }
}
