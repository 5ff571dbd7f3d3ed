/**
 * The servers of a story and the network between them. Nothing happens by itself: Readys are carried out and
 * messages delivered when a command says so. Every message passes the codec on its way. Pure.
 */
import { MemoryStoredLog } from "../memory_log.ts";
import { decodeMessage, encodeMessage } from "../message.ts";
import { DEFAULT_ELECTION_TICKS } from "../options.ts";
import type { RawNode } from "../raw_node.ts";
import { describeEntry, describeMessage, describeReady, describeSnapshot } from "./story_describe.ts";
import { StoryError } from "./story_text.ts";
import { bytesOf, newNode, type TestOptions, textOf, writeReady } from "../testing.ts";
import type { Entry, Message, MessageType, NodeId, Ready, Snapshot } from "../types.ts";

/** Number of rounds after which a story that does not come to rest is given up. */
const MAX_ROUNDS = 1000;

/** Command of the state machine, and its place in the log. */
type Applied = readonly [index: number, command: string];

interface Server {
  readonly id: NodeId;
  readonly options: TestOptions;
  readonly voters: readonly NodeId[];
  readonly disk: MemoryStoredLog;
  node: RawNode;
  /** With asynchronous storage: Readys that are handed over and not yet done, oldest first. */
  writing: Ready[];
  applying: Ready[];
  applied: Applied[];
}

export interface Delivery {
  /** Senders whose messages are lost. */
  readonly drop?: readonly NodeId[];
  readonly types?: readonly MessageType[];
  /** Largest number of messages to deliver. */
  readonly count?: number;
}

export class StoryWorld {
  readonly #servers = new Map<NodeId, Server>();
  readonly #cut = new Set<string>();
  #network: Message[] = [];
  #recorded: Message[] = [];

  get ids(): NodeId[] {
    return [...this.#servers.keys()];
  }

  add(options: TestOptions, voters: readonly NodeId[]): NodeId {
    const id = this.#servers.size + 1;
    const disk = new MemoryStoredLog(options.storage);
    const node = newNode(id, voters, options);
    const server: Server = { id, options, voters, disk, node, writing: [], applying: [], applied: [] };
    this.#restoreStored(server);
    this.#servers.set(id, server);
    return id;
  }

  node(id: NodeId): RawNode {
    return this.#server(id).node;
  }

  electionTicks(id: NodeId): number {
    return this.#server(id).options.electionTicks ?? DEFAULT_ELECTION_TICKS;
  }

  /** Restarts a server: it loses what was not durable. Messages on their way are kept. */
  restart(id: NodeId): void {
    const server = this.#server(id);
    server.node = newNode(id, server.voters, { ...server.options, storage: server.disk });
    server.writing = [];
    server.applying = [];
    this.#restoreStored(server);
  }

  // --- Readys ---

  /** Carries out one Ready, or with asynchronous storage hands it over. */
  processReady(id: NodeId): string[] {
    const server = this.#server(id);
    if (!server.node.hasReady()) return [`${id}: nothing to do`];
    const ready = server.node.ready();
    const lines = describeReady(ready);
    this.#network.push(...ready.messages);
    if (server.options.asyncStorage) {
      server.writing.push(ready);
      if (ready.committed.length > 0) server.applying.push(ready);
    } else {
      lines.push(...this.#write(server, ready));
      this.#apply(server, ready);
      server.node.advance(ready);
    }
    // The only message is an acknowledgement of a server to itself.
    if (lines.length === 0) return [];
    return [`${id}:`, ...lines.map((line) => `  ${line}`)];
  }

  /** Makes the oldest write of a server with asynchronous storage durable. */
  processAppend(id: NodeId): string[] {
    const server = this.#server(id);
    const ready = server.writing.shift();
    if (ready === undefined) return [`${id}: nothing to write`];
    const lines = this.#write(server, ready);
    server.node.advanceAppend(ready);
    const { entries, snapshot } = ready;
    const what = snapshot !== null ? [`snapshot ${describeSnapshot(snapshot)}`] : entries.map(describeEntry);
    return [
      `${id}: durable ${what.length === 0 ? "" : what.join(", ")}`.trimEnd(),
      ...lines.map((l) => `  ${l}`),
    ];
  }

  processApply(id: NodeId): string[] {
    const server = this.#server(id);
    const ready = server.applying.shift();
    if (ready === undefined) return [`${id}: nothing to apply`];
    this.#apply(server, ready);
    server.node.advanceApply(ready);
    return [`${id}: applied ${ready.committed.map(describeEntry).join(", ")}`];
  }

  #write(server: Server, ready: Ready): string[] {
    writeReady(server.disk, ready);
    if (ready.snapshot !== null) this.#restore(server, ready.snapshot);
    this.#network.push(...ready.messagesAfterAppend);
    return ready.messagesAfterAppend.map((message) => `then send ${describeMessage(message)}`);
  }

  #apply(server: Server, ready: Ready): void {
    for (const { index, kind, data } of ready.committed) {
      if (kind === "normal" && data.length > 0) server.applied.push([index, textOf(data)]);
    }
  }

