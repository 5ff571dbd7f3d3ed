/**
 * What a leader knows of one member's log, and how fast it may send to it.
 *
 * probe: the end of the match is unknown; one append message per heartbeat interval looks for it.
 * replicate: entries are sent ahead of acknowledgements, as many messages as the inflight window holds.
 * snapshot: the member needs entries that are gone; nothing is sent until it reports what it has.
 *
 * Invariant: match < next. What is acknowledged is never sent again, so a late rejection cannot move us back.
 */
import { assert } from "./assert.ts";
import { Inflights } from "./inflights.ts";
import type { Index } from "./types.ts";

/**
 * How a leader sends to a member: one message at a time, as many as fit, or a snapshot that is on its way.
 */
export type ProgressState = "probe" | "replicate" | "snapshot";

export class Progress {
  state: ProgressState = "probe";
  /** Highest index known to be durable there and equal to ours. */
  match: Index = 0;
  /** Index of the next entry to send. */
  next: Index;
  /** In "snapshot": the index of the snapshot that is on its way. */
  pendingSnapshot: Index = 0;
  /** Ticks since it was sent. */
  snapshotTicks = 0;
  /** Has answered since the last check of the quorum. */
  recentActive = false;
  /** The leader's tick at the last answer. */
  heardAtTick = -Infinity;
  /** The leader's tick at the last acknowledgement of something new: a write that its disk completed. */
  wroteAtTick = -Infinity;
  /**
   * The leader's tick since when its disk owes the acknowledgement of an entry; null: it has acknowledged the
   * log's end.
   */
  owesSinceTick: number | null = null;
  /** One message is out and the next waits for an answer or a heartbeat's answer. */
  paused = false;
  readonly inflights: Inflights;
  /** The highest commit index that this member was told. */
  #sentCommit: Index = 0;

  constructor(next: Index, maxInflight: number, maxInflightBytes: number) {
    assert(next > 0, "next starts at 1");
    this.next = next;
    this.inflights = new Inflights(maxInflight, maxInflightBytes);
  }

  get isPaused(): boolean {
    return this.state === "snapshot" || this.paused;
  }

  /** As many messages are out as may be: only an empty one is sent, which probes for what became of them. */
  get windowFull(): boolean {
    return this.state === "replicate" && this.inflights.full;
  }

  heard(tick: number): void {
    this.recentActive = true;
    this.heardAtTick = tick;
  }

  /** The log's end is at `lastIndex` now. */
  mustWrite(lastIndex: Index, tick: number): void {
    if (this.match < lastIndex) this.owesSinceTick ??= tick;
  }

  /** It has acknowledged something new, and the log's end is at `lastIndex`. */
  wrote(lastIndex: Index, tick: number): void {
    this.wroteAtTick = tick;
    this.owesSinceTick = this.match < lastIndex ? tick : null;
  }

  becomeProbe(): void {
    const afterSnapshot = this.state === "snapshot" ? this.pendingSnapshot + 1 : 0;
    this.#enter("probe");
    this.next = Math.max(this.match + 1, afterSnapshot);
    this.#sentCommit = Math.min(this.#sentCommit, this.next - 1);
  }

  becomeReplicate(): void {
    this.#enter("replicate");
    this.next = this.match + 1;
  }

  becomeSnapshot(index: Index): void {
    this.#enter("snapshot");
    this.pendingSnapshot = index;
    this.next = index + 1;
    this.#sentCommit = index;
  }

  /** The snapshot did not arrive: probe from the match, not from the snapshot's end. */
  snapshotFailed(): void {
    this.pendingSnapshot = 0;
    this.becomeProbe();
  }

  /** An append message with `count` entries from `next` on, of so many bytes, was sent. */
  sentEntries(count: number, bytes: number): void {
    assert(this.state !== "snapshot", "entries sent while a snapshot is on its way");
    if (this.state === "probe") {
      if (count > 0) this.paused = true;
      return;
    }
    if (count > 0) {
      this.next += count;
      this.inflights.add(this.next - 1, bytes);
    }
    // With a full window each further message is a probe: one per heartbeat. Without any, a window whose
    // messages were all lost would never empty.
    this.paused = this.inflights.full;
  }

  sentCommit(commit: Index): void {
    this.#sentCommit = commit;
  }

  /** Whether telling `commit` would let this member commit more of what was sent to it. */
  canLearnCommit(commit: Index): boolean {
    return commit > this.#sentCommit && this.#sentCommit < this.next - 1;
  }

  /** `index` is acknowledged. False when that is no news. */
  acknowledge(index: Index): boolean {
    if (index <= this.match) return false;
    this.match = index;
    this.next = Math.max(this.next, index + 1);
    this.inflights.freeUpTo(index);
    this.paused = false;
    return true;
  }

  /**
   * The append message that ended before `rejected + 1` did not fit; the logs may agree at `hint`. False when
   * the rejection is an old one: it speaks of a state that later answers have overtaken.
   */
  reject(rejected: Index, hint: Index): boolean {
    // What is acknowledged fits. A member that rejects it anew has lost its log; sending again at once would
    // only be rejected again, as fast as the network allows.
    if (rejected <= this.match) return false;
    if (this.state === "replicate") {
      this.next = this.match + 1;
    } else {
      if (this.next - 1 !== rejected) return false;
      // Never at or below match: that would probe what is known to be equal, and break match < next.
      this.next = Math.max(Math.min(rejected, hint + 1), this.match + 1);
      this.paused = false;
    }
    this.#sentCommit = Math.min(this.#sentCommit, this.next - 1);
    return true;
  }

  #enter(state: ProgressState): void {
    this.state = state;
    this.paused = false;
    this.pendingSnapshot = 0;
    this.snapshotTicks = 0;
    this.inflights.reset();
  }
}
