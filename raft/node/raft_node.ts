/**
 * A member of a raft cluster: drives the core with storage, network, clock and state machine. Synchronous and
 * driven by callbacks, without any clock or randomness of its own: simulators run this very class.
 *
 * Every call from outside is one turn (see turns.ts). Owns the storage and the transport: `stop` closes both.
 */
import { DecodeError } from "../core/bytes.ts";
import { decodeMessage, typeOfMessage } from "../core/message.ts";
import type { RawNode } from "../core/raw_node.ts";
import { type Entry, type Index, type Message, type NodeId, NONE, type Term } from "../core/types.ts";
import {
  ADMISSION_CHANNEL,
  type AdmissionMessage,
  decodeAdmission,
  encodeAdmission,
} from "./admission_messages.ts";
import type {
  AddOutcome,
  MemberOutcome,
  NewMember,
  ProposeOutcome,
  Raft,
  RaftEvent,
  RaftStatus,
  ReadOutcome,
} from "./api.ts";
import { ChannelBudget, costOf, costOnceRead, messagesIn } from "./channel_budget.ts";
import { Contacts } from "./contacts.ts";
import { CoreDriver } from "./core_driver.ts";
import { encodeEnvelope } from "./envelope.ts";
import { GarbageLog } from "./garbage_log.ts";
import { HandOver } from "./hand_over.ts";
import { lieOf } from "./lie_of.ts";
import { Membership } from "./membership.ts";
import { MEMBERS_CHANNEL } from "./member_messages.ts";
import { Pace } from "./pace.ts";
import type { StoredLog } from "./ports.ts";
import { Proposals } from "./proposals.ts";
import {
  type MemberInfo,
  type RaftNodeOptions,
  type ResolvedOptions,
  resolveRaftOptions,
} from "./raft_options.ts";
import { raftStatus } from "./raft_status.ts";
import { Reads } from "./reads.ts";
import { Registrar } from "./registrar.ts";
import { type Applied, ReplicatedState } from "./replicated_state.ts";
import { SNAPSHOT_CHANNEL } from "./snapshot_messages.ts";
import { SnapshotTransfers } from "./snapshot_transfers.ts";
import { StepAside } from "./step_aside.ts";
import { TakingPart } from "./taking_part.ts";
import { Transfer } from "./transfer.ts";
import { Turns } from "./turns.ts";
import { isUnreadable, UpgradeNeededError } from "./upgrade_needed.ts";
import { Versions } from "./versions.ts";
import { Visits } from "./visits.ts";

const DEFAULT_PROPOSE_TIMEOUT_MS = 5000;

type StateEvent = Extract<RaftEvent, { kind: "state" }>;

/**
 * A member of a cluster: the core, its log, its connections and the state machine, driven by timers of the
 * given clock. Nothing happens before `start`. What ends it for good comes as the event "fatal" or "removed".
 */