  // --- network ---

  /**
   * Cuts the connection of two servers: messages between them are lost from now on, those on their way
   * included.
   */
  cut(a: NodeId, b: NodeId): void {
    this.#cut.add(`${a}>${b}`).add(`${b}>${a}`);
  }

  /** Cuts this direction only. */
  cutOneWay(from: NodeId, to: NodeId): void {
    this.#cut.add(`${from}>${to}`);
  }

  heal(): void {
    this.#cut.clear();
  }

  get waiting(): readonly Message[] {
    return this.#network;
  }

  /** Keeps copies of the messages on their way, for `replay`: the network delivers them a second time. */
  record(types: readonly MessageType[]): void {
    this.#recorded = this.#network.filter(({ type }) => types.includes(type)).map((each) => ({ ...each }));
  }

  replay(): void {
    this.#network.push(...this.#recorded.splice(0));
  }

  send(message: Message): void {
    this.#network.push(message);
  }

  /** Delivers the messages on their way to `to`, in order. */
  deliver(to: NodeId, { drop = [], types, count = Infinity }: Delivery = {}): string[] {
    const chosen = this.#network
      .filter((message) => message.to === to && (types === undefined || types.includes(message.type)))
      .slice(0, count);
    this.#network = this.#network.filter((message) => !chosen.includes(message));
    return chosen.map((message) => {
      const { type, from } = message;
      if (drop.includes(from) || this.#cut.has(`${from}>${to}`)) return `lost: ${describeMessage(message)}`;
      this.node(to).step(decodeMessage(encodeMessage(message)));
      return `${to} gets ${type} of ${from}`;
    });
  }

  /** Carries out and delivers among `ids` until nothing is left to do. */
  stabilize(ids: readonly NodeId[]): string[] {
    const lines: string[] = [];
    for (let round = 0; round < MAX_ROUNDS; round++) {
      const before = lines.length;
      let worked = false;
      for (const id of ids) {
        while (this.node(id).hasReady()) {
          worked = true;
          lines.push(...this.processReady(id));
        }
      }
      for (const id of ids) lines.push(...this.deliver(id));
      for (const id of ids) {
        const server = this.#server(id);
        while (server.writing.length > 0) lines.push(...this.processAppend(id));
        while (server.applying.length > 0) lines.push(...this.processApply(id));
      }
      if (!worked && lines.length === before) return lines;
    }
    throw new StoryError(`not at rest after ${MAX_ROUNDS} rounds`);
  }

  // --- log and state machine ---

  log(id: NodeId): { readonly snapshot: Snapshot | null; readonly entries: readonly Entry[] } {
    return this.#server(id).disk;
  }

  commands(id: NodeId): string[] {
    return this.#server(id).applied.map(([, command]) => command);
  }

  /** Snapshots the state at `index` and forgets the entries up to there. */
  compact(id: NodeId, index: number): void {
    const { node, disk, applied } = this.#server(id);
    const covered = applied.filter(([at]) => at <= index);
    const snapshot = node.makeSnapshot(index, bytesOf(JSON.stringify(covered)));
    disk.compact(snapshot);
    node.compact(snapshot);
  }

  #restoreStored(server: Server): void {
    server.applied = [];
    const { snapshot } = server.disk;
    if (snapshot !== null) this.#restore(server, snapshot);
  }

  #restore(server: Server, { data }: Snapshot): void {
    server.applied = data.length === 0 ? [] : JSON.parse(textOf(data)) as Applied[];
  }

  #server(id: NodeId): Server {
    const server = this.#servers.get(id);
    if (server === undefined) throw new StoryError(`there is no server ${id}`);
    return server;
  }
}
