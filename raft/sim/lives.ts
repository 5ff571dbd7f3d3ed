/**
 * The lives of simulated nodes: each is made on a host of its own, starts, is killed, starts again from what
 * its disk kept, or has lost its directory. An error in a life ends the run with a Violation.
 */
import type { BrokenRules } from "../core/broken_rules.ts";
import type { NodeId } from "../core/types.ts";
import type { Raft } from "../node/api.ts";
import type { LogStorage } from "../node/ports.ts";
import { RaftNode } from "../node/raft_node.ts";
import type { MemberInfo } from "../node/raft_options.ts";
import { type Heritage, RECOVERED_VALUES } from "./heritage.ts";
import type { RaftInvariants } from "./invariants.ts";
import type { Prng } from "./prng.ts";
import { SimClock } from "./sim_clock.ts";
import { SimHost, SimProcess } from "./sim_host.ts";
import { FIRST_CLUSTER_ID, type SimNetwork } from "./sim_network.ts";
import { SimDisk } from "./sim_storage.ts";
import { restoredSum, Sum, valueOf } from "./sum_machine.ts";
import { Violation, type World } from "./world.ts";

const RHO = 1e-3;
/** Delay of a start after one that failed, or after an error that ended the process. */
const START_AGAIN_MS = 1000;

export interface SimNode {
  readonly id: NodeId;
  readonly host: SimHost;
  readonly process: SimProcess;
  readonly disk: SimDisk;
  /** Members that the node was told of when it was added; null: it is a founder. */
  readonly joined: readonly MemberInfo[] | null;
  raft: Raft | null;
  sum: Sum;
  /** Whether the node knows that it was removed. */
  gone: boolean;
  /** Whether the node never starts again. */
  lost: boolean;
  /** Whether its directory was lost while it was a member: it must not vote, and has to be replaced. */
  emptied: boolean;
}

/** Surroundings of one cluster's lives. */
export interface Surroundings {
  readonly world: World;
  readonly network: SimNetwork;
  readonly checks: RaftInvariants;
  /** Heritage of a cluster whose majority is lost: its survivor founds this one. */
  readonly heritage: Heritage | null;
  /** Rules that RaftNode is to break. */
  readonly broken: BrokenRules;
}

/** Interval of members' snapshots, and the entries kept behind them. */
interface SnapshotSettings {
  readonly snapshotEveryEntries: number;
  readonly keepEntries: number;
  readonly snapshotPieceBytes: number;
}

export class Lives {
  readonly nodes: SimNode[];
  /** Number of hosts so far. */
  hosts = 0;
  readonly #around: Surroundings;
  readonly #random: Prng;
  readonly #snapshots: SnapshotSettings;
  readonly #founders: readonly MemberInfo[];
  /** Called with a node whose directory was lost, when it has started again or would have. */
  readonly #onEmptied: (node: SimNode) => void;

  constructor(around: Surroundings, random: Prng, onEmptied: (node: SimNode) => void) {
    const { heritage } = around;
    this.#around = around;
    this.#random = random;
    this.#onEmptied = onEmptied;
    this.#snapshots = drawSnapshots(random.split("snapshots"));
    this.nodes = heritage ? [this.#inherit(heritage)] : this.#found(random.pick([3, 3, 5]));
    this.#founders = this.nodes.map(({ id, process: { name } }) => ({ id, name, addr: `${name}:1` }));
  }

  #found(count: number): SimNode[] {
    return Array.from({ length: count }, (_, i) => this.#make(i + 1, null));
  }

  /** Makes the first member of a recovered cluster, with its log. */
  #inherit({ nodeId, snapshot, survivor }: Heritage): SimNode {
    const node = this.#makeOn(survivor.host, `${survivor.name}r`, nodeId, null);
    node.disk.install(snapshot);
    return node;
  }

  /** Makes another node, which is told of `members`, on a host of its own. */
  join(id: NodeId, members: readonly MemberInfo[]): SimNode {
    const node = this.#make(id, members);
    this.nodes.push(node);
    return node;
  }

