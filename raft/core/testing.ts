/**
 * Tools for the core's own tests: single nodes with a disk that keeps what was made durable, and a network of
 * such nodes that delivers messages when told to. Every message passes the codec on its way. Not part of the
 * product.
 */
import type { StoredLog } from "../node/ports.ts";
import { assert } from "./assert.ts";
import { MemoryStoredLog } from "./memory_log.ts";
import { decodeMessage, encodeMessage, makeMessage } from "./message.ts";
import type { RawNodeConfig } from "./options.ts";
import { RawNode } from "./raw_node.ts";
import type {
  Entry,
  HardState,
  Index,
  Message,
  MessageType,
  NodeId,
  ReadState,
  Ready,
  Snapshot,
  Term,
} from "./types.ts";

export type TestOptions = Partial<Omit<RawNodeConfig, "id" | "initialVoters">>;

/** Raft as in the paper, without PreVote and CheckQuorum. */
export const PAPER: TestOptions = { preVote: false, checkQuorum: false };

export function storedLog(parts: Partial<StoredLog> = {}): StoredLog {
  const hardState: HardState = { term: parts.entries?.at(-1)?.term ?? 0, vote: 0, commit: 0 };
  return { hardState, snapshot: null, entries: [], empty: parts.entries === undefined, ...parts };
}

/** Entries from `first` on with these terms. */
export function entriesOf(terms: readonly Term[], first: Index = 1): Entry[] {
  return terms.map((term, at) => ({
    term,
    index: first + at,
    kind: "normal",
    data: bytesOf(`${term}/${first + at}`),
  }));
}

/** Contents of a log directory with entries of these terms. */
export function storedTerms(terms: readonly Term[], hardState: Partial<HardState> = {}): StoredLog {
  const stored = storedLog({ entries: entriesOf(terms) });
  return { ...stored, hardState: { ...stored.hardState, ...hardState } };
}

export function bytesOf(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

export function textOf(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}

export function newNode(id: NodeId, voters: readonly NodeId[], options: TestOptions = {}): RawNode {
  return new RawNode({
    id,
    initialVoters: voters,
    storage: storedLog(),
    electionTicks: 10,
    ...options,
  });
}

/** Carries out at once everything the node asks for; returns the messages it sent. */
export function flush(node: RawNode, visit: (ready: Ready) => void = () => {}): Message[] {
  const sent: Message[] = [];
  while (node.hasReady()) {
    const ready = node.ready();
    visit(ready);
    sent.push(...ready.messages, ...ready.messagesAfterAppend);
    node.advance(ready);
  }
  return sent;
}

/** A message to node 1 unless told otherwise. */
export function message(type: MessageType, from: NodeId, fields: Partial<Message> = {}): Message {
  return makeMessage({ type, from, to: 1, ...fields });
}

/** Lets `node` win an election with the votes of `granting`. */
export function makeLeader(node: RawNode, granting: readonly NodeId[]): void {
  node.campaign();
  flush(node);
  for (const role of ["preVote", "vote"] as const) {
    for (const from of granting) {
      const term = node.term + (role === "preVote" ? 1 : 0);
      node.step(message(`${role}Response`, from, { to: node.id, term }));
    }
    flush(node);
  }
  assert(node.role === "leader", `${node.id} was not elected`);
}

/** Writes what a Ready asks for. */
export function writeReady(disk: MemoryStoredLog, { hardState, snapshot, entries }: Ready): void {
  if (snapshot !== null) disk.applySnapshot(snapshot);
  disk.append(entries);
  if (hardState !== null) disk.setHardState(hardState);
}

export class Member {
  readonly id: NodeId;
  readonly disk: MemoryStoredLog;
  readonly readStates: ReadState[] = [];
  /** State machine: the commands applied so far. */
  commands: string[] = [];
  node: RawNode;
  readonly #create: (storage: StoredLog) => RawNode;

  constructor(id: NodeId, stored: StoredLog, create: (storage: StoredLog) => RawNode) {
    this.id = id;
    this.disk = new MemoryStoredLog(stored);
    this.#create = create;
    this.node = create(stored);
    this.#restoreState();
  }

  /** Restarts the member: it loses everything that was not durable. */
  restart(): void {
    this.node = this.#create(this.disk);
    this.readStates.length = 0;
    this.#restoreState();
  }

  flush(): Message[] {
    return flush(this.node, (ready) => {
      writeReady(this.disk, ready);
      if (ready.snapshot !== null) this.#restore(ready.snapshot);
      for (const entry of ready.committed) {
        if (entry.kind === "normal" && entry.data.length > 0) this.commands.push(textOf(entry.data));
      }
      this.readStates.push(...ready.readStates);
    });
  }

  /** Snapshots the applied state, and keeps `keep` entries behind it. */
  compact(keep = 0): void {
    const snapshot = this.node.makeSnapshot(this.node.applied, bytesOf(JSON.stringify(this.commands)));
    this.disk.compact(snapshot);
    this.node.compact(snapshot, Math.max(0, snapshot.index - keep));
  }

  #restoreState(): void {
    this.commands = [];
    const { snapshot } = this.disk;
    if (snapshot !== null) this.#restore(snapshot);
  }

  #restore(snapshot: Snapshot): void {
    this.commands = snapshot.data.length === 0 ? [] : JSON.parse(textOf(snapshot.data));
  }
}

