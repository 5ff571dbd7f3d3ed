/**
 * Carries out what the core asks for: writes, sends, applies, takes snapshots. Safety rests on the order of
 * these: see the contract in core/raw_node.ts. Owns the core; everything is called from one turn at a time.
 */
import type { BrokenRules } from "../core/broken_rules.ts";
import { contextNumber, encodeMessage } from "../core/message.ts";
import { announcements } from "./hand_over.ts";
import { RawNode } from "../core/raw_node.ts";
import type { RawNodeConfig } from "../core/options.ts";
import type { Entry, HardState, Index, Message, NodeId, ReadState, Ready, Snapshot } from "../core/types.ts";
import type { LogBatch, LogStorage, Transport } from "./ports.ts";
import type { Applied, ReplicatedState } from "./replicated_state.ts";
import { isUnreadable } from "./upgrade_needed.ts";

const SNAPSHOT_EVERY_BYTES = 1024 * 1024;
/**
 * Bytes of entries kept behind a snapshot: together with what follows it, two snapshots and whole segments,
 * the log stays below 16 MiB.
 */
const KEEP_BYTES = 4 * 1024 * 1024;

export interface CoreDriverOptions {
  readonly core: RawNodeConfig;
  readonly storage: LogStorage;
  readonly transport: Transport;
  readonly state: ReplicatedState;
  readonly snapshotEveryEntries: number;
  readonly keepEntries: number;
  /** See RaftNodeOptions. */
  readonly broken: BrokenRules;
  /** Runs the consequences of a completed write as a turn of its own. */
  readonly turn: (work: () => void) => void;
  /**
   * Runs `work` as a turn of its own when the event loop has done what is at hand; never before this returns.
   */
  readonly soon: (work: () => void) => void;
  readonly onApplied: (entry: Entry, applied: Applied) => void;
  /** Told each heartbeat that is sent, with its round of reads. @default not told */
  readonly onHeartbeat?: (to: NodeId, round: number | null) => void;
  /** Sends a snapshot in pieces; false where it goes as one message. */
  readonly sendPieces: (message: Message, snapshot: Snapshot) => boolean;
  /** Called when the state has jumped forward to a snapshot that the leader sent. */
  readonly onRestored: (index: Index) => void;
  readonly onReadStates: (states: readonly ReadState[]) => void;
  /** Called when a write failed, or the log holds what this program cannot read: the driver has stopped. */
  readonly onFailure: (error: Error) => void;
}

interface Writing {
  readonly ready: Ready;
  durable: boolean;
}

export class CoreDriver {
  readonly core: RawNode;
  /**
   * True: messages that only a leader sends are withheld, because this member's disk hangs and the others
   * should elect another leader.
   */
  mutedAsLeader = false;
  #options: CoreDriverOptions;
  /** Readys whose writes are not all durable, oldest first. */
  #writing: Writing[] = [];
  #stopped = false;
  #snapshotIndex: Index;
  #appliedBytes = 0;
  /** Hard state whose commit index is not written yet; its term and vote are. */
  #unwritten: HardState | null = null;
  #takingSnapshot = false;
  /** Messages that tell only the commit index, see #send. */
  #notices = new Map<NodeId, Message>();

  constructor(options: CoreDriverOptions) {
    this.#options = options;
    const { snapshot } = options.core.storage;
    if (snapshot) options.state.restore(snapshot.data, snapshot.index);
    this.#snapshotIndex = snapshot?.index ?? 0;
    this.core = new RawNode({ ...options.core, asyncStorage: true });
  }

  /** Stops: nothing is sent, written or applied any more, whatever still completes. */
  stop(): void {
    this.#stopped = true;
  }

  /** Works until the core asks for nothing more. */
  pump(): void {
    while (!this.#stopped && this.core.hasReady()) this.#carryOut(this.core.ready());
  }

  #carryOut(ready: Ready): void {
    for (const message of ready.messages) this.#send(message);
    this.#options.onReadStates(ready.readStates);
    if (!this.#understood(() => ready.committed.forEach((entry) => this.#apply(entry)))) return;
    this.core.advanceApply(ready);
    this.#write(ready);
    if (ready.committed.length > 0) this.#snapshotIfDue();
  }

  /** Runs `work`; false when it met what this program cannot read. */
  #understood(work: () => void): boolean {
    try {
      work();
      return true;
    } catch (error) {
      if (!isUnreadable(error)) throw error;
      this.stop();
      this.#options.onFailure(error);
      return false;
    }
  }

