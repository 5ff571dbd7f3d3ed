/**
 * The majority of a simulated cluster is lost for good, and one member founds another cluster from what its
 * own log holds, as `agent recover --force-new-cluster` does it. The others come back emptied, or other hosts
 * have their place.
 *
 * The model follows the promise: the operator has confirmed that every other host is switched off. Nothing
 * could stop two old members of three that find each other again with their old logs: they are the old
 * cluster. But one of them may come back as it was, before it is emptied: it does not get in, and confirms
 * nothing.
 *
 * Nothing is promised beside an old primary that was never switched off. Yet in most cases a lease bounds it,
 * since no majority has acknowledged it since the survivor was stopped, and the new cluster grants nothing
 * before wait_ttl: so the model leaves one running where that argument holds (`isBounded`).
 */
import { type Found, recoverCluster, replayLog, type StoredLog } from "../../raft/mod.ts";
import {
  cutFault,
  directionsOf,
  type Fault,
  type Prng,
  RaftInvariants,
  Violation,
} from "../../raft/sim/mod.ts";
import { COMMAND_VERSION } from "../dcs/commands.ts";
import { recoveredState } from "../dcs/recovered.ts";
import { DcsStateMachine } from "../dcs/state_machine.ts";
import type { DcsState } from "../model/records.ts";
import { askSwitchover } from "./requests.ts";
import type { RaftGroup } from "./raft_place.ts";
import type { SimCluster } from "./sim_cluster.ts";
import type { SimMember } from "./sim_member.ts";

/** Until the survivor's agent is told to stop, and until it is stopped for good. */
const NOTICED_MS = [100, 4000] as const;
const STOPPED_MS = [50, 4000] as const;
/** From the recovery until an old host comes back, and how long one runs with its old directory. */
const BACK_MS = [100, 10_000] as const;
const OLD_MS = [2000, 15_000] as const;
const ONE_BY_ONE_MS = 200;

const RECOVERY = "a recovery is under way";

/**
 * Whether the loss of a majority goes on, which the end of other faults does not end: up to a `ttl` of the
 * old cluster until the others are lost, and until the operator has recovered the survivor.
 */
export function isBeingRecovered(cluster: SimCluster): boolean {
  return cluster.unfinished.has(RECOVERY);
}

/** The fate of a host that was lost. */
export type Fate =
  /** Its raft directory is moved aside, and it joins. */
  | "emptied"
  /** It comes back as it was; then as "emptied". */
  | "as it was"
  /** As "as it was", and it was never switched off. */
  | "left running"
  /** Another host has its place. */
  | "gone";

/** null: no member could go on. */
export function loseMajority(cluster: SimCluster, random: Prng): Fault | null {
  const { world, network } = cluster;
  const state = cluster.latestRecords();
  const holder = holderOf(cluster);
  const standbys = cluster.members.filter((member) => member !== holder);
  const survivor = random.chance(0.8) && standbys.length > 0
    ? random.pick(standbys)
    : random.pick(cluster.members);
  if (!state?.initialize?.systemId || survivor.place.group !== cluster.group) return null;
  // In some runs it has missed what the others did last: the lock has passed on.
  const isBehind = random.chance(0.4);
  const behindMs = isBehind ? random.between(1000, 2000) + state.waitTtlMs : 0;
  const cut = cutFault(network, isBehind ? directionsOf(survivor.id, cluster.ids()) : [], 0);
  if (isBehind && holder && holder !== survivor) askSwitchover(holder, null, `before-loss-${world.steps}`);
  const hurry = random.chance(0.5) ? 0.1 : 1;
  const noticedMs = hurry * random.between(...NOTICED_MS);
  const stoppedMs = hurry * random.between(...STOPPED_MS);
  cluster.unfinished.add(RECOVERY);
  world.after(behindMs, () => {
    const fates = fatesOf(cluster, survivor, random);
    if (!isLosable(cluster, survivor, fates)) cluster.unfinished.delete(RECOVERY);
    else lose(cluster, survivor, fates, { noticedMs, stoppedMs, random });
  });
  return {
    durationMs: behindMs + noticedMs + stoppedMs,
    text: `${survivor.name} ${isBehind ? "is behind, and " : ""}goes on alone`,
    end: cut.end,
  };
}

