/**
 * A stopped former primary, or a standby found diverged: compare histories, then start, rewind or copy anew.
 */
import type { MemberStatus } from "../../model/member_status.ts";
import type { FinishedAction, PostgresView } from "../../model/postgres_view.ts";
import type { Upstream } from "../../model/upstream.ts";
import type { Action } from "../actions.ts";
import { dataTokenOf } from "../cluster/view.ts";
import { followed, isArchiveOnly } from "./follow_source.ts";
import { decide, type NodeRule, type Outcome } from "./outcome.ts";
import { isUncompared, livingHolder, type NodeView, retryLater, sourceOf } from "./view.ts";

type Divergence = NonNullable<PostgresView["divergence"]>;

/** The verdict that histories agree is good for so long: WAL may come from elsewhere since. */
const COMPARED_MS = 10_000;

/** The verdict that histories agree counts no more. A divergence does not go away by itself. */
export function isVerdictOld({ atMs }: { readonly atMs: number }, nowMs: number): boolean {
  return nowMs - atMs >= COMPARED_MS;
}

/**
 * The configuration has changed since, or this member or its upstream has other data: the histories that were
 * compared may be others.
 */
export function isFromBeforeChange(
  { atMs }: { readonly atMs: number },
  { roleMs = null, upstreamRewoundMs = null }: Pick<NodeView, "roleMs" | "upstreamRewoundMs">,
): boolean {
  return [roleMs, upstreamRewoundMs].some((changedMs) => changedMs !== null && atMs < changedMs);
}

/**
 * The other member was rewound, or copied anew, since the comparison was decided on, also while it was made:
 * what was found may be about its former data, and nobody can say which.
 */
function isOfFormerData({ from, tokenOfOther }: Divergence, view: NodeView): boolean {
  return dataTokenOf(view, from) !== tokenOfOther;
}

/**
 * The verdict on this member's history against the present primary and its timeline; null: not compared yet.
 * A comparison that failed knows no timeline of the other.
 */
export function compared(view: NodeView, holder: string, primary: MemberStatus) {
  const { postgres: { divergence }, nowMs, dynamic: { standbyCluster } } = view;
  if (divergence === null || divergence.from !== holder) return null;
  const { verdict, timelineOfOther } = divergence;
  // Since then the holder may have been rewound, and promoted to another timeline of that number.
  if (verdict === "same" && isFromBeforeChange(divergence, view)) return null;
  if (verdict !== "unknown" && isOfFormerData(divergence, view)) return null;
  if (verdict === "unknown" || timelineOfOther === primary.timeline) return verdict;
  // A standby leader tells the timeline that it replays, and its status the one that it receives.
  return standbyCluster !== null && !isVerdictOld(divergence, nowMs) ? verdict : null;
}

/** This member's history was found to differ from the holder's. */
export function diverged(view: NodeView): boolean {
  const { divergence } = view.postgres;
  if (divergence?.from !== view.dcs.lock.holder || divergence.verdict !== "diverged") return false;
  return !isOfFormerData(divergence, view);
}

/**
 * This server's WAL is a part of that of `other`, and it waits for a timeline that `other` will not come to:
 * it has heard of it, from a member that has been rewound or is gone since. It takes WAL again after a start
 * without what it has heard.
 */
export function waitsInVain({ divergence, replicationState }: NodeView["postgres"], other: string): boolean {
  return divergence?.from === other && divergence.strays !== undefined && replicationState !== "streaming";
}

/** There is no verdict, or the comparison failed a while ago: the primary may answer now. */
export function mustCompare(view: NodeView, holder: string, primary: MemberStatus): boolean {
  const verdict = compared(view, holder, primary);
  if (verdict !== "unknown") return verdict === null;
  return !retryLater({ ok: false, atMs: view.postgres.divergence!.atMs, failures: 1 }, view.nowMs);
}

/**
 * A directory that has not joined this cluster may have another history on the very same timeline. A server
 * that starts replays all that its disk holds before it streams.
 */
export function comparison(view: NodeView, other: Upstream): Action {
  const { directory, process } = view.postgres;
  const starts = process === "none" && directory.kind === "valid" && directory.standbySignal;
  const isWhole = isUncompared(view) || starts;
  const token = dataTokenOf(view, other.name);
  return {
    kind: "compare-history",
    with: other,
    ...(token === undefined ? {} : { token }),
    ...(isWhole ? { content: true } : {}),
  };
}

/**
 * The member to rejoin, for a stopped server that the rules above do not start as it is; null: another kind
 * of server.
 */
function stoppedBeside(view: NodeView): Upstream | null {
  return view.postgres.process === "none" ? sourceOf(view) : null;
}

function awaitPrimary(view: NodeView): Outcome | null {
  const upstream = stoppedBeside(view);
  if (upstream === null || livingHolder(view) !== null) return null;
  return decide(`waiting for ${upstream.name} to be a running primary, to rejoin it`);
}

function compare(view: NodeView): Outcome | null {
  const upstream = stoppedBeside(view);
  const primary = livingHolder(view);
  return upstream === null || primary === null ? null : compareWith(view, upstream, primary);
}

/** null: there is a verdict. */
export function compareWith(view: NodeView, other: Upstream, primary: MemberStatus): Outcome | null {
  if (mustCompare(view, other.name, primary)) return decide("comparing histories", comparison(view, other));
  if (compared(view, other.name, primary) !== "unknown") return null;
  return decide(`comparing histories failed, trying again soon: ${view.postgres.divergence!.detail}`);
}

