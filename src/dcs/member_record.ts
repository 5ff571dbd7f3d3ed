/** A member puts itself into the records, or changes what they say of it. */
import { claimOn, mayRelease } from "../model/life.ts";
import { type DcsState, knownMember, type MemberFacts } from "../model/records.ts";
import type { Command } from "./command.ts";
import type { Outcome } from "./outcome.ts";

/** The most members that the records keep; raft has no more than 64. */
const MAX_MEMBERS = 128;

/** The name has the same machine as before. */
export function isSameMember(known: MemberFacts, facts: MemberFacts): boolean {
  // Its own directory says so: the same member, whatever else has changed. For an older version only
  // address tells.
  return known.life !== undefined && facts.life !== undefined
    ? known.life.node === facts.life.node
    : known.apiUrl === facts.apiUrl && known.raftAddr === facts.raftAddr;
}

/** `bounded`: the number of members has a limit at this place of the log. */
export function setMember(
  state: DcsState,
  { facts, replace }: Extract<Command, { op: "setMember" }>,
  bounded: boolean,
): Outcome {
  const { lock } = state;
  const known = knownMember(state, facts.name);
  if (known !== undefined && !isSameMember(known, facts) && !replace) {
    return { refuse: "another machine is the member of this name", code: "name-taken" };
  }
  // The epoch is that machine's until it has expired: taken over by name, it would be given back beside a
  // living primary.
  const claim = claimOn(lock, facts.name, facts.life ?? null);
  if (claim !== "none" && !mayRelease(lock, claim)) {
    return { refuse: "another machine holds the lock under this name", code: "name-holds-lock" };
  }
  if (bounded && known === undefined && Object.keys(state.members).length >= MAX_MEMBERS) {
    return { refuse: `there are ${MAX_MEMBERS} members already`, code: "too-many-members" };
  }
  return {
    change: {
      members: { ...state.members, [facts.name]: facts },
      // The first record of the machine that holds an epoch which was granted to a mere name.
      ...(claim === "own" && lock.life === null ? { lock: { ...lock, life: facts.life ?? null } } : {}),
    },
  };
}
