/**
 * The kinds of faults that a simulated cluster can be put through. A seed draws their weights in the order of
 * CLUSTER_FAULTS: another order, or another kind, changes what every seed does.
 */

/** The rules of the lease that have an ambush of their own (lease_ambush.ts). */
export const LEASE_RULES = [
  "lease-from-receipt",
  "no-jk-room",
  "no-readindex",
  "no-reset",
  "no-guard",
  "promote-before-renewal",
  "ttl-not-shortened",
  "expiry-forgotten",
  "fence-lifted-early",
] as const;
export type LeaseRule = typeof LEASE_RULES[number];
export type LeaseAmbush = `ambush-${LeaseRule}`;

export const CLUSTER_FAULTS = [
  "isolate",
  "one-way",
  "pair",
  "raft-cut",
  "rest-cut",
  "failsafe-ambush",
  ...LEASE_RULES.map((rule): LeaseAmbush => `ambush-${rule}`),
  "agent-pause",
  "agent-crash",
  "agent-stop",
  "host-crash",
  "all-hosts-crash",
  "disk-hang",
  "disk-fail",
  "disk-full",
  "bit-rot",
  "guard-kill",
  "postmaster-kill",
  "postgres-crash",
  "postgres-restart",
  "stop-hang",
  "promotion-hang",
  "data-lost",
  "reinit",
  "switchover",
  "set-ttl",
  "set-failsafe",
  "maintenance",
  "member-added",
  "member-removed",
  "raft-directory-lost",
  "machine-lost",
  "machine-doubled",
  "name-copied",
  "majority-lost",
  "clock-step",
  "clock-rate",
  "hand-promotion",
  "cannot-lead",
  "sick-disk",
  "receiver-hang",
] as const;
export type ClusterFault = typeof CLUSTER_FAULTS[number];

/**
 * Where a shutdown hangs: on a backend that cannot be interrupted and goes on committing, in the shutdown
 * checkpoint, or, after it, on WAL senders that send nothing or on the archiver.
 */
export const HANGS = ["backend", "checkpoint", "senders", "archiver"] as const;
/**
 * "promotion": not a shutdown but the startup process hangs, so that recovery does not end. Two more let it
 * fail. "hook": its pre_promote refuses. "disk": it ends when it is to leave recovery, or is started as a
 * primary.
 */
export type Hang = typeof HANGS[number] | "promotion" | typeof FAILINGS[number];
export const FAILINGS = ["hook", "disk"] as const;

/** The faults that show soonest that a rule of BREAKABLE (options.ts) is missing. */
export function faultsAgainst(rule: string): ClusterFault {
  const lease = LEASE_RULES.find((each) => each === rule);
  if (lease !== undefined) return `ambush-${lease}`;
  if (rule === "name-is-enough") return "machine-doubled";
  if (rule === "shutdown-unproven") return "stop-hang";
  return rule.startsWith("failsafe-") ? "failsafe-ambush" : "majority-lost";
}
