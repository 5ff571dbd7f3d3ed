/**
 * The leader's knowledge of one member's log, and how fast it may send to that member.
 *
 * probe: the end of the match is unknown; one append message per heartbeat interval looks for it. replicate:
 * entries are sent ahead of acknowledgements, as many messages as the inflight window holds. snapshot: the
 * member needs entries that are gone; nothing is sent until it reports what it has.
 *
 * Invariant: match < next. Acknowledged entries are never sent again, so a late rejection cannot move `next`
 * back.
 */
import { assert } from "./assert.ts";
import { Inflights } from "./inflights.ts";
import type { Index } from "./types.ts";

/** State of sending to a member: one message at a time, as many as fit, or a snapshot that is on its way. */
export type ProgressState = "probe" | "replicate" | "snapshot";

export class Progress {
  state: ProgressState = "probe";
  /** Highest index known to be durable there and equal to the leader's log. */
  match: Index = 0;
  /** Index of the next entry to send. */
  next: Index;
  /** In "snapshot": index of the snapshot that is on its way. */
  pendingSnapshot: Index = 0;
  /** Ticks since the snapshot was sent. */
  snapshotTicks = 0;
  /** Whether the member has answered since the last check of the quorum. */
  recentActive = false;
  /** Tick of the leader at the member's last answer. */
  heardAtTick = -Infinity;
  /** Tick of the leader at the last heartbeat that the member was to answer. */
  askedAtTick = -Infinity;
  /**
   * Tick of the leader at the last acknowledgement of something new, that is of a write that the member's
   * disk completed.
   */
  wroteAtTick = -Infinity;
  /**
   * Tick of the leader since which the member's disk owes the acknowledgement of an entry; null: the member
   * has acknowledged the log's end.
   */
  owesSinceTick: number | null = null;
  /** Whether one message is out, and the next waits for its answer or for a heartbeat's. */
  paused = false;
  readonly inflights: Inflights;
  /** Highest commit index that this member was told. */
  #sentCommit: Index = 0;

  constructor(next: Index, maxInflight: number, maxInflightBytes: number) {
    assert(next > 0, "next starts at 1");
    this.next = next;
    this.inflights = new Inflights(maxInflight, maxInflightBytes);
  }

  get isPaused(): boolean {
    return this.state === "snapshot" || this.paused;
  }

  /**
   * Whether the window is full: only an empty message is sent, which probes for what became of the others.
   */
  get windowFull(): boolean {
    return this.state === "replicate" && this.inflights.full;
  }

  heard(tick: number): void {
    this.recentActive = true;
    this.heardAtTick = tick;
  }

  /** Notes that the log's end is at `lastIndex` now. */
  mustWrite(lastIndex: Index, tick: number): void {
    if (this.match < lastIndex) this.owesSinceTick ??= tick;
  }

  /** Notes that the member has acknowledged something new, while the log's end is at `lastIndex`. */
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

  /** Notes that the snapshot did not arrive: probing begins at the match, not at the snapshot's end. */
  snapshotFailed(): void {
    this.pendingSnapshot = 0;
    this.becomeProbe();
  }

  /** Notes that an append message with `count` entries from `next` on, `bytes` in size, was sent. */
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
    // With a full window each further message is a probe, one per heartbeat. Without probes, a window whose
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

  /** Notes that `index` is acknowledged. False when that is no news. */
  acknowledge(index: Index): boolean {
    if (index <= this.match) return false;
    this.match = index;
    this.next = Math.max(this.next, index + 1);
    this.inflights.freeUpTo(index);
    this.paused = false;
    return true;
  }

  /**
   * Notes that the append message for the entries after `rejected` did not fit; the logs may agree at `hint`.
   * False when the rejection is an old one, about a state that later answers have overtaken.
   */
  reject(rejected: Index, hint: Index): boolean {
    // Acknowledged entries fit. A member that rejects them has lost its log; sending again at once would only
    // be rejected again, as fast as the network allows.
    if (rejected <= this.match) return false;
    if (this.state === "replicate") {
      this.next = this.match + 1;
    } else {
      if (this.next - 1 !== rejected) return false;
      // `next` never goes to match or below: that would probe what is known to be equal, and break match <
      // next.
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
