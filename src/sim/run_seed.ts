/**
 * One run: a cluster is made from nothing, put through the faults that its seed draws, and left in peace;
 * then it must become healthy again. Everything follows from the seed.
 */
import {
  CALM_DISK,
  CALM_NETWORK,
  drawDisk,
  drawNetwork,
  type FaultInjector,
  type Prng,
  Violation,
  World,
} from "../../raft/sim/mod.ts";
import type { JsonObject } from "../model/json.ts";
import { type BrokenRule, type BrokenRules, isSyncRule } from "../dcs/broken_rules.ts";
import { clusterFaults } from "./faults/cluster_faults.ts";
import { type ClusterFault, faultsAgainst } from "./faults/fault_kinds.ts";
import {
  ambushAgainst,
  LONGEST_AMBUSH_MS,
  modeFor,
  needsThree,
  SYNC_AMBUSHES,
  type SyncAmbush,
  syncAmbush,
} from "./faults/sync_ambush.ts";
import { isBeingRecovered } from "./lost_majority.ts";
import { checkEvents } from "./event_checks.ts";
import { drawSynchronousMode, resume, setSynchronousMode } from "./requests.ts";
import { operatorNeeded } from "../brain/cluster/operator_needed.ts";
import { changeRoles, drawOrigin, type Origin, prepare } from "./origin.ts";
import { STANDBY_CLUSTER } from "./remote.ts";
import { SimCluster } from "./sim_cluster.ts";
import { RHO } from "./sim_member.ts";
import { SURVIVE } from "./surviving_commits.ts";

/** The share of clusters with two members and a witness. */
const WITNESS_RATE = 0.25;
/** Time from empty directories, without faults, to three healthy members. */
const BOOTSTRAP_MS = 60_000;
/** Time for the recovery, from the end of the last fault. */
export const RECOVERY_MS = 60_000;
/** A copy of a model's server may fail without a fault, and is tried again after up to a minute. */
const COPY_AGAIN_MS = 60_000;

/** The violations that a missing rule may lead to, and that count as its discovery. */
const SPLIT_BRAIN = ["never two writers", "epochs go forward"];
const LOST = [SURVIVE];
/** In a run without bounds of clocks they differ by so much. */
const BROKEN_RHO = 0.3;
const UNBOUNDED_RATE = 0.7;
/** Their invariants are about times, or they leave the promise to an operator. */
const NOT_IN_SYNC: readonly ClusterFault[] = ["hand-promotion", "cannot-lead", "majority-lost"];

export interface RunOptions {
  readonly seed: number;
  /** Length of the phase with faults, ms of true time. */
  readonly faultsMs: number;
  readonly broken: BrokenRules;
  /** @default the kinds that the seed draws; with a broken rule, the kind that shows it soonest */
  readonly only?: ClusterFault | null;
  /** Synchronous modes, in most runs without bounds of clocks. @default where a rule of them is missing */
  readonly sync?: boolean;
  /** The cluster follows another one at first, and its role changes. @default as the seed draws it */
  readonly roles?: boolean;
  readonly trace: ((line: string) => void) | null;
}

export interface SyncCounts {
  readonly acknowledged: number;
  readonly elected: number;
  /** Promises that ended with the mode, or with the cluster's role. */
  readonly ended: number;
  readonly overlaps: number;
}

export interface RunResult {
  readonly seed: number;
  readonly origin: Origin;
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
  readonly sync: SyncCounts;
  /** The longest time that a standby promoted by hand wrote beside a holder that its agent heard. */
  readonly aloneMs: number;
  /** The longest time that a lock was held without a primary, while another member could lead. */
  readonly vainMs: number;
  /** The longest time that a sick member held the lock, while one that streamed from it was better off. */
  readonly sickMs: number;
  readonly recoveryMs: number;
}

export function runSeed(options: RunOptions): RunResult {
  const { seed, faultsMs, broken, trace } = options;
  const world = new World(seed, trace);
  const random = world.random.split("scenario");
  const { only, sync, against, counted } = choices(options, world);
  const origin = originOf(options, world, sync !== null, against);
  const cluster = drawCluster(world, random, { broken, only, origin, sync, against });
  const injector = clusterFaults(cluster, random.split("faults"), only, sync === null ? [] : NOT_IN_SYNC);
  let violation: string | null = null;
  let recoveryMs = 0;
  try {
    prepare(cluster, origin);
    for (const member of cluster.members) world.after(random.between(0, 2000), () => member.startAgent());
    // Some runs have their faults from the first moment on. Servers that run already are worth waiting for: an
    // operator would not go on without the primary's host.
    if (random.chance(0.8) || origin === "running") become(cluster, "bootstrap", BOOTSTRAP_MS);
    drawNetwork(random, cluster.network.settings);
    cluster.links.slowRate = random.chance(0.5) ? random.between(0, 0.3) : 0;
    for (const member of cluster.members) drawDisk(random, member.disk.settings);
    injector.start();
    const untilMs = world.now() + faultsMs;
    if (origin === "standby" && against === null) {
      changeRoles(cluster, untilMs, world.random.split("roles"), sync !== null);
    }
    if (sync !== null) changeModes(cluster, injector, sync, against, untilMs);
    world.runUntil(untilMs);
    injector.calm();
    resume(cluster);
    Object.assign(cluster.network.settings, CALM_NETWORK);
    cluster.links.slowRate = 0;
    for (const member of cluster.members) Object.assign(member.disk.settings, CALM_DISK);
    recoveryMs = recover(cluster);
  } catch (error) {
    if (!(error instanceof Violation)) violation = `exception: ${(error as Error).stack ?? error}`;
    // Without one of its rules a cluster may fail in many ways; only violations that the rule prevents count.
    else if (broken.size === 0 || counted.includes(error.invariant)) violation = error.message;
    if (violation !== null) world.log.add("VIOLATION", violation);
  }
  const { safety } = cluster;
  return {
    seed,
    origin,
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
    sync: { ...cluster.surviving.counts, overlaps: safety.overlaps },
    aloneMs: cluster.alone.longestMs,
    vainMs: cluster.vain.longestMs,
    sickMs: cluster.sick.longestMs,
    recoveryMs,
  };
}