function startAgain(view: NodeView): Outcome | null {
  const upstream = stoppedBeside(view);
  const primary = livingHolder(view);
  if (upstream === null || primary === null) return null;
  if (compared(view, upstream.name, primary) !== "same") return null;
  return decide(`same history: starting as a secondary of ${upstream.name}`, {
    kind: "start-standby",
    follow: isArchiveOnly(view.name, view) ? null : followed(view),
  });
}

/** A failure that has changed nothing is tried once more: the primary may have gone away meanwhile. */
const REWINDS = 2;

type Own = Pick<NodeView, "postgres" | "dynamic">;

/** Why pg_rewind cannot bring it back; null: it can be tried. */
export function noRewind({ postgres: { directory, last, divergence }, dynamic }: Own): string | null {
  if (!dynamic.postgresql.rejoin.includes("rewind")) {
    return "pg_rewind is not allowed (use_pg_rewind, rejoin)";
  }
  if (divergence?.noRewind !== undefined) return divergence.noRewind;
  const possible = directory.kind === "valid" &&
    (directory.control.walLogHints || directory.control.dataChecksums);
  if (!possible) return "pg_rewind needs wal_log_hints or data checksums";
  return hasFailed(last.rewind) ? `pg_rewind failed: ${last.rewind!.detail}` : null;
}

/** A full disk is waited for: the copy that would come next needs more room. */
function hasFailed(rewind: FinishedAction | undefined): boolean {
  return rewind !== undefined && !rewind.ok && rewind.failures >= REWINDS && rewind.lacksRoom !== true;
}

/** Why this directory is not replaced by a copy; null: it is. */
export function noCopy({ postgres: { last }, dynamic }: Own): string | null {
  if (!dynamic.postgresql.rejoin.includes("reclone")) return "a copy is not allowed (rejoin)";
  const aside = last["set-aside"];
  return aside === undefined || aside.ok ? null : aside.detail;
}

/**
 * Why this member comes back by a reinit only, as everybody is told; null: it does not need one. A standby
 * that runs without the WAL it needs next goes on serving old data: it is not replaced on its own.
 */
export function whyReinit(view: Own): string | null {
  const { directory, process, divergence, replicationState } = view.postgres;
  if (divergence?.walGone !== undefined && replicationState !== "streaming") return divergence.walGone;
  if (process !== "none") return null;
  const stays = noCopy(view);
  if (stays === null) return null;
  if (directory.kind === "half-written" && directory.what === "rewind") {
    return `pg_rewind did not finish; ${stays}`;
  }
  const cause = directory.kind === "valid" && divergence?.verdict === "diverged" ? noRewind(view) : null;
  return cause === null ? null : `its history has diverged; ${cause}; ${stays}`;
}

function rewind(view: NodeView): Outcome | null {
  const upstream = stoppedBeside(view);
  const primary = livingHolder(view);
  if (upstream === null || primary === null) return null;
  if (noRewind(view) !== null) return null;
  // Until the new primary's checkpoint is done, its control file names the old timeline and a rewind would do
  // nothing.
  if (!primary.checkpointAfterPromote) {
    return decide("waiting for a checkpoint of the new primary before the rewind");
  }
  return decide("running pg_rewind", { kind: "rewind", from: upstream });
}

function copyAnew(view: NodeView): Outcome | null {
  const why = noRewind(view);
  if (stoppedBeside(view) === null || why === null) return null;
  if (!view.dynamic.postgresql.rejoin.includes("reclone")) return null;
  return setAside(why, view);
}

/** Makes room for a copy. */
export function setAside(why: string, { postgres: { last } }: NodeView): Outcome {
  return decide(`diverged and ${why}: copying anew, the old directory is kept`, {
    kind: "set-aside",
    why,
    after: hasFailed(last.rewind) ? "rewind-failure" : "diverged-timelines",
  });
}

function hold(view: NodeView): Outcome | null {
  const why = whyReinit(view);
  return stoppedBeside(view) === null || why === null ? null : decide(`needs reinit: ${why}`);
}

export const REJOIN: readonly NodeRule[] = [
  {
    name: "await-primary",
    when:
      "A stopped former primary, or one whose history differs, and the holder is not a running primary yet.",
    then: "Waits.",
    decide: awaitPrimary,
  },
  {
    name: "compare",
    when: "Its history has not been compared with the present primary's.",
    then: "Compares.",
    decide: compare,
  },
  {
    name: "start-again",
    when: "Its history is a part of the primary's.",
    then: "Starts it as a standby.",
    decide: startAgain,
  },
  {
    name: "rewind",
    when:
      "Its history differs, pg_rewind is allowed and possible, and has not failed twice on a disk with room.",
    then: "Runs pg_rewind, after the new primary's first checkpoint.",
    decide: rewind,
  },
  {
    name: "copy-anew",
    when: "Its history differs, pg_rewind cannot be used or failed, and `rejoin` allows a copy.",
    then: "Moves the directory aside and keeps it; a copy follows.",
    decide: copyAnew,
  },
  {
    name: "hold",
    when: "Its history differs, and `rejoin` allows none of the ways that are left.",
    then: "Leaves the directory as it is, with the state `needs reinit`.",
    decide: hold,
  },
];
