/**
 * Logs when one more failure would stop the cluster, and when that is over. Only the raft leader knows: the
 * others are silent.
 */
import type { Clock, PeerStatus, RaftStatus } from "../../../raft/mod.ts";
import type { Log } from "../../lib/log.ts";

/** A new leader has not heard the others yet, and a restarted member is back soon. */
export const SETTLE_MS = 10_000;

export interface QuorumNews {
  readonly level: "info" | "warning";
  readonly text: string;
}

/** Returns a function to call whenever something may have changed. */
export function logQuorum(status: () => RaftStatus, clock: Clock, log: Log): () => void {
  const watch = new QuorumWatch();
  return () => {
    const news = watch.look(status(), clock.now());
    if (news !== null) log[news.level]("raft.quorum", news.text);
  };
}

/** Pure: takes the state of the group and the time, returns the line to log. */
export class QuorumWatch {
  /** Since when no voter may fail; null: one may, or this member cannot tell. */
  #sinceMs: number | null = null;
  #warned = false;

  /**
   * News for the log, mostly null. A cluster of one or two voters never has one to spare: that is no news.
   */
  look(status: Pick<RaftStatus, "canLose" | "members">, nowMs: number): QuorumNews | null {
    const voters = status.members.filter(({ voter }) => voter);
    if (status.canLose === null || voters.length < 3) {
      this.#sinceMs = null;
      this.#warned = false;
      return null;
    }
    if (status.canLose > 0) {
      const over = this.#warned;
      this.#sinceMs = null;
      this.#warned = false;
      return over
        ? { level: "info", text: `the cluster can lose ${status.canLose} more of its voters` }
        : null;
    }
    this.#sinceMs ??= nowMs;
    if (this.#warned || nowMs - this.#sinceMs < SETTLE_MS) return null;
    this.#warned = true;
    const namesOf = (which: (voter: PeerStatus) => boolean) =>
      voters.filter(which).map(({ name, addr }) => name ?? addr).join(", ");
    const gone = namesOf(({ connected }) => !connected);
    const hanging = namesOf(({ connected, diskHangs }) => connected && diskHangs);
    const missing = [
      ...gone === "" ? [] : [`not in contact: ${gone}`],
      ...hanging === "" ? [] : [`whose disk for raft.data_dir completes no write: ${hanging}`],
    ].join("; ") || "a voter does not answer";
    return {
      level: "warning",
      text: `the cluster can lose no more of its ${voters.length} voters (${missing}): ` +
        "if one more fails, no member may be the primary until a majority is back",
    };
  }
}
