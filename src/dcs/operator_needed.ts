/**
 * What the cluster waits for without end, since only an operator can know that a host is off. Pure; said in the log of every
 * member, in `agent ctl list`, and by `agent ctl resume`.
 */
import type { DcsState } from "../model/records.ts";
import { mayEndFailsafe, mayNotSucceed } from "./failsafe_set.ts";

/** What is waited for, and the command that ends it; null: nothing. `heard`: the members that are heard of. */
export function operatorNeeded(state: DcsState, heard: readonly string[]): string | null {
  const { lock, failsafe, members } = state;
  if (lock.holder !== null) {
    if (!lock.unfenced || heard.includes(lock.holder)) return null;
    const candidate = heard.find((name) => !mayNotSucceed(state, name)) ?? "NAME";
    return `${lock.holder} holds the lock without a fence, as it did in maintenance mode, and is not heard. It may write, so that ` +
      `its epoch does not end by itself. Start its agent, or, if its host is off: agent ctl failover --candidate ${candidate}`;
  }
  if (failsafe === null || heard.length === 0) return null;
  const settles = (name: string) => {
    const life = members[name]?.life;
    return !mayNotSucceed(state, name) || (life !== undefined && mayEndFailsafe(state, name, life));
  };
  if (heard.some(settles)) return null;
  const asked = Object.keys(failsafe.members).sort().join(" or ");
  return `nobody who is heard may take over: ${failsafe.holder} may still write in failsafe mode, which does not need them. Start ` +
    `${asked} on its former machine, with its raft directory. If all of these are gone for good, on one host: ` +
    "agent recover --force-new-cluster (docs/operations.md)";
}
