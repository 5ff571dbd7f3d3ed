/**
 * A primary without a promise from before: the cluster has followed another one until promote-cluster, or the
 * mode comes while nobody writes. From its first moment on it can log nothing and one standby lags. It dies
 * with its first commits, and the standby that has them is not up when the lock becomes free.
 */
import type { Prng } from "../../../raft/sim/mod.ts";
import { STANDBY_CLUSTER } from "../remote.ts";
import { setStandbyCluster } from "../requests.ts";
import type { SimCluster } from "../sim_cluster.ts";
import type { SimMember } from "../sim_member.ts";
import { change, crash, cutPair, downOnceFree, withoutRaft } from "./ambush_tools.ts";

const LOOK_MS = 5;

/** What was begun; null: it makes no sense now. */
export function firstPromise(cluster: SimCluster, random: Prng): string | null {
  const { config, lock } = cluster.latestRecords() ?? {};
  const holder = cluster.find(lock?.holder ?? "");
  if (!config || holder === undefined) return null;
  if (config.value["standby_cluster"] === undefined) {
    if (!cluster.remote.answers || random.chance(0.2)) return modeComes(cluster, holder, random);
    return setStandbyCluster(holder, STANDBY_CLUSTER) ? "demote-cluster, so that a promise ends" : null;
  }
  if (config.value["synchronous_mode"] === "off" || !holder.server.answers) return null;
  // From here on somebody may write, as with any other promote-cluster.
  cluster.safety.readOnly = false;
  if (!setStandbyCluster(holder, null)) return null;
  firstCommitsDie(cluster, random);
  return `${holder.name} is promoted with the cluster, and dies`;
}

/**
 * The mode is off, and on again while the primary's host is down. That has the most WAL when it is back, and
 * is mostly the next primary.
 */
function modeComes(cluster: SimCluster, holder: SimMember, random: Prng): string | null {
  if (!holder.server.writesUnderLock || !change(cluster, { synchronous_mode: "off" })) return null;
  const { world } = cluster;
  const others = cluster.members.filter((one) => one !== holder);
  const offMs = random.between(2000, 3000);
  world.after(offMs, () => others.forEach(({ server }) => server.receivesNothing = true));
  world.after(offMs + random.between(300, 600), () => {
    crash(cluster, holder, random.between(300, 800));
    others.forEach(({ server }) => server.receivesNothing = false);
    comesOn(cluster, 20);
    firstCommitsDie(cluster, random);
  });
  return `${holder.name} dies, the mode comes meanwhile, and the next primary dies`;
}

/** Until a member takes it: raft may have lost its leader. */
function comesOn(cluster: SimCluster, tries: number): void {
  const mode = cluster.latestRecords()?.config?.value["synchronous_mode"];
  if (mode === "on" || tries === 0) return;
  change(cluster, { synchronous_mode: "on", synchronous_node_count: 1 });
  cluster.world.after(100, () => comesOn(cluster, tries - 1));
}

/** The next server that begins to write. */
function firstCommitsDie(cluster: SimCluster, random: Prng): void {
  const { world } = cluster;
  const epoch = cluster.latestRecords()?.lock.epoch ?? 0;
  const afterMs = random.between(10, 400);
  const backMs = random.between(9000, 14_000);
  const watch = (leftMs: number) => {
    const next = cluster.members.find(({ server }) => server.writesUnderLock && server.epoch! >= epoch);
    if (next === undefined) {
      if (leftMs > 0) world.after(LOOK_MS, () => watch(leftMs - LOOK_MS));
      return;
    }
    const { names } = next.server.sync.setting;
    const rest = cluster.members.filter((one) => one !== next && !one.isWitness);
    const synced = rest.find(({ name }) => names.includes(name));
    for (const one of rest) if (one !== synced) cutPair(cluster, next, one, 3000);
    const back = withoutRaft(cluster, next);
    const { branch } = next.server.directory.position!;
    const before = branch.acks;
    const die = (tries: number) => {
      if (branch.acks === before && tries > 0) return world.after(LOOK_MS, () => die(tries - 1));
      world.after(afterMs, () => {
        crash(cluster, next, backMs);
        back();
        if (synced !== undefined) downOnceFree(cluster, synced);
      });
    };
    die(500);
  };
  watch(15_000);
}
