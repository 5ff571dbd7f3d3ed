/**
 * The consensus core as an embedding program sees it: a state machine that takes ticks, messages and
 * requests, and says what to do about them. Shape and meaning are those of etcd-io/raft's RawNode.
 *
 * The contract with the caller ---------------------------- After any call, while `hasReady()`: take
 * `ready()` and do what it says:
 *
 * 1. `messages` may be sent at once, in order. 2. `snapshot` (if any), `entries` and `hardState` are written
 * in this order, to one log, after everything
 *     that earlier Readys asked to be written. The first entry may lie at or below the end of the stored log,
 *     which is then truncated before it. A snapshot replaces the whole stored log: what lies behind its index
 *     there belongs to another history. The write must be durable when `mustSync`; otherwise it may be lost
 *     in a crash (only the commit index has changed).
 * 3. When that, and every earlier write, is durable: a `snapshot` is restored into the state machine, then
 *     `messagesAfterAppend` are sent. A Ready that has such messages but nothing to write waits for the
 *     earlier writes all the same: they promise what those hold.
 * 4. `committed` is applied in order. Unless `asyncStorage`, only after 3. 5. `advance(ready)`.
 *
 * Time need not stand still in between: `tick`, `step`, `propose` and further `ready()` calls are welcome
 * while a write is under way, so that a slow disk does not silence the heartbeats. Readys are then finished
 * in the order in which they were taken. With `asyncStorage`, `advance` may be split: `advanceApply(ready)`
 * when `committed` is applied, `advanceAppend(ready)` when 3 is done; each in order, independently of each
 * other.
 *
 * A failed write is final: nothing of that Ready is sent or advanced, and the node must not be used any more.
 *
 * Reads: `readIndex()` gives a token; the ReadState with that token says up to where the state machine must
 * have applied before the read is answered. When a SoftState or a new term shows that leadership changed,
 * tokens that have not been confirmed never will be: the caller ends those reads. Reads forwarded to a leader
 * may get lost.
 *
 * Snapshots: `makeSnapshot(index, data)` describes the applied state; once it is durable, `compact` forgets
 * the entries that it covers.
 *
 * Nothing here throws for what the network may bring. An InvariantError means that safety is lost or about to
 * be (two leaders in one term, a committed entry replaced, a stored log that lost its end): the process must
 * end.
 */
import { assert } from "./assert.ts";
import type { ConfigChange } from "./configuration.ts";
import type { WriteMark } from "./log.ts";
import { type RawNodeConfig, resolveOptions } from "./options.ts";
import { dropped, type Proposal, type ReadIndexResult, type TransferResult } from "./outcome.ts";
import { Raft } from "./raft.ts";
import { restTicks } from "./rest_ticks.ts";
import { type RawNodeStatus, statusOf } from "./status.ts";
import {
  type Configuration,
  type HardState,
  type Index,
  type Message,
  type NodeId,
  NONE,
  type Ready,
  type Role,
  type Snapshot,
  type SoftState,
  type Term,
} from "./types.ts";

/** Ready whose writes are under way. */
interface PendingAppend {
  readonly ready: Ready;
  readonly mark: WriteMark;
  /**
   * Answers of this server to itself once the writes are durable: its own vote, and a leader's own
   * acknowledgement.
   */
  readonly toSelf: readonly Message[];
}

/** One server of the protocol, without disk, network, clock and state machine; see the head of this file. */
export class RawNode {
  readonly #raft: Raft;
  /** State that the last Ready told. */
  #softState: SoftState;
  #hardState: HardState;
  #appends: PendingAppend[] = [];
  #applies: Ready[] = [];

  /** Throws InvariantError when the stored state contradicts itself or the numbers cannot work together. */
  constructor(config: RawNodeConfig) {
    this.#raft = new Raft(resolveOptions(config), config.storage);
    this.#softState = this.#currentSoftState();
    this.#hardState = this.#raft.hardState;
  }

  get id(): NodeId {
    return this.#raft.id;
  }

  get term(): Term {
    return this.#raft.term;
  }

  get role(): Role {
    return this.#raft.role;
  }

