/**
 * What raft/ needs from the outside world, as interfaces: clock, log storage, network, state machine. Each
 * has a real implementation and a simulated twin; raft/ itself never touches the runtime except inside the
 * real ones. Everything is callback-driven and synchronous in between, so that a simulator can replay a run
 * exactly.
 */
import type { Entry, HardState, Index, NodeId, Snapshot, Term } from "../core/types.ts";

/** What a Clock was asked for and has not done yet. */
export interface Timer {
  cancel(): void;
}

/** Time. Everything that waits or measures does so by this. */
export interface Clock {
  /**
   * Milliseconds (fractions allowed) of a clock that is never stepped or slewed and counts suspends. The zero
   * point is arbitrary but the same for every process of one host until it reboots.
   */
  now(): number;
  /**
   * Calls `fire` once, not before `delayMs`. A timer only wakes: whoever waits for a deadline re-reads now().
   */
  after(delayMs: number, fire: () => void): Timer;
  /**
   * Calls `fire` once, when what the event loop has at hand is done; never before this returns. Takes no
   * time.
   */
  soon(fire: () => void): void;
}

/** What the log directory held when it was opened. */
export interface StoredLog {
  readonly hardState: HardState;
  readonly snapshot: Snapshot | null;
  /** Entries after the snapshot, without gaps. */
  readonly entries: readonly Entry[];
  /** True when there has never been anything: neither term, vote, entry nor snapshot. */
  readonly empty: boolean;
}

/** What is to be written together; `sync`: durable before it is answered. */
export interface LogBatch {
  readonly hardState: HardState | null;
  /**
   * Written in order; the first one's index may lie below the end of the log, which is then truncated first.
   */
  readonly entries: readonly Entry[];
  readonly snapshot: Snapshot | null;
  readonly sync: boolean;
}

/** The log on a disk, or in memory. */
export interface LogStorage {
  /** State found at opening; called once, before the first append. */
  load(): StoredLog;
  /**
   * Makes the batch durable, then calls `done`. Batches complete in order of submission. An error is final:
   * the node stops and nothing is retried (an fsync that failed once may lie the second time).
   */
  append(batch: LogBatch, done: (error: Error | null) => void): void;
  /** Forget entries up to `index`, which a durable snapshot covers. */
  compact(index: Index): void;
  /**
   * Age in ms of the oldest write that is not durable yet; 0 when none. A leader with a hung disk steps down.
   */
  oldestPendingMs(): number;
  /**
   * Called again and again. Null: the disk has room. Otherwise, for people, that it is full, and what to do:
   * the member steps aside while it is so.
   */
  shortOfSpace(): string | null;
  close(): void;
}

/** What a transport tells its node. */
export interface TransportHandlers {
  /**
   * A frame of a known, authenticated peer of our cluster. `channel` 0 carries raft, others are opaque.
   * Returns false when it was of no use (garbage, or more than a member may say): the transport should read
   * less of this peer for a while.
   */
  onFrame(from: NodeId, channel: number, payload: Uint8Array): unknown;
  onPeer(id: NodeId, connected: boolean): void;
  /** At the address of this member somebody answers who belongs to another cluster. */
  onOtherCluster?(id: NodeId): void;
  /**
   * A question of somebody who is no member but knows the password; `answer` is called once, if at all.
   * `flaw`: why it cannot be the one at this address (its certificate is for another one); null: it can.
   */
  onVisit?(
    question: Uint8Array,
    answer: (bytes: Uint8Array) => void,
    flaw: (addr: string) => string | null,
  ): void;
}

/** Another member, as the transport needs to know it. */
export interface TransportPeer {
  readonly id: NodeId;
  readonly name: string | null;
  /** Where it is reached: "host:port". */
  readonly addr: string;
}

/** Best effort, unordered across reconnects, no retry: raft and the lease live with loss. */
export interface Transport {
  start(handlers: TransportHandlers): void;
  /** Never blocks. False when there is no connection or its buffer is full: the frame is dropped. */
  send(to: NodeId, channel: number, payload: Uint8Array): boolean;
  /**
   * The membership has changed: connections to `peers`, all the others, are kept up from now on. `removed`
   * are no members any more; they are not sought, but still heard when they come, to be told. Where a
   * transport has no such function, it reaches everybody anyway.
   */
  setPeers?(peers: readonly TransportPeer[], removed: readonly NodeId[]): void;
  close(): void;
}

/** Deterministic: the same entries give the same states on every member. */
export interface StateMachine {
  /**
   * `term` and `index` are those of the entry; `version`: that of the commands that all members knew at this
   * place of the log (RaftNodeOptions.commandVersion). Never throws, whatever the bytes are: what it does not
   * understand at that version, or what belongs to a later one, changes nothing, on every member alike. The
   * returned value reaches the proposer, if it is this node.
   */
  apply(command: Uint8Array, index: Index, term: Term, version: number): unknown;
  snapshot(): Uint8Array;
  /** Throws when these bytes are no snapshot that this program can read; then nothing has changed. */
  restore(data: Uint8Array): void;
  /**
   * Why a command must not be proposed, for people; null: it may. Asked where it is proposed and again on the
   * leader, of commands that others pass on. @default every command may
   */
  refusal?(command: Uint8Array, version: number): string | null;
  /** Why `restore` would throw; null: it would not. @default it would not */
  snapshotFlaw?(data: Uint8Array): string | null;
}
