/**
 * A member of a raft cluster: drives the core with storage, network, clock and state machine. Synchronous and
 * driven by callbacks, without any clock or randomness of its own: simulators run this very class.
 *
 * Every call from outside is one turn (see turns.ts). Owns the storage and the transport: `stop` closes both.
 */
import type { RawNode } from "../core/raw_node.ts";
import { type Entry, type Index, type NodeId, NONE, type Term } from "../core/types.ts";
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
import { Components } from "./components.ts";
import type { CoreDriver } from "./core_driver.ts";
import type { StoredLog } from "./ports.ts";
import { type RaftNodeOptions, type ResolvedOptions, resolveRaftOptions } from "./raft_options.ts";
import { raftStatus } from "./raft_status.ts";
import type { Applied } from "./replicated_state.ts";
import { Turns } from "./turns.ts";
import { isUnreadable, UpgradeNeededError } from "./upgrade_needed.ts";

const DEFAULT_PROPOSE_TIMEOUT_MS = 5000;

/**
 * A member of a cluster: the core, its log, its connections and the state machine, driven by timers of the
 * given clock. Nothing happens before `start`. The event "fatal" or "removed" tells that the node has ended
 * for good.
 */
export class RaftNode implements Raft {
  readonly id: NodeId;
  readonly #options: ResolvedOptions;
  readonly #turns = new Turns(() => this.#settle());
  readonly #parts: Components;
  /** Driver of the core; null before this member takes part. */
  #driver: CoreDriver | null = null;
  #phase: "new" | "running" | "stopped" = "new";
  #listeners: ((event: RaftEvent) => void)[] = [];
  /** Term of the last applied entry. */
  #appliedTerm: Term = 0;
  /** First index applied since the last event "applied". */
  #appliedSince: Index | null = null;
  #removed = false;

