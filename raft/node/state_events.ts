/** Tells the embedding program, the log and the node's own parts that role, leader or term have changed. */
import type { RawNode } from "../core/raw_node.ts";
import { type NodeId, NONE, type Term } from "../core/types.ts";
import type { RaftEvent } from "./api.ts";
import type { LogSink } from "./raft_options.ts";

type StateEvent = Extract<RaftEvent, { kind: "state" }>;

export interface StateEventsOptions {
  readonly id: NodeId;
  readonly log: LogSink;
  readonly nameOf: (id: NodeId) => string;
  readonly emit: (event: StateEvent) => void;
  /** This node has begun to lead a term. */
  readonly leading: () => void;
  /** There is a leader, and it or its term has changed. */
  readonly leaderChanged: () => void;
}

export class StateEvents {
  readonly #options: StateEventsOptions;
  #last: StateEvent = { kind: "state", role: "follower", leader: null, term: 0, ownTermApplied: false };

  constructor(options: StateEventsOptions) {
    this.#options = options;
  }

  /** Called at the end of every turn. `appliedTerm`: the term of the last applied entry. */
  note(core: RawNode, appliedTerm: Term): void {
    const { role, term } = core;
    const leader = core.leader === NONE ? null : core.leader;
    const last = this.#last;
    const ownTermApplied = role === "leader" && appliedTerm === term;
    const moved = role !== last.role || leader !== last.leader || term !== last.term;
    if (!moved && ownTermApplied === last.ownTermApplied) return;
    this.#last = { kind: "state", role, leader, term, ownTermApplied };
    const { log, emit, leading, leaderChanged } = this.#options;
    emit(this.#last);
    if (!moved) return;
    log("info", "raft_state", `${role} in term ${term}, ${this.#describe(leader)}`);
    if (role === "leader" && (last.role !== "leader" || last.term !== term)) leading();
    if (leader !== null) leaderChanged();
  }

  #describe(leader: NodeId | null): string {
    if (leader === null) return "no leader";
    return leader === this.#options.id ? "this member leads" : `leader ${this.#options.nameOf(leader)}`;
  }
}