export class RaftNode implements Raft {
  readonly id: NodeId;
  #options: ResolvedOptions;
  #turns = new Turns(() => this.#settle());
  #state: ReplicatedState;
  #proposals: Proposals;
  #reads: Reads;
  #registrar: Registrar;
  #transfer: Transfer;
  #membership: Membership;
  #visits: Visits;
  #takingPart: TakingPart;
  /** Null before we take part. */
  #driver: CoreDriver | null = null;
  #contacts: Contacts;
  #pace: Pace;
  #phase: "new" | "running" | "stopped" = "new";
  #channels = new Map<number, (from: NodeId, bytes: Uint8Array) => void>();
  #listeners: ((event: RaftEvent) => void)[] = [];
  #garbage = new GarbageLog(
    () => this.#options.clock.now(),
    (from, text) =>
      this.#options.log("warning", "raft_garbage", `unusable message of ${this.#nameOf(from)}: ${text}`),
  );
  /** What members say on all channels but raft's own, and what they ask of this one on that. */
  #budget = new ChannelBudget(() => this.#options.clock.now());
  #requestBudget = new ChannelBudget(() => this.#options.clock.now());
  /** Term of the last applied entry. */
  #appliedTerm: Term = 0;
  #appliedSince: Index | null = null;
  #lastState: StateEvent = { kind: "state", role: "follower", leader: null, term: 0, ownTermApplied: false };
  #snapshots: SnapshotTransfers;
  #stepAside: StepAside;
  #versions: Versions;
  #handOver = new HandOver();
  #removed = false;

  constructor(options: RaftNodeOptions) {
    const resolved = resolveRaftOptions(options);
    this.#options = resolved;
    this.id = resolved.id;
    const { clock, instance, stateMachine } = resolved;
    const { later } = this.#turns;
    this.#contacts = new Contacts({ now: () => clock.now(), electionMaxMs: resolved.electionMaxMs });
    this.#pace = new Pace({
      ...resolved,
      leaderSilentMs: () => this.#leaderSilentMs(),
      wake: (ticks) => this.#turn(() => this.#tick(ticks)),
    });
    this.#takingPart = new TakingPart({
      ...resolved,
      tell: (to, message) => this.#tell(to, message),
      nameOf: (id) => this.#nameOf(id),
      begin: (stored) => this.#begin(stored),
      fail: (error) => this.#fail(error),
      turn: (work) => this.#turn(work),
    });
    this.#state = new ReplicatedState(stateMachine, resolved.commandVersion);
    this.#reads = new Reads(later);
    this.#transfer = new Transfer(later);
    this.#proposals = this.#newProposals();
    this.#stepAside = new StepAside({
      storage: resolved.storage,
      clock,
      log: resolved.log,
      electionMinMs: resolved.electionMinMs,
      driver: () => this.#driver,
    });
    this.#snapshots = new SnapshotTransfers({
      ...resolved,
      driver: () => this.#driver,
      step: (message) => this.#stepMessage(message),
      isRemoved: (id) => this.#membership.turnAway(id),
      nameOf: (id) => this.#nameOf(id),
    });
    this.#registrar = new Registrar({
      id: this.id,
      instance,
      sessions: this.#state.sessions,
      propose: (member, directory) =>
        void this.#core?.propose(encodeEnvelope({ kind: "joined", member, instance: directory })),
    });
    this.#versions = this.#newVersions();
    this.#membership = new Membership({
      ...resolved,
      records: this.#state.members,
      core: () => this.#core,
      contacts: this.#contacts,
      leads: () => this.leadsWithOwnTerm(),
      tellRemoved: (id) => this.#tell(id, { kind: "removed" }),
      later,
    });
    this.#visits = this.#newVisits();
  }

  #newProposals(): Proposals {
    const { clock, random } = this.#options;
    return new Proposals({
      origin: this.id,
      incarnation: Math.floor(random() * 2 ** 48),
      now: () => clock.now(),
      propose: (data) => this.#core?.propose(data) ?? { kind: "dropped", reason: "noLeader" },
      proposeAll: (data) => this.#core?.proposeAll(data) ?? { kind: "dropped", reason: "noLeader" },
      busy: () => this.#core?.role === "leader" && (this.#driver?.isWriting ?? false),
      leadingTerm: () => this.#leadingTerm(),
      later: this.#turns.later,
    });
  }

  #newVersions(): Versions {
    return new Versions({
      id: this.id,
      own: this.#options.commandVersion,
      sessions: this.#state.sessions,
      configuration: () => this.#core?.configuration ?? null,
      nameOf: (id) => this.#nameOf(id),
      propose: (version) => void this.#core?.propose(encodeEnvelope({ kind: "version", version })),
    });
  }

  #newVisits(): Visits {
    const { clusterId, founded, members, strangersMayJoin, mayJoin } = this.#options;
    return new Visits({
      clusterId,
      founded,
      addresses: members.map(({ addr }) => addr),
      core: () => this.#core,
      leads: () => this.leadsWithOwnTerm(),
      knowsLog: () => this.#takingPart.knowsLog,
      contacts: this.#contacts,
      infoOf: (id) => this.#infoOf(id),
      records: this.#state.members,
      sessions: this.#state.sessions,
      add: (member, replaces, done) => this.#membership.add(member, replaces, done),
      members: () => this.#membership.all(),
      strangersMayJoin,
      mayJoin,
    });
  }

  get #core(): RawNode | null {
    return this.#driver?.core ?? null;
  }

  // --- Raft ---

  start(): void {
    if (this.#phase !== "new") throw new Error("a raft node is started once");
    this.#phase = "running";
    const { storage, transport } = this.#options;
    this.#turns.run(() => {
      this.#contacts.begin();
      this.#pace.begin();
      const stored = storage.load();
      if (stored.empty) this.#takingPart.ask();
      else this.#begin(stored);
      if (this.#phase !== "running") return;
      transport.start({
        onFrame: (from, channel, payload) => {
          let useful = true;
          this.#turn(() => (useful = this.#onFrame(from, channel, payload)));
          return useful;
        },
        onPeer: (id, connected) => this.#turn(() => this.#onPeer(id, connected)),
        onOtherCluster: (id) => this.#turn(() => this.#takingPart.otherCluster(id)),
        onVisit: (question, answer, flaw) => this.#turn(() => this.#visits.visit(question, answer, flaw)),
      });
    });
    this.#pace.arm();
  }

  stop(): void {
    this.#end("the node was stopped");
  }

  propose(
    command: Uint8Array,
    done: (outcome: ProposeOutcome) => void,
    options: { onlyInTerm?: Term | undefined; timeoutMs?: number; version?: number } = {},
  ): void {
    const { onlyInTerm = null, timeoutMs = DEFAULT_PROPOSE_TIMEOUT_MS, version = 1 } = options;
    if (this.#phase !== "running") return done({ kind: "rejected", reason: "the node is not running" });
    this.#turn(() => {
      const reason = this.#stepAside.refusal ?? this.#versions.refusal(version) ??
        this.#state.refusal(command);
      if (reason !== null) this.#turns.later(() => done({ kind: "rejected", reason }));
      else this.#proposals.add(command, done, { onlyInTerm, timeoutMs });
    });
  }

  read(done: (outcome: ReadOutcome) => void): void {
    if (this.#phase !== "running") return done({ kind: "rejected", reason: "the node is not running" });
    this.#turn(() => {
      const term = this.#leadingTerm();
      const core = this.#core;
      if (term === null || !core) this.#reads.add({ kind: "dropped", reason: "notLeader" }, 0, done);
      else this.#reads.add(core.readIndex(), term, done);
    });
  }

  transferLeadership(to: NodeId, done: (error: string | null) => void): void {
    if (this.#phase !== "running") return done("the node is not running");
    this.#turn(() => {
      const deadlineMs = this.#options.clock.now() + this.#options.electionMaxMs;
      this.#transfer.begin(this.#core, to, deadlineMs, done);
    });
  }

  addMember(member: NewMember, done: (outcome: AddOutcome) => void): void {
    this.#add(member, NONE, done);
  }

  removeMember(id: NodeId, done: (outcome: MemberOutcome) => void): void {
    if (this.#phase !== "running") return done({ kind: "rejected", reason: "the node is not running" });
    this.#turn(() => this.#membership.remove(id, done));
  }

  replaceMember(id: NodeId, member: NewMember, done: (outcome: AddOutcome) => void): void {
    this.#add(member, id, done);
  }

  takeSnapshot(done: (outcome: MemberOutcome) => void): void {
    if (this.#phase !== "running") return done({ kind: "rejected", reason: "the node is not running" });
    this.#turn(() => {
      const { later } = this.#turns;
      const begun = this.#driver?.snapshotNow(() => later(() => done({ kind: "done" }))) ?? false;
      if (!begun) later(() => done({ kind: "rejected", reason: "there is nothing new for a snapshot" }));
    });
  }

  #add(member: NewMember, replaces: NodeId, done: (outcome: AddOutcome) => void): void {
    if (this.#phase !== "running") return done({ kind: "rejected", reason: "the node is not running" });
    this.#turn(() => this.#membership.add(member, replaces, done));
  }

  send(to: NodeId, channel: number, bytes: Uint8Array): void {
    if (this.#phase !== "running") return;
    if (to !== this.id) return void this.#options.transport.send(to, channel, bytes);
    this.#options.clock.soon(() => {
      if (this.#phase === "running") this.#channels.get(channel)?.(this.id, bytes);
    });
  }

  onChannel(channel: number, handler: (from: NodeId, bytes: Uint8Array) => void): void {
    if (channel < 1 || channel >= SNAPSHOT_CHANNEL) throw new RangeError(`channel ${channel} is reserved`);
    this.#channels.set(channel, handler);
  }

  onEvent(handler: (event: RaftEvent) => void): void {
    this.#listeners.push(handler);
  }

  leadsWithOwnTerm(): boolean {
    return this.#phase === "running" && this.#core?.role === "leader" &&
      this.#appliedTerm === this.#core.term;
  }

  status(): RaftStatus {
    const { members, clock } = this.#options;
    const expected = members.map((member) => member.id);
    return raftStatus(this.id, expected, this.#core?.status() ?? null, {
      contacts: this.#contacts,
      nowMs: clock.now(),
      applied: this.#state.index,
      notVoting: this.#notVoting,
      shortOfSpace: this.#stepAside.shortage,
      agreedVersion: this.#state.sessions.agreedVersion,
      infoOf: (id) => this.#infoOf(id),
    });
  }

  // --- turns ---

  #turn(work: () => void): void {
    if (this.#phase === "running") this.#turns.run(work);
  }

  /** Ends a turn: carries out what the core asks for, then tells who waits. */
  #settle(): void {
    this.#proposals.flush();
    this.#driver?.pump();
    if (this.#phase !== "running") return;
    this.#membership.settle();
    if (this.#appliedSince !== null) {
      this.#emit({ kind: "applied", index: this.#state.index });
      this.#appliedSince = null;
    }
    this.#noteState();
    this.#transfer.settle(this.#core);
    this.#reads.settle(this.#state.index, this.#leadingTerm());
    // What the above asked of the core, if anything.
    this.#driver?.pump();
  }

  #noteState(): void {
    const core = this.#core;
    if (!core) return;
    const { role, term } = core;
    const leader = core.leader === NONE ? null : core.leader;
    const last = this.#lastState;
    const ownTermApplied = role === "leader" && this.#appliedTerm === term;
    const moved = role !== last.role || leader !== last.leader || term !== last.term;
    if (!moved && ownTermApplied === last.ownTermApplied) return;
    this.#lastState = { kind: "state", role, leader, term, ownTermApplied };
    this.#emit(this.#lastState);
    if (!moved) return;
    const who = leader === null
      ? "no leader"
      : leader === this.id
      ? "this member leads"
      : `leader ${this.#nameOf(leader)}`;
    this.#options.log("info", "raft_state", `${role} in term ${term}, ${who}`);
    if (role === "leader" && (last.role !== "leader" || last.term !== term)) this.#registrar.leading();
    if (leader !== null) this.#proposals.leaderChanged();
    if (leader !== null) this.#membership.leaderChanged();
  }

  #emit(event: RaftEvent): void {
    this.#turns.later(() => {
      for (const listener of this.#listeners) listener(event);
    });
  }

  // --- time ---

  /** See Pace. */
  #leaderSilentMs(): number | null {
    const core = this.#core;
    if (!core || core.leader === NONE) return null;
    return core.role === "leader"
      ? 0
      : this.#options.clock.now() - (this.#contacts.lastHeardMs(core.leader) ?? 0);
  }

  #tick(ticks: number): void {
    this.#stepAside.look();
    for (let i = ticks; i > 0; i--) {
      this.#core?.tick();
      this.#takingPart.tick();
      this.#registrar.tick(this.leadsWithOwnTerm());
      this.#versions.tick(this.leadsWithOwnTerm());
    }
    this.#driver?.writeCommit();
    this.#snapshots.tick();
    this.#proposals.tick();
    this.#transfer.tick(this.#options.clock.now());
    this.#membership.tick();
  }

  // --- network ---

  #onPeer(id: NodeId, connected: boolean): void {
    this.#contacts.peer(id, connected);
    if (!connected) this.#driver?.reportUnreachable(id);
    if (this.#takingPart.isAsking) this.#takingPart.peer(id, connected);
    else if (connected) this.#tellInstance(id);
    this.#emit({ kind: "peer", id, connected });
  }

  /** False: see TransportHandlers. */
  #onFrame(from: NodeId, channel: number, payload: Uint8Array): boolean {
    // A removed member is told so, and nothing it says counts: only its id is known any more, not who may
    // bear it.
    if (this.#membership.turnAway(from)) return false;
    this.#contacts.heard(from);
    if (channel === 0) return this.#onRaftFrame(from, payload);
    // As many bytes as the log's state has: what they cost is bounded by the transport.
    if (channel === SNAPSHOT_CHANNEL) return this.#snapshots.frame(from, payload);
    const own = channel === ADMISSION_CHANNEL || channel === MEMBERS_CHANNEL;
    const handler = this.#channels.get(channel);
    if (handler === undefined && !own) return false;
    const budget = own ? this.#requestBudget : this.#budget;
    if (!budget.take(from, messagesIn(payload.length))) {
      this.#garbage.note(from, "more than it may say");
      return false;
    }
    if (channel === ADMISSION_CHANNEL) this.#onAdmissionFrame(from, payload);
    else if (channel === MEMBERS_CHANNEL) this.#membership.frame(from, payload);
    else if (handler !== undefined) this.#turns.later(() => handler(from, payload));
    return true;
  }

  #onRaftFrame(from: NodeId, payload: Uint8Array): boolean {
    if (!this.#driver) return true;
    try {
      // Before it is read, which copies it.
      const cost = costOf(typeOfMessage(payload), payload.length);
      if (cost > 0 && !this.#requestBudget.take(from, cost)) {
        throw new DecodeError("more than it may ask for");
      }
      const message = decodeMessage(payload);
      if (message.from !== from) throw new DecodeError(`from ${message.from}`);
      const flaw = this.#stepMessage(message);
      if (flaw !== null) throw new DecodeError(flaw);
      return true;
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
      this.#garbage.note(from, error.message);
      return false;
    }
  }

  /** Why it was not given to the core, for people; null: it was, or had to be dropped. */
  #stepMessage(message: Message): string | null {
    this.#registrar.heard(message.from);
    const cost = costOnceRead(message, this.#leadingTerm() !== null);
    if (cost > 0 && !this.#requestBudget.take(message.from, cost)) return "more than it may ask for";
    if (this.#stepAside.refuses(message)) return null;
    const flaw = this.#flawOf(message);
    const core = this.#core;
    if (flaw !== null || core === null) return flaw;
    if (!this.#handOver.believes(message, core)) return "it asks for votes as if the leader had told it to";
    core.step(message);
    return null;
  }

  /**
   * What is in the log is applied by every member for ever, and a snapshot that was written is restored at
   * each start: so both are judged before they get there. The sender's program may be an older one, or at
   * fault.
   */
  #flawOf(message: Message): string | null {
    const { type, from, entries, snapshot } = message;
    const lie = this.#core ? lieOf(message, this.#core) : null;
    if (lie !== null) return lie;
    if (snapshot !== null) return this.#state.snapshotFlaw(snapshot.data);
    if (type !== "propose" || this.#core?.role !== "leader") return null;
    for (const { data } of entries) {
      const refusal = this.#state.refusalOfForwarded(from, data);
      if (refusal !== null) return `what it proposes is refused: ${refusal}`;
    }
    return null;
  }

  // --- admission ---

  #tell(to: NodeId, message: AdmissionMessage): void {
    this.#options.transport.send(to, ADMISSION_CHANNEL, encodeAdmission(this.#options.clusterId, message));
  }

  #onAdmissionFrame(from: NodeId, payload: Uint8Array): void {
    const message = decodeAdmission(this.#options.clusterId, payload);
    if (message?.kind === "removed") this.#toldRemoved(from);
    if (message?.kind === "hello") {
      const { instance, empty } = message;
      this.#registrar.hello(from, instance);
      this.#versions.hello(from, message.version);
      this.#snapshots.hello(from, message.pieces);
      if (!empty) return;
      // Null: not admitted, or that is being written.
      const { term, lastIndex } = this.#core ?? { term: this.#takingPart.term, lastIndex: 0 };
      const verdict = this.#registrar.verdict(
        from,
        instance,
        lastIndex > 0 || this.#takingPart.knowsLog,
        this.leadsWithOwnTerm(),
      );
      this.#tell(from, { kind: "answer", instance, verdict, term });
    } else if (message?.kind === "answer") this.#takingPart.answer(from, message);
  }

  #infoOf(id: NodeId): MemberInfo {
    return this.#membership.infoOf(id) ?? { id, name: null, addr: "" };
  }

  #nameOf(id: NodeId): string {
    return this.#infoOf(id).name ?? String(id);
  }

  get #notVoting(): string | null {
    if (this.#removed) return "this member was removed from the cluster";
    if (this.#takingPart.isAsking) return this.#takingPart.waitsFor;
    if (!this.#core) return "it was admitted, and writes that to its log";
    const listens = this.#core?.configuration.learners.includes(this.id) ?? false;
    return listens ? "this member has no vote (yet): it only follows" : null;
  }

  // --- core ---

  #begin(stored: StoredLog): void {
    const { members, join, storage, transport, random, tickMs, broken, snapshotEveryEntries, keepEntries } =
      this.#options;
    const ticks = (ms: number) => Math.max(1, Math.round(ms / tickMs));
    const driver = this.#readable(() =>
      new CoreDriver({
        core: {
          id: this.id,
          storage: stored,
          initialVoters: join ? [] : members.map((member) => member.id),
          electionTicks: ticks(this.#options.electionMinMs),
          electionTicksMax: ticks(this.#options.electionMaxMs),
          heartbeatTicks: ticks(this.#options.heartbeatMs),
          random,
          // With a disk that hangs no vote could become durable.
          mayVote: () => !this.#stepAside.diskHangs,
          broken,
        },
        storage,
        transport,
        state: this.#state,
        snapshotEveryEntries,
        keepEntries,
        broken,
        turn: (work) => this.#turn(work),
        soon: (work) => this.#options.clock.soon(() => this.#turn(work)),
        sendPieces: (message, snapshot) => this.#snapshots.send(message, snapshot),
        onApplied: (entry, applied) => this.#onApplied(entry, applied),
        onRestored: (index) => this.#onRestored(index),
        onReadStates: (states) => this.#reads.confirmed(states),
        onFailure: (error) => this.#fail(error),
      })
    );
    if (driver === null) return;
    this.#driver = driver;
    this.#appliedTerm = stored.snapshot?.term ?? 0;
    // Members that were connected while we asked know us as empty.
    for (const id of this.#contacts.connected) this.#tellInstance(id);
  }

  /** Null, and the end of this node, when this program cannot read what the log holds. */
  #readable<T>(work: () => T): T | null {
    try {
      return work();
    } catch (error) {
      if (!isUnreadable(error)) throw error;
      this.#fail(error);
      return null;
    }
  }

  #tellInstance(to: NodeId): void {
    const { instance, commandVersion: version } = this.#options;
    this.#tell(to, { kind: "hello", instance, empty: false, version, pieces: true });
  }

  #onApplied(entry: Entry, applied: Applied): void {
    this.#appliedTerm = entry.term;
    this.#appliedSince ??= entry.index;
    if (applied.kind === "command") this.#proposals.applied(applied.envelope, entry.index, applied.result);
    this.#proposals.passed(entry.index, entry.term);
  }

  #onRestored(index: Index): void {
    this.#appliedTerm = this.#core?.entryTerm(index) ?? this.#appliedTerm;
    this.#appliedSince ??= index;
    this.#proposals.restored(index, this.#state.sessions);
  }

  /** The current term while we lead, else null. */
  #leadingTerm(): Term | null {
    const core = this.#core;
    return core?.role === "leader" ? core.term : null;
  }

  // --- end ---

  #fail(error: Error): void {
    const unreadable = isUnreadable(error);
    const event = error instanceof UpgradeNeededError ? "raft_upgrade_needed" : "raft_storage_failed";
    this.#options.log("error", event, error.message);
    this.#emit({ kind: "fatal", error });
    this.#end(unreadable ? error.message : `the raft log cannot be written: ${error.message}`);
  }

  /**
   * Whoever hears a leader is a member: a leader speaks to nobody else. So another member's word does not
   * count meanwhile; it is repeated whenever we speak to it.
   */
  #toldRemoved(from: NodeId): void {
    const { leader = NONE } = this.#core ?? {};
    if (leader === NONE || leader === from) this.#leave();
  }

  /** We are no member any more, for good. */
  #leave(): void {
    if (this.#removed || this.#phase !== "running") return;
    this.#removed = true;
    const text =
      "this member was removed from the cluster and has stopped: its raft directory is of no use any more";
    this.#options.log("error", "raft_removed", text);
    this.#emit({ kind: "removed" });
    this.#end("this member was removed from the cluster");
  }

  #end(reason: string): void {
    if (this.#phase === "stopped") return;
    const wasRunning = this.#phase === "running";
    this.#phase = "stopped";
    if (!wasRunning) return;
    this.#pace.end();
    this.#driver?.stop();
    this.#turns.run(() => {
      this.#proposals.endAll(reason);
      this.#reads.endAll(reason);
      this.#transfer.end(reason);
      this.#membership.end(reason);
    });
    this.#options.transport.close();
    this.#options.storage.close();
  }
}
