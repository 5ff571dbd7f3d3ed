/**
 * A stopped former primary, or a standby found diverged: compare histories, then start, rewind or copy anew.
 */
import type { MemberStatus } from "../../model/member_status.ts";
import type { Upstream } from "../actions.ts";
import { decide, type NodeRule, type Outcome } from "./outcome.ts";
import { livingHolder, type NodeView, retryLater, sourceOf } from "./view.ts";

/**
 * The verdict on this member's history against the present primary and its timeline; null: not compared yet.
 */
function compared({ postgres: { divergence } }: NodeView, holder: string, primary: MemberStatus) {
  if (divergence === null || divergence.from !== holder || divergence.timelineOfOther !== primary.timeline) {
    return null;
  }
  return divergence.verdict;
}

/** This member's history was found to differ from the holder's. */
export function diverged(view: NodeView): boolean {
  const { divergence } = view.postgres;
  return divergence !== null && divergence.from === view.dcs.lock.holder && divergence.verdict === "diverged";
}

/**
 * There is no verdict, or the comparison failed a while ago: a primary that could not be asked then may
 * answer now.
 */
export function mustCompare(view: NodeView, holder: string, primary: MemberStatus): boolean {
  const verdict = compared(view, holder, primary);
  if (verdict !== "unknown") return verdict === null;
  return !retryLater({ ok: false, atMs: view.postgres.divergence!.atMs, failures: 1 }, view.nowMs);
}

/**
 * The member to rejoin, for a stopped server that the rules above do not start as it is. null: it is none of
 * these.
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
  if (upstream === null || primary === null) return null;
  if (mustCompare(view, upstream.name, primary)) {
    return decide("comparing histories", { kind: "compare-history", with: upstream });
  }
  if (compared(view, upstream.name, primary) !== "unknown") return null;
  return decide(`comparing histories failed, trying again soon: ${view.postgres.divergence!.detail}`);
}

function startAgain(view: NodeView): Outcome | null {
  const upstream = stoppedBeside(view);
  const primary = livingHolder(view);
  if (upstream === null || primary === null) return null;
  if (compared(view, upstream.name, primary) !== "same") return null;
  return decide(`same history: starting as a secondary of ${upstream.name}`, {
    kind: "start-standby",
    follow: upstream,
  });
}

/** Why pg_rewind cannot bring it back; null: it can be tried. */
function noRewind({ postgres: { directory, last, divergence }, dynamic }: NodeView): string | null {
  if (!dynamic.postgresql.usePgRewind) return "use_pg_rewind is off";
  if (divergence?.noRewind !== undefined) return divergence.noRewind;
  const possible = directory.kind === "valid" &&
    (directory.control.walLogHints || directory.control.dataChecksums);
  if (!possible) return "pg_rewind needs wal_log_hints or data checksums";
  return last.rewind === undefined || last.rewind.ok ? null : `pg_rewind failed: ${last.rewind.detail}`;
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
  return decide(`diverged and ${why}: copying anew, the old directory is kept`, { kind: "set-aside", why });
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
    when: "Its history differs, pg_rewind is allowed and possible, and has not failed.",
    then: "Runs pg_rewind, after the new primary's first checkpoint.",
    decide: rewind,
  },
  {
    name: "copy-anew",
    when: "Its history differs, and pg_rewind cannot be used or failed.",
    then: "Moves the directory aside and keeps it; a copy follows.",
    decide: copyAnew,
  },
];
