/**
 * Rules of safety that the simulator switches off one at a time, to see that they are needed (`npm run sim --
 * --break RULE`). In the product none is: its composition passes NOTHING_BROKEN.
 */
export type BrokenRule =
  | "lease-from-receipt"
  | "no-jk-room"
  | "no-readindex"
  | "no-reset"
  | "no-guard"
  | "failsafe-forgotten"
  | "failsafe-no-start-wait"
  | "failsafe-from-receipt"
  | "failsafe-some"
  | "failsafe-lapsed"
  | "failsafe-outsider"
  | "failsafe-ended-early"
  | "promote-before-renewal"
  | "ttl-not-shortened"
  | "expiry-forgotten"
  | "fence-lifted-early"
  | "name-is-enough"
  | "shutdown-unproven"
  | "recover-at-once"
  | "recover-old-epochs"
  | SyncRule;

/** The rules of synchronous replication (src/sync/DESIGN.md). */
export function isSyncRule(rule: BrokenRule): rule is SyncRule {
  return rule.startsWith("sync-");
}

export type SyncRule =
  | "sync-uncut"
  | "sync-early-end"
  | "sync-old-vote"
  | "sync-one-vote"
  | "sync-data-forgotten"
  | "sync-grant-by-name"
  | "sync-set-first"
  | "sync-log-first"
  | "sync-degrade-alone"
  | "sync-promote-bare"
  | "sync-checkpointer-late"
  | "sync-stale-sender"
  | "sync-first-unlogged"
  | "sync-mixed-senders"
  | "sync-off-unlogged"
  | "sync-late-record"
  | "sync-put-back"
  | "sync-start-unlooked";

export type BrokenRules = ReadonlySet<BrokenRule>;
export const NOTHING_BROKEN: BrokenRules = new Set();
