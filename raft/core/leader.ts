/**
 * The leader's duties: replicate, count, confirm reads, hand over, change the configuration.
 *
 * A LeaderTerm is created at the election and dropped at the step-down. Everything that must not survive the
 * step-down (progress, pending transfer, pending reads, uncommitted bytes) is a field of it. So no flag can
 * outlive its leadership and make a later one refuse writes for ever.
 */
import { assert } from "./assert.ts";
import { EMPTY_BYTES } from "./bytes.ts";
import { changeConfiguration, type ConfigChange, encodeConfiguration } from "./configuration.ts";
import { heartbeat } from "./heartbeat.ts";
import type { RaftLog } from "./log.ts";
import { contextNumber, makeMessage, sumOfEntryBytes } from "./message.ts";
import type { RaftOptions } from "./options.ts";
import { type Dropped, dropped, type DropReason, type Proposal, type TransferResult } from "./outcome.ts";
import { Progress } from "./progress.ts";
import { majority, majorityIndex } from "./quorum.ts";
import { type ConfirmedRead, ReadIndexQueue, type ReadRequest } from "./read_index.ts";
import { type Configuration, type Entry, type EntryKind, type Message, NONE } from "./types.ts";
import type { Index, NodeId, Term } from "./types.ts";

/** Largest number of entries that a learner may lack when it is promoted. */
const CAUGHT_UP_ENTRIES = 64;
/** Election timeouts until a snapshot without an answer counts as lost. */
const SNAPSHOT_PATIENCE = 10;
/** Largest number of waiting reads. Each takes a round trip, so more of them mean that none is answered. */
const MAX_WAITING_READS = 4096;

/** The server, as its LeaderTerm needs it. */
export interface LeaderHost {
  readonly options: RaftOptions;
  readonly log: RaftLog;
  readonly term: Term;
  /** Sends a message: stamps sender and term, and decides what must be durable first. */
  send(message: Message): void;
  readConfirmed(read: ConfirmedRead): void;
}

export class LeaderTerm {
  readonly #host: LeaderHost;
  readonly #log: RaftLog;
  readonly #id: NodeId;
  /** All members of the configuration, this one included, ascending: messages leave in this order. */
  #progress = new Map<NodeId, Progress>();
  readonly #reads = new ReadIndexQueue();
  #transferee: NodeId = NONE;
  #transferTicks = 0;
  /** TimeoutNow was sent to a voter, and the transfer has not been given up since. */
  #timeoutNowSent = false;
  /** Ticks since the last heartbeats. */
  heartbeatTicks = 0;
  /** Ticks since the election. */
  #ticks = 0;
  #uncommittedBytes = 0;