  constructor(options: RaftNodeOptions) {
    this.#options = resolveRaftOptions(options);
    this.id = this.#options.id;
    this.#parts = new Components(this.#options, {
      driver: () => this.#driver,
      leadsWithOwnTerm: () => this.leadsWithOwnTerm(),
      turn: (work) => this.#turn(work),
      later: this.#turns.later,
      tick: (ticks) => this.#tick(ticks),
      emit: (event) => this.#emit(event),
      begin: (stored, founding) => this.#begin(stored, founding),
      onApplied: (entry, applied) => this.#onApplied(entry, applied),
      onRestored: (index) => this.#onRestored(index),
      leave: () => this.#leave(),
      fail: (error) => this.#fail(error),
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
      this.#parts.contacts.begin();
      this.#parts.pace.begin();
      const stored = storage.load();
      if (stored.empty) this.#parts.takingPart.ask();
      else this.#begin(stored, false);
      if (this.#phase !== "running") return;
      transport.start({
        onFrame: (from, channel, payload) => {
          let useful = true;
          const take = () => (useful = this.#parts.inbox.frame(from, channel, payload));
          // Other channels have nothing for the core.
          if (channel === 0) this.#timelyTurn(take);
          else this.#turn(take);
          return useful;
        },
        onPeer: (id, connected) => this.#turn(() => this.#onPeer(id, connected)),
        onOtherCluster: (id) => this.#turn(() => this.#parts.takingPart.otherCluster(id)),
        onVisit: (question, answer, flaw) =>
          this.#turn(() => this.#parts.visits.visit(question, answer, flaw)),
      });
    });
    this.#parts.pace.arm();
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
      const reason = this.#parts.stepAside.refusal ?? this.#parts.versions.refusal(version) ??
        this.#parts.state.refusal(command);
      if (reason !== null) this.#turns.later(() => done({ kind: "rejected", reason }));
      else this.#parts.proposals.add(command, done, { onlyInTerm, timeoutMs });
    });
  }

  read(done: (outcome: ReadOutcome) => void): void {
    if (this.#phase !== "running") return done({ kind: "rejected", reason: "the node is not running" });
    this.#timelyTurn(() => {
      const term = this.#parts.leadingTerm();
      const core = this.#core;
      if (term === null || !core) this.#parts.reads.add({ kind: "dropped", reason: "notLeader" }, 0, done);
      else this.#parts.reads.add(core.readIndex(), term, done);
    });
  }

  transferLeadership(to: NodeId, done: (error: string | null) => void): void {
    if (this.#phase !== "running") return done("the node is not running");
    this.#turn(() => {
      const deadlineMs = this.#options.clock.now() + this.#options.electionMaxMs;
      this.#parts.transfer.begin(this.#core, to, deadlineMs, done);
    });
  }

  addMember(member: NewMember, done: (outcome: AddOutcome) => void): void {
    this.#add(member, NONE, done);
  }

  removeMember(id: NodeId, done: (outcome: MemberOutcome) => void): void {
    if (this.#phase !== "running") return done({ kind: "rejected", reason: "the node is not running" });
    this.#turn(() => this.#parts.membership.remove(id, done));
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
    this.#turn(() => this.#parts.membership.add(member, replaces, done));
  }

  send(to: NodeId, channel: number, bytes: Uint8Array): void {
    if (this.#phase !== "running") return;
    if (to !== this.id) return void this.#options.transport.send(to, channel, bytes);
    this.#options.clock.soon(() => {
      if (this.#phase === "running") this.#parts.inbox.deliverOwn(this.id, channel, bytes);
    });
  }

  onChannel(channel: number, handler: (from: NodeId, bytes: Uint8Array) => void): void {
    this.#parts.inbox.onChannel(channel, handler);
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
    const core = this.#core?.status() ?? null;
    const expected = core === null ? members.map((member) => member.id) : [];
    return raftStatus(this.id, expected, core, {
      contacts: this.#parts.contacts,
      roundTrips: this.#parts.roundTrips,
      nowMs: clock.now(),
      applied: this.#parts.state.index,
      notVoting: this.#notVoting(),
      shortOfSpace: this.#parts.stepAside.shortage,
      agreedVersion: this.#parts.state.sessions.agreedVersion,
      infoOf: (id) => this.#parts.infoOf(id),
    });
  }

  #notVoting(): string | null {
    return this.#removed
      ? "this member was removed from the cluster"
      : this.#parts.takingPart.notVoting(this.#core);
  }

  // --- turns ---

  #turn(work: () => void): void {
    if (this.#phase === "running") this.#turns.run(work);
  }

  /** A turn in which the core may hear its leader, or send heartbeats: see pace.ts. */
  #timelyTurn(work: () => void): void {
    this.#turn(() => {
      this.#parts.pace.catchUp();
      work();
    });
    this.#parts.pace.rearm();
  }

  /** Ends a turn: carries out what the core asks for, then answers those that wait. */
  #settle(): void {
    this.#parts.proposals.flush();
    this.#driver?.pump();
    if (this.#phase !== "running") return;
    this.#parts.membership.settle();
    if (this.#appliedSince !== null) {
      this.#emit({ kind: "applied", index: this.#parts.state.index });
      this.#appliedSince = null;
    }
    if (this.#core) this.#parts.stateEvents.note(this.#core, this.#appliedTerm);
    this.#parts.transfer.settle(this.#core);
    this.#parts.reads.settle(this.#parts.state.index, this.#parts.leadingTerm());
    // The calls above may have asked something of the core.
    this.#driver?.pump();
  }

  #emit(event: RaftEvent): void {
    this.#turns.later(() => {
      for (const listener of this.#listeners) listener(event);
    });
  }

  // --- time ---

  #tick(ticks: number): void {
    this.#parts.stepAside.tick();
    for (let i = ticks; i > 0; i--) {
      this.#core?.tick();
      this.#parts.takingPart.tick();
      this.#parts.registrar.tick(this.leadsWithOwnTerm());
      this.#parts.versions.tick(this.leadsWithOwnTerm());
    }
    this.#driver?.writeCommit();
    this.#parts.snapshots.tick();
    this.#parts.proposals.tick();
    this.#parts.transfer.tick(this.#options.clock.now());
    this.#parts.membership.tick();
  }

  // --- network ---

  #onPeer(id: NodeId, connected: boolean): void {
    this.#parts.contacts.peer(id, connected);
    if (!connected) this.#driver?.reportUnreachable(id);
    if (this.#parts.takingPart.isAsking) this.#parts.takingPart.peer(id, connected);
    else if (connected) this.#parts.admissions.greet(id);
    this.#emit({ kind: "peer", id, connected });
  }

  // --- core ---

  #begin(stored: StoredLog, founding: boolean): void {
    const driver = this.#readable(() => this.#parts.newDriver(stored));
    if (driver === null) return;
    this.#driver = driver;
    this.#appliedTerm = stored.snapshot?.term ?? 0;
    // Members that connected while this node was asking know it as empty.
    for (const id of this.#parts.contacts.connected) this.#parts.admissions.greet(id);
    // Nobody leads what is being founded: the last founder need not wait for a timeout. Those before it ask
    // in vain, since the others do not take part yet; a pre-vote costs them nothing.
    if (founding) driver.core.campaign();
  }

  /** Runs `work`. When this program cannot read what the log holds, the node ends and the result is null. */
  #readable<T>(work: () => T): T | null {
    try {
      return work();
    } catch (error) {
      if (!isUnreadable(error)) throw error;
      this.#fail(error);
      return null;
    }
  }

  #onApplied(entry: Entry, applied: Applied): void {
    this.#appliedTerm = entry.term;
    this.#appliedSince ??= entry.index;
    if (applied.kind === "command") {
      this.#parts.proposals.applied(applied.envelope, entry.index, applied.result);
    }
    this.#parts.proposals.passed(entry.index, entry.term);
  }

  #onRestored(index: Index): void {
    this.#appliedTerm = this.#core?.entryTerm(index) ?? this.#appliedTerm;
    this.#appliedSince ??= index;
    this.#parts.proposals.restored(index, this.#parts.state.sessions);
  }

  // --- end ---

  #fail(error: Error): void {
    const unreadable = isUnreadable(error);
    const event = error instanceof UpgradeNeededError ? "raft_upgrade_needed" : "raft_storage_failed";
    this.#options.log("error", event, error.message);
    this.#emit({ kind: "fatal", error });
    this.#end(unreadable ? error.message : `the raft log cannot be written: ${error.message}`);
  }

  /** This node is a member no more, for good. */
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
    this.#parts.pace.end();
    this.#driver?.stop();
    this.#turns.run(() => {
      this.#parts.proposals.endAll(reason);
      this.#parts.reads.endAll(reason);
      this.#parts.transfer.end(reason);
      this.#parts.membership.end(reason);
    });
    this.#options.transport.close();
    this.#options.storage.close();
  }
}
