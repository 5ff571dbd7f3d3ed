/**
 * Faults in runs of raft alone, as rows of a table. A seed draws the weights in the order of the rows: a new
 * row changes what every seed does.
 */
import type { BrokenRule, BrokenRules } from "../core/broken_rules.ts";
import {
  cutFault,
  directionsOf,
  drawWeights,
  type Fault,
  FaultInjector,
  type NetworkFault,
  networkFaults,
} from "./faults.ts";
import type { Clients } from "./clients.ts";
import type { Lives, SimNode } from "./lives.ts";
import type { MembershipOperators } from "./operators.ts";
import type { Prng } from "./prng.ts";
import type { SimNetwork } from "./sim_network.ts";
import { REGISTERS } from "./sum_machine.ts";
import type { World } from "./world.ts";

/** Share of the kinds that a run has. */
const KIND_RATE = 0.6;
const MAX_CUT_MS = 10_000;
/** Interval between two reads of a leader that is cut off. */
const READ_AT_CUT_MS = 50;

/** Objects that a fault may hit. */
export interface FaultScene {
  readonly world: World;
  readonly network: SimNetwork;
  readonly lives: Lives;
  readonly clients: Clients;
  readonly operators: MembershipOperators;
}

interface NodeFault {
  /** Frequency relative to other faults. @default 1 */
  readonly weight?: number;
  /**
   * Rule that this fault shows soonest: when it is broken, the fault is as frequent as all
   * others.
   */
  readonly shows?: BrokenRule;
  /** Begins the fault; null: it makes no sense now. */
  make(scene: FaultScene, random: Prng): Fault | null;
}

const NODE_FAULTS: Readonly<Record<string, NodeFault>> = {
  isolate: { make: cut("isolate") },
  "one-way": { make: cut("one-way") },
  pair: { make: cut("pair") },
  "leader-cut": { make: cutLeaderOff, shows: "no-read-quorum" },
  pause: { make: onOne(pause) },
  crash: { make: onOne(crash) },
  "host-crash": { make: onOne(crashHost) },
  "all-crash": { make: crashAll, weight: 0.3 },
  "disk-hang": { make: onOne(hangDisk), shows: "count-hung-disks" },
  "disk-fail": { make: onOne(failDisk) },
  "disk-full": { make: onOne(fillDisk) },
  "directory-lost": { make: onOne(loseDirectory) },
  "bit-rot": { make: onOne(rot) },
  transfer: { make: onOne(transfer) },
};

/** Faults of a run, with about half of the kinds. `random` draws the kinds and their frequency. */
export function nodeFaults(
  scene: FaultScene,
  random: Prng,
  broken: BrokenRules,
): FaultInjector<string> {
  const rows = Object.entries(NODE_FAULTS);
  const weights = drawWeights(random, Object.keys(NODE_FAULTS), KIND_RATE);
  for (const [kind, { weight = 1, shows }] of rows) {
    weights[kind] = shows !== undefined && broken.has(shows) ? rows.length : weights[kind]! * weight;
  }
  const makers = Object.fromEntries(
    rows.map(([kind, fault]) => [kind, (chance: Prng) => fault.make(scene, chance)]),
  );
  return new FaultInjector(scene.world, makers, weights, random.between(700, 4000));
}

/** Hits a node that is alive and not paused. */
function onOne(hit: (node: SimNode, scene: FaultScene, random: Prng) => Fault | null): NodeFault["make"] {
  return (scene, random) => {
    const alive = scene.lives.nodes.filter(({ process }) => process.alive && !process.isPaused);
    return alive.length === 0 ? null : hit(random.pick(alive), scene, random);
  };
}

function moment(text: string): Fault {
  return { durationMs: 0, text, end: () => {} };
}

/** Cuts between the nodes that exist at the time. */
function cut(kind: NetworkFault): NodeFault["make"] {
  return ({ network, lives: { nodes } }, random) =>
    nodes.length < 2 ? null : networkFaults(network, nodes.map(({ id }) => id), MAX_CUT_MS)[kind](random);
}

/**
 * Cuts the leader off from everything it would hear, and asks it for reads all the time: the others have
 * elected another leader before it knows.
 */
function cutLeaderOff({ world, network, lives, clients }: FaultScene, random: Prng): Fault | null {
  const leader = lives.newestLeader();
  if (!leader || leader.process.isPaused) return null;
  const { process } = leader;
  const { incarnation } = process;
  const ids = lives.nodes.map(({ id }) => id);
  const cut = cutFault(network, directionsOf(leader.id, ids), random.between(1000, 4000));
  let over = false;
  const ask = () => {
    if (over || !process.alive || process.incarnation !== incarnation) return;
    if (!process.isPaused && leader.raft?.status().role === "leader") {
      clients.read(leader, random.below(REGISTERS));
    }
    world.after(READ_AT_CUT_MS, ask);
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

function pause({ process }: SimNode, _: FaultScene, random: Prng): Fault {
  const durationMs = random.between(50, 10_000);
  process.pause(durationMs);
  return {
    durationMs,
    text: process.name,
    end: () => {
      if (process.isPaused) process.resume();
    },
  };
}

function crash(node: SimNode, { lives }: FaultScene, random: Prng): Fault {
  lives.kill(node, false);
  if (random.chance(0.2)) node.disk.failOpening();
  return { durationMs: random.between(10, 4000), text: node.process.name, end: () => lives.start(node) };
}

function crashHost(node: SimNode, { lives }: FaultScene, random: Prng): Fault {
  lives.kill(node, true);
  return {
    durationMs: random.between(1000, 8000),
    text: node.process.name,
    end: () => {
      if (!node.process.alive) node.host.reboot();
      lives.start(node);
    },
  };
}

function crashAll({ world, lives }: FaultScene, random: Prng): Fault {
  for (const node of lives.nodes) lives.kill(node, true);
  return {
    durationMs: random.between(100, 3000),
    text: "all",
    end: () => {
      for (const node of lives.nodes) world.after(random.between(0, 500), () => lives.start(node));
    },
  };
}

function hangDisk({ process, disk }: SimNode, _: FaultScene, random: Prng): Fault {
  const durationMs = random.chance(0.3) ? random.between(5000, 15_000) : random.between(100, 5000);
  disk.hang(durationMs);
  return { durationMs, text: process.name, end: () => disk.resume() };
}

function failDisk({ process, disk }: SimNode): Fault {
  disk.failSoon();
  return moment(process.name);
}

function fillDisk({ process, disk }: SimNode, _: FaultScene, random: Prng): Fault {
  const durationMs = random.between(500, 10_000);
  disk.fill();
  return { durationMs, text: process.name, end: () => disk.makeRoom() };
}

/** Empties a node's directory. */
function loseDirectory(node: SimNode, { lives, operators }: FaultScene, random: Prng): Fault | null {
  if (!operators.maySpare(node)) return null;
  lives.kill(node, true);
  lives.empty(node, random.chance(0.5));
  return moment(node.process.name);
}

function rot(node: SimNode, { lives, operators }: FaultScene, random: Prng): Fault | null {
  if (!operators.maySpare(node)) return null;
  lives.kill(node, true);
  node.disk.rot();
  return { durationMs: random.between(100, 3000), text: node.process.name, end: () => lives.start(node) };
}

function transfer({ process, raft }: SimNode, { world, lives }: FaultScene, random: Prng): Fault {
  const to = random.pick(lives.nodes).id;
  world.ran.add(process);
  raft?.transferLeadership(to, () => {});
  return moment(`${process.name} to n${to}`);
}
