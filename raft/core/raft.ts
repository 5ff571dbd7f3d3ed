/**
 * The protocol: terms, elections, and the follower's duties. The leader's duties are in leader.ts.
 *
 * Raft as in the paper and thesis of D. Ongaro, with the messages and the behaviour of etcd-io/raft. PreVote
 * (thesis 9.6) and CheckQuorum (6.2, 4.2.3) belong together. A server that hears from a leader ignores
 * requests for votes, so a server that was cut off or removed cannot disturb the others by its term. A leader
 * that hears from no majority steps down, so that loyalty to it ends.
 *
 * Pure and synchronous: no clock (ticks are fed), no randomness of its own (injected), no I/O (raw_node.ts).
 */
import { assert, assertCount } from "./assert.ts";
import { ByteReader, ByteWriter, EMPTY_BYTES } from "./bytes.ts";
import { type LeaderHost, LeaderTerm } from "./leader.ts";
import { RaftLog } from "./log.ts";
import {
  contextNumber,
  isTermless,
  isTransferCampaign,
  makeMessage,
  numberContext,
  TRANSFER_CONTEXT,
} from "./message.ts";
import type { RaftOptions } from "./options.ts";
import { dropped, type Proposal, type ReadIndexResult, type TransferResult } from "./outcome.ts";
import { tally } from "./quorum.ts";
import type { ConfirmedRead } from "./read_index.ts";
import type { StoredLog } from "../node/ports.ts";
import {
  type HardState,
  type Message,
  type NodeId,
  NONE,
  type ReadState,
  type Role,
  type Term,
} from "./types.ts";

/**
 * "transfer": the leader told this server to take over; no pre-vote, and voters need not wait for the
 * leader's silence.
 */
type Campaign = "preVote" | "election" | "transfer";

/** Size of a forwarded read's context: the asker's incarnation and its token. */
const READ_CONTEXT_BYTES = 16;

export class Raft implements LeaderHost {
  readonly options: RaftOptions;
  readonly log: RaftLog;
  #term: Term;
  #vote: NodeId;
  #leader: NodeId = NONE;
  #role: Role = "follower";
  /** Not null exactly while this server leads. */
  #leadership: LeaderTerm | null = null;
  /** Answers to the current campaign. */
  #votes = new Map<NodeId, boolean>();
  /**
   * Ticks since the leader was last heard or the election began; on a leader, since its quorum was checked.
   */
  electionElapsed = 0;
  #electionTimeout = 0;

  /** Messages for the next Ready. */
  messages: Message[] = [];
  messagesAfterAppend: Message[] = [];
  readStates: ReadState[] = [];
  #lastToken = 0;
  /** Distinguishes this process's forwarded reads from those of an earlier process with the same id. */
  readonly #incarnation: number;

  constructor(options: RaftOptions, stored: StoredLog) {
    this.options = options;
    this.log = new RaftLog(stored, options.initial);
    const { term, vote } = stored.hardState;
    assertCount(term, "stored term");
    assertCount(vote, "stored vote");
    // A crash between the writes of one Ready may leave its entries without its term. Nobody was told of
    // either: this server has neither voted nor answered in the entries' term.
    this.#term = Math.max(term, this.log.lastTerm);
    this.#vote = this.#term === term ? vote : NONE;
    this.#incarnation = Math.floor(options.random() * 2 ** 48);
    this.#drawElectionTimeout();
  }

  get id(): NodeId {
    return this.options.id;
  }

  get term(): Term {
    return this.#term;
  }

  get leader(): NodeId {
    return this.#leader;
  }

  get role(): Role {
    return this.#role;
  }

  get leadership(): LeaderTerm | null {
    return this.#leadership;
  }

