/**
 * Finds what the cluster waits for without end, since only an operator can know that a host is off. Pure;
 * said in the log of every member, in `agent ctl list`, and by `agent ctl resume`.
 */
import { isSameMachine } from "../model/life.ts";
import type { MemberStatus } from "../model/member_status.ts";
import type { DcsState, LockRecord } from "../model/records.ts";
import { mayEndFailsafe, mayNotSucceed } from "./failsafe_set.ts";

/** A member that is heard of, and on which machine; an older version does not say it. */
export type Heard = Pick<MemberStatus, "name" | "life">;

/** The wait, and the command that ends it; null: none. `heard`: the members that are heard of. */
export function operatorNeeded(state: DcsState, heard: readonly Heard[]): string | null {
  const { lock, failsafe, members } = state;
  const names = heard.map(({ name }) => name);
  if (lock.holder !== null) {
    if (!lock.unfenced || heard.some((one) => isHolder(one, lock))) return null;
    const candidate = names.find((name) => !mayNotSucceed(state, name) && name !== lock.holder) ?? "NAME";
    // The owner of the name takes no part, and the machine that has the epoch may have another name by now.
    const namesake = names.includes(lock.holder)
      ? `: the ${lock.holder} that is heard is another machine`
      : "";
    return `${lock.holder} holds the lock without a fence, as it did in maintenance mode, and is not heard${namesake}. It may write, ` +
      "so that its epoch does not end by itself. Start its agent on its machine, or, if nothing of it runs: " +
      `agent ctl failover --candidate ${candidate}`;
  }
  if (failsafe === null || heard.length === 0) return null;
  const settles = (name: string) => {
    const life = members[name]?.life;
    return !mayNotSucceed(state, name) || (life !== undefined && mayEndFailsafe(state, name, life));
  };
  if (names.some(settles)) return null;
  const asked = Object.keys(failsafe.members).sort().join(" or ");
  return `nobody who is heard may take over: ${failsafe.holder} may still write in failsafe mode, which does not need them. Start ` +
    `${asked} on its former machine, with its raft directory. If all of these are gone for good, on one host: ` +
    "agent recover --force-new-cluster (docs/operations.md)";
}

/** By the machine: it alone can end its epoch, no matter who has the name. */
function isHolder({ name, life }: Heard, lock: LockRecord): boolean {
  return name === lock.holder && (lock.life === null || life === undefined || isSameMachine(lock.life, life));
}
