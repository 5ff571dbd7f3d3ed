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
  const progress = new Map(core?.progress.map((one) => [one.id, one]));
  const peers = [...voters, ...learners].map((member): PeerStatus => {
    const { name, addr } = around.infoOf(member);
    const own = member === id;
    const lastMs = around.contacts.lastHeardMs(member);
    return {
      id: member,
      name,
      addr,
      voter: voters.includes(member),
      connected: own || around.contacts.connected.has(member),
      diskHangs: leads && (progress.get(member)?.diskHangs ?? false),
      match: leads ? progress.get(member)?.match ?? null : null,
      lastContactMs: own ? 0 : lastMs === null ? null : Math.max(0, around.nowMs - lastMs),
      rttMs: leads && !own ? around.roundTrips.lastMs(member) : null,
    };
  });
  const present = peers.filter(({ id: peer, voter, connected, diskHangs }) =>
    voter && connected && !diskHangs && (peer === id || progress.get(peer)?.recentActive)
  );
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
    members: peers,
    canLose: leads ? Math.max(0, present.length - quorum) : null,
    notVoting: around.notVoting,
    shortOfSpace: around.shortOfSpace,
    agreedVersion: around.agreedVersion,
  };
}
