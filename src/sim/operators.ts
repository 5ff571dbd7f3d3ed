/**
 * The operators who add, remove and replace members of a simulated cluster, as docs/operations.md says: one
 * change at a time, watched to its end: a host that has left is emptied and started again, or goes for good.
 * A request may be refused or fail: the outcome is checked, not assumed.
 */
import type { MemberOutcome } from "../../raft/mod.ts";
import type { Fault, Prng } from "../../raft/sim/mod.ts";
import { isInitialized } from "../model/records.ts";
import { loseMajority } from "./lost_majority.ts";
import { askFailover, askPause, resume } from "./requests.ts";
import type { SimCluster } from "./sim_cluster.ts";
import type { SimMember } from "./sim_member.ts";

const ROUND_MS = 1000;
/**
 * A member that the raft leader does not know for so long has been removed, whether it has heard of it or
 * not.
 */
const OUT_MS = 5000;
/** Raft answers within 15 s, if the member that was asked lives. */
const ANSWER_MS = 16_000;
/** Time after a recovery by which every returning host is back. */
const BACK_WITHIN_MS = 30_000;
/** How long a host is off. */
const OFF_MS = [500, 10_000] as const;
/** The share of new logs that cannot be opened at first. */
const OPENING_FAILS_RATE = 0.2;
/** The share of rounds in which an operator looks after a host whose log was refused. */
const NOTICED_RATE = 0.3;
/** The share of doubled primaries that are doubled in maintenance mode. */
const IN_PAUSE_RATE = 0.3;
const PAUSE_SETTLES_MS = 3000;
/** How long only former primaries must be left before one of them is named. */
const HOPELESS_MS = 15_000;
const MIN_MEMBERS = 3;
const MAX_MEMBERS = 5;

/** A machine that was lost, until another one has its place. */
interface Lost {
  readonly host: SimMember;
  readonly oldId: number;
}

export class Operators {
  /** A change has been asked for, and may yet be carried out. */
  #busyUntilMs = -Infinity;
  readonly #outSinceMs = new Map<SimMember, number>();
  /** Hosts that do not come back once they are out. */
  readonly #leaving = new Set<SimMember>();
  #lost: Lost | null = null;
  #hopelessSinceMs: number | null = null;

  readonly #cluster: SimCluster;
  readonly #random: Prng;

  constructor(cluster: SimCluster, random: Prng) {
    this.#cluster = cluster;
    this.#random = random;
    this.#rounds();
  }

