/**
 * The rules of the failsafe set on record: which members may succeed its holder, and log or end it
 * (src/lease/failsafe.ts has the argument).
 */
import { claimOn, isSameMachine, type Life } from "../model/life.ts";
import { type DcsState, knownMember } from "../model/records.ts";
import type { Command } from "./command.ts";
import type { Outcome } from "./outcome.ts";

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
  // The holder asks every member but itself, so a copy of its machine would not know that its lease goes on.
  const { life, nodes } = failsafe;
  if (name === failsafe.holder && life !== undefined && !isSameMachine(life, facts.life)) return true;
  // A set of a version that did not know lives names addresses only.
  const isThat = nodes === undefined || (Object.hasOwn(nodes, name) && nodes[name] === facts.life?.node);
  return failsafe.members[name] !== facts.apiUrl || !isThat;
}

/**
 * Whether a member may end the set: it is one of those that P has to ask, and P's epoch is over. Only the
 * member itself knows whether its wait is over as well.
 */
export function mayEndFailsafe({ failsafe, lock }: DcsState, by: string, life: Life): boolean {
  if (failsafe === null || by === failsafe.holder || !Object.hasOwn(failsafe.members, by)) return false;
  const { nodes } = failsafe;
  const isThat = nodes !== undefined && Object.hasOwn(nodes, by) && nodes[by] === life.node;
  return isThat && (lock.holder === null || lock.epoch > failsafe.epoch);
}

/** The holder names the members that it asks; none: the set has ended. */
export function setFailsafe(
  { lock, failsafe }: DcsState,
  { by, epoch, life, members, nodes, expectRevision }: Extract<Command, { op: "setFailsafe" }>,
  index: number,
): Outcome {
  if (lock.epoch !== epoch || claimOn(lock, by, life ?? null) !== "own") {
    return { refuse: `epoch ${epoch} is not held`, code: "not-held" };
  }
  if ((failsafe?.revision ?? null) !== expectRevision) {
    return { refuse: "the failsafe set has changed", code: "failsafe-changed" };
  }
  if (members === null) {
    if (failsafe === null) return { refuse: "no failsafe set is logged", code: "no-failsafe" };
    return { change: { failsafe: null } };
  }
  // Alone, the holder would ask no member, and no member could succeed it.
  if (!Object.hasOwn(members, by) || Object.keys(members).length < 2) {
    return { refuse: "a failsafe set names its holder and another member", code: "failsafe-incomplete" };
  }
  return {
    change: {
      failsafe: {
        epoch,
        holder: by,
        members,
        ...(life === undefined ? {} : { life }),
        ...(nodes === undefined ? {} : { nodes }),
        revision: index,
      },
    },
  };
}
