/**
 * Whether what a standby would stream is known to continue its WAL. PostgreSQL goes by numbers of timelines
 * and by positions, and connects to an address again by itself. One number may have been given twice: after a
 * promotion by hand, a cold start without the last primary, a recovery from a lost majority. So what answers
 * at an address is trusted only as long as nobody can have had to rewind it: a member is rewound to the
 * history of a later epoch's holder.
 */
import type { MemberStatus } from "../../model/member_status.ts";
import type { SeenStatus } from "../cluster/successor_view.ts";
import { statusOf } from "../cluster/view.ts";
import { cascadeOf, followed, SILENT_MS } from "./follow_source.ts";
import { decide, type NodeRule, type Outcome } from "./outcome.ts";
import { isUnjoined, type NodeView, remoteUpstream } from "./view.ts";

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
  // Until it is fenced again, which the records tell, no later epoch is granted.
  if (lock.unfenced && following === lock.holder && view.raftLostForMs < SILENT_MS) return true;
  const seen = statusOf(view, following);
  if (seen === undefined || !isOfNow(seen, view)) return false;
  return following === (lock.holder ?? lock.lastHolder) || following === cascadeOf(view);
}

function isOfNow({ status: { epochSeen }, ageMs }: SeenStatus, { dcs: { lock } }: NodeView): boolean {
  return ageMs < SILENT_MS && epochSeen <= lock.epoch;
}

/** Its server could not come up without a primary: its WAL ends before its data is consistent. */
export function needsWal({ postgres: { directory, walEnd } }: NodeView): boolean {
  if (directory.kind !== "valid" || walEnd === null) return false;
  const { timeline, minRecoveryLsn } = directory.control;
  return walEnd.timeline <= timeline && walEnd.lsn < minRecoveryLsn;
}

/** The member is heard as a standby, of no later epoch than is known here. */
function heardAsStandby(member: string | null, view: NodeView): MemberStatus | null {
  const seen = statusOf(view, member);
  if (seen === undefined || !isOfNow(seen, view)) return null;
  const { status } = seen;
  return status.writable || status.walLsn !== null || status.primaryDirectory ? null : status;
}

/**
 * In a standby cluster: its leader has no WAL of its own, nor has this member. But what they or others wrote
 * before they followed the remote primary may still be here. A leader that is not heard, or takes writes, may
 * have been promoted since, to a timeline of a number that is known here.
 */
export function isOnRemotes(holder: string | null, view: NodeView): boolean {
  if (remoteUpstream(view) === null || heardAsStandby(holder, view) === null) return false;
  return wasOnLastHistory(view);
}

/** Its WAL is of the history of the present holder, or of the one before. */
function wasOnLastHistory({ walEpoch, dcs: { lock } }: NodeView): boolean {
  return (walEpoch ?? -Infinity) >= lock.epoch - 1;
}

/**
 * A standby that has been on each of this server's timelines, and is about to begin a later one. All others
 * wait for no comparison then: commits may wait for them. A holder on an earlier timeline has never heard of
 * this server's: the member that began that one was cut off, and the holder's next one has the same number.
 */
export function isToBePromoted(holder: string | null, view: NodeView): boolean {
  const status = heardAsStandby(holder, view);
  if (status === null) return false;
  const { timeline, walEnd, directory } = view.postgres;
  // What it wrote itself nobody is known to continue.
  if (timeline === null || (directory.kind === "valid" && directory.formerPrimary)) return false;
  // The number of a timeline may have been given twice: it was on the history of the holder before.
  if (!wasOnLastHistory(view)) return false;
  return (status.timeline ?? 0) >= Math.max(timeline, walEnd?.timeline ?? 0);
}

/** The rule that points it at the next primary is faster. */
function goesTo(view: NodeView): boolean {
  const { holder } = view.dcs.lock;
  if (followed(view)?.name !== holder || view.postgres.following === holder || isUnjoined(view)) return false;
  return isToBePromoted(holder, view);
}

function letGo(view: NodeView): Outcome | null {
  const { process, inRecovery, following, replicationState } = view.postgres;
  if (view.tenure === "holding" || process !== "running" || inRecovery !== true) return null;
  if (following === null || replicationState === "streaming") return null;
  if (remoteUpstream(view)?.name === following || isVouched(view) || goesTo(view)) return null;
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
      "The standby does not stream, and the member that it follows is silent or has heard of a later epoch, or an epoch was granted since the standby last streamed.",
    then: "Takes its upstream away: WAL is compared before it streams again.",
    decide: letGo,
  },
];
