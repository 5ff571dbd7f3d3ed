/** Positions of the cluster under the names of Patroni's key `status` (docs/compatibility.md section 4.2). */
import type { ClusterProgress } from "../../api/port.ts";
import type { SeenStatus } from "../../brain/cluster/successor_view.ts";
import type { Lsn } from "../../model/lsn.ts";
import type { DcsState } from "../../model/records.ts";
import { slotName } from "../../model/slot_name.ts";

/**
 * `optime`: the last known WAL position of a primary, 0: none. A member's slot stands where that member is, a
 * permanent one where the primary says. `retainSlots` are those of members that are not heard.
 */
export function clusterProgress(
  { members, lock }: Pick<DcsState, "members" | "lock">,
  statuses: readonly SeenStatus[],
  optime: Lsn,
  useSlots: boolean,
): ClusterProgress {
  const heard = statuses.map(({ status }) => status).filter(({ name }) => Object.hasOwn(members, name));
  const ofMembers = heard.flatMap(({ name, receivedLsn }): [string, Lsn][] => {
    const position = name === lock.holder ? optime : receivedLsn ?? 0;
    return position > 0 ? [[slotName(name), position]] : [];
  });
  const missing = Object.keys(members).filter((name) => !heard.some((status) => status.name === name));
  const permanent = heard.find(({ name }) => name === lock.holder)?.slots ?? {};
  return {
    optime,
    slots: { ...permanent, ...(useSlots ? Object.fromEntries(ofMembers) : {}) },
    retainSlots: useSlots ? missing.map(slotName).sort() : [],
  };
}
