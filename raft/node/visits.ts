/**
 * Answers nodes that look for their cluster: whether there is one, and whether it has a seat for them. A
 * leader also makes them members. A visitor has proved that it knows the cluster's password (or holds a
 * certificate); it becomes a member only through the same membership changes that operators ask for.
 */
import type { Contacts } from "./contacts.ts";
import type { RawNode } from "../core/raw_node.ts";
import { type NodeId, NONE } from "../core/types.ts";
import type { AddOutcome, NewMember } from "./api.ts";
import { nodeIdOf } from "./ids.ts";
import type { MemberRecords } from "./member_records.ts";
import type { MemberInfo } from "./raft_options.ts";
import type { Sessions } from "./sessions.ts";
import { decodeQuestion, encodeVisitAnswer, type Seat, type VisitAnswer } from "./visit_messages.ts";

export interface VisitsOptions {
  readonly clusterId: number;
  readonly founded: number;
  /**
   * Addresses as configured: those of the founding members, or, on a member that was added, those it was told
   * of.
   */
  readonly addresses: readonly string[];
  /** Core of this member; null before it takes part. */
  readonly core: () => RawNode | null;
  /** This node leads and has applied an entry of its own term. */
  readonly leads: () => boolean;
  /** This node has no entry, but knows that there is a log. */
  readonly knowsLog: () => boolean;
  readonly contacts: Pick<Contacts, "isAbsent">;
  readonly infoOf: (id: NodeId) => MemberInfo;
  readonly records: MemberRecords;
  readonly sessions: Sessions;
  readonly add: (member: NewMember, replaces: NodeId, done: (outcome: AddOutcome) => void) => void;
  readonly members: () => readonly MemberInfo[];
  readonly mayJoin: (visitor: Omit<MemberInfo, "id">) => string | null;
  /** See RaftNodeOptions. */
  readonly strangersMayJoin: boolean;
}

export class Visits {
  readonly #options: VisitsOptions;

  constructor(options: VisitsOptions) {
    this.#options = options;
  }

  /**
   * Answers a question. `answer` is called once, unless the question is garbage. `flaw`: see
   * TransportHandlers.
   */
  visit(
    bytes: Uint8Array,
    answer: (bytes: Uint8Array) => void,
    flaw: (addr: string) => string | null,
  ): void {
    const question = decodeQuestion(bytes);
    if (!question) return;
    const reply = (value: VisitAnswer) => answer(encodeVisitAnswer(value));
    // A node may become the member at an address only if its certificate names that address.
    const impostor = flaw(question.addr);
    if (impostor !== null) return reply(refused(impostor));
    const { core, knowsLog, founded, addresses, clusterId } = this.#options;
    const running = core();
    if (!running || running.lastIndex === 0) {
      // A member that was added, or that lost its directory, must not make others found a cluster.
      if (knowsLog()) return reply(refused("it waits to be admitted to the cluster itself"));
      return reply({ kind: "founding", founded, addresses });
    }
    const seat = this.#seat(running, question.addr);
    if (question.kind === "ask") {
      const { leader } = running;
      const leaderAddr = leader === NONE ? null : this.#options.infoOf(leader).addr;
      return reply({ kind: "member", clusterId, founded, leaderAddr, seat: seat.kind });
    }
    if (!this.#options.leads()) return reply(refused("it does not lead"));
    this.#join(question, seat, reply);
  }

  /**
   * Makes the visitor a member. Its seat was looked up in a state that has every entry of earlier leaders.
   */
  #join(
    { addr, name, votes }: NewMember & { readonly votes: boolean },
    seat: { readonly kind: Seat; readonly id: NodeId },
    reply: (answer: VisitAnswer) => void,
  ): void {
    const { clusterId, founded, add, contacts, members, strangersMayJoin, mayJoin } = this.#options;
    const objection = mayJoin({ addr, name });
    if (objection !== null) return reply({ kind: "refused", reason: objection, final: true });
    if (seat.kind === "founder") {
      return reply(
        refused(`${addr} is one of the first members: it has to name the same addresses as the others`),
      );
    }
    if (seat.kind === "used" && !contacts.isAbsent(seat.id)) {
      return reply(refused(`a member at ${addr} was connected just now: do two nodes have this address?`));
    }
    if (seat.kind === "none" && !strangersMayJoin) {
      return reply(refused(`a certificate alone makes nobody a member: ${addr} has to be added first`));
    }
    // No directory has taken part with this id yet. If two directories are given it, the first one that the
    // log records keeps it. The record already says whether the member votes.
    if (seat.kind === "added") {
      return reply({ kind: "joined", clusterId, founded, id: seat.id, members: members() });
    }
    add({ addr, name, votes }, seat.id, (outcome) => {
      if (outcome.kind !== "done") return reply(refused(outcome.reason));
      reply({ kind: "joined", clusterId, founded, id: outcome.id, members: outcome.members });
    });
  }

  #seat({ configuration }: RawNode, addr: string): { kind: Seat; id: NodeId } {
    const { infoOf, records, sessions, founded } = this.#options;
    const here = [...configuration.voters, ...configuration.learners].filter((id) =>
      infoOf(id).addr === addr
    );
    const replaced = new Set(here.map((id) => records.record(id)?.replaces ?? NONE));
    const id = here.find((member) => !replaced.has(member));
    if (id === undefined) return { kind: "none", id: NONE };
    if (sessions.joined(id) !== null) return { kind: "used", id };
    return { kind: id === nodeIdOf(founded, addr) ? "founder" : "added", id };
  }
}

function refused(reason: string): VisitAnswer {
  return { kind: "refused", reason };
}