  #apply(entry: Entry): void {
    this.#appliedBytes += entry.data.length;
    this.#options.onApplied(entry, this.#options.state.apply(entry));
  }

  #write(ready: Ready): void {
    const writing: Writing = { ready, durable: false };
    this.#writing.push(writing);
    const { entries, snapshot, mustSync } = ready;
    const hardState = ready.hardState ?? this.#unwritten;
    if (!mustSync) {
      // The messages of this Ready promise what earlier writes hold, so it waits for these, but for no write
      // of its own. The commit index is computed anew after a restart. It goes with the next write, or by
      // writeCommit when none comes.
      this.#unwritten = hardState;
      writing.durable = true;
      this.#finishDurable();
      return;
    }
    this.#unwritten = null;
    const { broken } = this.#options;
    const kept = broken.has("vote-not-persisted") ? null : hardState;
    const durable = () => {
      writing.durable = true;
      this.#finishDurable();
    };
    const early = broken.has("ack-before-fsync");
    this.#append({ hardState: kept, entries, snapshot, sync: true }, early ? () => {} : durable);
    if (early) durable();
  }

  /** Writes the commit index if no other write has taken it along; called now and then. */
  writeCommit(): void {
    const hardState = this.#unwritten;
    if (!hardState || this.isWriting || this.#stopped) return;
    this.#unwritten = null;
    if (this.#options.broken.has("vote-not-persisted")) return;
    this.#append({ hardState, entries: [], snapshot: null, sync: false }, () => {});
  }

  /** Whether some write is not durable yet. */
  get isWriting(): boolean {
    return this.#writing.length > 0;
  }

  #append(batch: LogBatch, durable: () => void): void {
    this.#options.storage.append(batch, (error) => {
      if (this.#stopped) return;
      this.#options.turn(() => error ? this.#options.onFailure(error) : durable());
    });
  }

  #finishDurable(): void {
    while (!this.#stopped && this.#writing[0]?.durable) {
      const { ready } = this.#writing.shift()!;
      const { snapshot } = ready;
      if (snapshot) {
        if (!this.#understood(() => this.#options.state.restore(snapshot.data, snapshot.index))) return;
        this.#snapshotTaken(snapshot);
      }
      for (const message of ready.messagesAfterAppend) this.#send(message);
      this.core.advanceAppend(ready);
      if (snapshot) this.#options.onRestored(snapshot.index);
    }
  }

  /**
   * Sends a message. One without entries can wait until the proposers that the commit has answered had a
   * chance to propose more: the next one with entries says everything it would have said. Dropping it is
   * safe, since a network may drop any message.
   */
  #send(message: Message): void {
    const { type, to, entries } = message;
    if (type !== "append") return this.#sendNow(message);
    if (entries.length > 0) {
      this.#notices.delete(to);
      return this.#sendNow(message);
    }
    if (this.#notices.size === 0) this.#options.soon(() => this.#sendNotices());
    this.#notices.set(to, message);
  }

  #sendNotices(): void {
    if (this.#stopped) return;
    const notices = [...this.#notices.values()];
    this.#notices.clear();
    for (const message of notices) this.#sendNow(message);
  }

  #sendNow(message: Message): void {
    const { type, to, snapshot } = message;
    const ofLeader = type === "append" || type === "heartbeat" || type === "snapshot";
    if (snapshot !== null && !this.mutedAsLeader && this.#options.sendPieces(message, snapshot)) return;
    for (const one of announcements(message, this.core.configuration.voters)) {
      this.#options.transport.send(one.to, 0, encodeMessage(one));
    }
    const sent = !(ofLeader && this.mutedAsLeader) &&
      this.#options.transport.send(to, 0, encodeMessage(message));
    if (type === "heartbeat" && sent) this.#options.onHeartbeat?.(to, contextNumber(message.context));
    if (type === "snapshot") this.core.reportSnapshot(to, sent);
    if (!sent && ofLeader) this.reportUnreachable(to);
  }

  reportUnreachable(id: NodeId): void {
    this.core.reportUnreachable(id);
  }

  #snapshotIfDue(): void {
    const { state, snapshotEveryEntries, keepEntries } = this.#options;
    const due = state.index - this.#snapshotIndex >= snapshotEveryEntries ||
      this.#appliedBytes >= SNAPSHOT_EVERY_BYTES;
    if (due) this.#takeSnapshot(keepEntries);
  }

  /** Takes a snapshot now; `done` is called when it is durable. False: there is nothing new for one. */
  snapshotNow(done: () => void): boolean {
    return this.#takeSnapshot(this.#options.keepEntries, done);
  }

  /** Makes room on the disk: drops every entry that a snapshot of the current state can replace. */
  shrinkLog(): void {
    this.#takeSnapshot(0);
  }

  #takeSnapshot(keepEntries: number, done: () => void = () => {}): boolean {
    const { state, storage } = this.#options;
    if (this.#takingSnapshot || this.#stopped || state.index <= this.#snapshotIndex) return false;
    // The log already begins behind the applied state: a received snapshot is being written, and holds more
    // than one of this state would.
    if (this.core.firstIndex > state.index + 1) return false;
    const snapshot = this.core.makeSnapshot(state.index, state.snapshot());
    // A member that joined does not know the voters before the first configuration in its log.
    if (snapshot.configuration.voters.length === 0) return false;
    this.#takingSnapshot = true;
    this.#snapshotIndex = snapshot.index;
    this.#appliedBytes = 0;
    this.#append({ hardState: null, entries: [], snapshot, sync: true }, () => {
      this.#takingSnapshot = false;
      const upTo = this.core.compactionPoint(snapshot.index, keepEntries, KEEP_BYTES);
      this.core.compact(snapshot, upTo);
      if (upTo > 0) storage.compact(upTo);
      done();
    });
    return true;
  }

  #snapshotTaken(snapshot: Snapshot): void {
    this.#snapshotIndex = Math.max(this.#snapshotIndex, snapshot.index);
    this.#appliedBytes = 0;
  }
}
