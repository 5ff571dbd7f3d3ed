/**
 * Keeps how far each standby of this primary has flushed from look to look, for the choice of the synchronous
 * ones (src/sync/standstill.ts). The rules are there.
 */
import type { PostgresView } from "../../model/postgres_view.ts";
import {
  afterLook,
  type Courses,
  nextLookInMs,
  type Standstill,
  STANDSTILL_MS,
} from "../../sync/standstill.ts";

/** A standstill of that standby begins, or ends, to be held against it. */
export interface FlushNews {
  readonly standby: string;
  readonly begins: boolean;
}

export class FlushWatch {
  #courses: Courses = {};
  #lookMs: number | null = null;
  #walLsn = 0;
  #dueMs = Infinity;

  /** Standbys without a standstill are left out. */
  get standstills(): { readonly [standby: string]: Standstill } {
    return Object.fromEntries(
      Object.entries(this.#courses).flatMap(([name, { standsMs, stoodMs }]) =>
        stoodMs > 0 ? [[name, { standsMs, stoodMs }]] : []
      ),
    );
  }

  /** When PostgreSQL is to be asked again; Infinity: its next regular look will do. */
  get dueMs(): number {
    return this.#dueMs;
  }

  /** True, once: it is to be asked now. */
  isDue(nowMs: number): boolean {
    if (nowMs < this.#dueMs) return false;
    this.#dueMs = Infinity;
    return true;
  }

  /** A look at this member's PostgreSQL; the same one makes no difference. */
  look({ process, inRecovery, walLsn, lastLookMs, sync }: PostgresView): readonly FlushNews[] {
    const before = this.#courses;
    if (process === "none" || inRecovery !== false || walLsn === null || lastLookMs === null) {
      this.#courses = {};
      this.#dueMs = Infinity;
    } else if (lastLookMs !== this.#lookMs) {
      this.#courses = afterLook(before, { flushed: sync.flushed, walLsn, atMs: lastLookMs });
      const { names } = sync.setting;
      this.#dueMs = lastLookMs + nextLookInMs(this.#courses, names, walLsn > this.#walLsn);
      this.#walLsn = walLsn;
    }
    this.#lookMs = lastLookMs;
    const isHeld = (courses: Courses, name: string) =>
      Object.hasOwn(courses, name) && courses[name]!.stoodMs >= STANDSTILL_MS;
    return Object.keys({ ...before, ...this.#courses }).flatMap((standby) => {
      const begins = isHeld(this.#courses, standby);
      return begins === isHeld(before, standby) ? [] : [{ standby, begins }];
    });
  }
}