  /** Current leader; NONE when unknown. */
  get leader(): NodeId {
    return this.#raft.leader;
  }

  /** See rest_ticks.ts. */
  get restTicks(): number {
    return restTicks(this.#raft);
  }

  /** Voter that this leader has asked to take over; NONE otherwise, and while another server leads. */
  get transferee(): NodeId {
    return this.#raft.leadership?.transferee ?? NONE;
  }

  get commit(): Index {
    return this.#raft.log.committed;
  }

  get applied(): Index {
    return this.#raft.log.applied;
  }

  get lastIndex(): Index {
    return this.#raft.log.lastIndex;
  }

  get firstIndex(): Index {
    return this.#raft.log.firstIndex;
  }

  /** Configuration in force; the entry that brought it need not be committed. */
  get configuration(): Configuration {
    return this.#raft.log.configuration;
  }

  /** Term of an entry in memory; null when it is compacted or not there. */
  entryTerm(index: Index): Term | null {
    return this.#raft.log.term(index);
  }

  status(): RawNodeStatus {
    return statusOf(this.#raft);
  }

  // --- input ---

  /** Advances time by one tick of the caller's clock. */
  tick(): void {
    this.#raft.tick();
  }

  /**
   * Takes a message of another member. The caller has made sure that `from` sent it. A message that is not
   * for this server, or claims to come from it, is ignored.
   */
  step(message: Message): void {
    if (message.to !== this.id || message.from === this.id || message.from === NONE) return;
    this.#raft.step(message);
  }

  /** Starts an election now. */
  campaign(): void {
    this.#raft.campaign();
  }

  /**
   * Proposes a command, which must not be modified afterwards. A follower forwards it to the leader; whether
   * it gets there is then unknown.
   */
  propose(command: Uint8Array): Proposal {
    return this.#raft.propose(command);
  }

  /**
   * Proposes several commands at once, which stand one after another and travel together. Only on the leader;
   * accepted or refused as a whole. The index is that of the last one.
   */
  proposeAll(commands: readonly Uint8Array[]): Proposal {
    return this.#raft.leadership?.propose(commands) ?? dropped("notLeader");
  }

  /** Changes the configuration by one server. Only on the leader. */
  proposeConfig(change: ConfigChange): Proposal {
    return this.#raft.leadership?.proposeConfig(change) ?? dropped("notLeader");
  }

  /** Asks for a linearizable read. On a follower it goes through the leader. */
  readIndex(): ReadIndexResult {
    return this.#raft.readIndex();
  }

  /** Hands leadership to a voter. Given up after one election timeout. */
  transferLeader(to: NodeId): TransferResult {
    return this.#raft.transferLeader(to);
  }

  /** Tells that messages to `id` are probably lost. */
  reportUnreachable(id: NodeId): void {
    this.#raft.leadership?.reportUnreachable(id);
  }

  /**
   * Tells that a snapshot message to `id` has arrived, or is lost (not sent, connection broken). Without a
   * report the core waits for the answer, ten election timeouts at most.
   */
  reportSnapshot(id: NodeId, ok: boolean): void {
    this.#raft.leadership?.reportSnapshot(id, ok);
  }

  /** Tells that a part of the snapshot for `id` has arrived: the core waits for the rest as long again. */
  reportSnapshotProgress(id: NodeId): void {
    this.#raft.leadership?.reportSnapshotProgress(id);
  }

  /** Replaces the drawn election timeout until the next one is drawn. Tests only. */
  setRandomizedElectionTimeout(ticks: number): void {
    this.#raft.electionTimeout = ticks;
  }

  // --- output ---

  hasReady(): boolean {
    const { messages, messagesAfterAppend, readStates, log } = this.#raft;
    return messages.length > 0 || messagesAfterAppend.length > 0 || readStates.length > 0 ||
      log.hasUnoffered || log.hasNextCommitted(this.#raft.options.asyncStorage) ||
      !sameHardState(this.#hardState, this.#raft.hardState) ||
      !sameSoftState(this.#softState, this.#currentSoftState());
  }

  /**
   * Returns the work that has arisen since the last call. Each Ready must be carried out and advanced, in
   * order.
   */
  ready(): Ready {
    const raft = this.#raft;
    const { log } = raft;
    const { asyncStorage, maxApplyingBytes } = raft.options;
    const hardState = raft.hardState;
    const softState = this.#currentSoftState();
    const hardChanged = !sameHardState(this.#hardState, hardState);
    const votingChanged = hardState.term !== this.#hardState.term || hardState.vote !== this.#hardState.vote;
    const entries = log.unofferedEntries();
    const snapshot = log.unofferedSnapshot();
    const committed = log.nextCommitted(maxApplyingBytes, asyncStorage);
    const toSelf = raft.messagesAfterAppend.filter(({ to }) => to === this.id);
    const ready: Ready = {
      softState: sameSoftState(this.#softState, softState) ? null : softState,
      hardState: hardChanged ? hardState : null,
      snapshot,
      entries,
      committed,
      messages: raft.messages,
      messagesAfterAppend: raft.messagesAfterAppend.filter(({ to }) => to !== this.id),
      readStates: raft.readStates,
      mustSync: entries.length > 0 || snapshot !== null || votingChanged,
    };
    this.#appends.push({ ready, mark: log.offer(), toSelf });
    if (committed.length > 0) this.#applies.push(ready);
    log.acceptCommitted(committed, maxApplyingBytes, asyncStorage);
    raft.messages = [];
    raft.messagesAfterAppend = [];
    raft.readStates = [];
    this.#softState = softState;
    this.#hardState = hardState;
    return ready;
  }

  /** Tells that `ready` is carried out: its writes are durable, its messages sent, its entries applied. */
  advance(ready: Ready): void {
    this.advanceAppend(ready);
    this.advanceApply(ready);
  }

  /** Tells that the writes of `ready` are durable and its snapshot is restored. */
  advanceAppend(ready: Ready): void {
    const oldest = this.#appends.shift();
    assert(oldest?.ready === ready, "Readys are advanced once, in the order in which they were taken");
    this.#raft.log.written(oldest.mark);
    for (const message of oldest.toSelf) this.#raft.step(message);
  }

  /** Tells that the committed entries of `ready` are applied; nothing happens when there are none. */
  advanceApply(ready: Ready): void {
    if (ready.committed.length === 0) return;
    assert(this.#applies.shift() === ready, "committed entries are applied once, and in order");
    this.#raft.log.appliedEntries(ready.committed);
    this.#raft.leadership?.applied(ready.committed);
  }

  // --- snapshots ---

  /** Describes the state machine's state `data` at the applied `index`. */
  makeSnapshot(index: Index, data: Uint8Array): Snapshot {
    const { log } = this.#raft;
    assert(index > 0 && index <= log.applied, `no snapshot at ${index}: applied is ${log.applied}`);
    const term = log.term(index);
    assert(term !== null, `no snapshot at ${index}: the log begins at ${log.firstIndex}`);
    return { index, term, configuration: log.configurationAt(index), data };
  }

  /**
   * Forgets entries up to `upTo`. `snapshot` is durable and serves members that need what it covers. Entries
   * that are kept behind it spare a member that was away for a moment the whole snapshot.
   */
  compact(snapshot: Snapshot, upTo: Index = snapshot.index): void {
    this.#raft.log.compact(snapshot, upTo);
  }

  /**
   * Computes `upTo` for `compact`: at most so many entries and bytes are kept before a snapshot at `index`.
   */
  compactionPoint(index: Index, keepEntries: number, keepBytes: number): Index {
    return this.#raft.log.compactionPoint(index, keepEntries, keepBytes);
  }

  #currentSoftState(): SoftState {
    return { leader: this.#raft.leader, role: this.#raft.role };
  }
}

function sameHardState(a: HardState, b: HardState): boolean {
  return a.term === b.term && a.vote === b.vote && a.commit === b.commit;
}

function sameSoftState(a: SoftState, b: SoftState): boolean {
  return a.leader === b.leader && a.role === b.role;
}
