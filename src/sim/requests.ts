/** What an operator asks of a simulated cluster, of a member of chance. Each returns what it asked, or null. */
import type { Prng } from "../../raft/sim/mod.ts";
import type { SimCluster } from "./sim_cluster.ts";

export function requestSwitchover(cluster: SimCluster, id: string, random: Prng): string | null {
  const asked = random.pick(cluster.members);
  const state = asked.dcs?.state;
  if (!state || state.lock.holder === null || !asked.member) return null;
  const { holder } = state.lock;
  const others = cluster.members.filter((member) => member.name !== holder);
  const candidate = random.chance(0.5) ? random.pick(others).name : null;
  asked.member.proposer.propose({
    op: "setFailover",
    record: {
      kind: "switchover",
      leader: holder,
      candidate,
      scheduledAt: null,
      id,
      accepted: false,
      epoch: 0,
    },
    expectRevision: state.failover?.revision ?? null,
  }, () => {});
  return `${holder} to ${candidate ?? "any"}, asked of ${asked.name}`;
}

export function changeTtl(cluster: SimCluster, random: Prng): string | null {
  const asked = random.pick(cluster.members);
  const config = asked.dcs?.state.config;
  if (!config || !asked.member) return null;
  const ttl = random.pick([2, 3, 5, 10]);
  asked.member.proposer.propose({
    op: "setConfig",
    value: { ...config.value, ttl },
    expectRevision: config.revision,
  }, () => {});
  return `${ttl} s, asked of ${asked.name}`;
}