/** What the run is about: the kinds of faults, and the violations that count as the discovery of a rule. */
function choices({ broken, only, sync }: RunOptions, world: World) {
  const [missing] = broken;
  const rule = missing !== undefined && isSyncRule(missing) ? missing : null;
  return {
    only: only ?? faultAgainst(missing),
    against: rule === null ? null : ambushAgainst(rule),
    sync: sync || rule !== null ? world.random.split("synchronous") : null,
    counted: rule === null ? SPLIT_BRAIN : LOST,
  };
}

/** A rule that is broken, and faults of one kind, have a cluster of their own to be tried on. */
function originOf(
  { broken, only, roles }: RunOptions,
  world: World,
  isSync: boolean,
  against: SyncAmbush | null,
): Origin {
  if (roles || against === "first-promise") return "standby";
  return broken.size > 0 || only ? "empty" : drawOrigin(world.random.split("origin"), isSync);
}

interface Draws {
  readonly broken: BrokenRules;
  readonly only: ClusterFault | null;
  readonly origin: Origin;
  /** null: no synchronous modes. */
  readonly sync: Prng | null;
  readonly against: SyncAmbush | null;
}

function drawCluster(world: World, random: Prng, { broken, only, origin, sync, against }: Draws): SimCluster {
  const ttl = random.pick([2, 3, 5, 5, 5, 10]);
  const config = {
    ttl,
    loop_wait: 1,
    use_pg_rewind: random.chance(0.7),
    primary_start_timeout: random.pick([2, 5, 15]),
    failsafe_mode: random.chance(0.5) || only === "failsafe-ambush",
    postgresql: { pg_ctl_timeout: world.random.split("stop limit").pick([5, 20, 60, 300]) },
  };
  const witness = random.chance(WITNESS_RATE) && !needsThree(against);
  const clocks = { rho: sync?.chance(UNBOUNDED_RATE) ? BROKEN_RHO : RHO, bounded: sync === null };
  const modes = sync === null ? {} : { ...drawSynchronousMode(sync), ...modeFor(against) };
  const follows: JsonObject = origin === "standby" ? { standby_cluster: STANDBY_CLUSTER } : {};
  return new SimCluster(world, broken, { ...config, ...modes, ...follows }, witness, clocks);
}

/** An operator changes the mode and its numbers, and ambushes are laid, now and then. */
function changeModes(
  cluster: SimCluster,
  injector: FaultInjector<ClusterFault>,
  random: Prng,
  against: SyncAmbush | null,
  untilMs: number,
): void {
  const { world } = cluster;
  world.after(against === null ? random.between(3000, 20_000) : random.between(12_000, 18_000), () => {
    if (!injector.active) return;
    // Each is over before the cluster is left in peace.
    const lays = against !== null || (random.chance(0.5) && world.now() + LONGEST_AMBUSH_MS < untilMs);
    const kind = against ?? random.pick(SYNC_AMBUSHES);
    const text = lays ? syncAmbush(cluster, kind, random) : setSynchronousMode(cluster, random);
    if (text !== null) world.log.add("operator", `synchronous mode: ${text}`);
    changeModes(cluster, injector, random, against, untilMs);
  });
}

/** null: what the seed draws; for a rule with an ambush of its own, faults that disturb it little. */
function faultAgainst(rule: BrokenRule | undefined): ClusterFault | null {
  if (rule === undefined) return null;
  if (!isSyncRule(rule)) return faultsAgainst(rule);
  return "clock-step";
}

/** ms until it is healthy again; 0: it waits for an operator, and nothing can be asked of it. */
function recover(cluster: SimCluster): number {
  const { world } = cluster;
  if (!world.runUntilHolds(world.now() + RECOVERY_MS, 200, () => !isBeingRecovered(cluster))) {
    throw new Violation("liveness", `the operators are not done ${RECOVERY_MS / 1000} s after the faults`);
  }
  const calmSinceMs = world.now();
  if (become(cluster, "recovery", RECOVERY_MS + COPY_AGAIN_MS) !== "healthy") return 0;
  const recoveryMs = world.now() - calmSinceMs;
  world.runUntil(world.now() + 2000);
  cluster.checkAcknowledged();
  const records = cluster.latestRecords();
  if (records !== null) checkEvents(records);
  return recoveryMs;
}

/**
 * Healthy twice in a row, a second apart, within the bound. A wait that only an operator can end, who knows
 * that a host is off, has at least to be reported.
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
  const dynamic = cluster.members.find(({ member }) => member !== null)?.member?.voter.dynamic;
  if (records !== null && dynamic !== undefined && operatorNeeded(records, dynamic, heard) !== null) {
    world.log.add("operator", "is needed, and is told so");
    return "waits for an operator";
  }
  throw new Violation(
    "liveness",
    `not healthy ${boundMs / 1000} s after the beginning of ${phase}: ${cluster.unhealthy()}`,
  );
}
