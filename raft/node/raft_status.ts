/** Puts RaftStatus together from what the core knows and what the connections show. Pure. */
import type { RawNodeStatus } from "../core/status.ts";
import { type Index, type NodeId, NONE } from "../core/types.ts";
import type { PeerStatus, RaftStatus } from "./api.ts";
import type { MemberInfo } from "./raft_options.ts";

export interface Contacts {
  readonly connected: ReadonlySet<NodeId>;
  /** On our clock. */
  readonly lastContactMs: ReadonlyMap<NodeId, number>;
  readonly nowMs: number;
  readonly applied: Index;
  readonly notVoting: string | null;
}

/** `core`: null while this member does not take part yet. */
export function raftStatus(
  id: NodeId,
  members: readonly MemberInfo[],
  core: RawNodeStatus | null,
  contacts: Contacts,
): RaftStatus {
  const leads = core?.role === "leader";
  const voters = core?.configuration.voters ?? members.map((member) => member.id);
  const progress = new Map(core?.progress.map((one) => [one.id, one]));
  const peers = members.map((member): PeerStatus => {
    const own = member.id === id;
    const lastMs = contacts.lastContactMs.get(member.id);
    return {
      id: member.id,
      name: member.name,
      addr: member.addr,
      voter: voters.includes(member.id),
      connected: own || contacts.connected.has(member.id),
      match: leads ? progress.get(member.id)?.match ?? null : null,
      lastContactMs: own ? 0 : lastMs === undefined ? null : Math.max(0, contacts.nowMs - lastMs),
    };
  });
  const present = peers.filter(({ id: peer, voter, connected }) =>
    voter && connected && (peer === id || progress.get(peer)?.recentActive)
  );
  const quorum = Math.floor(voters.length / 2) + 1;
  return {
    id,
    term: core?.term ?? 0,
    role: core?.role ?? "follower",
    leader: !core || core.leader === NONE ? null : core.leader,
    commit: core?.commit ?? 0,
    applied: contacts.applied,
    lastIndex: core?.lastIndex ?? 0,
    snapshotIndex: core?.snapshotIndex ?? 0,
    members: peers,
    canLose: leads ? Math.max(0, present.length - quorum) : null,
    notVoting: contacts.notVoting,
  };
}
