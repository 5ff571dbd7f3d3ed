/**
 * Files of histories in pg_wal that keep a standby from its primary. They are copies: PostgreSQL fetches a
 * history file from its primary where it has none of that number.
 */
import { historyOnDisk } from "../../postgres/data_directory.ts";
import { join, readText, removeFile } from "../../postgres/disk.ts";
import {
  historyFileName,
  leadsNowhere,
  type OtherHistory,
  parseHistory,
  type TimelineHistory,
} from "../../postgres/history.ts";
import { youngerTimelines } from "../../postgres/replayed_timeline.ts";
import type { WalEnd } from "../../postgres/wal_end.ts";
import { isWhole } from "./server_memory.ts";

interface Place {
  readonly dataDir: string;
  readonly warn: (text: string) => void;
}

export class StrayHistories {
  readonly #place: Place;
  /** Later timelines than that of the one compared with last, and whose they are not. */
  #found: { readonly timelines: readonly number[]; readonly than: number } = { timelines: [], than: 0 };
  /** Text of those that were removed, by timeline. */
  readonly #removed = new Map<number, string>();

  constructor(place: Place) {
    this.#place = place;
  }

  /**
   * This member's WAL is a part of the other's. Returns the names of the files here of later timelines, which
   * the other will not come to. One that is there again after its removal comes from the archive: no restart
   * mends that, and it is told of instead.
   */
  note(other: OtherHistory): readonly string[] {
    const { dataDir, warn } = this.#place;
    const timelines = youngerTimelines(join(dataDir, "pg_wal"), other.timeline).filter((timeline) =>
      leadsNowhere(historyOnDisk(dataDir, timeline), other)
    );
    const isNews = timelines.join() !== this.#found.timelines.join();
    this.#found = { timelines, than: other.timeline };
    return timelines.filter((timeline) => {
      if (this.#removed.get(timeline) !== this.#textOf(timeline)) return true;
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
   * that WAL is compared, and kept aside, before it is given up.
   */
  remove(end: WalEnd | null): void {
    if (!isWhole(end)) return;
    for (const timeline of this.#found.timelines) {
      const text = this.#textOf(timeline);
      if (timeline <= end.timeline || text === null) continue;
      this.#removed.set(timeline, text);
      removeFile(this.#path(timeline));
      this.#place.warn(
        `${historyFileName(timeline)} is of a timeline that was given up, the primary is on timeline ` +
          `${this.#found.than}: it is removed`,
      );
    }
    this.#found = { timelines: [], than: 0 };
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
