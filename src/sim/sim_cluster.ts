/**
 * Simulated hosts, three at first, the third perhaps of a witness; the network between them, and the checks
 * while they run.
 */
import { clusterIdOf } from "../../raft/mod.ts";
import { type Prng, RaftInvariants, SimNetwork, type World } from "../../raft/sim/mod.ts";
import type { BrokenRules } from "../dcs/broken_rules.ts";
import type { JsonObject } from "../model/json.ts";
import type { DcsState, LockRecord } from "../model/records.ts";
import { isRemoteName } from "../model/standby_cluster.ts";
import type { ModelServer } from "./model_server.ts";
import { RemoteAddress } from "./remote.ts";
import { Acknowledged } from "./acknowledged.ts";
import { Links } from "./links.ts";
import { Guided } from "./guided.ts";
import { HeldInVain } from "./held_in_vain.ts";
import { HeldSick } from "./held_sick.ts";
import type { RaftGroup } from "./raft_place.ts";
import { Safety } from "./safety.ts";
import { addressOf, RHO, SimMember, type Surroundings } from "./sim_member.ts";
import { SurvivingCommits } from "./surviving_commits.ts";
import { Visiting } from "./visiting.ts";
import { contains } from "./wal.ts";
import { WritesAlone } from "./writes_alone.ts";

const NAMES = ["pg1", "pg2", "pg3"] as const;
const WITH_WITNESS = ["pg1", "pg2", "w1"] as const;
const COUNT_MS = 100;
const LOOK_OFTEN_MS = 20;
/** Every member knows the leader's commits after a heartbeat. */
const KNOWN_WITHIN_MS = 2000;
/** A standby that lags by less counts as healthy. */
const SMALL_LAG_BYTES = 20_000;

export class SimCluster {
  readonly network: SimNetwork;
  readonly links: Links;
  readonly safety: Safety;
  readonly surviving: SurvivingCommits;
  readonly alone: WritesAlone;
  readonly vain: HeldInVain;
  readonly sick: HeldSick;
  readonly #guided = new Guided();
  /** Hosts that are, or are to be, members; a witness too. */
  members: readonly SimMember[] = [];
  /** The raft group that they form. */
  group: RaftGroup;
  /** Id with which the cluster was founded. */
  readonly founded: number;
  readonly #groups = new Map<number, RaftGroup>();
  /** All that there have ever been: a host that has left may still run. */
  readonly #hosts: SimMember[] = [];
  readonly #around: Surroundings;
  readonly #lockWatchers = new Set<(lock: LockRecord) => void>();
  #systemIds = 0;
  /** Changes that an operator has begun and not finished: until then the cluster is not complete. */
  readonly unfinished = new Set<string>();
  /** The primary of another cluster, which this one follows while it is a standby cluster. */
  readonly remoteAddress: RemoteAddress;
  /** For how long a primary has gone on in failsafe mode. */
  failsafeMs = 0;

  readonly world: World;
  readonly broken: BrokenRules;

  constructor(
    world: World,
    broken: BrokenRules,
    bootstrapConfig: JsonObject,
    withWitness = false,
    /** How much the rates of clocks differ, and whether the bounds hold that the lease rests on. */
    clocks: { readonly rho: number; readonly bounded: boolean } = { rho: RHO, bounded: true },
  ) {
    this.world = world;
    this.broken = broken;
    this.network = new SimNetwork(world);
    this.links = new Links(world, this.network);
    this.safety = new Safety(world, clocks.bounded);
    this.surviving = new SurvivingCommits(world, broken.has("sync-first-unlogged"));
    this.alone = new WritesAlone(world, this.safety);
    this.vain = new HeldInVain(world);
    this.sick = new HeldSick(world);
    const founders = foundersOf(withWitness ? WITH_WITNESS : NAMES);
    const clusterId = clusterIdOf("service", "sim", founders.map(({ addr }) => addr));
    this.founded = clusterId;
    this.group = { clusterId, checks: new RaftInvariants(), acknowledged: new Acknowledged() };
    this.#groups.set(clusterId, this.group);
    this.#around = {
      world,
      network: this.network,
      links: this.links,
      visits: new Visiting(world, this.network, () => this.#hosts),
      broken,
      bootstrapConfig,
      find: (name) => this.find(name),
      serverOf: (name) => isRemoteName(name) ? this.remote : this.find(name)?.server ?? null,
      guidedForMs: (name) => this.#guided.forMs(name, world.now()),
      reachable: (a, b) => isRemoteName(b) || this.#reachable(a, b),
      onAcking: (server, can) => this.#onAcking(server, can),
      onAcknowledged: (server) => this.surviving.onAcknowledged(server),
      onCleanShutdown: (server) => this.safety.onCleanShutdown(server),
      onSetAside: (server) => this.remoteAddress.checkSetAside(server, this.latestRecords()),
      newSystemId: () => `system-${++this.#systemIds}`,
      onRecords: (state) => this.#onRecords(state),
      onGrant: (leader, grant) => this.#onGrant(leader, grant),
      rho: clocks.rho,
      groupOf: (id) => this.#groups.get(id)!,
      partnersOf: (name) => {
        // The files of the first members stay as they were, as long as they lead to a member.
        const present = this.#addresses();
        const isFounder = founders.some((founder) => founder.name === name);
        const leads = present.some((each) =>
          each.name !== name && founders.some(({ addr }) => addr === each.addr)
        );
        const known = !isFounder ? present : leads ? founders : [...founders, ...present];
        return [...new Set(known.filter((each) => each.name !== name).map(({ addr }) => addr))];
      },
      snapshots: drawSnapshots(world.random.split("snapshots")),
    };
    this.remoteAddress = new RemoteAddress(this.#around);
    for (const { id, name } of founders) {
      const founder = { clusterId, founded: clusterId, id, members: founders, joined: false };
      this.#enroll(name, { id, founder, isWitness: name === "w1" });
    }
    this.#checkRaft();
    this.#countFailsafe();
    this.#lookOften();
  }

  #checkRaft(): void {
    this.world.afterStep((ran) => {
      for (const { raft, agent, place } of this.#hosts) {
        if (raft !== null && ran.has(agent)) place.group?.checks.onStatus(raft.status());
      }
    });
  }