  /** `agent run` on another host, with an empty directory. */
  add(): string | null {
    const { members } = this.#cluster;
    if (!this.#free() || members.length >= MAX_MEMBERS) return null;
    const host = this.#cluster.addHost();
    this.#busy();
    host.startAgent();
    return host.name;
  }

  /** `agent ctl raft remove NAME`, for any member: for the lock's holder it is refused. */
  remove(victim: SimMember): string | null {
    const { members } = this.#cluster;
    const asked = this.#asked();
    if (!this.#free() || !asked || members.length < MIN_MEMBERS) return null;
    this.#busy();
    if (members.length > MIN_MEMBERS && this.#random.chance(0.5)) this.#leaving.add(victim);
    asked.raft!.removeMember(victim.id, (outcome) => this.#removed(asked, victim, outcome));
    return `${victim.name}, asked of ${asked.name}`;
  }

  /**
   * The raft directory is lost, or moved aside, and the agent started again: it takes its place under a new
   * id.
   */
  empty(victim: SimMember): string | null {
    if (!this.#free() || !this.#canSpare(victim)) return null;
    this.#busy();
    this.#beginAnew(victim);
    return victim.name;
  }

  /** A machine is lost with its disks, and another one at another address is to have its place. */
  loseMachine(victim: SimMember): string | null {
    if (!this.#free() || !this.#canSpare(victim)) return null;
    this.#busy();
    this.#lost = { host: victim, oldId: victim.id };
    victim.replaceMachine();
    this.#replaceLost();
    this.#startSoon(victim);
    return `${victim.name}, which comes back as ${victim.place.addr}`;
  }

  /**
   * The primary's host drops out of raft and lives on, while another machine boots under its name: a copy of
   * it, or an empty one at its very address, as set up by an operator who takes it for dead.
   */
  double(victim: SimMember, how: "copy" | "replacement"): Fault | null {
    const cluster = this.#cluster;
    const random = this.#random;
    const records = cluster.latestRecords();
    if (records === null) return null;
    const isPrimary = () =>
      victim.member !== null && victim.server.writesUnderLock && !victim.formerRuns &&
      cluster.latestRecords()?.lock.holder === victim.name;
    if (!isPrimary() || !this.#free() || !this.#canSpare(victim)) return null;
    this.#busy();
    const durationMs = random.between(1000, 2 * records.waitTtlMs + 5000);
    const text = `${victim.name}, by a ${how}`;
    const double = () => {
      const end = victim.double(how);
      cluster.world.after(random.between(10, 3000), () => victim.boot());
      return end;
    };
    if (!random.chance(IN_PAUSE_RATE) || !askPause(victim, true)) return { durationMs, text, end: double() };
    // In maintenance mode nothing ends its epoch: it is switched off before an operator says that it is.
    let end = () => {};
    let over = false;
    const whenUnfenced = () => {
      if (over || !isPrimary()) return;
      if (victim.guard.view().armed?.unfenced === true) end = double();
      else cluster.world.after(50, whenUnfenced);
    };
    whenUnfenced();
    return {
      durationMs: PAUSE_SETTLES_MS + durationMs,
      text: `${text}, in maintenance mode`,
      end: () => {
        over = true;
        end();
        resume(cluster);
      },
    };
  }

  /** Its host is off for a while, and when it boots a bit of its raft log is another one. */
  rot(victim: SimMember): Fault | null {
    if (!victim.agent.alive || !this.#free() || !this.#canSpare(victim)) return null;
    this.#busy();
    victim.killHost();
    victim.disk.rot();
    return {
      durationMs: this.#random.between(...OFF_MS),
      text: victim.name,
      end: () => victim.boot(),
    };
  }

  /** The majority is lost for good, and `agent recover` run on one of the others. */
  loseMajority(): Fault | null {
    const cluster = this.#cluster;
    const random = this.#random;
    const underWay = cluster.world.now() < this.#busyUntilMs || this.#lost !== null ||
      cluster.members.some(isSpoilt);
    if (underWay || cluster.members.length < MIN_MEMBERS) return null;
    const fault = loseMajority(cluster, random);
    if (fault !== null) this.#busyUntilMs = cluster.world.now() + fault.durationMs + BACK_WITHIN_MS;
    return fault;
  }

  #removed(asked: SimMember, victim: SimMember, outcome: MemberOutcome): void {
    this.#cluster.world.log.add("operator", `removal of ${victim.name}: ${JSON.stringify(outcome)}`);
    if (outcome.kind === "rejected") {
      this.#leaving.delete(victim);
      this.#busyUntilMs = this.#cluster.world.now();
    }
    if (outcome.kind !== "done") return;
    // The second part of `raft remove`: the records.
    const { name, place } = victim;
    (asked.member ?? asked.witness)?.voter.proposer.propose(
      { op: "dropMember", name, raftAddr: place.addr },
      () => {},
    );
  }

  /**
   * Nothing else is under way, and every intended member votes: a majority is left whichever host is lost
   * next.
   */
  #free(): boolean {
    const cluster = this.#cluster;
    if (cluster.world.now() < this.#busyUntilMs || this.#lost !== null || this.#outSinceMs.size > 0) {
      return false;
    }
    const status = cluster.leader()?.raft?.status();
    return status !== undefined && status.members.length === cluster.members.length &&
      cluster.members.every((host) =>
        host.place.group === cluster.group && !isSpoilt(host) &&
        status.members.some(({ id, voter }) => id === host.id && voter)
      );
  }

  /** The others are a majority with the logs on their disks, and another member has the data. */
  #canSpare(victim: SimMember): boolean {
    const { members } = this.#cluster;
    const others = members.filter((member) => member !== victim);
    // A founder that has never taken part has nothing of a majority's log.
    if (members.length < MIN_MEMBERS || others.some(({ disk }) => disk.durable.hardState.term === 0)) {
      return false;
    }
    if (!victim.server.writesUnderLock) return members.some(({ server }) => server.writesUnderLock);
    return members.some(({ server }) => server.streaming && server.directory.following === victim.name);
  }

  #busy(): void {
    this.#busyUntilMs = this.#cluster.world.now() + ANSWER_MS;
  }

  #asked(): SimMember | undefined {
    const able = this.#cluster.members.filter(({ raft, agent, place }) =>
      raft !== null && !agent.isPaused && place.group !== null
    );
    return able.length === 0 ? undefined : this.#random.pick(able);
  }

  #startSoon(host: SimMember): void {
    this.#cluster.world.after(this.#random.between(100, 5000), () => {
      if (!host.agent.alive) host.startAgent();
    });
  }

  #rounds(): void {
    this.#cluster.world.after(ROUND_MS, () => {
      this.#lookAfter();
      this.#rounds();
    });
  }

  #lookAfter(): void {
    const cluster = this.#cluster;
    const outSinceMs = this.#outSinceMs;
    const nowMs = cluster.world.now();
    // A host that was lost with a majority is handled there.
    for (const host of outSinceMs.keys()) if (!cluster.members.includes(host)) outSinceMs.delete(host);
    if (this.#lost !== null && !cluster.members.includes(this.#lost.host)) this.#lost = null;
    const status = cluster.leader()?.raft?.status();
    if (status === undefined) return;
    this.#replaceLost();
    this.#emptyRefused();
    this.#endStranded();
    this.#nameFormer();
    const known = (id: number) => status.members.some((member) => member.id === id);
    for (const host of cluster.members) {
      if (host.place.group === null || known(host.id)) {
        outSinceMs.delete(host);
        continue;
      }
      if (!outSinceMs.has(host)) outSinceMs.set(host, nowMs);
      if (nowMs - outSinceMs.get(host)! < OUT_MS) continue;
      // It has had the time to stop by itself.
      outSinceMs.delete(host);
      host.emptyRaftDirectory();
      if (this.#leaving.delete(host)) {
        cluster.world.log.add("operator", `${host.name} is gone for good`);
        host.killHost();
        cluster.retire(host);
      } else this.#startSoon(host);
    }
  }

  /** Once maintenance mode is over: the epoch of a machine that is no member any more has no holder. */
  #endStranded(): void {
    const cluster = this.#cluster;
    const records = cluster.latestRecords();
    if (records === null || !records.lock.unfenced || records.config?.value["pause"]) return;
    const { holder, life } = records.lock;
    const host = cluster.find(holder ?? "");
    if (host === undefined || (host.id === life?.node && host.hasLife(life))) return;
    if (host.formerRuns) return;
    // Its server is not fenced, so the host is switched off before an operator confirms it.
    if (host.server.anyProcess) {
      cluster.world.log.add("operator", `${host.name}, whose epoch nobody can end, is switched off`);
      host.killHost();
      this.#startSoon(host);
      return;
    }
    // A member outside its failsafe set is refused: another one is tried the next time.
    const able = cluster.members.filter(({ member, server }) =>
      member !== null && server.answers && !server.writesAlone
    );
    const asked = this.#asked();
    if (able.length === 0 || asked === undefined || records.failover !== null) return;
    const candidate = this.#random.pick(able);
    cluster.world.log.add(
      "operator",
      `the former machine of ${holder} is switched off: failover to ${candidate.name}`,
    );
    askFailover(asked, candidate.name, `stranded-${cluster.world.steps}`);
  }

  /**
   * Nobody holds the lock, no host has data but former primaries that have not rejoined, and no agent is to
   * come back: the one with the latest data is named, as the log advises.
   */
  #nameFormer(): void {
    const cluster = this.#cluster;
    const nowMs = cluster.world.now();
    const records = cluster.latestRecords();
    const left = cluster.members.filter(({ server }) => server.directory.state.kind === "valid");
    const isHopeless = records !== null && isInitialized(records) && records.lock.holder === null &&
      records.failover === null && left.length > 0 &&
      left.every(({ member, server: { directory } }) =>
        member !== null && (directory.formerPrimary || directory.wroteAlone)
      );
    if (!isHopeless) {
      this.#hopelessSinceMs = null;
      return;
    }
    this.#hopelessSinceMs ??= nowMs;
    const asked = this.#asked();
    if (nowMs - this.#hopelessSinceMs < HOPELESS_MS || asked === undefined) return;
    this.#hopelessSinceMs = null;
    const latest = left.reduce((a, b) => lastWritten(b) > lastWritten(a) ? b : a);
    cluster.world.log.add("operator", `only former primaries are left: failover to ${latest.name}`);
    askFailover(asked, latest.name, `former-${cluster.world.steps}`);
  }

  /** Follows the message of a refused log: while the others are healthy, the directory is moved aside. */
  #emptyRefused(): void {
    const cluster = this.#cluster;
    const random = this.#random;
    for (const host of cluster.members) {
      if (!host.refused || !random.chance(NOTICED_RATE)) continue;
      cluster.world.log.add("operator", `the raft directory of ${host.name} is moved aside`);
      this.#busy();
      this.#beginAnew(host);
    }
  }

  /** Begins anew with an empty directory, on the same disk, which may be a bad one. */
  #beginAnew(host: SimMember): void {
    host.emptyRaftDirectory();
    if (this.#random.chance(OPENING_FAILS_RATE)) host.disk.failOpening();
    this.#startSoon(host);
  }

  /** `agent ctl raft replace NAME ADDRESS`, until the leader knows the new one; then the rest is raft's. */
  #replaceLost(): void {
    const lost = this.#lost;
    const cluster = this.#cluster;
    if (lost === null) return;
    const { host, oldId } = lost;
    const members = cluster.leader()?.raft?.status().members;
    if (members?.some(({ addr }) => addr === host.place.addr)) {
      this.#lost = null;
      return;
    }
    const { addr } = host.place;
    this.#asked()?.raft?.replaceMember(oldId, { addr, name: host.name }, (outcome) => {
      if (outcome.kind !== "done") cluster.world.log.add("operator", `no replacement: ${outcome.reason}`);
    });
  }
}

/** It may have to be emptied. */
function isSpoilt({ disk, refused }: SimMember): boolean {
  return disk.isRotten || refused;
}

function lastWritten({ server: { directory } }: SimMember): number {
  return directory.position?.lsn ?? 0;
}
