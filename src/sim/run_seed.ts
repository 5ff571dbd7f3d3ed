/**
 * One run: a cluster is made from nothing, put through the faults that its seed draws, and left in peace;
 * then it must become healthy again. Everything follows from the seed.
 */
import { CALM_DISK, CALM_NETWORK, drawDisk, drawNetwork, Violation, World } from "../../raft/sim/mod.ts";
import type { BrokenRules } from "../dcs/broken_rules.ts";
import { clusterFaults } from "./faults/cluster_faults.ts";
import { type ClusterFault, faultsAgainst } from "./faults/fault_kinds.ts";
import { resume } from "./requests.ts";
import { operatorNeeded } from "../dcs/operator_needed.ts";
import { SimCluster } from "./sim_cluster.ts";

/** So many of the clusters are two members and a witness. */
const WITNESS_RATE = 0.25;
/** Time from empty directories, without faults, to three healthy members. */
const BOOTSTRAP_MS = 60_000;
/** Time for the recovery, from the end of the last fault. */
export const RECOVERY_MS = 60_000;

const SPLIT_BRAIN = ["never two writers", "epochs go forward"];

export interface RunOptions {
  readonly seed: number;
  /** Length of the phase with faults, ms of true time. */
  readonly faultsMs: number;
  readonly broken: BrokenRules;
  /** @default what the seed draws; when a rule is broken, what shows that soonest */
  readonly only?: ClusterFault | null;
  readonly trace: ((line: string) => void) | null;
}

export interface RunResult {
  readonly seed: number;
  readonly violation: string | null;
  /** The end of the event log, when there is a violation. */
  readonly tail: readonly string[];
  readonly simulatedMs: number;
  readonly steps: number;
  readonly faults: { readonly [kind: string]: number };
  readonly failovers: number;
  readonly switchovers: number;
  readonly elections: number;
  readonly freezes: number;
  readonly lostBytes: number;
  readonly failsafeMs: number;
  readonly recoveryMs: number;
}

export function runSeed(options: RunOptions): RunResult {
  const { seed, faultsMs, broken, trace } = options;
  const [missing] = broken;
  const only = options.only ?? (missing === undefined ? null : faultsAgainst(missing));
  const world = new World(seed, trace);
  const random = world.random.split("scenario");
  const ttl = random.pick([2, 3, 5, 5, 5, 10]);
  const config = {
    ttl,
    loop_wait: 1,
    use_pg_rewind: random.chance(0.7),
    primary_start_timeout: random.pick([2, 5, 15]),
    failsafe_mode: random.chance(0.5) || only === "failsafe-ambush",
  };
  const cluster = new SimCluster(world, broken, config, random.chance(WITNESS_RATE));
  const injector = clusterFaults(cluster, random.split("faults"), only);
  let violation: string | null = null;
  let recoveryMs = 0;
  try {
    for (const member of cluster.members) world.after(random.between(0, 2000), () => member.startAgent());
    // Some runs have their faults from the first moment on.
    if (random.chance(0.8)) become(cluster, "bootstrap", BOOTSTRAP_MS);
    drawNetwork(random, cluster.network.settings);
    cluster.links.slowRate = random.chance(0.5) ? random.between(0, 0.3) : 0;
    for (const member of cluster.members) drawDisk(random, member.disk.settings);
    injector.start();
    world.runUntil(world.now() + faultsMs);
    injector.calm();
    resume(cluster);
    Object.assign(cluster.network.settings, CALM_NETWORK);
    cluster.links.slowRate = 0;
    for (const member of cluster.members) Object.assign(member.disk.settings, CALM_DISK);
    recoveryMs = recover(cluster);
  } catch (error) {
    if (!(error instanceof Violation)) violation = `exception: ${(error as Error).stack ?? error}`;
    // Without one of its rules a cluster may do many things badly; what the rule is there for is looked for.
    else if (broken.size === 0 || SPLIT_BRAIN.includes(error.invariant)) violation = error.message;
    if (violation !== null) world.log.add("VIOLATION", violation);
  }
  const { safety } = cluster;
  return {
    seed,
    violation,
    tail: violation === null ? [] : world.log.tail(200),
    simulatedMs: world.now(),
    steps: world.steps,
    faults: Object.fromEntries(injector.counts),
    failovers: safety.failovers,
    switchovers: safety.switchovers,
    elections: cluster.group.checks.terms,
    freezes: cluster.members.reduce((sum, member) => sum + member.guard.freezes, 0),
    lostBytes: safety.lostBytes,
    failsafeMs: cluster.failsafeMs,
    recoveryMs,
  };
}

/** ms until it is healthy again; 0: it waits for an operator, and nothing can be asked of it. */
function recover(cluster: SimCluster): number {
  const { world } = cluster;
  const calmSinceMs = world.now();
  if (become(cluster, "recovery", RECOVERY_MS) !== "healthy") return 0;
  const recoveryMs = world.now() - calmSinceMs;
  world.runUntil(world.now() + 2000);
  cluster.checkAcknowledged();
  return recoveryMs;
}

/**
 * Healthy twice in a row, a second apart, within the bound. What cannot be without an operator who knows that
 * a host is off has at least to be said.
 */
function become(cluster: SimCluster, phase: string, boundMs: number): "healthy" | "waits for an operator" {
  const { world } = cluster;
  const untilMs = world.now() + boundMs;
  while (world.now() < untilMs) {
    if (!world.runUntilHolds(untilMs, 200, () => cluster.unhealthy() === null)) break;
    world.runUntil(world.now() + 1000);
    if (cluster.unhealthy() === null) {
      world.log.add("healthy", phase);
      return "healthy";
    }
  }
  const heard = cluster.members.flatMap(({ agent, member }) => agent.alive ? member?.status ?? [] : []);
  const records = cluster.latestRecords();
  if (records !== null && operatorNeeded(records, heard) !== null) {
    world.log.add("operator", "is needed, and is told so");
    return "waits for an operator";
  }
  throw new Violation(
    "liveness",
    `not healthy ${boundMs / 1000} s after the beginning of ${phase}: ${cluster.unhealthy()}`,
  );
}
