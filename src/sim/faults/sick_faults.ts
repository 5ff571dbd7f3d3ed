/** Hosts that are sick: their disks are full, read-only or hang, as the probes of production would say. */
import type { Fault, Prng } from "../../../raft/sim/mod.ts";
import type { AilmentCause } from "../../model/ailment.ts";
import { type FaultRows, type FaultScene, victim } from "./fault_row.ts";

const CAUSES: readonly AilmentCause[] = [
  "data-space",
  "wal-space",
  "read-only",
  "hung-disk",
  "postmaster-hung",
];

export const SICK_FAULTS = {
  "sick-disk": { make: sicken },
} satisfies FaultRows;

/** One host, or all with the same cause: then there is no member to hand over to. */
function sicken({ cluster }: FaultScene, random: Prng): Fault {
  const cause = random.pick(CAUSES);
  const all = random.chance(0.2);
  const hosts = all ? [...cluster.members] : [victim(cluster, random)];
  for (const host of hosts) host.ailments.begin(cause);
  return {
    durationMs: random.between(1000, 120_000),
    text: `${hosts.map(({ name }) => name).join(", ")}: ${cause}`,
    end: () => hosts.forEach((host) => host.ailments.end(cause)),
  };
}
