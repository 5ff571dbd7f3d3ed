/**
 * Raft alone in the simulated world: nodes with a list as their state machine, clients that propose and read,
 * operators who add and remove members, faults by seed, then peace, in which the group must work again. In
 * some runs the majority is lost for good instead: one member founds another cluster, which has to hold the
 * same promises beside what is left of the old one. Throws a Violation when an invariant breaks.
 */
import type { NodeId } from "../core/types.ts";
import type { AddOutcome, Raft } from "../node/api.ts";
import { RaftNode } from "../node/raft_node.ts";
import type { LogStorage, StateMachine } from "../node/ports.ts";
import type { MemberInfo } from "../node/raft_options.ts";
import {
  cutFault,
  directionsOf,
  drawDisk,
  drawNetwork,
  drawWeights,
  type Fault,
  FaultInjector,
  type FaultMaker,
  type NetworkFault,
  networkFaults,
} from "./faults.ts";
import { RaftInvariants } from "./invariants.ts";
import { EMPTY, isLinearizable, type Operation } from "./linearizability.ts";
import { BREAKABLE_RECOVERY, type Heritage, heritageOf } from "./lost_majority.ts";
import type { Prng } from "./prng.ts";
import { SimClock } from "./sim_clock.ts";
import { SimHost, SimProcess } from "./sim_host.ts";
import { CALM_NETWORK, FIRST_CLUSTER_ID, SimNetwork } from "./sim_network.ts";
import { CALM_DISK, SimDisk } from "./sim_storage.ts";
import { Violation, World } from "./world.ts";

const RHO = 1e-3;
const RECOVERY_MS = 15_000;
/** Members, removed ones not counted. */
const MAX_MEMBERS = 7;

/** Runs in which the majority is lost, and how long the new cluster then lives with faults. */
const LOST_RATE = 0.3;
const AFTERWARDS_MS = 20_000;
/**
 * Values that the clients of a recovered cluster write are above, so that those of the old one's are known.
 */
const RECOVERED_VALUES = 1_000_000;

/** Between the changes of an operator who is to show that a rule of these is missing. */
const OFTEN_MS = 500;
/**
 * So long after its disk began to hang a leader that was awake meanwhile knows it: an election timeout, and
 * some time.
 */
const HANG_SHOWS_MS = 2000;

const REGISTERS = 3;
/** Between two reads of a leader that is cut off. */
const READ_AT_CUT_MS = 50;
/** Of a command: the register, and the value to store there. */
const HEADER_BYTES = 5;

/**
 * Adds up what it applies: two nodes at the same index must have the same sum. Beside it a few registers: a
 * command stores a value in one and yields the value before it.
 */
class Sum implements StateMachine {
  #bytes = new Uint8Array(8);
  #registers: number[] = Array.from({ length: REGISTERS }, () => EMPTY);
  index = 0;

  readonly #onApply: (index: number, term: number, command: Uint8Array) => void;
  readonly #onState: (sum: Sum) => void;

  constructor(
    onApply: (index: number, term: number, command: Uint8Array) => void,
    onState: (sum: Sum) => void = () => {},
  ) {
    this.#onApply = onApply;
    this.#onState = onState;
  }

  get value(): string {
    return `${this.#bytes.join(" ")}, ${this.#registers.join(" ")}`;
  }

  apply(command: Uint8Array, index: number, term: number): number {
    this.#onApply(index, term, command);
    this.index = index;
    const next = this.#bytes.slice();
    for (let i = 0; i < command.length; i++) next[i % 8] = (next[i % 8]! * 31 + command[i]!) & 255;
    this.#bytes = next;
    const before = this.#write(command);
    this.#onState(this);
    return before;
  }

  #write(command: Uint8Array): number {
    if (command.length < HEADER_BYTES) return EMPTY;
    const register = command[0]! % REGISTERS;
    const before = this.#registers[register]!;
    this.#registers[register] = valueOf(command);
    return before;
  }

  register(k: number): number {
    return this.#registers[k]!;
  }

  snapshot(): Uint8Array {
    const { index } = this;
    const bytes = this.#bytes;
    const registers = this.#registers;
    return new TextEncoder().encode(JSON.stringify({ index, bytes: [...bytes], registers }));
  }

  restore(data: Uint8Array): void {
    const { index, bytes, registers } = JSON.parse(new TextDecoder().decode(data)) as {
      index: number;
      bytes: number[];
      registers: number[];
    };
    this.index = index;
    this.#bytes = Uint8Array.from(bytes);
    this.#registers = registers;
    this.#onState(this);
  }
}

