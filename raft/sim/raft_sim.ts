/**
 * Raft alone in the simulated world: nodes with a list as their state machine, clients that propose and read, faults by
 * seed, then peace, in which the group must work again. Throws a Violation when an invariant breaks.
 */
import type { NodeId } from "../core/types.ts";
import type { Raft } from "../node/api.ts";
import { RaftNode } from "../node/raft_node.ts";
import type { StateMachine } from "../node/ports.ts";
import {
  drawDisk,
  drawNetwork,
  drawWeights,
  FaultInjector,
  type FaultMaker,
  networkFaults,
} from "./faults.ts";
import { RaftInvariants } from "./invariants.ts";
import type { Prng } from "./prng.ts";
import { SimClock } from "./sim_clock.ts";
import { SimHost, SimProcess } from "./sim_host.ts";
import { CALM_NETWORK, SimNetwork } from "./sim_network.ts";
import { CALM_DISK, SimDisk } from "./sim_storage.ts";
import { Violation, World } from "./world.ts";

const RHO = 1e-3;
const RECOVERY_MS = 15_000;

/** Adds up what it applies: two nodes at the same index must have the same sum. */
class Sum implements StateMachine {
  private bytes = new Uint8Array(8);
  index = 0;

  constructor(private readonly onApply: (index: number, term: number, command: Uint8Array) => void) {}

  get value(): string {
    return this.bytes.join(" ");
  }

  apply(command: Uint8Array, index: number, term: number): number {
    this.onApply(index, term, command);
    this.index = index;
    const next = this.bytes.slice();
    for (let i = 0; i < command.length; i++) next[i % 8] = (next[i % 8]! * 31 + command[i]!) & 255;
    this.bytes = next;
    return index;
  }

  snapshot(): Uint8Array {
    return new TextEncoder().encode(JSON.stringify([this.index, ...this.bytes]));
  }

  restore(data: Uint8Array): void {
    const [index, ...bytes] = JSON.parse(new TextDecoder().decode(data)) as number[];
    this.index = index ?? 0;
    this.bytes = Uint8Array.from(bytes);
  }
}

interface SimNode {
  readonly id: NodeId;
  readonly host: SimHost;
  readonly process: SimProcess;
  readonly disk: SimDisk;
  raft: Raft | null;
  sum: Sum;
}

export interface RaftRunResult {
  readonly elections: number;
  readonly proposed: number;
  readonly applied: number;
  readonly reads: number;
  readonly faults: { readonly [kind: string]: number };
  readonly steps: number;
}

export function runRaftSeed(
  seed: number,
  faultsMs: number,
  trace: ((line: string) => void) | null = null,
): RaftRunResult {
  const run = new RaftRun(new World(seed, trace));
  return run.run(faultsMs);
}

class RaftRun {
  private readonly network: SimNetwork;
  private readonly checks = new RaftInvariants();
  private readonly nodes: SimNode[];
  private readonly random: Prng;
  private proposed = 0;
  private applied = 0;
  private reads = 0;
  /** Highest index whose application was acknowledged to a client. */
  private acknowledgedIndex = 0;
  private readonly acknowledged = new Map<number, Uint8Array>();

  constructor(private readonly world: World) {
    this.random = world.random.split("raft run");
    this.network = new SimNetwork(world);
    const count = this.random.pick([3, 3, 5]);
    this.nodes = Array.from({ length: count }, (_, i) => {
      const host = new SimHost(world, `n${i + 1}`, RHO);
      const process = new SimProcess(host, `n${i + 1}`);
      const disk = new SimDisk(process);
      this.checks.watch(i + 1, disk);
      return { id: i + 1, host, process, disk, raft: null, sum: new Sum(() => {}) };
    });
  }

  run(faultsMs: number): RaftRunResult {
    const { world, random, nodes } = this;
    for (const node of nodes) world.after(random.between(0, 500), () => this.start(node));
    const injector = this.injector();
    drawNetwork(random, this.network.settings);
    for (const node of nodes) drawDisk(random, node.disk.settings);
    injector.start();
    this.client();
    this.reader();
    this.check();
    world.runUntil(faultsMs);
    injector.calm();
    Object.assign(this.network.settings, CALM_NETWORK);
    for (const node of nodes) Object.assign(node.disk.settings, CALM_DISK);
    this.recover();
    for (const [index, command] of this.acknowledged) {
      if (!this.checks.wasApplied(index, command)) {
        throw new Violation("acknowledged commands are never lost", `at ${index}`);
      }
    }
    return {
      elections: this.checks.terms,
      proposed: this.proposed,
      applied: this.applied,
      reads: this.reads,
      faults: Object.fromEntries(injector.counts),
      steps: world.steps,
    };
  }

  private start(node: SimNode): void {
    const { process, id, disk } = node;
    if (process.alive) return;
    process.start();
    const random = this.world.random.split(`node ${id} ${process.incarnation}`);
    this.checks.onStart(id, disk.durable.snapshot?.index ?? 0);
    node.sum = new Sum((index, term, command) => this.checks.onApply(id, index, term, command));
    const raft = new RaftNode({
      id,
      clock: new SimClock(process, random.split("timers"), 20),
      storage: disk.storage(),
      transport: this.network.transport(id, process),
      stateMachine: node.sum,
      random: random.split("raft").unit,
      clusterId: 1,
      instance: disk.instance,
      members: this.nodes.map((each) => ({ id: each.id, name: `n${each.id}`, addr: `n${each.id}` })),
      electionMinMs: 600,
      electionMaxMs: 1000,
      heartbeatMs: 100,
    });
    node.raft = raft;
    raft.onEvent((event) => {
      if (event.kind === "state") {
        this.world.log.add(process.name, `${event.role} in term ${event.term}, leader ${event.leader}`);
        this.checks.onStatus(raft.status());
      } else if (event.kind === "fatal") {
        const { incarnation } = process;
        this.world.after(0, () => {
          if (process.incarnation !== incarnation) return;
          this.kill(node, false);
          this.world.after(1000, () => this.start(node));
        });
      }
    });
    this.world.log.add(process.name, `starts (life ${process.incarnation})`);
    raft.start();
  }

