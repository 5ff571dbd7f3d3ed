/**
 * Clients and readers of a simulated group, on random nodes, with all that they saw of each register.
 * Acknowledged commands must stay, and what the clients saw must be linearizable; else a Violation is thrown.
 */
import { type Heritage, RECOVERED_VALUES } from "./heritage.ts";
import type { RaftInvariants } from "./invariants.ts";
import { EMPTY, isLinearizable, type Operation } from "./linearizability.ts";
import type { SimNode } from "./lives.ts";
import type { Prng } from "./prng.ts";
import { HEADER_BYTES, registerOf, REGISTERS, restoredSum, setValue } from "./sum_machine.ts";
import { Violation, type World } from "./world.ts";

const PROPOSE_GAP_MS = 80;
const READ_GAP_MS = 150;
const PROPOSE_TIMEOUT_MS = 3000;

/** Operation whose answer may still come. */
type OpenOperation = { -readonly [K in keyof Operation]: Operation[K] };

export class Clients {
  /** Number of acknowledged applications. */
  applied = 0;
  /** Number of confirmed reads. */
  reads = 0;
  /** Highest index whose application a client was told of. */
  acknowledgedIndex = 0;
  readonly acknowledged: Uint8Array[] = [];
  readonly #firstValue: number;
  #lastValue: number;
  /** Operations that clients saw on each register. */
  readonly #histories: Set<OpenOperation>[] = Array.from({ length: REGISTERS }, () => new Set());

  readonly #world: World;
  readonly #random: Prng;
  readonly #checks: RaftInvariants;
  readonly #nodes: readonly SimNode[];

  constructor(
    around: { readonly world: World; readonly checks: RaftInvariants; readonly heritage: Heritage | null },
    random: Prng,
    nodes: readonly SimNode[],
  ) {
    const { world, checks, heritage } = around;
    this.#world = world;
    this.#random = random;
    this.#checks = checks;
    this.#nodes = nodes;
    this.#firstValue = this.#lastValue = heritage === null ? 0 : RECOVERED_VALUES;
    if (heritage !== null) this.#inherit(heritage);
  }

  /** Takes over the values of the old cluster's clients, which are there before anybody looks. */
  #inherit({ state }: Heritage): void {
    const before = restoredSum(state);
    const atMs = this.#world.now();
    this.#histories.forEach((history, k) => {
      const writes = before.register(k);
      if (writes !== EMPTY) history.add({ callMs: atMs, returnMs: atMs, writes, saw: EMPTY });
    });
  }

  get proposed(): number {
    return this.#lastValue - this.#firstValue;
  }

  /** Number of operations on all registers. */
  get operations(): number {
    return this.#histories.reduce((sum, { size }) => sum + size, 0);
  }

  start(): void {
    this.#client();
    this.#reader();
  }

  /** Checks all histories; throws a Violation. */
  judge(): void {
    this.#histories.forEach((history, register) => {
      if (isLinearizable([...history])) return;
      throw new Violation("histories are linearizable", `register ${register}, ${history.size} operations`);
    });
  }

  /** Proposes on a random node; an acknowledged command must stay. */
  #client(): void {
    const random = this.#random;
    this.#world.after(random.exponential(PROPOSE_GAP_MS), () => {
      const node = random.pick(this.#nodes);
      const command = Uint8Array.from({ length: HEADER_BYTES + random.below(60) }, () => random.below(256));
      if (node.raft !== null && !node.process.isPaused) this.#propose(node, command);
      this.#client();
    });
  }

  #propose({ raft, process }: SimNode, command: Uint8Array): void {
    const value = ++this.#lastValue;
    setValue(command, value);
    const history = this.#histories[registerOf(command)]!;
    const operation: OpenOperation = {
      callMs: this.#world.now(),
      returnMs: Infinity,
      writes: value,
      saw: null,
    };
    history.add(operation);
    const { incarnation } = process;
    this.#world.ran.add(process);
    raft?.propose(command, (outcome) => {
      // The command is definitely not done: a client that still sees its value finds no writer of it.
      if (outcome.kind === "rejected") history.delete(operation);
      if (outcome.kind !== "applied") return;
      operation.returnMs = this.#world.now();
      operation.saw = outcome.result as number;
      if (!process.alive || process.incarnation !== incarnation) {
        throw new Violation("the dead are silent", process.name);
      }
      this.#onApplied(command, value, outcome.index);
    }, { timeoutMs: PROPOSE_TIMEOUT_MS });
  }

  #onApplied(command: Uint8Array, value: number, toldIndex: number): void {
    this.applied++;
    this.acknowledged.push(command);
    // The index is not above the one that is told: a command that was proposed again is applied once, the
    // first time.
    const index = this.#checks.indexOf(command);
    if (index === null || index > toldIndex) {
      throw new Violation("applied is told when it was applied", `${value} up to ${toldIndex}`);
    }
    this.acknowledgedIndex = Math.max(this.acknowledgedIndex, index);
  }

  /** Reads on any node that believes it leads. */
  #reader(): void {
    const random = this.#random;
    this.#world.after(random.exponential(READ_GAP_MS), () => {
      const leaders = this.#nodes.filter((node) =>
        node.raft?.status().role === "leader" && !node.process.isPaused
      );
      const node = leaders[random.below(leaders.length)];
      if (node) this.read(node, random.below(REGISTERS));
      this.#reader();
    });
  }

  /** A confirmed read must see everything acknowledged before it began. */
  read({ id, raft, process, sum }: SimNode, register: number): void {
    const before = this.acknowledgedIndex;
    const callMs = this.#world.now();
    this.#world.ran.add(process);
    raft?.read((outcome) => {
      if (outcome.kind !== "confirmed") return;
      this.reads++;
      const saw = sum.register(register);
      this.#histories[register]!.add({ callMs, returnMs: this.#world.now(), writes: null, saw });
      if (outcome.index < before || sum.index < before) {
        throw new Violation(
          "reads are linearizable",
          `n${id} confirms ${outcome.index} (applied ${sum.index}) after ${before}`,
        );
      }
    });
  }
}
