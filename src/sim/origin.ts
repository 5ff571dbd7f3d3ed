/**
 * Where a simulated cluster comes from: empty directories, servers that run already and that no agent has
 * managed, or another cluster that it follows. What a standby cluster's operator does besides, in a run with
 * faults: promote-cluster, and demote-cluster.
 */
import type { Prng } from "../../raft/sim/mod.ts";
import { whyNotPromoted } from "../agent/rest/config_judge.ts";
import type { MemberStatus } from "../model/member_status.ts";
import { STANDBY_CLUSTER } from "./remote.ts";
import { setStandbyCluster } from "./requests.ts";
import type { SimCluster } from "./sim_cluster.ts";
import type { SimMember } from "./sim_member.ts";

export type Origin = "empty" | "running" | "standby";

const RUNNING_RATE = 0.12;
const STANDBY_RATE = 0.12;
/** In runs with synchronous modes, where a promise begins and ends with the role. */
const SYNC_STANDBY_RATE = 0.3;
/** Between two changes of a cluster's role. */
const ROLE_MS = [8000, 40_000] as const;
/** In runs with synchronous modes: some changes meet standbys that have not come up with the last one. */
const SYNC_ROLE_MS = [4000, 20_000] as const;
/** How often it is demoted to a server of another database system. */
const MISTAKE_RATE = 0.3;
/** The first server opens, and has its standbys. */
const BY_HAND_MS = 5000;

export function drawOrigin(random: Prng, isSync: boolean): Origin {
  const at = random.between(0, 1);
  if (isSync) return at < SYNC_STANDBY_RATE ? "standby" : "empty";
  return at < RUNNING_RATE ? "running" : at < RUNNING_RATE + STANDBY_RATE ? "standby" : "empty";
}

/** Before any agent is started. */
export function prepare(cluster: SimCluster, origin: Origin): void {
  if (origin === "standby") {
    cluster.safety.readOnly = true;
    cluster.remoteAddress.start();
  } else if (origin === "running") runByHand(cluster);
}

/** A primary and its standbys, as an operator makes and starts them. */
export function runByHand(cluster: SimCluster): void {
  const { world } = cluster;
  const [first, ...others] = cluster.members.filter(({ isWitness }) => !isWitness).map(({ server }) =>
    server
  );
  first!.directory.make(false);
  first!.directory.finishBootstrap();
  first!.directory.unmanaged = true;
  first!.start(null, true);
  world.runUntilHolds(world.now() + BY_HAND_MS, 10, () => first!.canAcknowledge);
  for (const standby of others) {
    standby.directory.copyFrom(first!.directory);
    standby.directory.following = first!.name;
    standby.directory.unmanaged = true;
    standby.start(null, true);
  }
  world.runUntilHolds(world.now() + BY_HAND_MS, 10, () => others.every(({ streaming }) => streaming));
}

/**
 * Asks members, until the faults are over, to promote the standby cluster, to demote it, and so on, as the
 * commands allow it: one that has no data is not promoted (src/agent/rest/config_judge.ts).
 */
export function changeRoles(cluster: SimCluster, untilMs: number, random: Prng, isSync: boolean): void {
  const { world, safety, remoteAddress } = cluster;
  const roleMs: readonly [number, number] = isSync ? SYNC_ROLE_MS : ROLE_MS;
  world.after(untilMs - world.now(), () => remoteAddress.isMistaken = false);
  const change = () => {
    if (world.now() >= untilMs) return;
    const { config, initialize, lock } = cluster.latestRecords() ?? {};
    const isStandby = config?.value["standby_cluster"] !== undefined;
    if (config && lock && initialize && initialize.systemId !== "") {
      // Asked for, it may take effect at any later moment, and somewhere before it is known here.
      if (isStandby) safety.readOnly = false;
      // Demoted to what is no copy of it, and promoted again: nothing of it is to be lost by that.
      if (!isStandby) remoteAddress.isMistaken = random.chance(MISTAKE_RATE);
      const asked = random.pick(cluster.members);
      const isRefused = isStandby && whyNotPromoted({ initialize, lock }, heardBy(asked)) !== null;
      const done = !isRefused && setStandbyCluster(asked, isStandby ? null : STANDBY_CLUSTER);
      const what = isStandby ? "promote-cluster" : "demote-cluster";
      if (done) world.log.add("operator", `${what}, asked of ${asked.name}`);
    }
    world.after(random.between(...roleMs), change);
  };
  world.after(random.between(...roleMs), change);
}

function heardBy({ host, member, witness }: SimMember): readonly MemberStatus[] {
  const voter = (member ?? witness)?.voter;
  return voter === undefined ? [] : voter.board.seen(host.nowMs()).map(({ status }) => status);
}
