/**
 * Random histories of a few servers: messages are lost, repeated, overtaken and delayed, writes take their
 * time, servers crash and lose what was not durable, learners come and voters go. After every step the safety
 * properties of the paper (figure 3) are checked. The simulator does this with more of the product; this
 * finds faults of the core.
 */
import { describe, expect, test } from "bun:test";
import { MemoryStoredLog } from "./memory_log.ts";
import { decodeMessage, encodeMessage } from "./message.ts";
import type { RawNode } from "./raw_node.ts";
import { seededRandom } from "./seeded_random.ts";
import { bytesOf, newNode, textOf, writeReady } from "./testing.ts";
import type { Entry, Index, Message, NodeId, Ready, Term } from "./types.ts";

/** Seeds for about a second of work; use more when the protocol is changed. */
const SEEDS = 40;
const SPARE: readonly NodeId[] = [6, 7];

interface Server {
  node: RawNode;
  readonly disk: MemoryStoredLog;
  /** Readys whose writes are under way. */
  writing: Ready[];
  /** The state machine: everything applied, as text. */
  applied: string[];
}

class World {
  readonly servers = new Map<NodeId, Server>();
  readonly #random: () => number;
  readonly #voters: readonly NodeId[];
  readonly #asyncStorage: boolean;
  #network: Message[] = [];
  /** One side of a partition. */
  #apart: ReadonlySet<NodeId> = new Set();
  /** Leader of each term, which is true for ever. */
  readonly #leaders = new Map<Term, NodeId>();
  readonly #history: string[] = [];
  readonly #reads = new Map<string, Index>();
  #proposals = 0;
  #incarnations = 0;

