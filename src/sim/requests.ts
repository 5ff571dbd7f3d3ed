/**
 * An operator's requests to a simulated cluster, sent to a random member. Each returns what it asked, or
 * null.
 */
import type { Prng } from "../../raft/sim/mod.ts";
import type { JsonObject } from "../model/json.ts";
import type { SimCluster } from "./sim_cluster.ts";
import type { SimMember } from "./sim_member.ts";

export function requestSwitchover(cluster: SimCluster, id: string, random: Prng): string | null {
  const asked = random.pick(cluster.members);
  const state = asked.dcs?.state;
  if (!state || state.lock.holder === null || !asked.member) return null;
  const { holder } = state.lock;
  const others = cluster.members.filter((member) => member.name !== holder);
  const candidate = others.length > 0 && random.chance(0.5) ? random.pick(others).name : null;
  askSwitchover(asked, candidate, id);
  return `${holder} to ${candidate ?? "any"}, asked of ${asked.name}`;
}

/** Away from the lock's holder, as far as the asked member knows; null: to any member. */
export function askSwitchover(
  { member, dcs }: SimMember,
  candidate: string | null,
  id: string,
  scheduledAt: string | null = null,
): void {
  if (!member || !dcs) return;
  const { lock, failover } = dcs.state;
  member.voter.proposer.propose({
    op: "setFailover",
    record: {
      kind: "switchover",
      leader: lock.holder,
      candidate,
      scheduledAt,
      id,
      accepted: false,
      epoch: 0,
    },
    expectRevision: failover?.revision ?? null,
  }, () => {});
}

/**
 * An unfenced epoch whose machine is no more: no member can fence it again, and an operator who has switched
 * that machine off confirms it by a failover.
 */
export function askFailover({ member, dcs }: SimMember, candidate: string, id: string): void {
  if (!member || !dcs) return;
  member.voter.proposer.propose({
    op: "setFailover",
    record: { kind: "failover", leader: null, candidate, scheduledAt: null, id, accepted: false, epoch: 0 },
    expectRevision: dcs.state.failover?.revision ?? null,
  }, () => {});
}

/** Asks a member to log maintenance mode; null: no member can be asked. */
export function requestPause(cluster: SimCluster, random: Prng): string | null {
  const asked = random.pick(cluster.members);
  return askPause(asked, true) ? `asked of ${asked.name}` : null;
}

/** `on`: maintenance mode is to begin, else to end. False: it cannot be asked now. */
export function askPause(asked: SimMember, on: boolean): boolean {
  return configure(asked, ({ pause: _pause, ...value }) => on ? { ...value, pause: true } : value);
}

/**
 * Ends maintenance mode. Repeated for a while: the request for the mode may still be under way, or no member
 * may be there to ask.
 */
export function resume(cluster: SimCluster, tries = 30): void {
  if (cluster.latestRecords()?.config?.value["pause"]) {
    for (const member of cluster.members) askPause(member, false);
  }
  if (tries > 1) cluster.world.after(1000, () => resume(cluster, tries - 1));
}

/** false: this member has no configuration to change. */
export function configure(asked: SimMember, change: (value: JsonObject) => JsonObject): boolean {
  const config = asked.dcs?.state.config;
  if (!config || !asked.member) return false;
  const { value, revision } = config;
  asked.member.voter.proposer.propose(
    { op: "setConfig", value: change(value), expectRevision: revision },
    () => {},
  );
  return true;
}

export function changeTtl(cluster: SimCluster, random: Prng): string | null {
  const asked = random.pick(cluster.members);
  const ttl = random.pick([2, 3, 5, 10]);
  return setTtl(asked, ttl) ? `${ttl} s, asked of ${asked.name}` : null;
}

/** False: it cannot be asked now. */
export function setTtl(asked: SimMember, ttl: number): boolean {
  return configure(asked, (value) => ({ ...value, ttl }));
}

/** promote-cluster (null), or demote-cluster. False: it cannot be asked now. */
export function setStandbyCluster(asked: SimMember, source: JsonObject | null): boolean {
  return configure(
    asked,
    ({ standby_cluster: _former, ...value }) =>
      source === null ? value : { ...value, standby_cluster: source },
  );
}

/** Sets postgresql.pg_ctl_timeout. False: it cannot be asked now. */
export function setStopLimit(asked: SimMember, limitS: number): boolean {
  return configure(asked, (value) => ({ ...value, postgresql: { pg_ctl_timeout: limitS } }));
}

/** Synchronous mode and how many standbys a commit waits for; null: it cannot be asked now. */
export function setSynchronousMode(cluster: SimCluster, random: Prng): string | null {
  const asked = random.pick(cluster.members);
  const change = drawSynchronousMode(random);
  return configure(asked, (value) => ({ ...value, ...change }))
    ? `${JSON.stringify(change)}, asked of ${asked.name}`
    : null;
}

export function drawSynchronousMode(random: Prng): JsonObject {
  return {
    synchronous_mode: random.weighted({ on: 4, quorum: 5, off: 1 }),
    synchronous_node_count: random.pick([1, 1, 2]),
    synchronous_mode_strict: random.chance(0.2),
    // A standby in the model is some hundred bytes behind now and then.
    maximum_lag_on_syncnode: random.pick([-1, -1, -1, 400, 2000]),
  };
}

export function setFailsafeMode(cluster: SimCluster, on: boolean, random: Prng): string | null {
  const asked = random.pick(cluster.members);
  return configure(asked, (value) => ({ ...value, failsafe_mode: on }))
    ? `${on ? "on" : "off"}, asked of ${asked.name}`
    : null;
}
