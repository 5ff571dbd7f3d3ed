/** What the ambushes against rules of synchronous replication are made of. */
import { directionsOf, type Prng } from "../../../raft/sim/mod.ts";
import type { JsonObject } from "../../model/json.ts";
import { configure } from "../requests.ts";
import type { SimCluster } from "../sim_cluster.ts";
import type { SimMember } from "../sim_member.ts";

/** A primary whose standbys are promised. */
export interface Scene {
  readonly cluster: SimCluster;
  readonly random: Prng;
  readonly holder: SimMember;
  readonly voters: readonly SimMember[];
  /** The other members with data. */
  readonly others: readonly SimMember[];
}

/** An operator changes the configuration, with the first member that takes it. */
export function change(cluster: SimCluster, values: JsonObject): boolean {
  return cluster.members.some((member) => configure(member, (value) => ({ ...value, ...values })));
}

export function crash({ world }: SimCluster, member: SimMember, forMs: number): void {
  member.killHost();
  world.after(forMs, () => member.boot());
}

/** Nothing passes between the two; raft finds its way through the third. */
export function cutPair({ network, world }: SimCluster, a: SimMember, b: SimMember, forMs: number): void {
  const ways = [[a.id, b.id], [b.id, a.id]] as const;
  for (const way of ways) network.cut(...way);
  world.after(forMs, () => {
    for (const way of ways) network.heal(...way);
  });
}

export function onceFree(cluster: SimCluster, run: () => void): void {
  let told = false;
  const end = cluster.watchLock(({ holder }) => {
    if (holder !== null || told) return;
    told = true;
    run();
  });
  cluster.world.after(12_000, end);
}

/** Its PostgreSQL is not up when the lock becomes free, and for a while after. */
export function downOnceFree(cluster: SimCluster, { server }: SimMember): void {
  onceFree(cluster, () => {
    for (const ms of [0, 150, 300, 500]) cluster.world.after(ms, () => server.immediate(0));
  });
}

/** It logs nothing, and hears of nothing that is logged, until that is ended. */
export function withoutRaft(cluster: SimCluster, { id }: SimMember): () => void {
  const cut = cluster.links.cutRaft(directionsOf(id, cluster.ids()), 0);
  return () => cut.end();
}
