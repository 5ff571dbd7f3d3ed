/** Builds RaftStatus from the core's state and the connections. Pure. */
import type { RawNodeStatus } from "../core/status.ts";
import { type Index, type NodeId, NONE } from "../core/types.ts";
import type { PeerStatus, RaftStatus } from "./api.ts";
import type { Contacts } from "./contacts.ts";
import type { MemberInfo } from "./raft_options.ts";
import type { RoundTrips } from "./round_trips.ts";

export interface Around {
  readonly contacts: Pick<Contacts, "connected" | "lastHeardMs">;
  readonly roundTrips: Pick<RoundTrips, "lastMs">;
  readonly nowMs: number;
  readonly applied: Index;
  readonly notVoting: string | null;
  readonly shortOfSpace: string | null;
  readonly agreedVersion: number;
  /** Name and address of a member. */
  readonly infoOf: (id: NodeId) => MemberInfo;
}

/**
 * Builds the status. `core`: null while this member does not take part yet; then `expected` counts as the
 * members.
 */
export function raftStatus(
  id: NodeId,
  expected: readonly NodeId[],
  core: RawNodeStatus | null,
  around: Around,
): RaftStatus {
  const leads = core?.role === "leader";
  const { voters, learners } = core?.configuration ?? { voters: expected, learners: [] };
  const progressOf = (member: NodeId) => leads ? core.progress.find((one) => one.id === member) : undefined;
  let present = 0;
  const peer = (member: NodeId, voter: boolean): PeerStatus => {
    const { name, addr } = around.infoOf(member);
    const own = member === id;
    const lastMs = around.contacts.lastHeardMs(member);
    const progress = progressOf(member);
    const connected = own || around.contacts.connected.has(member);
    const diskHangs = progress?.diskHangs ?? false;
    if (voter && connected && !diskHangs && (own || progress?.recentActive)) present++;
    return {
      id: member,
      name,
      addr,
      voter,
      connected,
      diskHangs,
      match: progress?.match ?? null,
      lastContactMs: own ? 0 : lastMs === null ? null : Math.max(0, around.nowMs - lastMs),
      rttMs: leads && !own ? around.roundTrips.lastMs(member) : null,
    };
  };
  const members = voters.map((member) => peer(member, true));
  for (const member of learners) members.push(peer(member, false));
  const quorum = Math.floor(voters.length / 2) + 1;
  return {
    id,
    term: core?.term ?? 0,
    role: core?.role ?? "follower",
    leader: !core || core.leader === NONE ? null : core.leader,
    commit: core?.commit ?? 0,
    applied: around.applied,
    lastIndex: core?.lastIndex ?? 0,
    snapshotIndex: core?.snapshotIndex ?? 0,
    members,
    canLose: leads ? Math.max(0, present - quorum) : null,
    notVoting: around.notVoting,
    shortOfSpace: around.shortOfSpace,
    agreedVersion: around.agreedVersion,
  };
}
