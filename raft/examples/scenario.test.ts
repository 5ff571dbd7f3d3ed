/** Scenarios that raft libraries publish, message by message, played with the exports of mod.ts alone. */
import { describe, expect, test } from "bun:test";
import {
  makeMessage,
  MemoryStoredLog,
  type Message,
  type NodeId,
  RawNode,
  type RawNodeConfig,
  type Ready,
  type Snapshot,
} from "../mod.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const text = (data: Uint8Array) => new TextDecoder().decode(data);

/** Beginning of a published scenario: a snapshot at index 1 in term 1 that names the voters. */
const BEGINNING: Snapshot = {
  index: 1,
  term: 1,
  configuration: { voters: [1, 2, 3], learners: [] },
  data: bytes("[]"),
};

/** A server: the core, the contents of its disk, and a state machine that remembers its commands. */
class Server {
  readonly storage = new MemoryStoredLog();
  node: RawNode;
  commands: string[] = [];
  readonly #options: Omit<RawNodeConfig, "id" | "storage">;

  readonly id: NodeId;

  constructor(id: NodeId, options: Omit<RawNodeConfig, "id" | "storage"> = {}) {
    this.id = id;
    this.storage.applySnapshot(BEGINNING);
    this.storage.setHardState({ term: 1, vote: 0, commit: 1 });
    this.#options = options;
    this.node = new RawNode({ id, storage: this.storage, ...options });
  }

