/** Faults that come together at the worst moment for one rule, each a story of its own. */
import { failsafeAmbush } from "./failsafe_ambush.ts";
import { LEASE_RULES, type LeaseAmbush } from "./fault_kinds.ts";
import type { FaultRow, FaultRows } from "./fault_row.ts";
import { leaseAmbush } from "./lease_ambush.ts";

const LEASE_AMBUSHES = Object.fromEntries(
  LEASE_RULES.map((rule): [LeaseAmbush, FaultRow] => [`ambush-${rule}`, {
    weight: 0.3,
    make: (scene, random) => scene.alone(() => leaseAmbush(scene.cluster, rule, random)),
  }]),
) as Record<LeaseAmbush, FaultRow>;

export const AMBUSH_FAULTS = {
  "failsafe-ambush": {
    make: (scene, random) => scene.alone(() => failsafeAmbush(scene.cluster, random)),
  },
  ...LEASE_AMBUSHES,
} satisfies FaultRows;
