/**
 * What a server does because it leads: replicate, count, confirm reads, hand over, change the configuration.
 *
 * One LeaderTerm is one term at the head: it is created at the election and dropped at the step-down, and
 * everything that must not survive that (progress, pending transfer, pending reads, uncommitted bytes) is a
 * field of it. A flag that outlives its leadership, and makes a later one refuse writes for ever, cannot
 * exist.
 */
import { assert } from "./assert.ts";
import { EMPTY_BYTES } from "./bytes.ts";
import { changeConfiguration, type ConfigChange, encodeConfiguration } from "./configuration.ts";
import type { RaftLog } from "./log.ts";
import { contextNumber, makeMessage, numberContext, sumOfEntryBytes } from "./message.ts";
import type { RaftOptions } from "./options.ts";
import { type Dropped, dropped, type DropReason, type Proposal, type TransferResult } from "./outcome.ts";
import { Progress } from "./progress.ts";
import { majority, majorityIndex } from "./quorum.ts";
import { type ConfirmedRead, ReadIndexQueue, type ReadRequest } from "./read_index.ts";
import { type Configuration, type Entry, type EntryKind, type Message, NONE } from "./types.ts";
import type { Index, NodeId, Term } from "./types.ts";

/** A learner may be promoted when it lacks at most this many entries. */
const CAUGHT_UP_ENTRIES = 64;
/** Election timeouts until a snapshot that nobody answered counts as lost. */
const SNAPSHOT_PATIENCE = 10;
/** Reads that may wait at once; each is answered within a round trip, so more means that nothing is. */
const MAX_WAITING_READS = 4096;

/** What the leader's part needs of the server that it is a part of. */
export interface LeaderHost {
  readonly options: RaftOptions;
  readonly log: RaftLog;
  readonly term: Term;
  /** Stamps the sender and the term; decides what must be durable first. */
  send(message: Message): void;
  readConfirmed(read: ConfirmedRead): void;
}

export class LeaderTerm {
  readonly #host: LeaderHost;
  readonly #log: RaftLog;
  readonly #id: NodeId;
  /** Everyone in the configuration, ourselves included, ascending: messages leave in this order. */
  #progress = new Map<NodeId, Progress>();
  readonly #reads = new ReadIndexQueue();
  #transferee: NodeId = NONE;
  #transferTicks = 0;
  /** Somebody was told to take over, and the transfer has not been given up since. */
  #timeoutNowSent = false;
  #heartbeatTicks = 0;
  /** Since the election. */
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
    // Only what is durable here counts for us; the rest is counted when our own write acknowledges it.
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
   * Entries of older terms prove nothing about the commit index of their leaders (paper, section 8): before
   * an entry of our own term is committed we may be behind what clients were told.
   */
  get hasOwnTermCommit(): boolean {
    return this.#log.term(this.#log.committed) === this.#host.term;
  }