  get hardState(): HardState {
    return { term: this.#term, vote: this.#vote, commit: this.log.committed };
  }

  get electionTimeout(): number {
    return this.#electionTimeout;
  }

  set electionTimeout(ticks: number) {
    assert(Number.isSafeInteger(ticks) && ticks > 0, "an election timeout is a positive number of ticks");
    this.#electionTimeout = ticks;
  }

  // --- time and requests of the embedding program ---

  tick(): void {
    this.electionElapsed++;
    if (this.#leadership !== null) {
      const over = this.electionElapsed >= this.options.electionTicks;
      if (over) this.electionElapsed = 0;
      if (!this.#leadership.tick(over)) this.#becomeFollower(this.#term, NONE);
    } else if (this.#promotable && this.electionElapsed >= this.#electionTimeout) {
      this.campaign();
    }
  }

  /** Starts an election, if this server may. */
  campaign(): void {
    this.#campaign(this.options.preVote ? "preVote" : "election");
  }

  propose(command: Uint8Array): Proposal {
    if (this.#leadership !== null) return this.#leadership.propose([command]);
    if (this.#leader === NONE) return dropped("noLeader");
    const entry = { term: 0, index: 0, kind: "normal", data: command } as const;
    this.send(makeMessage({ type: "propose", from: this.id, to: this.#leader, entries: [entry] }));
    return { kind: "forwarded", to: this.#leader };
  }

  readIndex(): ReadIndexResult {
    if (this.#leader === NONE) return dropped("noLeader");
    const token = ++this.#lastToken;
    const context = readContext(this.#incarnation, token);
    if (this.#leadership !== null) {
      return this.#leadership.read({ from: this.id, context }) ?? { kind: "pending", token };
    }
    this.send(makeMessage({ type: "readIndex", from: this.id, to: this.#leader, context }));
    return { kind: "pending", token };
  }

  transferLeader(to: NodeId): TransferResult {
    if (this.#leadership !== null) return this.#leadership.transfer(to);
    if (this.#leader === NONE) return dropped("noLeader");
    const context = numberContext(to);
    this.send(makeMessage({ type: "transferLeader", from: this.id, to: this.#leader, context }));
    return { kind: "forwarded" };
  }

  // --- messages ---

  step(message: Message): void {
    const { type, term } = message;
    if (term === 0) {
      if (isTermless(type)) this.#stepTermless(message);
      return;
    }
    if (term < this.#term) return this.#answerStale(message);
    if (term > this.#term && !this.#enterTerm(message)) return;
    switch (type) {
      case "preVote":
      case "vote":
        return this.#onVoteRequest(message);
      case "preVoteResponse":
      case "voteResponse":
        return this.#onVoteResponse(message);
      case "append":
      case "heartbeat":
      case "snapshot":
        return this.#onLeaderMessage(message);
      case "appendResponse":
        return this.#leadership?.onAppendResponse(message);
      case "heartbeatResponse":
        return this.#leadership?.onHeartbeatResponse(message);
      case "timeoutNow":
        // A candidate campaigns already, and a leader has nothing to take over.
        if (this.#role === "follower") this.#campaign("transfer");
        return;
      case "transferLeader": {
        const to = contextNumber(message.context);
        if (to !== null) this.#leadership?.transfer(to);
        return;
      }
      case "readIndexResponse":
        return this.#onReadIndexResponse(message);
      case "propose":
      case "readIndex":
        return;
    }
  }

  #stepTermless({ type, from, entries, context }: Message): void {
    if (this.#leadership === null) return;
    if (type === "propose") this.#leadership.propose(entries.map(({ data }) => data));
    else this.#leadership.read({ from, context });
  }

  /** Answers a message of an older term. It changes nothing here; above all it resets no timer. */
  #answerStale(message: Message): void {
    const { type, from } = message;
    const { checkQuorum, preVote } = this.options;
    if ((checkQuorum || preVote) && (type === "heartbeat" || type === "append")) {
      // This term is ahead of a living leader's: each would ignore the other, and its campaigns, for ever.
      // The answer carries the later term and makes the leader step down, so that one election unites them.
      this.send(makeMessage({ type: "appendResponse", from: this.id, to: from }));
    } else if (type === "preVote") {
      // With mixed terms after a restart, candidates without an answer would never learn the higher term.
      this.send(
        makeMessage({
          type: "preVoteResponse",
          from: this.id,
          to: from,
          term: this.#term,
          reject: true,
        }),
      );
    }
  }

  /** Handles a message of a later term. False when the message is ignored altogether. */
  #enterTerm(message: Message): boolean {
    const { type, from, term } = message;
    if (type === "vote" || type === "preVote") {
      // A server that hears from a leader neither grants nor moves on (thesis 4.2.3). The target of a
      // transfer is exempt: its campaign is the leader's own wish.
      const inLease = this.options.checkQuorum && this.#leader !== NONE &&
        this.electionElapsed < this.options.electionTicks;
      if (inLease && !isTransferCampaign(message)) return false;
    }
    // A pre-vote names a term that nobody is in yet.
    if (type === "preVote" || (type === "preVoteResponse" && !message.reject)) return true;
    const fromLeader = type === "append" || type === "heartbeat" || type === "snapshot";
    this.#becomeFollower(term, fromLeader ? from : NONE);
    return true;
  }

  // --- elections ---

  #campaign(kind: Campaign): void {
    if (this.#role === "leader" || !this.#promotable) return;
    const term = this.#term + 1;
    const type = kind === "preVote" ? "preVote" : "vote";
    if (kind === "preVote") this.#becomePreCandidate();
    else this.#becomeCandidate();
    const context = kind === "transfer" ? TRANSFER_CONTEXT : EMPTY_BYTES;
    const { lastIndex: index, lastTerm: logTerm } = this.log;
    for (const to of this.log.configuration.voters) {
      // The candidate's own vote comes back when it is durable, and counts only then.
      const message = to === this.id
        ? makeMessage({ type: `${type}Response`, from: this.id, to, term })
        : makeMessage({ type, from: this.id, to, term, index, logTerm, context });
      this.send(message);
    }
  }

  /** Whether this server votes in its configuration, and knows what it once promised. */
  get #promotable(): boolean {
    return this.log.configuration.voters.includes(this.id) && !this.log.awaitsSnapshot &&
      this.options.mayVote();
  }

  #onVoteRequest(message: Message): void {
    // A server that does not know what it promised says nothing at all: even a rejection would be an answer
    // in a term in which it may have answered before.
    if (!this.options.mayVote()) return;
    const { type, from, term } = message;
    const isPreVote = type === "preVote";
    if (isPreVote && this.#goesFirst(message)) return;
    const free = this.#vote === from || (this.#vote === NONE && this.#leader === NONE) ||
      (isPreVote && term > this.#term);
    // Whether this server believes itself a voter does not matter: the candidate that asks may know more. A
    // log that lacks what this one has must not win, nor even cost the others an election: so pre-votes
    // compare the logs too.
    const granted = free && this.log.isUpToDate({ term: message.logTerm, index: message.index });
    // A granted answer is in the term that was asked for: the asker of a pre-vote waits for that term.
    const answerTerm = granted ? term : this.#term;
    this.send(
      makeMessage({
        type: isPreVote ? "preVoteResponse" : "voteResponse",
        from: this.id,
        to: from,
        term: answerTerm,
        reject: !granted,
      }),
    );
    // A pre-vote promises nothing. Recording it would take the vote from a real candidate.
    if (!granted || isPreVote) return;
    this.#vote = from;
    this.electionElapsed = 0;
  }

  /**
   * Whether this server's own pre-campaign comes first. Two servers that miss the leader at the same moment
   * would grant each other's pre-vote, then each vote for itself, and nobody would lead for another election
   * timeout. So with the same log, the lower id gets no answer from the higher one while that has just begun
   * to ask. "Just" is short: a higher id that does not win must not be in the other's way for long.
   */
  #goesFirst({ from, index, logTerm }: Message): boolean {
    const { lastIndex, lastTerm } = this.log;
    return this.#role === "preCandidate" && this.electionElapsed <= this.options.heartbeatTicks &&
      from < this.id && index === lastIndex && logTerm === lastTerm;
  }

  #onVoteResponse({ type, from, term, reject }: Message): void {
    const isPreVote = type === "preVoteResponse";
    // Only answers to the current question count: a pre-vote is no vote, nor is one for an earlier attempt.
    if (this.#role !== (isPreVote ? "preCandidate" : "candidate")) return;
    if (isPreVote && !reject && term !== this.#term + 1) return;
    if (!this.#votes.has(from)) this.#votes.set(from, !reject);
    switch (tally(this.log.configuration.voters, this.#votes)) {
      case "won":
        if (isPreVote) this.#campaign("election");
        else this.#becomeLeader();
        return;
      case "lost":
        return this.#becomeFollower(this.#term, NONE);
      case "pending":
        return;
    }
  }

  #becomeFollower(term: Term, leader: NodeId): void {
    this.#reset(term);
    this.#role = "follower";
    this.#leader = leader;
  }

  #becomePreCandidate(): void {
    assert(this.#role !== "leader", "a leader does not campaign");
    this.#votes = new Map();
    this.#leader = NONE;
    this.electionElapsed = 0;
    this.#role = "preCandidate";
  }

  #becomeCandidate(): void {
    assert(this.#role !== "leader", "a leader does not campaign");
    this.#reset(this.#term + 1);
    this.#vote = this.id;
    this.#role = "candidate";
  }

  #becomeLeader(): void {
    assert(this.#role === "candidate", "only a candidate is elected");
    this.#reset(this.#term);
    this.#leader = this.id;
    this.#role = "leader";
    const leadership = new LeaderTerm(this);
    this.#leadership = leadership;
    leadership.appendNoop();
    leadership.broadcastAppend();
  }

  #reset(term: Term): void {
    assertCount(term, "term");
    assert(term >= this.#term, "a term never decreases");
    if (term !== this.#term) {
      this.#term = term;
      this.#vote = NONE;
    }
    this.#leader = NONE;
    this.#leadership = null;
    this.#votes = new Map();
    this.electionElapsed = 0;
    this.#drawElectionTimeout();
  }

  #drawElectionTimeout(): void {
    const { electionTicks, electionTicksMax, random } = this.options;
    this.#electionTimeout = electionTicks + Math.floor(random() * (electionTicksMax - electionTicks + 1));
  }

  // --- following ---

  #onLeaderMessage(message: Message): void {
    const { type, from, term } = message;
    assert(this.#role !== "leader", `${from} leads in term ${term} as this node does`);
    if (this.#role !== "follower") this.#becomeFollower(term, from);
    assert(
      this.#leader === NONE || this.#leader === from,
      `${from} and ${this.#leader} lead in term ${term}`,
    );
    this.#leader = from;
    this.electionElapsed = 0;
    if (type === "append") this.#onAppend(message);
    else if (type === "heartbeat") this.#onHeartbeat(message);
    else this.#onSnapshot(message);
  }

  #onAppend(message: Message): void {
    const { from: to, index, logTerm, entries, commit } = message;
    const answer = { type: "appendResponse", from: this.id, to } as const;
    if (index < this.log.committed) {
      // The message is old. Committed entries are equal to the leader's log, so they are acknowledged.
      this.send(makeMessage({ ...answer, index: this.log.committed }));
      return;
    }
    const lastNew = this.log.tryAppend({ index, term: logTerm }, entries, commit);
    if (lastNew !== null) {
      // The answer names the message's last entry: this log may hold another leader's entries behind it.
      this.send(makeMessage({ ...answer, index: lastNew }));
      return;
    }
    // This is the last place where the logs can agree, given that the leader has logTerm at index.
    const hint = this.log.findConflictByTerm(Math.min(index, this.log.lastIndex), logTerm);
    this.send(
      makeMessage({ ...answer, index, reject: true, rejectHint: hint.index, logTerm: hint.term }),
    );
  }

  #onHeartbeat({ from: to, commit, context, reject: isQuiet }: Message): void {
    // The leader counts on what this server once acknowledged. Without its old log this server cannot follow
    // there, and knows that.
    const reachable = this.options.mayVote() ? commit : Math.min(commit, this.log.lastIndex);
    this.log.commitTo(reachable);
    if (!isQuiet) this.send(makeMessage({ type: "heartbeatResponse", from: this.id, to, context }));
  }

  #onSnapshot({ from: to, snapshot }: Message): void {
    assert(snapshot !== null, "a snapshot message carries one");
    const index = this.#restore(snapshot) ? this.log.lastIndex : this.log.committed;
    this.send(makeMessage({ type: "appendResponse", from: this.id, to, index }));
  }

  /**
   * Takes a snapshot of the leader. False when the log goes on without it. A server that is not in the
   * snapshot's configuration may be added behind it.
   */
  #restore(snapshot: NonNullable<Message["snapshot"]>): boolean {
    if (snapshot.index <= this.log.committed) return false;
    if (this.log.matches(snapshot.index, snapshot.term)) {
      // This log holds all that the snapshot covers, and perhaps acknowledged entries behind it: only the
      // commit index is news.
      this.log.commitTo(snapshot.index);
      return false;
    }
    this.log.restore(snapshot);
    return true;
  }

  // --- reads ---

  readConfirmed({ request, index }: ConfirmedRead): void {
    if (request.from === this.id) {
      this.#acceptRead(request.context, index);
      return;
    }
    const { from: to, context } = request;
    this.send(makeMessage({ type: "readIndexResponse", from: this.id, to, index, context }));
  }

  #onReadIndexResponse({ from, context, index }: Message): void {
    if (from === this.#leader) this.#acceptRead(context, index);
  }

  #acceptRead(context: Uint8Array, index: number): void {
    if (context.length !== READ_CONTEXT_BYTES) return;
    const reader = new ByteReader(context);
    // An answer to an earlier process with this id says nothing about a read that was asked for later.
    if (reader.count() !== this.#incarnation) return;
    this.readStates.push({ token: reader.count(), index });
  }

  // --- sending ---

  /** Queues a message. Responses and votes wait until what they promise is durable. */
  send(message: Message): void {
    const { type } = message;
    const isVote = type === "vote" || type === "voteResponse" || type === "preVote" ||
      type === "preVoteResponse";
    assert(isVote === (message.term > 0), `${type} carries the term that it asks or answers for`);
    const stamped = isVote || isTermless(type) ? message : { ...message, term: this.#term };
    if (waitsForDisk(type)) this.messagesAfterAppend.push(stamped);
    else {
      assert(message.to !== this.id, `${type} to itself`);
      this.messages.push(stamped);
    }
  }
}

/**
 * Whether messages of this type wait for the disk. Term, vote and entries must survive a crash before anybody
 * counts on them (thesis 3.8), and before this server asks for votes: a server that forgot its campaign could
 * ask again in the same term, with a log that lost its end, and count the old grants. Rejections could leave
 * earlier, but tell of state that may not be durable either.
 */
function waitsForDisk(type: Message["type"]): boolean {
  return type === "appendResponse" || type === "voteResponse" || type === "preVoteResponse" ||
    type === "vote";
}

function readContext(incarnation: number, token: number): Uint8Array {
  const writer = new ByteWriter(READ_CONTEXT_BYTES);
  writer.count(incarnation);
  writer.count(token);
  return writer.finish();
}
