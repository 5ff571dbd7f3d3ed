/**
 * Whether what a standby would stream is known to continue its WAL. PostgreSQL goes by numbers of timelines
 * and by positions, and connects to an address again by itself. One number may have been given twice: after a
 * promotion by hand, a cold start without the last primary, a recovery from a lost majority. So what answers
 * at an address is trusted only as long as nobody can have had to rewind it: a member is rewound to the
 * history of a later epoch's holder.
 */
import { statusOf } from "../cluster/view.ts";
import { cascadeOf, SILENT_MS } from "./follow_source.ts";
import { decide, type NodeRule, type Outcome } from "./outcome.ts";
import { type NodeView, remoteUpstream } from "./view.ts";

/** Its WAL continues in that of the holder of the present epoch. */
export function isOnHistory({ dcs: { lock }, vouchedEpoch }: NodeView): boolean {
  return vouchedEpoch === lock.epoch;
}

/**
 * The member that it follows continues it, also where PostgreSQL connects again: by its own word, which is
 * not old, that member has heard of no later epoch. And it has its place in the cluster still.
 */
export function isVouched(view: NodeView): boolean {
  const { dcs: { lock }, postgres: { following } } = view;
  if (!isOnHistory(view)) return false;
  if (following !== (lock.holder ?? lock.lastHolder)) return following === cascadeOf(view);
  const seen = statusOf(view, following);
  return seen !== undefined && seen.ageMs < SILENT_MS && seen.status.epochSeen <= lock.epoch;
}

/** Its server could not come up without a primary: its WAL ends before its data is consistent. */
export function needsWal({ postgres: { directory, walEnd } }: NodeView): boolean {
  if (directory.kind !== "valid" || walEnd === null) return false;
  const { timeline, minRecoveryLsn } = directory.control;
  return walEnd.timeline <= timeline && walEnd.lsn < minRecoveryLsn;
}

function letGo(view: NodeView): Outcome | null {
  const { process, inRecovery, following, replicationState } = view.postgres;
  if (view.tenure === "holding" || process !== "running" || inRecovery !== true) return null;
  if (following === null || replicationState === "streaming") return null;
  if (remoteUpstream(view)?.name === following || isVouched(view)) return null;
  return decide(
    `${following} may have another history by now: not streaming from it before WAL is compared`,
    {
      kind: "follow",
      follow: null,
    },
  );
}

export const VOUCHED: readonly NodeRule[] = [
  {
    name: "let-go",
    when:
      "The standby does not stream, and whom it follows is silent or has heard of a later epoch, or an epoch was granted since it streamed last.",
    then: "Takes its upstream away: WAL is compared before it streams again.",
    decide: letGo,
  },
];
