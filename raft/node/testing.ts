/** A world for tests of RaftNode: a clock moved by hand, and a small cluster on the in-memory twins. */
import type { NodeId } from "../core/types.ts";
import { MemoryStorage } from "../storage/memory_storage.ts";
import { seededRandom } from "../core/seeded_random.ts";
import { MemoryNetwork } from "../transport/memory_network.ts";
import type { AddOutcome, RaftEvent } from "./api.ts";
import type { Clock, StateMachine, Timer, Transport } from "./ports.ts";
import type { LogLevel, MemberInfo, RaftNodeOptions } from "./raft_options.ts";
import { RaftNode } from "./raft_node.ts";

export class ManualClock implements Clock {
  #nowMs = 1000;
  #timers: { atMs: number; fire: () => void }[] = [];

  now(): number {
    return this.#nowMs;
  }

  after(delayMs: number, fire: () => void): Timer {
    const timer = { atMs: this.#nowMs + delayMs, fire };
    this.#timers.push(timer);
    return { cancel: () => void (this.#timers = this.#timers.filter((other) => other !== timer)) };
  }

  soon(fire: () => void): void {
    this.after(0, fire);
  }

  /** Lets time pass, and fires timers in the order in which they become due. */
  advance(ms: number): void {
    const until = this.#nowMs + ms;
    for (;;) {
      const due = this.#timers.filter((timer) => timer.atMs <= until).sort((a, b) => a.atMs - b.atMs)[0];
      if (!due) break;
      this.#timers = this.#timers.filter((timer) => timer !== due);
      this.#nowMs = Math.max(this.#nowMs, due.atMs);
      due.fire();
    }
    this.#nowMs = until;
  }

  /** Lets time pass without firing a timer, as when the process is stopped. */
  leap(ms: number): void {
    this.#nowMs += ms;
  }
}

/** Clock and network of one process: while it is paused nothing reaches it, and nothing is lost. */
class Process {
  #paused = false;
  #waiting: (() => void)[] = [];

  pause(): void {
    this.#paused = true;
  }

  /** Resumes the process; `first` runs before it reads anything. */
  resume(first: () => void): void {
    this.#paused = false;
    first();
    for (const work of this.#waiting.splice(0)) work();
  }

  clock(clock: Clock): Clock {
    return {
      now: () => clock.now(),
      after: (delayMs, fire) => {
        let cancelled = false;
        const timer = clock.after(delayMs, () => this.#run(() => cancelled || fire()));
        return {
          cancel: () => {
            cancelled = true;
            timer.cancel();
          },
        };
      },
      soon: (fire) => clock.soon(() => this.#run(fire)),
    };
  }

  transport(transport: Transport): Transport {
    return {
      ...transport,
      start: ({ onFrame, onPeer }) =>
        transport.start({
          onFrame: (from, channel, payload) => this.#run(() => onFrame(from, channel, payload)),
          onPeer: (id, connected) => this.#run(() => onPeer(id, connected)),
        }),
    };
  }

  #run(work: () => void): void {
    if (this.#paused) this.#waiting.push(work);
    else work();
  }
}

/** State machine that remembers its commands, as text. */
export class ListMachine implements StateMachine {
  commands: string[] = [];

  apply(command: Uint8Array): unknown {
    this.commands.push(new TextDecoder().decode(command));
    return this.commands.length;
  }

  snapshot(): Uint8Array {
    return new TextEncoder().encode(JSON.stringify(this.commands));
  }

  restore(data: Uint8Array): void {
    this.commands = JSON.parse(new TextDecoder().decode(data));
  }
}

export function text(command: string): Uint8Array {
  return new TextEncoder().encode(command);
}

export interface TestMember {
  readonly id: NodeId;
  readonly process: Process;
  node: RaftNode;
  machine: ListMachine;
  storage: MemoryStorage;
  instance: number;
  events: RaftEvent[];
  logged: { level: LogLevel; event: string; text: string }[];
  /** Members that a later member was told of when it was added. */
  joined?: readonly MemberInfo[];
}

export class TestCluster {
  readonly clock = new ManualClock();
  readonly network = new MemoryNetwork(this.clock);
  readonly members = new Map<NodeId, TestMember>();
  readonly ids: readonly NodeId[];
  #random: () => number;
  #options: Partial<RaftNodeOptions>;

  constructor(size: number, options: Partial<RaftNodeOptions> = {}, seed = 1) {
    this.ids = Array.from({ length: size }, (_, i) => i + 1);
    this.#random = seededRandom(seed);
    this.#options = options;
  }

  /** Starts the member that addMember has added. */
  join(outcome: AddOutcome | undefined, options: Partial<RaftNodeOptions> = {}): TestMember {
    if (outcome?.kind !== "done") throw new Error(`not added: ${outcome?.reason}`);
    return this.start(outcome.id, false, outcome.members, options);
  }

  /** Starts a member, with the storage of an earlier life if it had one and `wiped` is not set. */
  start(
    id: NodeId,
    wiped?: boolean,
    added?: readonly MemberInfo[],
    options: Partial<RaftNodeOptions> = {},
  ): TestMember {
    const joined = added ?? this.members.get(id)?.joined;
    const old = wiped ? undefined : this.members.get(id);
    const storage = old?.storage ?? new MemoryStorage(() => this.clock.now());
    const instance = old?.instance ?? 1 + Math.floor(this.#random() * 1e9);
    const machine = new ListMachine();
    const process = new Process();
    const logged: TestMember["logged"] = [];
    const node = new RaftNode({
      id,
      clusterId: 4711,
      members: joined ?? this.ids.map((each) => ({ id: each, name: `n${each}`, addr: `127.0.0.1:${each}` })),
      join: joined !== undefined,
      storage,
      transport: process.transport(this.network.transport(id)),
      clock: process.clock(this.clock),
      random: this.#random,
      stateMachine: machine,
      instance,
      log: (level, event, line) => logged.push({ level, event, text: line }),
      ...this.#options,
      ...options,
    });
    const member: TestMember = { id, process, node, machine, storage, instance, events: [], logged, joined };
    node.onEvent((event) => member.events.push(event));
    this.members.set(id, member);
    node.start();
    return member;
  }

  startAll(): void {
    for (const id of this.ids) this.start(id);
  }

  stop(id: NodeId): void {
    this.member(id).node.stop();
  }

  member(id: NodeId): TestMember {
    return this.members.get(id)!;
  }

  isolate(id: NodeId, up = false): void {
    for (const other of this.members.keys()) if (other !== id) this.network.setLink(id, other, up);
  }

  /** Lets time pass until the condition holds; fails after `deadlineMs`. */
  until(what: string, condition: () => boolean, deadlineMs = 10_000): void {
    const end = this.clock.now() + deadlineMs;
    while (!condition()) {
      if (this.clock.now() >= end) throw new Error(`not within ${deadlineMs} ms: ${what}`);
      this.clock.advance(5);
    }
  }

  /** Waits for a leader that has applied an entry of its own term, and returns it. */
  leader(): TestMember {
    const find = () => [...this.members.values()].filter(({ node }) => node.leadsWithOwnTerm());
    this.until("a leader", () => find().length > 0);
    return find().sort((a, b) => b.node.status().term - a.node.status().term)[0]!;
  }
}