  constructor(seed: number) {
    this.#random = seededRandom(seed);
    this.#voters = this.#random() < 0.5 ? [1, 2, 3] : [1, 2, 3, 4, 5];
    this.#asyncStorage = this.#random() < 0.7;
    for (const id of [...this.#voters, ...SPARE]) {
      const disk = new MemoryStoredLog();
      this.servers.set(id, { node: this.#start(id, disk), disk, writing: [], applied: [] });
    }
  }

  get committed(): number {
    return this.#history.length;
  }

  get confirmedReads(): number {
    return this.#confirmed;
  }
  #confirmed = 0;

  step(): void {
    const [id, server] = this.#pick([...this.servers]);
    const choice = this.#random();
    if (choice < 0.05) server.node.tick();
    else if (choice < 0.55) this.#deliver();
    else if (choice < 0.86) this.#finishWrite(this.#pick(this.#busy() ?? [server]));
    else if (choice < 0.90) (this.#leader() ?? server.node).propose(bytesOf(`p${++this.#proposals}`));
    else if (choice < 0.92) server.node.propose(bytesOf(`p${++this.#proposals}`));
    else if (choice < 0.94) this.#read(id, server);
    else if (choice < 0.943) server.node.transferLeader(this.#pick(this.#voters));
    else if (choice < 0.955) this.#compact(server);
    else if (choice < 0.972) this.#changeMembers(this.#leader() ?? server.node);
    else if (choice < 0.975) this.#crash(id, server);
    else if (choice < 0.981) this.#partition();
    else if (choice < 0.984) this.#network = this.#network.filter(() => this.#random() < 0.5);
    else server.node.reportUnreachable(this.#pick([...this.servers.keys()]));
    for (const [each, { node }] of this.servers) {
      this.#collect(this.servers.get(each)!);
      if (node.role !== "leader") continue;
      const known = this.#leaders.get(node.term) ?? each;
      expect(`term ${node.term}: ${each}`).toBe(`term ${node.term}: ${known}`);
      this.#leaders.set(node.term, each);
    }
  }

  /** Ends all faults: a leader must be found, and every server must get everything. */
  heal(): void {
    this.#apart = new Set();
    for (let round = 0; round < 400; round++) {
      for (const server of this.servers.values()) {
        while (server.writing.length > 0) this.#finishWrite(server);
        server.node.tick();
        this.#collect(server);
      }
      for (const message of this.#network.splice(0)) this.#deliverOne(message);
      if (round === 300) this.#leader()?.propose(bytesOf("last"));
    }
    const leader = this.#leader();
    expect(leader).toBeDefined();
    const { voters } = leader!.configuration;
    for (const id of voters) expect(this.servers.get(id)!.applied.at(-1)).toContain("last");
  }

  #busy(): Server[] | null {
    const busy = [...this.servers.values()].filter(({ writing }) => writing.length > 0);
    return busy.length > 0 ? busy : null;
  }

  #leader(): RawNode | undefined {
    const leaders = [...this.servers.values()].map(({ node }) => node).filter(({ role }) =>
      role === "leader"
    );
    return leaders.sort((a, b) => b.term - a.term)[0];
  }

  #start(id: NodeId, disk: MemoryStoredLog): RawNode {
    const seed = 1000 * ++this.#incarnations + Math.floor(this.#random() * 1000);
    return newNode(id, SPARE.includes(id) ? [] : this.#voters, {
      storage: disk,
      asyncStorage: this.#asyncStorage,
      electionTicks: 10,
      maxInflight: 3,
      maxMessageBytes: 120,
      random: seededRandom(seed),
    });
  }

  #collect(server: Server): void {
    while (server.node.hasReady()) {
      const ready = server.node.ready();
      this.#network.push(...ready.messages);
      server.writing.push(ready);
      for (const { token, index } of ready.readStates) this.#checkRead(server.node.id, token, index);
      if (!this.#asyncStorage) continue;
      this.#apply(server, ready.committed);
      server.node.advanceApply(ready);
    }
  }

  #finishWrite(server: Server): void {
    const ready = server.writing.shift();
    if (ready === undefined) return;
    writeReady(server.disk, ready);
    if (ready.snapshot !== null) server.applied = JSON.parse(textOf(ready.snapshot.data));
    this.#network.push(...ready.messagesAfterAppend);
    if (this.#asyncStorage) server.node.advanceAppend(ready);
    else {
      this.#apply(server, ready.committed);
      server.node.advance(ready);
    }
    this.#collect(server);
  }

  /** State machine safety: what one server applies at an index, every other one applies there too. */
  #apply(server: Server, entries: readonly Entry[]): void {
    for (const entry of entries) {
      const text = `${entry.index}@${entry.term} ${entry.kind === "config" ? "config" : textOf(entry.data)}`;
      expect(entry.index).toBe(server.applied.length + 1);
      server.applied.push(text);
      this.#history[entry.index - 1] ??= text;
      expect(text).toBe(this.#history[entry.index - 1]!);
    }
  }

  #deliver(): void {
    if (this.#network.length === 0) return;
    const at = Math.floor(this.#random() * Math.min(this.#network.length, 12));
    const message = this.#network[at]!;
    const fate = this.#random();
    if (fate > 0.03) this.#network.splice(at, 1);
    if (fate < 0.93) this.#deliverOne(message);
    // A long queue is a fault of its own, but not the one that this test looks for.
    if (this.#network.length > 300) this.#network.splice(0, 150);
  }

  /** Draws a new partition, or none. */
  #partition(): void {
    const ids = this.#random() < 0.6 ? [] : [...this.servers.keys()];
    this.#apart = new Set(ids.filter(() => this.#random() < 0.4));
  }

  #deliverOne(message: Message): void {
    if (this.#apart.has(message.from) !== this.#apart.has(message.to)) return;
    this.servers.get(message.to)?.node.step(decodeMessage(encodeMessage(message)));
  }

  /** Asks for a read, which must see all that any server had applied at that moment. */
  #read(id: NodeId, { node }: Server): void {
    const result = node.readIndex();
    if (result.kind === "pending") this.#reads.set(`${id}/${result.token}`, this.#history.length);
  }

  #checkRead(id: NodeId, token: number, index: Index): void {
    const atLeast = this.#reads.get(`${id}/${token}`);
    if (atLeast === undefined) return;
    this.#confirmed++;
    expect(index).toBeGreaterThanOrEqual(atLeast);
    this.#reads.delete(`${id}/${token}`);
  }

  #compact({ node, disk, applied, writing }: Server): void {
    if (node.applied < 1 || writing.length > 0 || node.applied < node.firstIndex) return;
    const snapshot = node.makeSnapshot(node.applied, bytesOf(JSON.stringify(applied.slice(0, node.applied))));
    disk.compact(snapshot);
    node.compact(snapshot, Math.max(0, snapshot.index - Math.floor(this.#random() * 5)));
  }

  #changeMembers(node: RawNode): void {
    const id = this.#pick([...this.servers.keys()]);
    node.proposeConfig({ kind: this.#pick(["addLearner", "promote", "promote", "remove"] as const), id });
  }

  /** Crashes a server; the first of its pending writes may have become durable. */
  #crash(id: NodeId, server: Server): void {
    const durable = Math.floor(this.#random() * (server.writing.length + 1));
    for (const ready of server.writing.slice(0, durable)) writeReady(server.disk, ready);
    server.writing = [];
    for (const key of this.#reads.keys()) if (key.startsWith(`${id}/`)) this.#reads.delete(key);
    const { snapshot } = server.disk;
    server.applied = snapshot === null ? [] : JSON.parse(textOf(snapshot.data));
    server.node = this.#start(id, server.disk);
  }

  #pick<T>(from: readonly T[]): T {
    return from[Math.floor(this.#random() * from.length)]!;
  }
}

describe("random histories", () => {
  test("keep one leader per term, one history, and reads that are not stale; healed, they go on", () => {
    let committed = 0;
    let reads = 0;
    for (let seed = 1; seed <= SEEDS; seed++) {
      const world = new World(seed);
      try {
        for (let i = 0; i < 2500; i++) world.step();
        committed += world.committed;
        reads += world.confirmedReads;
        world.heal();
      } catch (error) {
        throw new Error(`seed ${seed}: ${error instanceof Error ? error.message : error}`, { cause: error });
      }
    }
    // A history in which nothing happens proves nothing.
    expect(committed).toBeGreaterThan(400);
    expect(reads).toBeGreaterThan(60);
  });
});