  constructor(host: LeaderHost) {
    this.#host = host;
    this.#log = host.log;
    this.#id = host.options.id;
    this.#followConfiguration(this.#log.lastIndex + 1);
    const own = this.#progress.get(this.#id);
    assert(own !== undefined, "a leader is a member of its own configuration");
    own.becomeReplicate();
    // Own entries count as far as they are durable; the rest count when the own write acknowledges them.
    own.acknowledge(this.#log.stable);
    own.heard(this.#ticks);
  }

  get progress(): ReadonlyMap<NodeId, Progress> {
    return this.#progress;
  }

  /** The voter to which leadership is being handed over, or NONE. */
  get transferee(): NodeId {
    return this.#transferee;
  }

  /**
   * Whether an entry of this term is committed. Before that, a leader may be behind what clients were told:
   * older entries prove nothing about the commit index of their leaders (paper, section 8).
   */
  get hasOwnTermCommit(): boolean {
    return this.#log.term(this.#log.committed) === this.#host.term;
  }

  get #configuration(): Configuration {
    return this.#log.configuration;
  }

  // --- time ---

  /** Takes one tick; false when this server may lead no longer. `electionTimeoutOver`: once per timeout. */
  tick(electionTimeoutOver: boolean): boolean {
    this.#ticks++;
    // A leader that does not hear from a majority cannot commit. Its step-down frees its clients, and lets
    // others, which may hear it and not each other, elect one that can (partial mesh).
    if (electionTimeoutOver && this.#host.options.checkQuorum && !this.#quorumActive()) return false;
    if (this.#transferee !== NONE && ++this.#transferTicks >= this.#host.options.electionTicks) {
      // The target may be gone. Refusing proposals for longer would cost more than the transfer is worth.
      this.#abortTransfer();
    }
    for (const progress of this.#progress.values()) this.#watchSnapshot(progress);
    if (++this.heartbeatTicks >= this.#host.options.heartbeatTicks) this.broadcastHeartbeat();
    return true;
  }

  #quorumActive(): boolean {
    const { voters } = this.#configuration;
    const active = voters.filter((id) => this.#progress.get(id)?.recentActive === true).length;
    for (const [id, progress] of this.#progress) if (id !== this.#id) progress.recentActive = false;
    return active >= majority(voters.length);
  }

  /** Whether `id` has answered within the last election timeout, to the tick: see node/contacts.ts. */
  #answers(id: NodeId): boolean {
    if (id === this.#id) return true;
    const heardAtTick = this.#progress.get(id)?.heardAtTick ?? -Infinity;
    return this.#ticks - heardAtTick < this.#host.options.electionTicks;
  }

  // --- proposals ---

  /** Appends the empty entry with which every leader begins: its commit commits all earlier entries. */
  appendNoop(): void {
    this.#appendOwn([{ kind: "normal", data: EMPTY_BYTES }]);
  }

  propose(commands: readonly Uint8Array[]): Proposal {
    // A target that never reaches the end of a growing log would never be told to take over.
    if (this.#transferee !== NONE) return dropped("transferPending");
    const appended = this.#appendOwn(commands.map((data) => ({ kind: "normal", data })));
    if (!appended) return dropped("tooMuchUncommitted");
    this.broadcastAppend();
    return { kind: "appended", index: this.#log.lastIndex, term: this.#host.term };
  }

  /** Changes the configuration by one server; it is in force as soon as it is appended. */
  proposeConfig(change: ConfigChange): Proposal {
    if (this.#transferee !== NONE) return dropped("transferPending");
    // Without this barrier two leaders of different terms can each have one uncommitted change to the same
    // configuration, and majorities of the two results need not overlap (errata of thesis 4.1).
    if (!this.hasOwnTermCommit) return dropped("noOwnTermCommit");
    // Two changes in flight may differ by two servers from the configuration that a majority still uses.
    if (this.#log.configurationIndex > this.#log.committed) return dropped("configPending");
    const next = changeConfiguration(this.#configuration, change);
    if (typeof next === "string") return dropped(next);
    const refusal = this.#refusalOf(change, next);
    if (refusal !== null) return dropped(refusal);
    if (!this.#appendOwn([{ kind: "config", data: encodeConfiguration(next) }])) {
      return dropped("tooMuchUncommitted");
    }
    // A new server's log is unknown: probe from the entry that added the server.
    this.#followConfiguration(this.#log.lastIndex);
    this.broadcastAppend();
    return { kind: "appended", index: this.#log.lastIndex, term: this.#host.term };
  }

  /**
   * Why a change is refused, or null. Members that count after it must have completed a write within one
   * election timeout, as answers to heartbeats need no disk. With members that only talk, a smaller group
   * would commit nothing, and a promoted one would be waited for. If they came back empty, nobody could be
   * elected.
   */
  #refusalOf(change: ConfigChange, next: Configuration): DropReason | null {
    if (change.kind === "addLearner") return null;
    // A leader outside its configuration would have to count majorities to which it does not belong.
    if (change.id === this.#id) return "removesLeader";
    const promoted = change.kind === "promote" ? change.id : NONE;
    if (promoted !== NONE) {
      const missing = this.#log.lastIndex - (this.#progress.get(promoted)?.match ?? 0);
      if (!this.#answers(promoted) || missing > CAUGHT_UP_ENTRIES) return "notCaughtUp";
      if (this.#diskHangs(promoted)) return "diskHangs";
    }
    const needed = majority(next.voters.length);
    const enough = (ids: readonly NodeId[]) =>
      ids.length >= needed && (promoted === NONE || ids.includes(promoted));
    if (enough(next.voters.filter((id) => this.#writes(id)))) return null;
    const hopeful = next.voters.filter((id) => this.#answers(id) && !this.#diskHangs(id));
    if (!enough(hopeful)) return "wouldLoseQuorum";
    // At rest no member has had anything to write: an entry without a command shows which of them can.
    const idle = hopeful.some((id) => !this.#writes(id) && this.#progress.get(id)?.owesSinceTick === null);
    if (idle && this.#appendOwn([{ kind: "normal", data: EMPTY_BYTES }])) this.broadcastAppend();
    return "writesUnproven";
  }

  /**
   * Whether a member is in contact, has made an entry of this term durable within one election timeout, and
   * owes none for half of that. One that does is waited for, until it acknowledges or hangs.
   */
  #writes(id: NodeId): boolean {
    const progress = this.#progress.get(id);
    if (progress === undefined || !this.#answers(id)) return false;
    const { electionTicks, isBroken } = this.#host.options;
    if (isBroken("count-hung-disks")) return true;
    const { match, wroteAtTick, owesSinceTick } = progress;
    return this.#log.term(match) === this.#host.term && this.#ticks - wroteAtTick < electionTicks &&
      this.#ticks - (owesSinceTick ?? this.#ticks) < electionTicks / 2;
  }

  /** Whether a member owes the acknowledgement of a write, and has completed none for a timeout. */
  #diskHangs(id: NodeId): boolean {
    const since = this.#progress.get(id)?.owesSinceTick ?? null;
    return since !== null && this.#ticks - since >= this.#host.options.electionTicks;
  }

  /** Members in contact that complete no write, ascending. */
  get hanging(): readonly NodeId[] {
    return [...this.#progress.keys()].filter((id) => this.#answers(id) && this.#diskHangs(id));
  }

  #appendOwn(commands: readonly { kind: EntryKind; data: Uint8Array }[]): boolean {
    const size = commands.reduce((sum, { data }) => sum + data.length, 0);
    // The first proposal always fits: otherwise one that is too large by itself would never pass.
    const limit = this.#host.options.maxUncommittedBytes;
    if (size > 0 && this.#uncommittedBytes > 0 && this.#uncommittedBytes + size > limit) return false;
    this.#uncommittedBytes += size;
    const first = this.#log.lastIndex + 1;
    const entries = commands.map((command, at): Entry => ({
      ...command,
      index: first + at,
      term: this.#host.term,
    }));
    this.#log.append(entries);
    for (const progress of this.#progress.values()) progress.mustWrite(this.#log.lastIndex, this.#ticks);
    // The leader's own vote for these entries: it returns when they are durable here, and counts only then. A
    // leader that counted what its disk may yet lose would, with one server, acknowledge writes that vanish.
    this.#host.send(
      makeMessage({
        type: "appendResponse",
        from: this.#id,
        to: this.#id,
        index: this.#log.lastIndex,
      }),
    );
    return true;
  }

  /** Takes applied entries off the size of the uncommitted tail. */
  applied(entries: readonly Entry[]): void {
    const bytes = entries.reduce((sum, { data }) => sum + data.length, 0);
    this.#uncommittedBytes = Math.max(0, this.#uncommittedBytes - bytes);
  }

  // --- replication ---

  broadcastAppend(): void {
    for (const id of this.#progress.keys()) if (id !== this.#id) this.#sendAppend(id, true);
  }

  /** One is due, or a read waits: in both cases the next one is due an interval later, so none is late. */
  broadcastHeartbeat(): void {
    this.heartbeatTicks = 0;
    const { context } = this.#reads;
    for (const [to, progress] of this.#progress) {
      if (to === this.#id) continue;
      // Beyond its match the member's log may differ from the leader's: it must not commit there.
      const commit = Math.min(progress.match, this.#log.committed);
      const beat = { from: this.#id, to, commit, context };
      this.#host.send(heartbeat(progress, beat, this.#log.lastIndex, this.#ticks, this.#host.options));
    }
  }

  /** False when nothing was sent: it is paused, or `evenEmpty` is false and there is nothing new. */
  #sendAppend(to: NodeId, evenEmpty: boolean): boolean {
    const progress = this.#progress.get(to);
    if (progress === undefined || progress.isPaused) return false;
    const index = progress.next - 1;
    const logTerm = this.#log.term(index);
    if (logTerm === null) return this.#sendSnapshot(to, progress);
    const entries = progress.windowFull
      ? []
      : this.#log.slice(progress.next, this.#host.options.maxMessageBytes);
    if (entries.length === 0 && !evenEmpty) return false;
    const commit = this.#log.committed;
    this.#host.send(
      makeMessage({ type: "append", from: this.#id, to, index, logTerm, entries, commit }),
    );
    progress.sentEntries(entries.length, sumOfEntryBytes(entries));
    progress.sentCommit(commit);
    return true;
  }

  #sendSnapshot(to: NodeId, progress: Progress): boolean {
    // A snapshot may be large: none goes to a member that would not take it anyway.
    if (!progress.recentActive) return false;
    const { snapshot } = this.#log;
    assert(snapshot !== null, "entries are compacted but there is no snapshot of them");
    progress.becomeSnapshot(snapshot.index);
    this.#host.send(makeMessage({ type: "snapshot", from: this.#id, to, snapshot }));
    return true;
  }

  /** Sends an unanswered snapshot again, after a while: a transport need not notice its loss. */
  #watchSnapshot(progress: Progress): void {
    if (progress.state !== "snapshot") return;
    if (++progress.snapshotTicks >= SNAPSHOT_PATIENCE * this.#host.options.electionTicks) {
      progress.snapshotFailed();
    }
  }

  /** Takes a member's answer, or, from this server itself, the news that its own write is durable. */
  onAppendResponse(message: Message): void {
    const progress = this.#progress.get(message.from);
    if (progress === undefined) return;
    progress.heard(this.#ticks);
    if (message.reject) this.#onReject(message, progress);
    else this.#onAcknowledged(message, progress);
  }

  #onReject({ from, index, rejectHint, logTerm }: Message, progress: Progress): void {
    // The member named its last term at or below the rejected one. The logs cannot agree where this log has
    // later terms, so one probe per term finds the match, however long the differing tails are.
    const hint = logTerm > 0 ? this.#log.findConflictByTerm(rejectHint, logTerm).index : rejectHint;
    if (!progress.reject(index, hint)) return;
    if (progress.state === "replicate") progress.becomeProbe();
    this.#sendAppend(from, true);
  }

  #onAcknowledged({ from, index }: Message, progress: Progress): void {
    assert(
      index <= this.#log.lastIndex,
      `${from} acknowledged ${index}, which the leader's log does not hold`,
    );
    const isNews = progress.acknowledge(index);
    if (isNews) progress.wrote(this.#log.lastIndex, this.#ticks);
    // A probe that finds the match where it was assumed brings no news, but ends the probing.
    if (!isNews && !(index === progress.match && progress.state === "probe")) return;
    if (progress.state === "probe") progress.becomeReplicate();
    else if (progress.state === "snapshot" && progress.match + 1 >= this.#log.firstIndex) {
      // Whichever snapshot the member got, this log can serve it from here on.
      progress.becomeProbe();
      progress.becomeReplicate();
    }
    if (this.#advanceCommit()) {
      this.#beginReads();
      this.broadcastAppend();
    } else if (from !== this.#id && progress.canLearnCommit(this.#log.committed)) {
      // The member acknowledged before it knew of the commit: tell it now rather than at the next heartbeat.
      this.#sendAppend(from, true);
    }
    if (from === this.#id) return;
    while (this.#sendAppend(from, false)) {
      // One acknowledgement may free room for several messages.
    }
    if (from === this.#transferee && progress.match === this.#log.lastIndex) this.#sendTimeoutNow();
  }

  #advanceCommit(): boolean {
    const reached = majorityIndex(this.#configuration.voters, (id) => this.#progress.get(id)?.match ?? 0);
    if (reached <= this.#log.committed) return false;
    // An entry of an older term may be on a majority and still be overwritten by a leader that never saw it
    // (paper, figure 8). It is committed together with the first entry of this term behind it.
    const ownTerm = this.#log.term(reached) === this.#host.term;
    if (!ownTerm && !this.#host.options.isBroken("commit-old-term")) return false;
    this.#log.commitTo(reached);
    return true;
  }

  onHeartbeatResponse(message: Message): void {
    const progress = this.#progress.get(message.from);
    if (progress === undefined) return;
    progress.heard(this.#ticks);
    progress.paused = false;
    // A member that has everything but is being probed gets one too: its answer ends the probing.
    if (progress.match < this.#log.lastIndex || progress.state === "probe") {
      this.#sendAppend(message.from, true);
    }
    const round = contextNumber(message.context);
    if (round === null) return;
    this.#reads.answered(message.from, round);
    this.#confirmReads();
  }

  reportUnreachable(id: NodeId): void {
    const progress = this.#progress.get(id);
    // Messages sent ahead are probably lost.
    if (progress?.state === "replicate") progress.becomeProbe();
  }

  reportSnapshotProgress(id: NodeId): void {
    const progress = this.#progress.get(id);
    if (progress?.state === "snapshot") progress.snapshotTicks = 0;
  }

  reportSnapshot(id: NodeId, ok: boolean): void {
    const progress = this.#progress.get(id);
    if (progress?.state !== "snapshot") return;
    if (ok) progress.becomeProbe();
    else progress.snapshotFailed();
    // After success the member's own acknowledgement comes first; after a failure a heartbeat's time passes.
    progress.paused = true;
  }

  // --- reads ---

  read(request: ReadRequest): Dropped | null {
    if (this.#reads.size >= MAX_WAITING_READS) return dropped("tooManyReads");
    this.#reads.hold(request);
    this.#beginReads();
    return null;
  }

  #beginReads(): void {
    // Before an entry of this term is committed, the commit index may be behind what an earlier leader told
    // its clients. Once TimeoutNow is sent, the next leader may be at work already.
    if (!this.hasOwnTermCommit || this.#timeoutNowSent) return;
    if (!this.#reads.begin(this.#log.committed)) return;
    this.#confirmReads();
    if (this.#reads.round !== 0) this.broadcastHeartbeat();
  }

  #confirmReads(): void {
    const { voters } = this.#configuration;
    const confirmed = this.#host.options.isBroken("no-read-quorum")
      ? this.#reads.takeUnconfirmed()
      : this.#reads.takeConfirmed(voters, this.#id);
    for (const read of confirmed) this.#host.readConfirmed(read);
  }

  // --- leadership transfer (thesis 3.10) ---

  transfer(to: NodeId): TransferResult {
    if (to === this.#id) return dropped("alreadyLeader");
    const progress = this.#progress.get(to);
    if (progress === undefined || !this.#configuration.voters.includes(to)) return dropped("notVoter");
    if (to === this.#transferee) return { kind: "started" };
    this.#transferee = to;
    // These ticks are not those of the quorum check, which a caller that keeps asking must not hold up.
    this.#transferTicks = 0;
    if (progress.match === this.#log.lastIndex) this.#sendTimeoutNow();
    else this.#sendAppend(to, true);
    return { kind: "started" };
  }

  #sendTimeoutNow(): void {
    // From here on another leader may exist at any time, elected in spite of the followers' loyalty. Their
    // answers so far must not confirm a read any more.
    this.#reads.invalidate();
    this.#timeoutNowSent = true;
    this.#host.send(makeMessage({ type: "timeoutNow", from: this.#id, to: this.#transferee }));
  }

  #abortTransfer(): void {
    this.#transferee = NONE;
    this.#timeoutNowSent = false;
    this.#beginReads();
  }

  // --- configuration ---

  /**
   * Keeps the progress of members that stay, forgets those that left; new ones are expected to need `next`.
   */
  #followConfiguration(next: Index): void {
    const { voters, learners } = this.#configuration;
    const ids = [...voters, ...learners].sort((a, b) => a - b);
    this.#progress = new Map(ids.map((id) => {
      const known = this.#progress.get(id);
      if (known !== undefined) return [id, known];
      const { maxInflight, maxInflightBytes } = this.#host.options;
      const progress = new Progress(next, maxInflight, maxInflightBytes);
      progress.mustWrite(this.#log.lastIndex, this.#ticks);
      return [id, progress];
    }));
  }
}
