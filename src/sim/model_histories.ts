/**
 * What a simulated standby has heard of later timelines. A history file stays in pg_wal. A server that has
 * read one goes to that timeline, and takes WAL from nobody who is not on it, for as long as it runs.
 */
import { type Branch, contains, type Position } from "./wal.ts";

export class ModelHistories {
  /** The latest timeline whose history file is there. */
  #file: Branch | null = null;
  /** The timeline that the running server goes to. */
  #target: Branch | null = null;
  /** That file is removed before the next start of a standby. */
  #isStray = false;

  get latest(): number {
    return this.#file?.timeline ?? 0;
  }

  /** A server starts from there. */
  begin({ branch }: Position, standby: boolean): void {
    if (standby && this.#isStray && branch.timeline < this.latest) this.#file = null;
    this.#isStray = false;
    this.#target = this.#file;
  }

  /** True: it is news. */
  fetch(branch: Branch): boolean {
    const isNews = this.#file !== branch;
    this.#file = this.#target = branch;
    return isNews;
  }

  /** "highest timeline of the primary is behind recovery timeline" */
  waitsFor(own: Position, upstream: Position): boolean {
    const target = this.#target;
    if (target === null || upstream.branch.timeline >= target.timeline) return false;
    const end = leftAt(own.branch, target);
    return end !== null && own.lsn >= end;
  }

  /** As StrayHistories.note (src/agent/postgres/stray_histories.ts). */
  note(other: Position, inRecovery: boolean): readonly string[] {
    const file = this.#file;
    if (file === null || file.timeline <= other.branch.timeline) return [];
    const mayCome = inRecovery && contains({ branch: file, lsn: file.endLsn }, other);
    this.#isStray = !mayCome;
    return mayCome ? [] : [`${file.timeline}.history`];
  }

  /** Another directory is in its place. */
  forget(): void {
    this.#file = this.#target = null;
    this.#isStray = false;
  }
}

/** Where the history of `later` leaves that branch; null: it was never on it. */
function leftAt(branch: Branch, later: Branch): number | null {
  for (let at = later.parent; at !== null; at = at.branch.parent) if (at.branch === branch) return at.lsn;
  return null;
}