  get #configuration(): Configuration {
    return this.#log.configuration;
  }

  // --- time ---

  /** One tick. `electionTimeoutOver`: once per election timeout. False when we may lead no longer. */
  tick(electionTimeoutOver: boolean): boolean {
    this.#ticks++;
    // A leader that does not hear from a majority cannot commit; stepping down frees its clients, and lets
    // others, who may hear it and not each other, elect one that can (partial mesh).
    if (electionTimeoutOver && this.#host.options.checkQuorum && !this.#quorumActive()) return false;
    if (this.#transferee !== NONE && ++this.#transferTicks >= this.#host.options.electionTicks) {
      // The target may be gone; refusing proposals for longer would cost more than the transfer is worth.
      this.#abortTransfer();
    }
    for (const progress of this.#progress.values()) this.#watchSnapshot(progress);
    if (++this.#heartbeatTicks >= this.#host.options.heartbeatTicks) {
      this.#heartbeatTicks = 0;
      this.broadcastHeartbeat();
    }
    return true;
  }

  #quorumActive(): boolean {
    const { voters } = this.#configuration;
    const active = voters.filter((id) => this.#progress.get(id)?.recentActive === true).length;
    for (const [id, progress] of this.#progress) if (id !== this.#id) progress.recentActive = false;
    return active >= majority(voters.length);
  }

  /** Whether `id` has answered within the last election timeout. */
  #inContact(id: NodeId): boolean {
    if (id === this.#id) return true;
    const heardAtTick = this.#progress.get(id)?.heardAtTick ?? -Infinity;
    return this.#ticks - heardAtTick < this.#host.options.electionTicks;
  }

  // --- proposals ---

  /**
   * The empty entry that every leader appends first: with its commit all earlier entries are committed too.
   */
  appendNoop(): void {
    this.#appendOwn([{ kind: "normal", data: EMPTY_BYTES }]);
  }

  propose(commands: readonly Uint8Array[]): Proposal {
    // A target that never gets to the end of a growing log would never be told to take over.
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
    // Two changes in flight may differ by two servers from what a majority still uses.
    if (this.#log.configurationIndex > this.#log.committed) return dropped("configPending");
    const next = changeConfiguration(this.#configuration, change);
    if (typeof next === "string") return dropped(next);
    const refusal = this.#refusalOf(change, next);
    if (refusal !== null) return dropped(refusal);
    if (!this.#appendOwn([{ kind: "config", data: encodeConfiguration(next) }])) {
      return dropped("tooMuchUncommitted");
    }
    // A new server's log is unknown: probe from the entry that made it one.
    this.#followConfiguration(this.#log.lastIndex);
    this.broadcastAppend();
    return { kind: "appended", index: this.#log.lastIndex, term: this.#host.term };
  }

  /**
   * Whoever is counted on after a change has completed a write within one election timeout. Answers to
   * heartbeats need no disk: with members that only talk, a smaller group would commit nothing, a member that
   * is promoted would be one more to wait for, and should they come back empty, nobody could be elected.
   */
  #refusalOf(change: ConfigChange, next: Configuration): DropReason | null {
    if (change.kind === "addLearner") return null;
    // A leader outside of its configuration would have to count majorities that it is no part of.
    if (change.id === this.#id) return "removesLeader";
    const promoted = change.kind === "promote" ? change.id : NONE;
    if (promoted !== NONE) {
      const missing = this.#log.lastIndex - (this.#progress.get(promoted)?.match ?? 0);
      if (!this.#inContact(promoted) || missing > CAUGHT_UP_ENTRIES) return "notCaughtUp";
      if (this.#diskHangs(promoted)) return "diskHangs";
    }
    const needed = majority(next.voters.length);
    const enough = (ids: readonly NodeId[]) =>
      ids.length >= needed && (promoted === NONE || ids.includes(promoted));
    if (enough(next.voters.filter((id) => this.#writes(id)))) return null;
    const hopeful = next.voters.filter((id) => this.#inContact(id) && !this.#diskHangs(id));
    if (!enough(hopeful)) return "wouldLoseQuorum";
    // At rest nobody has had anything to write: an entry without a command shows who can.
    const idle = hopeful.some((id) => !this.#writes(id) && this.#progress.get(id)?.owesSinceTick === null);
    if (idle && this.#appendOwn([{ kind: "normal", data: EMPTY_BYTES }])) this.broadcastAppend();
    return "writesUnproven";
  }

  /**
   * It is in contact, has made an entry of our term durable within one election timeout, and does not owe one
   * for half of that: then it is waited for, until it either acknowledges or hangs.
   */
  #writes(id: NodeId): boolean {
    const progress = this.#progress.get(id);
    if (progress === undefined || !this.#inContact(id)) return false;
    const { electionTicks, isBroken } = this.#host.options;
    if (isBroken("count-hung-disks")) return true;
    const { match, wroteAtTick, owesSinceTick } = progress;
    return this.#log.term(match) === this.#host.term && this.#ticks - wroteAtTick < electionTicks &&
      this.#ticks - (owesSinceTick ?? this.#ticks) < electionTicks / 2;
  }

  /** It owes the acknowledgement of a write, and has completed none for an election timeout. */
  #diskHangs(id: NodeId): boolean {
    const since = this.#progress.get(id)?.owesSinceTick ?? null;
    return since !== null && this.#ticks - since >= this.#host.options.electionTicks;
  }

  /** Of those in contact, who complete no write: ascending. */
  get hanging(): readonly NodeId[] {
    return [...this.#progress.keys()].filter((id) => this.#inContact(id) && this.#diskHangs(id));
  }

  #appendOwn(commands: readonly { kind: EntryKind; data: Uint8Array }[]): boolean {
    const size = commands.reduce((sum, { data }) => sum + data.length, 0);
    // The first proposal always fits: one that is too large alone would otherwise never pass.
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
    // Our own vote for these entries: it returns to us when they are durable here, and is counted only then.
    // A leader that counted what its disk may yet lose would, with one server, acknowledge writes that
    // vanish.
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

  /** Committed entries were applied: they no longer weigh on the uncommitted tail. */
  applied(entries: readonly Entry[]): void {
    const bytes = entries.reduce((sum, { data }) => sum + data.length, 0);
    this.#uncommittedBytes = Math.max(0, this.#uncommittedBytes - bytes);
  }

  // --- replication ---

  broadcastAppend(): void {
    for (const id of this.#progress.keys()) if (id !== this.#id) this.#sendAppend(id, true);
  }

  broadcastHeartbeat(): void {
    const { round } = this.#reads;
    const context = round === 0 ? EMPTY_BYTES : numberContext(round);
    for (const [id, progress] of this.#progress) {
      if (id === this.#id) continue;
      // Beyond its match the member's log may differ from ours: it must not commit there.
      const commit = Math.min(progress.match, this.#log.committed);
      this.#host.send(makeMessage({ type: "heartbeat", from: this.#id, to: id, commit, context }));
      progress.sentCommit(commit);
    }
  }

  /** False when nothing was sent: paused, or `evenEmpty` is false and there is nothing new. */
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
    // It may be large: not to those who would not take it anyway.
    if (!progress.recentActive) return false;
    const { snapshot } = this.#log;
    assert(snapshot !== null, "entries are compacted but there is no snapshot of them");
    progress.becomeSnapshot(snapshot.index);
    this.#host.send(makeMessage({ type: "snapshot", from: this.#id, to, snapshot }));
    return true;
  }

  /**
   * A transport need not notice that a snapshot was lost: without an answer it is sent again, after a while.
   */
  #watchSnapshot(progress: Progress): void {
    if (progress.state !== "snapshot") return;
    if (++progress.snapshotTicks >= SNAPSHOT_PATIENCE * this.#host.options.electionTicks) {
      progress.snapshotFailed();
    }
  }

  /** A member's answer, or, from ourselves, the news that our own write is durable. */
  onAppendResponse(message: Message): void {
    const progress = this.#progress.get(message.from);
    if (progress === undefined) return;
    progress.heard(this.#ticks);
    if (message.reject) this.#onReject(message, progress);
    else this.#onAcknowledged(message, progress);
  }

  #onReject({ from, index, rejectHint, logTerm }: Message, progress: Progress): void {
    // The member told its last term at or below the rejected one; at all places of ours with later terms the
    // logs cannot agree, so one probe per term finds the match, however long the differing tails are.
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
    // A probe that finds the match where it was assumed is no news, but it ends the probing.
    if (!isNews && !(index === progress.match && progress.state === "probe")) return;
    if (progress.state === "probe") progress.becomeReplicate();
    else if (progress.state === "snapshot" && progress.match + 1 >= this.#log.firstIndex) {
      // Whatever snapshot it got: from here on our log can carry it.
      progress.becomeProbe();
      progress.becomeReplicate();
    }
    if (this.#advanceCommit()) {
      this.#beginReads();
      this.broadcastAppend();
    } else if (from !== this.#id && progress.canLearnCommit(this.#log.committed)) {
      // It acknowledged before it knew of the commit: tell it now rather than at the next heartbeat.
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
    // (paper, figure 8). It is committed together with the first entry of our own term behind it.
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
    // Also to a member that has everything but is being probed: its answer ends the probing.
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
    // What was sent ahead is probably lost.
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
    // After success its own acknowledgement comes first; after a failure a heartbeat's time passes.
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
    // Before an entry of our own term is committed our commit index may be behind what an earlier leader told
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
    // Counted apart from the check of the quorum: a caller that keeps asking must not keep that from
    // happening.
    this.#transferTicks = 0;
    if (progress.match === this.#log.lastIndex) this.#sendTimeoutNow();
    else this.#sendAppend(to, true);
    return { kind: "started" };
  }

  #sendTimeoutNow(): void {
    // From here on another leader may exist at any time, elected in spite of our followers' loyalty: what
    // they have answered so far must not confirm a read any more.
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

  /** Keeps what is known of members, forgets those that left, and expects new ones to need `next`. */
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