export class Network {
  readonly members = new Map<NodeId, Member>();
  /** Every message that was sent, delivered or not. */
  readonly sent: Message[] = [];
  /** Decides which messages are lost. */
  drop: (message: Message) => boolean = () => false;
  readonly #voters: readonly NodeId[];
  readonly #options: TestOptions;
  readonly #cut = new Set<string>();
  #queue: Message[] = [];

  constructor(
    voters: readonly NodeId[],
    options: TestOptions = {},
    stored: Readonly<Record<NodeId, StoredLog>> = {},
  ) {
    this.#voters = voters;
    this.#options = options;
    for (const id of voters) this.add(id, { ...options, storage: stored[id] });
  }

  /** Adds a server to the network; the configuration decides whether it is a member of the cluster. */
  add(id: NodeId, options: TestOptions = this.#options): Member {
    const create = (storage: StoredLog) => newNode(id, this.#voters, { ...options, storage });
    const member = new Member(id, options.storage ?? storedLog(), create);
    this.members.set(id, member);
    return member;
  }

  member(id: NodeId): Member {
    const member = this.members.get(id);
    assert(member !== undefined, `no member ${id}`);
    return member;
  }

  node(id: NodeId): RawNode {
    return this.member(id).node;
  }

  /** Messages from `from` to `to` are lost until heal(). */
  cut(from: NodeId, to: NodeId): void {
    this.#cut.add(`${from}>${to}`);
  }

  isolate(id: NodeId): void {
    for (const other of this.members.keys()) {
      this.cut(id, other);
      this.cut(other, id);
    }
  }

  heal(): void {
    this.#cut.clear();
    this.drop = () => false;
  }

  /** Collects what the nodes want to send, and delivers until none has anything left to send. */
  settle(): void {
    for (let rounds = 0;; rounds++) {
      assert(rounds < 10_000, "the network does not come to rest");
      this.collect();
      const next = this.#queue.shift();
      if (next === undefined) return;
      this.deliver(next);
    }
  }

  /** Carries out all Readys; their messages wait in the network. */
  collect(): void {
    for (const member of this.members.values()) this.post(...member.flush());
  }

  post(...messages: readonly Message[]): void {
    this.sent.push(...messages);
    this.#queue.push(...messages);
  }

  /** Takes the waiting messages out of the network. */
  take(): Message[] {
    const taken = this.#queue;
    this.#queue = [];
    return taken;
  }

  deliver(sent: Message): void {
    if (this.#cut.has(`${sent.from}>${sent.to}`) || this.drop(sent)) return;
    this.members.get(sent.to)?.node.step(decodeMessage(encodeMessage(sent)));
  }

  /** Ticks all nodes, or `ids`, and settles after each tick. */
  tick(count: number, ids: Iterable<NodeId> = this.members.keys()): void {
    const ticked = [...ids];
    for (let i = 0; i < count; i++) {
      for (const id of ticked) this.node(id).tick();
      this.settle();
    }
  }

  elect(id: NodeId): RawNode {
    this.node(id).campaign();
    this.settle();
    assert(this.node(id).role === "leader", `${id} was not elected`);
    return this.node(id);
  }

  propose(id: NodeId, command: string): void {
    this.node(id).propose(bytesOf(command));
    this.settle();
  }

  /** Leader of the highest term; NONE when there is none. */
  leader(): NodeId {
    const leaders = [...this.members.values()].filter(({ node }) => node.role === "leader");
    return leaders.sort((a, b) => b.node.term - a.node.term)[0]?.id ?? 0;
  }
}
