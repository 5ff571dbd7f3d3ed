/**
 * Raft alone in the simulated world: nodes with a sum as their state machine (sum_machine.ts, lives.ts),
 * clients that propose and read, operators who add and remove members, faults by seed (node_faults.ts), then
 * peace, in which the group must work again. In some runs the majority is lost for good instead
 * (lost_majority.ts): one member founds another cluster, which has to keep the same promises beside the rest
 * of the old one. Throws a Violation when an invariant breaks.
 */
import { type BrokenRules, NOTHING_BROKEN } from "../core/broken_rules.ts";
import type { NodeId } from "../core/types.ts";
import { Clients } from "./clients.ts";
import { drawDisk, drawNetwork, type FaultInjector } from "./faults.ts";
import { type Heritage, RECOVERY_RULES } from "./heritage.ts";
import { RaftInvariants } from "./invariants.ts";
import { Lives, type Surroundings } from "./lives.ts";
import { inheritFrom, loseMajority } from "./lost_majority.ts";
import { nodeFaults } from "./node_faults.ts";
import { MembershipOperators } from "./operators.ts";
import type { Prng } from "./prng.ts";
import { CALM_NETWORK, SimNetwork } from "./sim_network.ts";
import { CALM_DISK } from "./sim_storage.ts";
import { Violation, World } from "./world.ts";

const RECOVERY_MS = 15_000;

/**
 * Share of runs in which the majority is lost; the next numbers say how long the new cluster then lives with
 * faults.
 */
const LOST_RATE = 0.3;
const AFTERWARDS_MS = 20_000;

/** Share of runs in which members come and go. */
const OPERATED_RATE = 0.6;
/** Interval of the changes by an operator who is to show that such a rule is missing. */
const OFTEN_MS = 500;
/**
 * Time after which a leader that was awake meanwhile knows that its disk hangs: an election timeout, and some
 * more.
 */
const HANG_SHOWS_MS = 2000;

export interface RaftRunResult {
  readonly elections: number;
  readonly proposed: number;
  readonly applied: number;
  readonly reads: number;
  /** Number of members added and removed. */
  readonly changes: number;
  readonly faults: { readonly [kind: string]: number };
  readonly steps: number;
  /** Number of operations on registers, all checked for linearizability. */
  readonly operations: number;
  readonly simulatedMs: number;
}

export interface RaftRunOptions {
  readonly seed: number;
  /** Length of the phase with faults, ms of true time. */
  readonly faultsMs: number;
  /** Rules that RaftNode breaks. @default none */
  readonly broken?: BrokenRules;
  readonly trace?: (line: string) => void;
}

export function runRaftSeed(options: RaftRunOptions): RaftRunResult {
  const run = new RaftRun(options);
  run.run();
  return run.result();
}

export class RaftRun {
  readonly #options: RaftRunOptions;
  readonly #around: Surroundings;
  readonly #faultsMs: number;
  readonly #random: Prng;
  readonly #lives: Lives;
  readonly #clients: Clients;
  readonly #operators: MembershipOperators;
  #injector: FaultInjector<string> | null = null;
  /** Run of the cluster that this one became when its majority was lost. */
  #recovered: RaftRun | null = null;

  /** `heritage`: that of a cluster whose majority is lost; its survivor founds this one. */
  constructor(options: RaftRunOptions, heritage: Heritage | null = null) {
    const { seed, faultsMs, broken = NOTHING_BROKEN, trace } = options;
    const world = heritage?.world ?? new World(seed, trace ?? null);
    const network = heritage?.network ?? new SimNetwork(world);
    const random = world.random.split(heritage ? "recovered run" : "raft run");
    const around = { world, network, checks: new RaftInvariants(), heritage, broken };
    const lives = new Lives(around, random, (node) => this.#operators.replace(node));
    this.#options = options;
    this.#around = around;
    this.#faultsMs = world.now() + (heritage ? AFTERWARDS_MS : faultsMs);
    this.#random = random;
    this.#lives = lives;
    this.#clients = new Clients(around, random, lives.nodes);
    this.#operators = new MembershipOperators(world, random, lives);
  }

  /** Runs once. Throws a Violation. */
  run(): void {
    const { world } = this.#around;
    this.#begin();
    world.runUntil(this.#faultsMs);
    const heritage = this.#lostMajority();
    if (heritage === null) return this.#finish();
    const recovered = this.#recovered = new RaftRun(this.#options, heritage);
    recovered.#begin();
    recovered.#operators.grow();
    world.runUntil(recovered.#faultsMs);
    recovered.#finish();
    this.#clients.judge();
  }

  #begin(): void {
    const random = this.#random;
    const lives = this.#lives;
    const { nodes } = lives;
    const clients = this.#clients;
    const operators = this.#operators;
    const { world, network, checks, broken } = this.#around;
    for (const node of nodes) world.after(random.between(0, 500), () => lives.start(node));
    const injector = this.#injector = nodeFaults(
      { world, network, lives, clients, operators },
      random,
      broken,
    );
    drawNetwork(random, network.settings);
    for (const node of nodes) drawDisk(random, node.disk.settings);
    injector.start();
    clients.start();
    operators.active = random.chance(OPERATED_RATE);
    if (broken.has("count-hung-disks")) this.#showHungDisks();
    // In other networks, a disk's acknowledgement from before it hung may arrive long after.
    const { longDelayRate, replayMaxMs, heldByCut } = network.settings;
    const prompt = longDelayRate === 0 && replayMaxMs <= 10 && !heldByCut;
    if (prompt) checks.mayCountOn = (leader, voter) => this.#mayCountOn(leader, voter);
    if (operators.active) operators.start(random.between(1500, 8000));
    world.afterStep((ran) => {
      for (const { raft, process } of nodes) {
        if (raft !== null && ran.has(process)) checks.onStatus(raft.status());
      }
    });
  }

  /** Makes many changes, in a network in which it is known what a hanging disk has acknowledged. */
  #showHungDisks(): void {
    this.#operators.active = true;
    this.#operators.start(OFTEN_MS);
    const { settings } = this.#around.network;
    Object.assign(settings, { longDelayRate: 0, replayMaxMs: 10, heldByCut: false });
  }

