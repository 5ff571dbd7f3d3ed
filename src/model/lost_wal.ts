/**
 * WAL that a member had beyond the point where its history and the cluster's part. The cluster goes on
 * without it: in asynchronous mode transactions that clients were told of may be in there.
 */
import { formatLsn, type Lsn } from "./lsn.ts";

/** A stretch of the WAL of one timeline; `to` is not a part of it. */
export interface WalStretch {
  readonly timeline: number;
  readonly from: Lsn;
  readonly to: Lsn;
}

export interface LostWal {
  /** Clock.now() when it was found. */
  readonly atMs: number;
  /** In order, the first one begins where the histories part; null: where they part is not known. */
  readonly stretches: readonly WalStretch[] | null;
  /** Commits in it; a text: why their number is not known. */
  readonly transactions: number | string;
  /** Where it is kept on the member's host; null: it is not. */
  readonly kept: string | null;
  /** Why it is not kept, or not as a whole; null: all of it is, or its stretches are not known. */
  readonly notKept: string | null;
}

export function bytesOf(stretches: readonly WalStretch[]): number {
  return stretches.reduce((sum, { from, to }) => sum + to - from, 0);
}

const HAD = "it had WAL that the cluster does not have";

/** One line, for logs and events. */
export function describeLoss({ stretches, transactions, kept, notKept }: LostWal): string {
  if (stretches === null) return `${HAD}, from a position on that is not known`;
  const where = kept === null
    ? `not kept: ${notKept}`
    : `kept in ${kept}${notKept === null ? "" : `, but not all of it: ${notKept}`}`;
  const ranges = stretches.map(({ timeline, from, to }) =>
    `timeline ${timeline} from ${formatLsn(from)} to ${formatLsn(to)}`
  );
  const count = typeof transactions === "string"
    ? `the number of transactions is not known (${transactions})`
    : transactions === 1
    ? "1 transaction"
    : `${transactions} transactions`;
  return `${HAD}: ${ranges.join(", ")}, ${bytesOf(stretches)} bytes, ${count}; ${where}`;
}
