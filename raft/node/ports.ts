/**
 * Interfaces of raft/ to the outside world: clock, log storage, network, state machine. Each has a real
 * implementation and a simulated twin; raft/ touches the runtime inside the real ones only. Everything is
 * callback-driven and synchronous in between, so that a simulator can replay a run exactly.
 */
import type { Entry, HardState, Index, NodeId, Snapshot, Term } from "../core/types.ts";

/** A pending call of a Clock. */
export interface Timer {
  cancel(): void;
}

/** Time. Everything that waits or measures uses this. */
export interface Clock {
  /**
   * Current time in milliseconds (fractions allowed), of a clock that is never stepped or slewed and counts
   * suspends. The zero point is arbitrary but the same for every process of one host until it reboots.
   */
  now(): number;
  /**
   * Calls `fire` once, not before `delayMs`. A timer only wakes: code that waits for a deadline re-reads
   * now(). A timer that may be up to `earlyMs` early can share the wake-up of another one, or of a message;
   * a clock need not do so. @default earlyMs 0
   */
  after(delayMs: number, fire: () => void, earlyMs?: number): Timer;
  /**
   * Told when the process was woken by something else, such as a message, and has dealt with it: timers that
   * may be early can come now. @default nothing
   */
  awake?(): void;
  /**
   * Calls `fire` once, when the event loop has done what is at hand; never before this returns. Takes no
   * time.
   */
  soon(fire: () => void): void;
}

/** Contents of the log directory when it was opened. */
export interface StoredLog {
  readonly hardState: HardState;
  readonly snapshot: Snapshot | null;
  /** Entries after the snapshot, without gaps. */
  readonly entries: readonly Entry[];
  /** True when there has never been anything: neither term, vote, entry nor snapshot. */
  readonly empty: boolean;
}

/** Batch that is written together; `sync`: durable before it is answered. */
export interface LogBatch {
  readonly hardState: HardState | null;
  /**
   * Entries, written in order; the first one's index may lie below the end of the log, which is then
   * truncated first.
   */
  readonly entries: readonly Entry[];
  readonly snapshot: Snapshot | null;
  readonly sync: boolean;
}

/** Log on a disk, or in memory. */
export interface LogStorage {
  /** Returns the state found at opening; called once, before the first append. */
  load(): StoredLog;
  /**
   * Makes the batch durable, then calls `done`. Batches complete in order of submission. An error is final:
   * the node stops and nothing is retried (an fsync that failed once may lie the second time).
   */
  append(batch: LogBatch, done: (error: Error | null) => void): void;
  /** Forgets entries up to `index`, which a durable snapshot covers. */
  compact(index: Index): void;
  /**
   * Age in ms of the oldest write that is not durable yet; 0 when none. A leader with a hung disk steps down.
   */
  oldestPendingMs(): number;
  /**
   * Called again and again. Null: the disk has room. Otherwise says, for people, that it is full, and what to
   * do; the member steps aside meanwhile.
   */
  shortOfSpace(): string | null;
  close(): void;
}

/** Callbacks of a transport to its node. */
export interface TransportHandlers {
  /**
   * Called for a frame of a known, authenticated peer of this cluster. `channel` 0 carries raft, others are
   * opaque. Returns false when the frame was of no use (garbage, or more than a member may say): the
   * transport should read less of this peer for a while.
   */
  onFrame(from: NodeId, channel: number, payload: Uint8Array): unknown;
  onPeer(id: NodeId, connected: boolean): void;
  /** Called when a node of another cluster answers at the address of this member. */
  onOtherCluster?(id: NodeId): void;
  /**
   * Called for a question of a node that is no member but knows the password; `answer` is called once, if at
   * all. `flaw`: why the node cannot be the one at an address (its certificate is for another one); null: it
   * can.
   */
  onVisit?(
    question: Uint8Array,
    answer: (bytes: Uint8Array) => void,
    flaw: (addr: string) => string | null,
  ): void;
}

/** Another member, as the transport knows it. */
export interface TransportPeer {
  readonly id: NodeId;
  readonly name: string | null;
  /** Address at which it is reached: "host:port". */
  readonly addr: string;
}

/** Network. Best effort, unordered across reconnects, no retry: raft and the lease live with loss. */
export interface Transport {
  start(handlers: TransportHandlers): void;
  /**
   * Sends a frame; never blocks. False when there is no connection or its buffer is full: the frame is
   * dropped.
   */
  send(to: NodeId, channel: number, payload: Uint8Array): boolean;
  /**
   * Follows a change of the membership. `peers` are all other members: connections to them are kept up from
   * now on. `removed` nodes are not dialed, but still heard when they connect, to be told. A transport
   * without this function reaches every member anyway.
   */
  setPeers?(peers: readonly TransportPeer[], removed: readonly NodeId[]): void;
  close(): void;
}

/** State machine. Deterministic: the same entries give the same states on every member. */
export interface StateMachine {
  /**
   * Applies a command. `term` and `index` are those of the entry; `version` is that of the commands that all
   * members knew at this place of the log (RaftNodeOptions.commandVersion). Never throws, whatever the bytes
   * are: a command that it does not understand at that version, or that belongs to a later one, changes
   * nothing, on every member alike. The returned value reaches the proposer, if that is this node.
   */
  apply(command: Uint8Array, index: Index, term: Term, version: number): unknown;
  snapshot(): Uint8Array;
  /** Restores a snapshot. Throws when this program cannot read the bytes; then nothing has changed. */
  restore(data: Uint8Array): void;
  /**
   * Says, for people, why a command must not be proposed; null: it may be. Asked where it is proposed, and
   * again on the leader for commands that others pass on. @default every command may be
   */
  refusal?(command: Uint8Array, version: number): string | null;
  /** Says why `restore` would throw; null: it would not. @default it would not */
  snapshotFlaw?(data: Uint8Array): string | null;
}