function valueOf(command: Uint8Array): number {
  return new DataView(command.buffer, command.byteOffset).getUint32(1);
}

/** An operation whose answer may still come. */
type OpenOperation = { -readonly [K in keyof Operation]: Operation[K] };

interface SimNode {
  readonly id: NodeId;
  readonly host: SimHost;
  readonly process: SimProcess;
  readonly disk: SimDisk;
  /** What it was told when it was added; null: a founder. */
  readonly joined: readonly MemberInfo[] | null;
  raft: Raft | null;
  sum: Sum;
  /** It knows that it was removed. */
  gone: boolean;
  /** It never starts again. */
  lost: boolean;
  /** Its directory was lost while it was a member: it must not vote, and has to be replaced. */
  emptied: boolean;
}

export interface RaftRunResult {
  readonly elections: number;
  readonly proposed: number;
  readonly applied: number;
  readonly reads: number;
  /** Members added and removed. */
  readonly changes: number;
  readonly faults: { readonly [kind: string]: number };
  readonly steps: number;
  /** On registers, all of them checked for linearizability. */
  readonly operations: number;
  readonly simulatedMs: number;
}

export interface RaftRunOptions {
  readonly seed: number;
  /** Length of the phase with faults, ms of true time. */
  readonly faultsMs: number;
  /** Rules that RaftNode is to break. @default none */
  readonly broken?: ReadonlySet<string>;
  readonly trace?: (line: string) => void;
}

export function runRaftSeed(options: RaftRunOptions): RaftRunResult {
  const run = new RaftRun(options);
  run.run();
  return run.result();
}