  private kill(node: SimNode, hostGone: boolean): void {
    if (!node.process.alive) return;
    node.process.kill();
    this.network.processEnded(node.id, hostGone);
    node.disk.crash(hostGone);
    node.raft = null;
  }

  /** Proposes on a node of chance; what is acknowledged must stay. */
  private client(): void {
    const { random } = this;
    this.world.after(random.exponential(80), () => {
      const node = random.pick(this.nodes);
      const command = Uint8Array.from({ length: 4 + random.below(60) }, () => random.below(256));
      if (node.raft !== null && !node.process.isPaused) {
        this.proposed++;
        const { process } = node;
        const { incarnation } = process;
        node.raft.propose(command, (outcome) => {
          if (outcome.kind !== "applied") return;
          if (!process.alive || process.incarnation !== incarnation) {
            throw new Violation("the dead are silent", process.name);
          }
          this.applied++;
          this.acknowledged.set(outcome.index, command);
          this.acknowledgedIndex = Math.max(this.acknowledgedIndex, outcome.index);
        }, { timeoutMs: 3000 });
      }
      this.client();
    });
  }

  /** A confirmed read on any node that thinks it leads must see everything acknowledged before it began. */
  private reader(): void {
    const { random } = this;
    this.world.after(random.exponential(150), () => {
      const leaders = this.nodes.filter((node) =>
        node.raft?.status().role === "leader" && !node.process.isPaused
      );
      const node = leaders[random.below(leaders.length)];
      if (node?.raft) {
        const before = this.acknowledgedIndex;
        node.raft.read((outcome) => {
          if (outcome.kind !== "confirmed") return;
          this.reads++;
          if (outcome.index < before || node.sum.index < before) {
            throw new Violation(
              "reads are linearizable",
              `n${node.id} confirms ${outcome.index} (applied ${node.sum.index}) after ${before}`,
            );
          }
        });
      }
      this.reader();
    });
  }

  private check(): void {
    for (const { raft } of this.nodes) if (raft !== null) this.checks.onStatus(raft.status());
    this.world.after(50, () => this.check());
  }

  private recover(): void {
    const { world, nodes } = this;
    const before = this.applied;
    const whole = () => {
      const statuses = nodes.map((node) => node.raft?.status());
      const leader = statuses.find((status) => status?.role === "leader");
      return leader !== undefined && this.applied > before + 3 &&
        statuses.every((status) => status?.leader === leader.id && status.applied >= leader.commit - 3);
    };
    if (!world.runUntilHolds(world.now() + RECOVERY_MS, 50, whole)) {
      const text = nodes.map(({ raft }) => JSON.stringify(raft?.status())).join("\n");
      throw new Violation(
        "liveness",
        `no working group ${RECOVERY_MS / 1000} s after the last fault:\n${text}`,
      );
    }
  }

  private injector(): FaultInjector<string> {
    const { network, nodes, random, world } = this;
    const one = (make: (node: SimNode, random: Prng) => ReturnType<FaultMaker>): FaultMaker => (chance) => {
      const alive = nodes.filter((node) => node.process.alive && !node.process.isPaused);
      return alive.length === 0 ? null : make(chance.pick(alive), chance);
    };
    const makers: Record<string, FaultMaker> = {
      ...networkFaults(network, nodes.map((node) => node.id), 10_000),
      pause: one((node, chance) => {
        const durationMs = chance.between(50, 8000);
        node.process.pause(durationMs);
        return {
          durationMs,
          text: node.process.name,
          end: () => node.process.isPaused && node.process.resume(),
        };
      }),
      crash: one((node, chance) => {
        this.kill(node, false);
        return { durationMs: chance.between(10, 4000), text: node.process.name, end: () => this.start(node) };
      }),
      "host-crash": one((node, chance) => {
        this.kill(node, true);
        return {
          durationMs: chance.between(1000, 8000),
          text: node.process.name,
          end: () => {
            if (!node.process.alive) node.host.reboot();
            this.start(node);
          },
        };
      }),
      "all-crash": (chance) => {
        for (const node of nodes) this.kill(node, true);
        return {
          durationMs: chance.between(100, 3000),
          text: "all",
          end: () => nodes.forEach((node) => world.after(chance.between(0, 500), () => this.start(node))),
        };
      },
      "disk-hang": one((node, chance) => {
        const durationMs = chance.between(100, 5000);
        node.disk.hang(durationMs);
        return { durationMs, text: node.process.name, end: () => node.disk.resume() };
      }),
      "disk-fail": one((node) => {
        node.disk.failNextSync();
        return { durationMs: 0, text: node.process.name, end: () => {} };
      }),
      transfer: one((node, chance) => {
        const to = chance.pick(nodes).id;
        node.raft?.transferLeadership(to, () => {});
        return { durationMs: 0, text: `${node.process.name} to n${to}`, end: () => {} };
      }),
    };
    const weights = drawWeights(random, Object.keys(makers), 0.6);
    weights["all-crash"]! *= 0.3;
    return new FaultInjector(world, makers, weights, random.between(700, 4000));
  }
}