function holderOf(cluster: SimCluster): SimMember | undefined {
  return cluster.find(cluster.latestRecords()?.lock.holder ?? "");
}

/** The survivor knows a cluster, and the data is somewhere. */
function isLosable(cluster: SimCluster, survivor: SimMember, fates: ReadonlyMap<SimMember, Fate>): boolean {
  const systemId = replayed(survivor.disk.read()).state.initialize?.systemId;
  const remain = [survivor, ...[...fates.keys()].filter((other) => fates.get(other) !== "gone")];
  return survivor.place.group === cluster.group && systemId !== undefined && systemId !== "" &&
    remain.some(({ server }) =>
      server.directory.state.kind === "valid" && server.directory.systemId === systemId
    );
}

/** The others end, and the survivor's agent is stopped; then it goes on as the founder of another cluster. */
export function lose(
  cluster: SimCluster,
  survivor: SimMember,
  fates: ReadonlyMap<SimMember, Fate>,
  { noticedMs, stoppedMs, random }: {
    readonly noticedMs: number;
    readonly stoppedMs: number;
    readonly random: Prng;
  },
): void {
  const { world } = cluster;
  cluster.unfinished.add(RECOVERY);
  for (const [other, fate] of fates) {
    world.log.add("operator", `${other.name} is lost: ${fate}`);
    // Whatever fault it was in the middle of: it is not started again.
    other.retired = true;
    if (fate !== "left running") other.killHost();
  }
  world.after(noticedMs, () => survivor.stopAgent());
  world.after(noticedMs + stoppedMs, () => {
    survivor.killAgent(false);
    for (const other of fates.keys()) {
      if (!isBounded(other, survivor)) other.killHost();
    }
    recover(cluster, survivor, random);
    survivor.startAgent();
    for (const { name } of fates.keys()) cluster.unfinished.add(placeOf(name));
    cluster.unfinished.delete(RECOVERY);
    comeBack(cluster, fates, random);
  });
}

/** An entry of the list of unfinished changes: the place of a lost member is to be taken. */
function placeOf(name: string): string {
  return `nobody has the place of ${name}`;
}

/** One of the old directories at a time: two of three would be a majority. Mostly that of the old primary. */
function fatesOf(cluster: SimCluster, survivor: SimMember, random: Prng): Map<SimMember, Fate> {
  const others = cluster.members.filter((member) => member !== survivor);
  const holder = holderOf(cluster);
  const fates = new Map<SimMember, Fate>();
  for (const other of others) fates.set(other, random.chance(0.3) && !other.isWitness ? "gone" : "emptied");
  const old = holder && others.includes(holder) && random.chance(0.7) ? holder : random.pick(others);
  if (random.chance(0.8) && !isMajority(old)) {
    fates.set(old, random.chance(0.5) ? "left running" : "as it was");
  }
  return fates;
}

/**
 * It is the old cluster by itself: the others had not got their votes yet. One whose agent does not run is
 * not asked.
 */
function isMajority({ raft, id }: SimMember): boolean {
  return raft === null || !raft.status().members.some((member) => member.voter && member.id !== id);
}

/**
 * Its lease, if it holds one, ends before the new cluster grants anything: it is fenced, it counts on no
 * longer ttl than the survivor's records make the new cluster wait, and the members that would have to agree
 * to a lease without raft do not answer.
 */
function isBounded(old: SimMember, survivor: SimMember): boolean {
  const known = old.dcs?.state;
  if (!known) return false;
  const { state } = replayed(survivor.disk.read());
  const { armed } = old.guard.view();
  return !known.lock.unfenced && armed?.unfenced !== true && known.config?.value["pause"] !== true &&
    known.waitTtlMs <= state.waitTtlMs;
}

function replayed(stored: StoredLog): Replay {
  const dcs = new DcsStateMachine();
  const commands = new Map<number, Uint8Array>();
  let restored = 0;
  replayLog(stored, {
    apply: (command, index, _, version) => {
      commands.set(index, command);
      return dcs.apply(command, index, version);
    },
    snapshot: () => dcs.snapshot(),
    restore: (data) => {
      dcs.restore(data);
      restored = dcs.state.revision;
    },
  }, COMMAND_VERSION);
  return { dcs, state: dcs.state, commands, restored };
}

