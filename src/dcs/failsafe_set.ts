/**
 * The rules of the failsafe set on record: who may succeed its holder, and who may end it
 * (src/lease/failsafe.ts has the argument).
 */
import { isSameMachine, type Life } from "../model/life.ts";
import { type DcsState, knownMember } from "../model/records.ts";

/**
 * A member that is not in the set was not asked, and would not wait while its holder still writes without
 * raft. Nor was a member asked that has another address than the set says: it may be another host, which took
 * the name of one that still answers.
 */
export function mayNotSucceed(state: DcsState, name: string): boolean {
  const { failsafe } = state;
  if (failsafe === null) return false;
  const facts = knownMember(state, name);
  if (facts === undefined || !Object.hasOwn(failsafe.members, name)) return true;
  // The holder asks everybody but itself, so that a copy of its machine would not know that its lease goes
  // on.
  const { life, nodes } = failsafe;
  if (name === failsafe.holder && life !== undefined && !isSameMachine(life, facts.life)) return true;
  // A set of a version that did not know lives names addresses only.
  const isThat = nodes === undefined || (Object.hasOwn(nodes, name) && nodes[name] === facts.life?.node);
  return failsafe.members[name] !== facts.apiUrl || !isThat;
}

/**
 * Whether a member may end the set: it is one of those that P has to ask, and P's epoch is over. That its
 * wait is over as well only it knows.
 */
export function mayEndFailsafe({ failsafe, lock }: DcsState, by: string, life: Life): boolean {
  if (failsafe === null || by === failsafe.holder || !Object.hasOwn(failsafe.members, by)) return false;
  const { nodes } = failsafe;
  const isThat = nodes !== undefined && Object.hasOwn(nodes, by) && nodes[by] === life.node;
  return isThat && (lock.holder === null || lock.epoch > failsafe.epoch);
}