  #make(id: NodeId, joined: readonly MemberInfo[] | null): SimNode {
    const { heritage, world } = this.#around;
    const name = `${heritage ? "r" : "n"}${++this.hosts}`;
    return this.#makeOn(new SimHost(world, name, RHO), name, id, joined);
  }

  #makeOn(host: SimHost, name: string, id: NodeId, joined: readonly MemberInfo[] | null): SimNode {
    const process = new SimProcess(host, name);
    const disk = new SimDisk(process);
    this.#around.checks.watch(id, disk);
    return {
      id,
      host,
      process,
      disk,
      joined,
      raft: null,
      sum: new Sum(),
      gone: false,
      lost: false,
      emptied: false,
    };
  }

  newestLeader(): SimNode | undefined {
    const leaders = this.nodes.filter(({ raft }) => raft?.leadsWithOwnTerm());
    return leaders.sort((a, b) => b.raft!.status().term - a.raft!.status().term)[0];
  }

  start(node: SimNode): void {
    const { process, id, disk, joined } = node;
    if (process.alive || node.lost) return;
    process.start();
    const { world, network, checks, heritage, broken } = this.#around;
    const random = world.random.split(`node ${id} ${process.incarnation}`);
    const storage = this.#open(node);
    if (storage === null) return;
    checks.onStart(id, joined === null ? this.#founders.map((each) => each.id) : []);
    node.sum = new Sum(
      (index, term, command) => this.#onApply(node, index, term, command),
      ({ index, value }) => checks.onState(id, index, value),
    );
    const raft = new RaftNode({
      id,
      clock: new SimClock(process, random.split("timers"), 20),
      storage,
      transport: network.transport(id, process, heritage?.clusterId),
      stateMachine: node.sum,
      random: random.split("raft").unit,
      clusterId: heritage?.clusterId ?? FIRST_CLUSTER_ID,
      instance: disk.instance,
      members: joined ?? this.#founders,
      join: joined !== null,
      electionMinMs: 600,
      electionMaxMs: 1000,
      heartbeatMs: 100,
      ...this.#snapshots,
      broken,
    });
    node.raft = raft;
    this.#follow(node, raft);
    world.log.add(process.name, `starts (life ${process.incarnation})`);
    raft.start();
    this.#checkInherited(node);
  }

  /** Ends the process when its raft ends. */
  #follow(node: SimNode, raft: Raft): void {
    const { process } = node;
    const { world } = this.#around;
    raft.onEvent((event) => {
      if (event.kind === "state") {
        world.log.add(process.name, `${event.role} in term ${event.term}, leader ${event.leader}`);
      } else if (event.kind === "fatal") {
        const { incarnation } = process;
        world.after(0, () => {
          if (process.incarnation !== incarnation) return;
          this.kill(node, false);
          world.after(START_AGAIN_MS, () => this.start(node));
        });
      } else if (event.kind === "removed") {
        node.gone = true;
        world.after(0, () => this.kill(node, false));
      }
    });
  }

  /**
   * Opens the log. Null: it is refused, for rot or lack of room, or opening it has failed, and the process
   * ends.
   */
  #open(node: SimNode): LogStorage | null {
    try {
      return node.disk.storage();
    } catch (error) {
      const { code, message } = error as { code?: unknown; message: string };
      // The code is that of a StorageError, or of the operation that failed.
      if (typeof code !== "string") throw error;
      const { world } = this.#around;
      world.log.add(node.process.name, message);
      node.process.kill();
      node.disk.crash(false);
      // A flipped bit in the format's number makes it a later version.
      if (code === "damaged" || code === "version") this.empty(node, this.#random.chance(0.5));
      else world.after(START_AGAIN_MS, () => this.start(node));
      return null;
    }
  }

  #onApply({ id, process }: SimNode, index: number, term: number, command: Uint8Array): void {
    const { checks, heritage } = this.#around;
    checks.onApply(id, index, term, command);
    if (heritage !== null && valueOf(command) <= RECOVERED_VALUES) {
      throw new Violation("nothing of the old cluster gets in", `${process.name} applies it at ${index}`);
    }
  }

  /** Checks that the survivor begins with the state that its old log gave. */
  #checkInherited({ id, sum, process, raft, emptied }: SimNode): void {
    const { heritage } = this.#around;
    if (heritage?.nodeId !== id || emptied || raft === null || sum.index > heritage.snapshot.index) return;
    const inherited = restoredSum(heritage.state);
    if (sum.index < inherited.index || sum.value !== inherited.value) {
      throw new Violation("a recovered cluster begins with its survivor's state", process.name);
    }
  }

  /** Kills a node. `hostGone`: with its host, whose page cache is lost. */
  kill(node: SimNode, hostGone: boolean): void {
    if (!node.process.alive) {
      // Writes of a dead process are in the page cache until then.
      if (hostGone) node.disk.crash(true);
      return;
    }
    node.process.kill();
    this.#around.network.processEnded(node.id, hostGone);
    node.disk.crash(hostGone);
    node.raft = null;
  }

  /**
   * Loses a directory, which may also be set aside: the member comes back empty, or never, and is replaced.
   */
  empty(node: SimNode, comesBack: boolean): void {
    const { world, heritage } = this.#around;
    node.emptied = true;
    // A founder has its id from its address, and comes back under it. Any other member would come as a
    // stranger.
    const isFounder = node.joined === null && heritage === null;
    node.lost = !isFounder || !comesBack;
    node.disk.wipe();
    world.log.add(node.process.name, node.lost ? "does not come back" : "comes back empty");
    world.after(this.#random.between(1000, 8000), () => {
      this.start(node);
      this.#onEmptied(node);
    });
  }
}

function drawSnapshots(random: Prng): SnapshotSettings {
  return {
    snapshotEveryEntries: random.pick([5, 20, 100, 4096]),
    keepEntries: random.pick([0, 3, 30, 1024]),
    snapshotPieceBytes: random.pick([32, 200, 1000, 128 * 1024]),
  };
}