export class RaftRun {
  readonly #options: RaftRunOptions;
  readonly #world: World;
  readonly #broken: ReadonlySet<string>;
  readonly #faultsMs: number;
  #injector: FaultInjector<string> | null = null;
  readonly #network: SimNetwork;
  readonly #checks = new RaftInvariants();
  readonly #nodes: SimNode[];
  readonly #founders: readonly MemberInfo[];
  readonly #random: Prng;
  /** How often members take snapshots, and what they keep behind them. */
  readonly #snapshots: {
    readonly everyEntries: number;
    readonly keepEntries: number;
    readonly pieceBytes: number;
  };
  #proposed = 0;
  #applied = 0;
  #reads = 0;
  #calm = false;
  #changes = 0;
  /** Members come and go: then a lost directory may be one too many. */
  #operated = false;
  #hosts = 0;
  /** Highest index whose application was acknowledged to a client. */
  #acknowledgedIndex = 0;
  readonly #heritage: Heritage | null;
  /** What became of this cluster when its majority was lost. */
  #recovered: RaftRun | null = null;
  readonly #acknowledged: Uint8Array[] = [];
  /** What clients saw of each register. */
  readonly #histories: Set<OpenOperation>[] = Array.from({ length: REGISTERS }, () => new Set());

  /** `heritage`: of a cluster whose majority is lost; its survivor founds this one. */
  constructor(options: RaftRunOptions, heritage: Heritage | null = null) {
    const { seed, faultsMs, broken = new Set(), trace } = options;
    const world = this.#world = heritage?.world ?? new World(seed, trace ?? null);
    this.#options = options;
    this.#heritage = heritage;
    this.#broken = broken;
    this.#random = world.random.split(heritage ? "recovered run" : "raft run");
    const chance = this.#random.split("snapshots");
    this.#snapshots = {
      everyEntries: chance.pick([5, 20, 100, 4096]),
      keepEntries: chance.pick([0, 3, 30, 1024]),
      pieceBytes: chance.pick([32, 200, 1000, 128 * 1024]),
    };
    this.#network = heritage?.network ?? new SimNetwork(world);
    this.#faultsMs = world.now() + (heritage ? AFTERWARDS_MS : faultsMs);
    this.#nodes = heritage ? [this.#inherit(heritage)] : this.#newNodes(this.#random.pick([3, 3, 5]));
    this.#founders = this.#nodes.map(({ id, process: { name } }) => ({ id, name, addr: `${name}:1` }));
  }

  #newNodes(count: number): SimNode[] {
    return Array.from({ length: count }, (_, i) => this.#make(i + 1, null));
  }

  #make(id: NodeId, joined: readonly MemberInfo[] | null): SimNode {
    const name = `${this.#heritage ? "r" : "n"}${++this.#hosts}`;
    return this.#makeOn(new SimHost(this.#world, name, RHO), name, id, joined);
  }

  #makeOn(host: SimHost, name: string, id: NodeId, joined: readonly MemberInfo[] | null): SimNode {
    const process = new SimProcess(host, name);
    const disk = new SimDisk(process);
    this.#checks.watch(id, disk);
    return {
      id,
      host,
      process,
      disk,
      joined,
      raft: null,
      sum: new Sum(() => {}),
      gone: false,
      lost: false,
      emptied: false,
    };
  }

  /** The first member of a recovered cluster, with its log. */
  #inherit({ nodeId, snapshot, survivor, state }: Heritage): SimNode {
    const node = this.#makeOn(survivor.host, `${survivor.name}r`, nodeId, null);
    node.disk.install(snapshot);
    this.#proposed = RECOVERED_VALUES;
    // What the old cluster's clients have written is there before anybody looks.
    const before = new Sum(() => {});
    before.restore(state);
    const atMs = this.#world.now();
    this.#histories.forEach((history, k) => {
      const writes = before.register(k);
      if (writes !== EMPTY) history.add({ callMs: atMs, returnMs: atMs, writes, saw: EMPTY });
    });
    return node;
  }

  /** Once. Throws a Violation. */
  run(): void {
    const world = this.#world;
    const random = this.#random;
    this.#begin();
    world.runUntil(this.#faultsMs);
    // Where a rule of the recovery is missing, nothing else shows it.
    const lostRate = Object.keys(BREAKABLE_RECOVERY).some((rule) => this.#broken.has(rule)) ? 1 : LOST_RATE;
    const survivor = random.chance(lostRate) ? this.#loseMajority() : null;
    if (survivor === null) return this.#finish();
    const recovered = this.#recovered = new RaftRun(this.#options, this.#heritageOf(survivor));
    recovered.#begin();
    recovered.#grow();
    world.runUntil(recovered.#faultsMs);
    recovered.#finish();
    this.#judge();
  }

  /** Ends the group. Null when no member has anything to begin with. */
  #loseMajority(): SimNode | null {
    const nodes = this.#nodes;
    const random = this.#random;
    const world = this.#world;
    this.#calm = true;
    this.#injector?.calm();
    const survivor = random.pick(nodes);
    if (
      survivor.gone || survivor.emptied || survivor.disk.durable.lastIndex === 0 || survivor.disk.isRotten
    ) {
      return null;
    }
    for (const node of nodes) {
      this.#kill(node, random.chance(0.5));
      // The others are gone, or come back one day and know nothing of what happened.
      node.lost = node === survivor || node.gone || random.chance(0.5);
      if (!node.lost) world.after(random.between(0, AFTERWARDS_MS / 2), () => this.#start(node));
    }
    world.log.add("operator", `the majority is lost: ${survivor.process.name} goes on alone`);
    return survivor;
  }

  #heritageOf({ id, process, disk }: SimNode): Heritage {
    const world = this.#world;
    const network = this.#network;
    const random = this.#random;
    const broken = this.#broken;
    const stored = disk.read();
    const has = new Map<number, Uint8Array>();
    const sum = new Sum((index, _, command) => has.set(index, command));
    const heritage = heritageOf(
      { id, process, stored },
      sum,
      { world, network, seed: String(random.bits()) },
      broken,
    );
    for (const command of this.#acknowledged) {
      const index = this.#checks.indexOf(command);
      if (index === null) continue;
      const entry = stored.entries.find((one) => one.index === index);
      if (entry === undefined || entry.term !== this.#checks.appliedTerm(index)) continue;
      const kept = has.get(index);
      if (kept !== undefined && Buffer.compare(kept, command) === 0) continue;
      throw new Violation("acknowledged commands of the survivor's log remain", `at ${index}`);
    }
    return heritage;
  }

  /** The recovered cluster becomes one of three again. */
  #grow(): void {
    const world = this.#world;
    const nodes = this.#nodes;
    world.after(500, () => {
      if (nodes.length >= 3) return;
      const leader = nodes.find(({ raft }) => raft?.leadsWithOwnTerm());
      const addr = `r${this.#hosts + 1}:1`;
      leader?.raft?.addMember({ addr, name: null }, (outcome) => {
        if (outcome.kind === "done") this.#join(outcome.id, outcome.members);
      });
      this.#grow();
    });
  }

  #begin(): void {
    const world = this.#world;
    const random = this.#random;
    const nodes = this.#nodes;
    for (const node of nodes) world.after(random.between(0, 500), () => this.#start(node));
    const injector = this.#injector = this.#makeInjector();
    drawNetwork(random, this.#network.settings);
    for (const node of nodes) drawDisk(random, node.disk.settings);
    injector.start();
    this.#client();
    this.#reader();
    this.#operated = random.chance(0.6);
    const broken = this.#broken;
    const { settings } = this.#network;
    if (broken.has("count-hung-disks")) {
      this.#operated = true;
      this.#operator(OFTEN_MS);
      Object.assign(settings, { longDelayRate: 0, replayMaxMs: 10, heldByCut: false });
    }
    // Elsewhere what a disk acknowledged before it hung may arrive long after.
    const prompt = settings.longDelayRate === 0 && settings.replayMaxMs <= 10 && !settings.heldByCut;
    if (prompt) this.#checks.mayCountOn = (leader, voter) => this.#mayCountOn(leader, voter);
    if (this.#operated) this.#operator(random.between(1500, 8000));
    world.afterStep((ran) => {
      for (const { raft, process } of nodes) {
        if (raft !== null && ran.has(process)) this.#checks.onStatus(raft.status());
      }
    });
  }

  #mayCountOn(leader: NodeId, voter: NodeId): boolean {
    const [at, counted] = [leader, voter].map((id) => this.#nodes.find((node) => node.id === id));
    if (at === undefined || counted === undefined) return true;
    const awakeMs = this.#world.now() - at.process.awakeSinceMs;
    return awakeMs < HANG_SHOWS_MS || counted.disk.hungForMs < HANG_SHOWS_MS;
  }

  /** Peace, in which the group must work again. */
  #finish(): void {
    const nodes = this.#nodes;
    this.#injector?.calm();
    this.#calm = true;
    Object.assign(this.#network.settings, CALM_NETWORK);
    for (const node of nodes) Object.assign(node.disk.settings, CALM_DISK);
    this.#recover();
    this.#checkAcknowledged();
    this.#judge();
  }

  /**
   * The leader comes to hold all that was acknowledged up to now. That it is the same is checked with every
   * state: those at equal indexes are equal.
   */
  #checkAcknowledged(): void {
    const world = this.#world;
    const acknowledgedIndex = this.#acknowledgedIndex;
    const holds = () => (this.#newestLeader()?.sum.index ?? 0) >= acknowledgedIndex;
    if (world.runUntilHolds(world.now() + RECOVERY_MS, 50, holds)) return;
    throw new Violation(
      "acknowledged commands are never lost",
      `nobody leads with those up to ${acknowledgedIndex}`,
    );
  }

  #judge(): void {
    this.#histories.forEach((history, register) => {
      if (isLinearizable([...history])) return;
      throw new Violation("histories are linearizable", `register ${register}, ${history.size} operations`);
    });
  }

  /** What has happened so far. */
  result(): RaftRunResult {
    const world = this.#world;
    const recovered = this.#recovered;
    const heritage = this.#heritage;
    const then = recovered?.result();
    return {
      elections: this.#checks.terms + (then?.elections ?? 0),
      proposed: this.#proposed - (heritage ? RECOVERED_VALUES : 0) + (then?.proposed ?? 0),
      applied: this.#applied + (then?.applied ?? 0),
      reads: this.#reads + (then?.reads ?? 0),
      changes: this.#changes + (then?.changes ?? 0),
      faults: {
        ...Object.fromEntries(this.#injector?.counts ?? []),
        ...this.#recovered ? { "lost-majority": 1 } : {},
      },
      steps: world.steps,
      operations: this.#histories.reduce((sum, { size }) => sum + size, then?.operations ?? 0),
      simulatedMs: world.now(),
    };
  }

  /** The end of the event log. */
  tail(lines: number): readonly string[] {
    return this.#world.log.tail(lines);
  }

  #start(node: SimNode): void {
    const { process, id, disk, joined } = node;
    if (process.alive || node.lost) return;
    process.start();
    const random = this.#world.random.split(`node ${id} ${process.incarnation}`);
    const storage = this.#open(node);
    if (storage === null) return;
    this.#checks.onStart(id, joined === null ? this.#founders.map((each) => each.id) : []);
    node.sum = new Sum(
      (index, term, command) => this.#onApply(node, index, term, command),
      ({ index, value }) => this.#checks.onState(id, index, value),
    );
    const raft = new RaftNode({
      id,
      clock: new SimClock(process, random.split("timers"), 20),
      storage,
      transport: this.#network.transport(id, process, this.#heritage?.clusterId),
      stateMachine: node.sum,
      random: random.split("raft").unit,
      clusterId: this.#heritage?.clusterId ?? FIRST_CLUSTER_ID,
      instance: disk.instance,
      members: joined ?? this.#founders,
      join: joined !== null,
      electionMinMs: 600,
      electionMaxMs: 1000,
      heartbeatMs: 100,
      snapshotEveryEntries: this.#snapshots.everyEntries,
      keepEntries: this.#snapshots.keepEntries,
      snapshotPieceBytes: this.#snapshots.pieceBytes,
      broken: this.#broken,
    });
    node.raft = raft;
    raft.onEvent((event) => {
      if (event.kind === "state") {
        this.#world.log.add(process.name, `${event.role} in term ${event.term}, leader ${event.leader}`);
      } else if (event.kind === "fatal") {
        const { incarnation } = process;
        this.#world.after(0, () => {
          if (process.incarnation !== incarnation) return;
          this.#kill(node, false);
          this.#world.after(1000, () => this.#start(node));
        });
      } else if (event.kind === "removed") {
        node.gone = true;
        this.#world.after(0, () => this.#kill(node, false));
      }
    });
    this.#world.log.add(process.name, `starts (life ${process.incarnation})`);
    raft.start();
    this.#checkInherited(node);
  }

  /**
   * Null: the log is refused, for rot or for want of room, or opening it has failed, and the process ends.
   */
  #open(node: SimNode): LogStorage | null {
    try {
      return node.disk.storage();
    } catch (error) {
      const { code, message } = error as { code?: unknown; message: string };
      // Of a StorageError, or of the operation that failed.
      if (typeof code !== "string") throw error;
      this.#world.log.add(node.process.name, message);
      node.process.kill();
      node.disk.crash(false);
      // A bit of the number of the format makes it one of a later version.
      if (code === "damaged" || code === "version") this.#empty(node, this.#random.chance(0.5));
      else this.#world.after(1000, () => this.#start(node));
      return null;
    }
  }

  #onApply({ id, process }: SimNode, index: number, term: number, command: Uint8Array): void {
    this.#checks.onApply(id, index, term, command);
    if (this.#heritage !== null && valueOf(command) <= RECOVERED_VALUES) {
      throw new Violation("nothing of the old cluster gets in", `${process.name} applies it at ${index}`);
    }
  }

  /** The survivor begins with the state that its old log gave. */
  #checkInherited({ id, sum, process, raft, emptied }: SimNode): void {
    const heritage = this.#heritage;
    if (heritage?.nodeId !== id || emptied || raft === null || sum.index > heritage.snapshot.index) return;
    const inherited = new Sum(() => {});
    inherited.restore(heritage.state);
    if (sum.index < inherited.index || sum.value !== inherited.value) {
      throw new Violation("a recovered cluster begins with its survivor's state", process.name);
    }
  }

  #kill(node: SimNode, hostGone: boolean): void {
    if (!node.process.alive) {
      // What a dead process has written is in the page cache until then.
      if (hostGone) node.disk.crash(true);
      return;
    }
    node.process.kill();
    this.#network.processEnded(node.id, hostGone);
    node.disk.crash(hostGone);
    node.raft = null;
  }

  /** Proposes on a node of chance; what is acknowledged must stay. */
  #client(): void {
    const random = this.#random;
    this.#world.after(random.exponential(80), () => {
      const node = random.pick(this.#nodes);
      const command = Uint8Array.from({ length: HEADER_BYTES + random.below(60) }, () => random.below(256));
      if (node.raft !== null && !node.process.isPaused) {
        const value = ++this.#proposed;
        new DataView(command.buffer).setUint32(1, value);
        const history = this.#histories[command[0]! % REGISTERS]!;
        const operation: OpenOperation = {
          callMs: this.#world.now(),
          returnMs: Infinity,
          writes: value,
          saw: null,
        };
        history.add(operation);
        const { process } = node;
        const { incarnation } = process;
        this.#world.ran.add(process);
        node.raft.propose(command, (outcome) => {
          // Definitely not done: whoever sees its value nevertheless finds nobody who wrote it.
          if (outcome.kind === "rejected") history.delete(operation);
          if (outcome.kind !== "applied") return;
          operation.returnMs = this.#world.now();
          operation.saw = outcome.result as number;
          if (!process.alive || process.incarnation !== incarnation) {
            throw new Violation("the dead are silent", process.name);
          }
          this.#applied++;
          this.#acknowledged.push(command);
          // Not behind the index that is told: a command that was proposed again is applied once, the first
          // time.
          const index = this.#checks.indexOf(command);
          if (index === null || index > outcome.index) {
            throw new Violation("applied is told when it was applied", `${value} up to ${outcome.index}`);
          }
          this.#acknowledgedIndex = Math.max(this.#acknowledgedIndex, index);
        }, { timeoutMs: 3000 });
      }
      this.#client();
    });
  }

  /** Adds, removes and replaces members, on any node, whatever state the group is in. */
  #operator(gapMeanMs: number): void {
    const random = this.#random;
    const world = this.#world;
    world.after(random.exponential(gapMeanMs), () => {
      if (this.#calm) return;
      this.#operator(gapMeanMs);
      const { raft, process } = random.pick(this.#nodes);
      const members = this.#nodes.filter(({ gone }) => !gone);
      if (raft === null || process.isPaused) return;
      world.ran.add(process);
      const fresh = { addr: `new${this.#changes}-${this.#hosts}:1`, name: null, votes: random.chance(0.8) };
      const added = (outcome: AddOutcome) => {
        if (outcome.kind === "done") this.#join(outcome.id, outcome.members);
      };
      const victim = random.pick(members).id;
      const choice = random.unit();
      if (choice < 0.4 && members.length < MAX_MEMBERS) raft.addMember(fresh, added);
      else if (choice < 0.55 && members.length < MAX_MEMBERS) raft.replaceMember(victim, fresh, added);
      else if (members.length > 2) {
        raft.removeMember(victim, (outcome) => {
          if (outcome.kind !== "done") return;
          this.#changes++;
          world.log.add("operator", `removed ${victim}`);
        });
      }
    });
  }

  #join(id: NodeId, members: readonly MemberInfo[]): void {
    const random = this.#random;
    const world = this.#world;
    if (this.#nodes.some((node) => node.id === id)) return;
    this.#changes++;
    const node = this.#make(id, members);
    world.log.add("operator", `added ${id} as ${node.process.name}`);
    if (!this.#calm) drawDisk(random, node.disk.settings);
    this.#nodes.push(node);
    world.after(random.between(0, 2000), () => this.#start(node));
  }

  #newestLeader(): SimNode | undefined {
    const leaders = this.#nodes.filter(({ raft }) => raft?.leadsWithOwnTerm());
    return leaders.sort((a, b) => b.raft!.status().term - a.raft!.status().term)[0];
  }

  /** What an operator does about a member that has lost its directory: again and again, until it is out. */
  #replace(node: SimNode): void {
    const world = this.#world;
    const nodes = this.#nodes;
    const leader = this.#newestLeader()?.raft;
    if (leader && !leader.status().members.some(({ id }) => id === node.id)) {
      node.emptied = false;
      node.gone = true;
      // Switched off by whoever replaced it: with the next founder that is emptied it would be two of them.
      node.lost = true;
      this.#kill(node, false);
      return;
    }
    // Whoever was asked may die and never answer; being told is not yet being out: that comes when the other
    // one votes.
    world.after(4000, () => this.#replace(node));
    if (!leader) return;
    // Added, and whoever asked for it was never told: nobody starts it.
    const stray = leader.status().members.find((member) => !nodes.some(({ id }) => id === member.id));
    if (stray) return leader.removeMember(stray.id, () => {});
    world.ran.add(nodes.find(({ raft }) => raft === leader)!.process);
    const fresh = { addr: `instead${this.#changes}-${this.#hosts}:1`, name: null };
    leader.replaceMember(node.id, fresh, (outcome) => {
      if (outcome.kind === "done") this.#join(outcome.id, outcome.members);
    });
  }

  /** A confirmed read on any node that thinks it leads must see everything acknowledged before it began. */
  #reader(): void {
    const random = this.#random;
    this.#world.after(random.exponential(150), () => {
      const leaders = this.#nodes.filter((node) =>
        node.raft?.status().role === "leader" && !node.process.isPaused
      );
      const node = leaders[random.below(leaders.length)];
      if (node) this.#read(node, random.below(REGISTERS));
      this.#reader();
    });
  }

  #read({ id, raft, process, sum }: SimNode, register: number): void {
    const before = this.#acknowledgedIndex;
    const callMs = this.#world.now();
    this.#world.ran.add(process);
    raft?.read((outcome) => {
      if (outcome.kind !== "confirmed") return;
      this.#reads++;
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

  /**
   * The leader hears from nobody, and is asked for reads all the time: the others have elected another one
   * before it knows.
   */
  #cutLeaderOff(random: Prng): Fault | null {
    const leader = this.#newestLeader();
    if (!leader || leader.process.isPaused) return null;
    const { process } = leader;
    const { incarnation } = process;
    const ids = this.#nodes.map(({ id }) => id);
    const cut = cutFault(this.#network, directionsOf(leader.id, ids), random.between(1000, 4000));
    let over = false;
    const ask = () => {
      if (over || !process.alive || process.incarnation !== incarnation) return;
      if (!process.isPaused && leader.raft?.status().role === "leader") {
        this.#read(leader, random.below(REGISTERS));
      }
      this.#world.after(READ_AT_CUT_MS, ask);
    };
    ask();
    return {
      ...cut,
      text: `${process.name}: ${cut.text}`,
      end: () => {
        over = true;
        cut.end();
      },
    };
  }

  #recover(): void {
    const world = this.#world;
    const nodes = this.#nodes;
    const before = this.#applied;
    const whole = () => {
      const leads = nodes.flatMap(({ raft }) => raft?.status().role === "leader" ? [raft.status()] : []);
      const leader = leads.sort((a, b) => b.term - a.term)[0];
      if (leader === undefined || this.#applied <= before + 3) return false;
      return leader.members.every(({ id }) => {
        const status = nodes.find((node) => node.id === id)?.raft?.status();
        // Added, and whoever asked for it was never told.
        if (status === undefined) return !nodes.some((node) => node.id === id);
        return status.leader === leader.id && status.applied >= leader.commit - 3;
      });
    };
    if (!world.runUntilHolds(world.now() + RECOVERY_MS, 50, whole)) {
      const text = nodes.map(({ raft }) => JSON.stringify(raft?.status())).join("\n");
      throw new Violation(
        "liveness",
        `no working group ${RECOVERY_MS / 1000} s after the last fault:\n${text}`,
      );
    }
  }

  /**
   * Its directory may be lost: it is the only one, and without it there is a majority of voters that knows
   * who votes.
   */
  #maySpare(node: SimNode): boolean {
    const nodes = this.#nodes;
    const votersOf = ({ raft }: SimNode) =>
      raft?.status().members.filter(({ voter }) => voter).map(({ id }) => id).join(" ") ?? "";
    const leader = nodes.find(({ raft }) => raft?.leadsWithOwnTerm());
    if (leader === undefined || node.gone) return false;
    const voters = votersOf(leader);
    const count = voters.split(" ").length;
    const others = nodes.filter((other) => other !== node && votersOf(other) === voters);
    // A removal may be on its way, and takes away one more.
    if (count < (this.#operated ? 4 : 3) || others.length * 2 <= count) return false;
    // Whoever has never taken part may found a cluster: with one that is emptied it would be two of three.
    return !nodes.some(({ emptied, gone, disk }) =>
      emptied || disk.isRotten || (!gone && disk.durable.hardState.term === 0)
    );
  }

  /**
   * The directory is lost, or has to be set aside: the member comes back empty, or never, and is replaced.
   */
  #empty(node: SimNode, comesBack: boolean): void {
    node.emptied = true;
    // A founder has its id from its address, and comes back under it. Any other would come as a stranger.
    const isFounder = node.joined === null && this.#heritage === null;
    node.lost = !isFounder || !comesBack;
    node.disk.wipe();
    this.#world.log.add(node.process.name, node.lost ? "does not come back" : "comes back empty");
    this.#world.after(this.#random.between(1000, 8000), () => {
      this.#start(node);
      this.#replace(node);
    });
  }

  #makeInjector(): FaultInjector<string> {
    const network = this.#network;
    const nodes = this.#nodes;
    const random = this.#random;
    const world = this.#world;
    const one = (make: (node: SimNode, random: Prng) => ReturnType<FaultMaker>): FaultMaker => (chance) => {
      const alive = nodes.filter((node) => node.process.alive && !node.process.isPaused);
      return alive.length === 0 ? null : make(chance.pick(alive), chance);
    };
    // Of those that there are at the time.
    const cut = (kind: NetworkFault): FaultMaker => (chance) =>
      nodes.length < 2 ? null : networkFaults(network, nodes.map(({ id }) => id), 10_000)[kind](chance);
    const makers: Record<string, FaultMaker> = {
      isolate: cut("isolate"),
      "one-way": cut("one-way"),
      pair: cut("pair"),
      "leader-cut": (chance) => this.#cutLeaderOff(chance),
      pause: one((node, chance) => {
        const durationMs = chance.between(50, 10_000);
        node.process.pause(durationMs);
        return {
          durationMs,
          text: node.process.name,
          end: () => node.process.isPaused && node.process.resume(),
        };
      }),
      crash: one((node, chance) => {
        this.#kill(node, false);
        if (chance.chance(0.2)) node.disk.failOpening();
        return {
          durationMs: chance.between(10, 4000),
          text: node.process.name,
          end: () => this.#start(node),
        };
      }),
      "host-crash": one((node, chance) => {
        this.#kill(node, true);
        return {
          durationMs: chance.between(1000, 8000),
          text: node.process.name,
          end: () => {
            if (!node.process.alive) node.host.reboot();
            this.#start(node);
          },
        };
      }),
      "all-crash": (chance) => {
        for (const node of nodes) this.#kill(node, true);
        return {
          durationMs: chance.between(100, 3000),
          text: "all",
          end: () => nodes.forEach((node) => world.after(chance.between(0, 500), () => this.#start(node))),
        };
      },
      "disk-hang": one((node, chance) => {
        const durationMs = chance.chance(0.3) ? chance.between(5000, 15_000) : chance.between(100, 5000);
        node.disk.hang(durationMs);
        return { durationMs, text: node.process.name, end: () => node.disk.resume() };
      }),
      "disk-fail": one((node) => {
        node.disk.failSoon();
        return { durationMs: 0, text: node.process.name, end: () => {} };
      }),
      "disk-full": one((node, chance) => {
        const durationMs = chance.between(500, 10_000);
        node.disk.fill();
        return { durationMs, text: node.process.name, end: () => node.disk.makeRoom() };
      }),
      // Somebody empties a directory.
      "directory-lost": one((node, chance) => {
        if (!this.#maySpare(node)) return null;
        this.#kill(node, true);
        this.#empty(node, chance.chance(0.5));
        return { durationMs: 0, text: node.process.name, end: () => {} };
      }),
      "bit-rot": one((node, chance) => {
        if (!this.#maySpare(node)) return null;
        this.#kill(node, true);
        node.disk.rot();
        return {
          durationMs: chance.between(100, 3000),
          text: node.process.name,
          end: () => this.#start(node),
        };
      }),
      transfer: one((node, chance) => {
        const to = chance.pick(nodes).id;
        world.ran.add(node.process);
        node.raft?.transferLeadership(to, () => {});
        return { durationMs: 0, text: `${node.process.name} to n${to}`, end: () => {} };
      }),
    };
    const weights = drawWeights(random, Object.keys(makers), 0.6);
    weights["all-crash"]! *= 0.3;
    // What shows soonest that the rule is missing.
    if (this.#broken.has("count-hung-disks")) weights["disk-hang"] = Object.keys(makers).length;
    if (this.#broken.has("no-read-quorum")) weights["leader-cut"] = Object.keys(makers).length;
    return new FaultInjector(world, makers, weights, random.between(700, 4000));
  }
}