/** The content of a log. */
interface Replay {
  readonly dcs: DcsStateMachine;
  readonly state: DcsState;
  /** By index, after its snapshot. */
  readonly commands: ReadonlyMap<number, Uint8Array>;
  /** Revision of its snapshot. */
  readonly restored: number;
}

function recover(cluster: SimCluster, survivor: SimMember, random: Prng): void {
  const { group, broken, world } = cluster;
  const stored = survivor.disk.read();
  const { dcs, state, commands, restored } = replayed(stored);
  const at = new Date(survivor.wall.nowMs()).toISOString();
  const recovered = recoveredState(state, { survivor: survivor.name, at });
  dcs.restore(new TextEncoder().encode(JSON.stringify(without(broken, recovered, state))));
  const { name, place: { addr } } = survivor;
  const { clusterId, nodeId, snapshot } = recoverCluster(stored, dcs, {
    oldClusterId: group.clusterId,
    addr,
    name,
    seed: String(random.bits()),
  });
  const acknowledged = group.acknowledged.inherited((revision) => {
    if (revision <= restored) return "in a snapshot";
    const entry = stored.entries.find(({ index }) => index === revision);
    // Commands that only the others had are lost.
    if (entry === undefined || entry.term !== group.checks.appliedTerm(revision)) return null;
    const command = commands.get(revision);
    if (command !== undefined) return command;
    throw new Violation("acknowledged commands of the survivor's log remain", `at ${revision}`);
  });
  const next: RaftGroup = { clusterId, checks: new RaftInvariants(), acknowledged };
  const members = [{ id: nodeId, name, addr }];
  const found: Found = { clusterId, founded: cluster.founded, id: nodeId, members, joined: false };
  world.log.add("operator", `recovered on ${name}: cluster epoch ${recovered.clusterEpoch}`);
  cluster.goesOnAs(next, survivor);
  survivor.place.recover(found, snapshot);
}

/** The recovered records without one of the rules that they follow. */
function without(broken: ReadonlySet<string>, recovered: DcsState, before: DcsState): DcsState {
  const { lock } = recovered;
  if (broken.has("recover-at-once")) return { ...recovered, lock: { ...lock, holder: null } };
  if (broken.has("recover-old-epochs")) {
    return { ...recovered, lock: { ...lock, epoch: before.lock.epoch } };
  }
  return recovered;
}

/**
 * Members join one after the other: two that are emptied and find each other, but not the survivor, would
 * found the old cluster anew.
 */
function comeBack(cluster: SimCluster, fates: ReadonlyMap<SimMember, Fate>, random: Prng): void {
  const { world } = cluster;
  const queue: (() => SimMember)[] = [];
  let last: SimMember | null = null;
  const next = () => {
    if (last === null || last.place.group === cluster.group) last = queue.shift()?.() ?? last;
    world.after(ONE_BY_ONE_MS, next);
  };
  for (const [host, fate] of fates) {
    const joins = () => {
      cluster.unfinished.delete(placeOf(host.name));
      // One that was lost with an empty directory may have joined already.
      if (host.place.group !== cluster.group) {
        host.powerOn();
        host.emptyRaftDirectory();
      }
      host.retired = false;
      cluster.enlist(host);
      host.startAgent();
      return host;
    };
    const returns = () => {
      host.powerOn();
      host.retired = false;
      host.startAgent();
      world.after(random.between(...OLD_MS), () => {
        // While it runs, a host that looks for the cluster hears of two, and waits.
        if (host.place.group !== cluster.group) {
          host.killHost();
          host.retired = true;
        }
        queue.push(joins);
      });
    };
    const afterMs = fate === "left running" ? 0 : random.between(...BACK_MS);
    world.after(afterMs, () => {
      if (fate === "emptied") queue.push(joins);
      else if (fate !== "gone") returns();
      else {
        queue.push(() => {
          cluster.unfinished.delete(placeOf(host.name));
          const other = cluster.addHost();
          other.startAgent();
          return other;
        });
      }
    });
  }
  next();
}