  /** The server at the address that a standby cluster follows. */
  get remote(): ModelServer {
    return this.remoteAddress.server;
  }

  /** Another host, which has to find the cluster. */
  addHost(): SimMember {
    const number = this.#hosts.length + 1;
    // Of no member: ids are positive.
    return this.#enroll(`pg${number}`, { id: -number, founder: null, isWitness: false });
  }

  /** It is no member any more, and is not to come back. */
  retire(host: SimMember): void {
    host.retired = true;
    this.members = this.members.filter((member) => member !== host);
  }

  /** A host that was a member once is to be one again. */
  enlist(host: SimMember): void {
    this.members = [...this.members, host];
  }

  /** The majority is lost: this one alone is a member of another group now. */
  goesOnAs(group: RaftGroup, survivor: SimMember): void {
    this.#groups.set(group.clusterId, group);
    this.group = group;
    this.members = [survivor];
  }

  #addresses(): { name: string; addr: string }[] {
    return this.members.map(({ name, place: { addr } }) => ({ name, addr }));
  }

  #enroll(name: string, as: ConstructorParameters<typeof SimMember>[2]): SimMember {
    const host = new SimMember(name, this.#around, as);
    this.#hosts.push(host);
    this.enlist(host);
    return host;
  }

  find(name: string): SimMember | undefined {
    return this.#hosts.find((member) => member.name === name);
  }

  /** Told of the lock as each member comes to know it; returns what ends that. */
  watchLock(watcher: (lock: LockRecord) => void): () => void {
    this.#lockWatchers.add(watcher);
    return () => void this.#lockWatchers.delete(watcher);
  }

  #onAcking(server: ModelServer, can: boolean): void {
    this.safety.onAcking(server, can);
    if (can) this.surviving.onWriter(server);
  }

  #onGrant(leader: SimMember, grant: Parameters<Surroundings["onGrant"]>[1]): void {
    this.alone.onGrant(leader, grant, this.members);
    this.surviving.onGrant(grant.epoch, grant.sync?.by);
  }

  #onRecords(state: DcsState): void {
    this.safety.onRecords(state);
    this.surviving.onRecords(state);
    this.alone.onRecords(state.lock);
    for (const watcher of [...this.#lockWatchers]) watcher(state.lock);
  }

  /** The records as known by the living agent that knows most; null: none lives. */
  latestRecords(): DcsState | null {
    let latest: DcsState | null = null;
    for (const { dcs, place } of this.members) {
      if (
        dcs !== null && place.group === this.group &&
        (latest === null || dcs.state.revision > latest.revision)
      ) latest = dcs.state;
    }
    return latest;
  }

  /** The raft ids of all members. */
  ids(): number[] {
    return this.members.map(({ id }) => id);
  }

  /** The one that leads raft, by the latest term. */
  leader(): SimMember | undefined {
    const leaders = this.members.filter(({ raft }) => raft?.leadsWithOwnTerm());
    return leaders.sort((a, b) => b.raft!.status().term - a.raft!.status().term)[0];
  }

  /**
   * null: one primary, or a standby leader that streams from the remote primary, standbys that stream from
   * it, raft with a leader, and with these members; otherwise the gap.
   */
  unhealthy(): string | null {
    if (this.unfinished.size > 0) return [...this.unfinished].join(", ");
    const asleep = this.members.filter((member) => !member.agent.alive);
    if (asleep.length > 0) return `no agent on ${asleep.map((member) => member.name).join(", ")}`;
    const leader = this.leader();
    if (leader === undefined) return "no raft leader";
    const voters = leader.raft!.status().members.filter(({ voter }) => voter).map(({ id }) => id);
    const learners = leader.raft!.status().members.length - voters.length;
    if (learners > 0 || !sameSet(voters, this.ids())) {
      return `raft has the voters ${voters.join(", ")} and ${learners} learners, not ${
        this.ids().join(", ")
      }`;
    }
    const isStandbyCluster = this.latestRecords()?.config?.value["standby_cluster"] !== undefined;
    const primary = this.members.find(({ server }) =>
      isStandbyCluster
        ? server.directory.following === this.remote.name && this.#follows(server, this.remote)
        : server.writesUnderLock
    );
    if (primary === undefined) return `no primary: ${this.describe()}`;
    for (const member of this.members) {
      const { lock } = member.dcs!.state;
      if (lock.holder !== primary.name) {
        return `${member.name} knows ${lock.holder} as the holder, ${primary.name} is primary`;
      }
      if (member !== primary && !member.isWitness && !this.#follows(member.server, primary.server)) {
        return `${member.name} does not stream from ${primary.name}: ${this.describe()}`;
      }
    }
    return this.#lacksSync();
  }

  /** What is missing of synchronous replication where it is asked for; null: nothing. */
  #lacksSync(): string | null {
    const records = this.latestRecords();
    const mode = records?.config?.value["synchronous_mode"];
    if (records === null || mode === undefined || mode === "off") return null;
    if (records.config?.value["standby_cluster"] !== undefined) return null;
    const hosts = this.members.filter(({ isWitness }) => !isWitness).length;
    const { leader, syncStandby } = records.sync;
    if (leader !== records.lock.holder) {
      return `synchronous replication is not promised by ${records.lock.holder}`;
    }
    return hosts > 1 && syncStandby.length === 0 ? "no synchronous standby" : null;
  }

  /** Everything that was acknowledged by now reaches every member, unchanged. */
  checkAcknowledged(): void {
    const { world, group: { acknowledged } } = this;
    const { told } = acknowledged;
    // A removal that was asked for before may have been carried out since, and has ended its member's agent.
    const members = () => {
      const group = this.leader()?.raft?.status().members ?? [];
      return group.length === 0
        ? this.members
        : this.members.filter(({ id }) => group.some((one) => one.id === id));
    };
    const known = () => members().every(({ dcs }) => dcs !== null && dcs.state.revision >= told);
    world.runUntilHolds(world.now() + KNOWN_WITHIN_MS, 50, known);
    acknowledged.check(members().map(({ name }) => name), told);
  }

  describe(): string {
    return this.members.filter(({ isWitness }) => !isWitness).map(({ name, server, member }) => {
      const state = `${server.process}${server.frozen ? " (frozen)" : ""}${
        server.directory.standbySignal ? " standby" : ""
      }`;
      const reasons = member === null
        ? ["no agent"]
        : member.voter.decisions.entries().slice(-2).map((each) => each.reason);
      return `${name} ${state}: ${reasons.join(" | ")}`;
    }).join("; ");
  }

  /** Also through other standbys. */
  #follows(standby: ModelServer, primary: ModelServer): boolean {
    const { following } = standby.directory;
    const between = following === null || following === primary.name
      ? undefined
      : this.find(following)?.server;
    return standby.answers && standby.inRecovery && standby.streaming &&
      (following === primary.name || (between !== undefined && this.#follows(between, primary))) &&
      contains(primary.directory.position!, standby.directory.position!) &&
      primary.directory.position!.lsn - standby.directory.position!.lsn < SMALL_LAG_BYTES;
  }

  #reachable(a: string, b: string): boolean {
    const [left, right] = [this.find(a), this.find(b)];
    return left !== undefined && right !== undefined &&
      (left === right || this.links.reachable(left.id, right.id));
  }

  #countFailsafe(): void {
    for (const { member, server } of this.#hosts) {
      if (server.canAcknowledge && member?.failsafe.active()) this.failsafeMs += COUNT_MS;
    }
    this.world.after(COUNT_MS, () => this.#countFailsafe());
  }

  #lookOften(): void {
    for (const member of this.members) {
      this.alone.look(member);
      this.vain.look(member);
      this.sick.look(member);
      this.#guided.look(member, this.world.now());
    }
    this.world.after(LOOK_OFTEN_MS, () => this.#lookOften());
  }
}

function foundersOf(names: readonly string[]) {
  return names.map((name, i) => ({ id: i + 1, name, addr: addressOf(name) }));
}

function sameSet(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((each) => b.includes(each));
}

function drawSnapshots(random: Prng) {
  return {
    snapshotEveryEntries: random.pick([5, 20, 100, 4096]),
    keepEntries: random.pick([0, 3, 30, 1024]),
    snapshotPieceBytes: random.pick([200, 1000, 128 * 1024]),
  };
}