  restart(): void {
    this.node = new RawNode({ id: this.id, storage: this.storage, ...this.#options });
    this.commands = JSON.parse(text(this.storage.snapshot!.data));
  }

  /** Writes what has to be written before `messagesAfterAppend` leave. */
  write({ snapshot, entries, hardState }: Ready): void {
    if (snapshot !== null) {
      this.storage.applySnapshot(snapshot);
      this.commands = JSON.parse(text(snapshot.data));
    }
    this.storage.append(entries);
    if (hardState !== null) this.storage.setHardState(hardState);
  }

  apply({ committed }: Ready): void {
    for (const { kind, data } of committed) {
      if (kind === "normal" && data.length > 0) this.commands.push(text(data));
    }
  }

  compact(index: number): void {
    const snapshot = this.node.makeSnapshot(index, bytes(JSON.stringify(this.commands)));
    this.storage.compact(snapshot);
    this.node.compact(snapshot);
  }
}

class Cluster {
  readonly servers: readonly Server[];
  network: Message[] = [];

  constructor(options: Omit<RawNodeConfig, "id" | "storage"> = {}) {
    this.servers = [1, 2, 3].map((id) => new Server(id, options));
  }

  processReady(id: NodeId): Ready {
    const server = this.servers[id - 1]!;
    const ready = server.node.ready();
    server.write(ready);
    this.network.push(...ready.messages, ...ready.messagesAfterAppend);
    server.apply(ready);
    server.node.advance(ready);
    return ready;
  }

  deliver(ids: readonly NodeId[]): void {
    const due = this.network.filter(({ to }) => ids.includes(to));
    this.network = this.network.filter(({ to }) => !ids.includes(to));
    for (const message of due) this.servers[message.to - 1]!.node.step(message);
  }

  stabilize(ids: readonly NodeId[] = [1, 2, 3]): void {
    const isBusy = (id: NodeId) => this.servers[id - 1]!.node.hasReady();
    while (ids.some(isBusy) || this.network.some(({ to }) => ids.includes(to))) {
      for (const id of ids) while (isBusy(id)) this.processReady(id);
      this.deliver(ids);
    }
  }

  get sent(): string[] {
    return this.network.map(({ type, from, to, index, commit, entries }) =>
      `${type} ${from}>${to} ${index} commit ${commit} entries ${entries.length}`
    );
  }
}

describe("the protocol alone", () => {
  test("an election, a commit that is told at once, and a snapshot for whoever was away", () => {
    const cluster = new Cluster();
    const [one, , three] = cluster.servers as [Server, Server, Server];
    one.node.campaign();
    cluster.stabilize();
    expect(one.node.status()).toMatchObject({ role: "leader", term: 2, commit: 2, ownTermCommitted: true });

    // The no-op of the election is at 2. An acknowledgement commits, and an empty append tells the others.
    expect(one.node.propose(bytes("a"))).toEqual({ kind: "appended", index: 3, term: 2 });
    cluster.processReady(1);
    expect(cluster.sent).toEqual(["append 1>2 2 commit 2 entries 1", "append 1>3 2 commit 2 entries 1"]);
    cluster.deliver([2]);
    cluster.processReady(2);
    cluster.deliver([1]);
    cluster.processReady(1);
    expect(cluster.sent.slice(1)).toEqual([
      "append 1>2 3 commit 3 entries 0",
      "append 1>3 3 commit 3 entries 0",
    ]);

    // 3 hears nothing, and the entries it lacks are compacted meanwhile.
    cluster.network = [];
    one.node.propose(bytes("b"));
    cluster.stabilize([1, 2]);
    one.compact(4);
    expect([one.storage.firstIndex, one.storage.lastIndex, one.storage.term(4)]).toEqual([5, 4, 2]);
    cluster.network = [];
    one.node.reportUnreachable(3);
    one.node.tick();
    cluster.stabilize();
    expect(three.node.status()).toMatchObject({ commit: 4, firstIndex: 5 });
    expect(one.node.status().progress[2]).toMatchObject({ id: 3, match: 4 });
    expect(cluster.servers.map(({ commands }) => commands)).toEqual(Array(3).fill(["a", "b"]));

    three.restart();
    expect(three.node.status()).toMatchObject({
      term: 2,
      commit: 4,
      applied: 4,
      firstIndex: 5,
      lastIndex: 4,
    });
    expect(three.commands).toEqual(["a", "b"]);
  });

  test("ticks are 3 and 1 unless told otherwise, and the drawn timeout can be set", () => {
    const { node } = new Server(1);
    expect(node.status().electionTimeout).toBeWithin(3, 6);
    node.setRandomizedElectionTimeout(4);
    for (let tick = 0; tick < 3; tick++) node.tick();
    expect(node.role).toBe("follower");
    node.tick();
    expect(node.role).toBe("preCandidate");

    const cluster = new Cluster();
    const leader = cluster.servers[0]!.node;
    leader.campaign();
    cluster.stabilize();
    leader.tick();
    cluster.processReady(1);
    expect(cluster.sent).toEqual([2, 3].map((to) => `heartbeat 1>${to} 0 commit 2 entries 0`));
    // Every three ticks the leader looks which servers have answered since: first those that elected it, then
    // none.
    for (let tick = 1; tick < 6; tick++) leader.tick();
    expect(leader.role).toBe("follower");
  });

  test("without preVote and checkQuorum it campaigns at once, and leads until it hears of a later term", () => {
    const { node } = new Server(1, { preVote: false, checkQuorum: false });
    node.campaign();
    expect(node.role).toBe("candidate");
    const vote = { type: "voteResponse", from: 2, to: 1, term: 2 } as const;
    while (node.hasReady()) node.advance(node.ready());
    node.step(makeMessage(vote));
    for (let tick = 0; tick < 10; tick++) node.tick();
    expect(node.role).toBe("leader");
  });

  test("maxInflight and maxCommittedSizePerReady bound what is on its way", () => {
    const cluster = new Cluster({ maxInflight: 2, maxCommittedSizePerReady: 40 });
    const leader = cluster.servers[0]!;
    leader.node.campaign();
    cluster.stabilize();
    for (const command of ["a", "b", "c", "d"]) {
      leader.node.propose(bytes(command));
      cluster.processReady(1);
    }
    expect(cluster.network.filter(({ to }) => to === 2).length).toBe(2);
    expect(leader.node.status().progress[1]).toMatchObject({ inflight: 2, paused: true });
    const pages: number[] = [];
    for (let round = 0; round < 50; round++) {
      cluster.deliver([2, 3]);
      for (const id of [2, 3]) while (cluster.servers[id - 1]!.node.hasReady()) cluster.processReady(id);
      cluster.deliver([1]);
      while (leader.node.hasReady()) pages.push(cluster.processReady(1).committed.length);
    }
    expect(pages.filter((page) => page > 0)).toEqual([1, 1, 1, 1]);
    expect(leader.commands).toEqual(["a", "b", "c", "d"]);
  });

  test("with asyncStorage an acknowledgement waits for its write, and nothing else does", () => {
    const { node, storage } = new Server(2, { asyncStorage: true });
    const append = { type: "append", from: 1, to: 2, term: 2, logTerm: 1, index: 1, commit: 1 } as const;
    const entries = [{ term: 2, index: 2, kind: "normal", data: bytes("") }] as const;
    node.step(makeMessage({ ...append, entries }));
    const ready = node.ready();
    expect(ready.messages).toEqual([]);
    expect(ready.messagesAfterAppend).toMatchObject([{ type: "appendResponse", to: 1, index: 2 }]);
    // The others commit the entry meanwhile; it is not applied here before it is durable here.
    node.step(makeMessage({ type: "heartbeat", from: 1, to: 2, term: 2, commit: 2 }));
    expect(node.ready().committed).toEqual([]);
    storage.append(ready.entries);
    node.advanceAppend(ready);
    expect(node.ready().committed).toMatchObject([{ index: 2 }]);
  });
});
