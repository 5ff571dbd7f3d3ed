/**
 * The worst known course of events for failsafe mode: the holder loses raft but not REST, so that it goes on
 * while the others are a majority and expire its epoch; and at about that moment something else happens to
 * the members that have accepted its lease.
 */
import { directionsOf, type Fault, type Prng } from "../../../raft/sim/mod.ts";
import { setFailsafeMode } from "../requests.ts";
import type { SimCluster } from "../sim_cluster.ts";
import type { SimMember } from "../sim_member.ts";

/** null: the holder has logged no set, or is not at work. */
export function failsafeAmbush(cluster: SimCluster, random: Prng): Fault | null {
  const { world, links } = cluster;
  const state = cluster.latestRecords();
  const holder = cluster.find(state?.lock.holder ?? "");
  if (!state || !holder?.server.writesUnderLock || state.failsafe?.epoch !== state.lock.epoch) return null;
  const ids = cluster.ids();
  const others = cluster.members.filter((member) => member !== holder);
  if (others.length === 0) return null;
  const other = random.pick(others);
  const { waitTtlMs } = state;
  const ends: (() => void)[] = [];
  let over = false;
  const begin = (fault: Fault) => ends.push(fault.end);
  const later = (delayMs: number, run: () => void) => world.after(delayMs, () => over || run());
  const crash = (member: SimMember, forMs: number) => {
    member.killAgent(false);
    // Whatever becomes of the rest.
    world.after(forMs, () => member.startAgent());
  };
  const how = random.pick([
    "then all",
    "then all",
    "restart",
    "slow",
    "slow",
    "slow",
    "slow",
    "one less",
    "newcomer",
    "newcomer",
    "switched",
  ]);
  // Silent for so long, it has left the set when it comes back.
  const cutMs = how === "newcomer" ? random.between(10_500, 13_000) : 0;
  if (how === "newcomer") crash(other, cutMs + random.between(0, waitTtlMs));
  const around = directionsOf(holder.id, ids);
  later(how === "switched" ? random.exponential(5) : cutMs, () => begin(links.cutRaft(around, 0)));
  const expiryMs = cutMs + waitTtlMs;
  const atMs = expiryMs - random.between(0, waitTtlMs);
  if (how === "then all" || how === "restart") later(atMs, () => begin(links.cutRest(around, 0)));
  if (how === "restart") later(atMs, () => crash(other, random.between(50, 2000)));
  if (how === "one less") begin(links.cutRest(directionsOf(other.id, ids), 0));
  // About the time at which raft goes: some of it may be logged, and the holder not know.
  if (how === "switched") {
    setFailsafeMode(cluster, false, random);
    later(random.between(0, 2 * waitTtlMs), () => setFailsafeMode(cluster, true, random));
    ends.push(() => {
      for (const delayMs of [0, 2000, 4000]) {
        world.after(delayMs, () => setFailsafeMode(cluster, true, random));
      }
    });
  }
  if (how === "slow") {
    const before = links.slowRate;
    links.slowRate = random.between(0.1, 0.6);
    ends.push(() => links.slowRate = before);
  }
  return {
    durationMs: expiryMs + random.between(1000, 8000),
    text: `${holder.name} without raft, ${how} (${other.name})`,
    end: () => {
      over = true;
      for (const end of ends) end();
    },
  };
}