  #mayCountOn(leader: NodeId, voter: NodeId): boolean {
    const [at, counted] = [leader, voter].map((id) => this.#lives.nodes.find((node) => node.id === id));
    if (at === undefined || counted === undefined) return true;
    const awakeMs = this.#around.world.now() - at.process.awakeSinceMs;
    return awakeMs < HANG_SHOWS_MS || counted.disk.hungForMs < HANG_SHOWS_MS;
  }

  /** Ends the group in some runs; returns the heritage from which another one is founded. */
  #lostMajority(): Heritage | null {
    const random = this.#random;
    const lives = this.#lives;
    const { world, broken } = this.#around;
    // Only a lost majority shows that a rule of the recovery is missing.
    const lostRate = RECOVERY_RULES.some((rule) => broken.has(rule)) ? 1 : LOST_RATE;
    if (!random.chance(lostRate)) return null;
    this.#operators.calm();
    this.#injector?.calm();
    const survivor = loseMajority(world, lives, random, AFTERWARDS_MS / 2);
    return survivor && inheritFrom(survivor, this.#around, random, this.#clients.acknowledged);
  }

  /** Ends the faults: the group must work again. */
  #finish(): void {
    this.#injector?.calm();
    this.#operators.calm();
    Object.assign(this.#around.network.settings, CALM_NETWORK);
    for (const node of this.#lives.nodes) Object.assign(node.disk.settings, CALM_DISK);
    this.#recover();
    this.#checkAcknowledged();
    this.#clients.judge();
  }

  /** Throws a Violation unless there is a leader that every member follows, and clients are served. */
  #recover(): void {
    const { world } = this.#around;
    const { nodes } = this.#lives;
    const clients = this.#clients;
    const before = clients.applied;
    const whole = () => {
      const leads = nodes.flatMap(({ raft }) => raft?.status().role === "leader" ? [raft.status()] : []);
      const leader = leads.sort((a, b) => b.term - a.term)[0];
      if (leader === undefined || clients.applied <= before + 3) return false;
      return leader.members.every(({ id }) => {
        const status = nodes.find((node) => node.id === id)?.raft?.status();
        // This member was added, but the operator who asked for it was never told.
        if (status === undefined) return !nodes.some((node) => node.id === id);
        return status.leader === leader.id && status.applied >= leader.commit - 3;
      });
    };
    if (world.runUntilHolds(world.now() + RECOVERY_MS, 50, whole)) return;
    const text = nodes.map(({ raft }) => JSON.stringify(raft?.status())).join("\n");
    throw new Violation(
      "liveness",
      `no working group ${RECOVERY_MS / 1000} s after the last fault:\n${text}`,
    );
  }

  /**
   * Waits until the leader holds all that was acknowledged up to now. The check of every state shows that it
   * is the same: states at equal indexes are equal.
   */
  #checkAcknowledged(): void {
    const { world } = this.#around;
    const { acknowledgedIndex } = this.#clients;
    const holds = () => (this.#lives.newestLeader()?.sum.index ?? 0) >= acknowledgedIndex;
    if (world.runUntilHolds(world.now() + RECOVERY_MS, 50, holds)) return;
    throw new Violation(
      "acknowledged commands are never lost",
      `nobody leads with those up to ${acknowledgedIndex}`,
    );
  }

  /** Result of the run so far. */
  result(): RaftRunResult {
    const { world, checks } = this.#around;
    const { proposed, applied, reads, operations } = this.#clients;
    const then = this.#recovered?.result();
    return {
      elections: checks.terms + (then?.elections ?? 0),
      proposed: proposed + (then?.proposed ?? 0),
      applied: applied + (then?.applied ?? 0),
      reads: reads + (then?.reads ?? 0),
      changes: this.#operators.changes + (then?.changes ?? 0),
      faults: {
        ...Object.fromEntries(this.#injector?.counts ?? []),
        ...this.#recovered ? { "lost-majority": 1 } : {},
      },
      steps: world.steps,
      operations: operations + (then?.operations ?? 0),
      simulatedMs: world.now(),
    };
  }

  /** End of the event log. */
  tail(lines: number): readonly string[] {
    return this.#around.world.log.tail(lines);
  }
}
