/**
 * The worst known courses of events for the lease itself: for each of its rules the one in which two servers
 * acknowledge when the rule is missing, and nothing happens when it is not. Chance alone finds some of them
 * once in hundreds of runs.
 */
import { cutFault, directionsOf, type Fault, type Prng } from "../../../raft/sim/mod.ts";
import { LEASE_CHANNEL } from "../../agent/peers/messages.ts";
import { leaseFromTtl } from "../../lease/timing.ts";
import type { LeaseRule } from "./fault_kinds.ts";
import { askPause, askSwitchover, resume, setTtl } from "../requests.ts";
import type { SimCluster } from "../sim_cluster.ts";
import type { SimMember } from "../sim_member.ts";

/**
 * Time from the end of a lease until its successor writes, with an election, a restart of a standby, slow
 * disks.
 */
const SUCCESSION_MS = 4000;
const LONG_TTL_S = 30;
const SHORT_TTL_S = 2;
/** After this an unanswered proposal has an unknown outcome. */
const UNKNOWN_AFTER_MS = 5000;
/** The delay of a frame on a quick network. */
const QUICK_MS = 0.05;
/** Time until an operator's request is in force everywhere. */
const SETTLES_MS = 4000;
/** Time for a frame that was just sent, and its answer, to arrive where a pause or a cut is to hold it. */
const ARRIVES_MS = 200;

/** The stage of a story: its cluster and parts. */
interface Stage {
  readonly cluster: SimCluster;
  readonly random: Prng;
  /** P. */
  readonly holder: SimMember;
  /** Q. */
  readonly leader: SimMember;
  readonly ttlMs: number;
  /** Runs unless the ambush is over by then. */
  later(delayMs: number, run: () => void): void;
  /** Cuts the member off from everybody, until the ambush is over, or the returned function is called. */
  cutOff(member: SimMember): () => void;
  pause(member: SimMember, durationMs: number): void;
  atEnd(run: () => void): void;
}

/** How long it takes; null: it makes no sense now. */
type Story = (stage: Stage) => number | null;

const STORIES: Readonly<Record<LeaseRule, Story>> = {
  // P reads the answer to its last renewal late: counted from then, its lease outlives what Q waits.
  "lease-from-receipt": ({ cluster, random, holder, leader, ttlMs, later, cutOff, pause }) => {
    if (holder === leader) return null;
    // The lease before the last renewal must still run, or the guard has stopped PostgreSQL.
    const pauseMs = random.between(0.5, 0.8) * leaseFromTtl(ttlMs);
    cluster.network.afterNextFrame(holder.id, LEASE_CHANNEL, () => {
      pause(holder, pauseMs);
      later(ARRIVES_MS, () => cutOff(holder));
    });
    return pauseMs + ttlMs + SUCCESSION_MS;
  },
  // P is cut off as soon as it is acknowledged, and its guard is as late and as slow as is allowed.
  "no-jk-room": ({ cluster, random, holder, leader, ttlMs, later, cutOff }) => {
    if (holder === leader) return null;
    holder.guard.dawdle();
    cluster.network.afterNextFrame(
      holder.id,
      LEASE_CHANNEL,
      () => later(random.between(20, ARRIVES_MS), () => cutOff(holder)),
    );
    return ttlMs + SUCCESSION_MS;
  },
  // P leads raft itself, is away for so long that others have elected another leader, and confirms itself
  // when it is back.
  "no-readindex": ({ cluster, random, holder, leader, ttlMs, later, cutOff, pause }) => {
    const beginsMs = cluster.world.now();
    const begin = () => {
      if (holder.raft?.leadsWithOwnTerm()) {
        cutOff(holder);
        return pause(holder, random.between(0.6, 1) * leaseFromTtl(ttlMs));
      }
      if (cluster.world.now() < beginsMs + 2000) later(1, begin);
    };
    // It hands leadership back soon: its host is the primary's.
    if (holder !== leader) leader.raft!.transferLeadership(holder.id, () => {});
    begin();
    return 2 * ttlMs + SUCCESSION_MS;
  },
  // P is cut off, and another leader, who knows nothing of its renewals, is elected right after that.
  "no-reset": ({ cluster, random, holder, leader, ttlMs, later, cutOff }) => {
    const others = cluster.members.filter((each) => each !== holder && each !== leader);
    if (holder === leader || others.length === 0) return null;
    const next = random.pick(others);
    cutOff(holder);
    later(random.between(1, ARRIVES_MS), () => leader.raft?.transferLeadership(next.id, () => {}));
    return ttlMs + SUCCESSION_MS;
  },
  // P's agent stands still for longer than its lease.
  "no-guard": ({ holder, ttlMs, pause }) => {
    pause(holder, ttlMs + SUCCESSION_MS / 2);
    return ttlMs + SUCCESSION_MS;
  },
  // A new holder learns of its grant, and of nothing after it, so late that the grant has been, or soon is,
  // expired.
  "promote-before-renewal": ({ cluster, random, holder, leader, ttlMs, later, cutOff, pause, atEnd }) => {
    const next = cluster.members.filter((each) => each.member !== null && each !== holder && each !== leader);
    if (next.length === 0) return null;
    const candidate = random.pick(next);
    const knownMs = random.between(0.3, 1.2) * ttlMs;
    const forget = cluster.watchLock(({ holder: name }) => {
      if (name !== candidate.name) return;
      forget();
      later(0, () => {
        pause(candidate, knownMs);
        later(ARRIVES_MS, () => cutOff(candidate));
      });
    });
    atEnd(forget);
    askSwitchover(holder, candidate.name, `ambush-${cluster.world.steps}`);
    return 5000 + 2 * ttlMs + SUCCESSION_MS;
  },
  // P holds a long lease when ttl is lowered, and is cut off as soon as leaders wait for the new one only.
  "ttl-not-shortened": ({ cluster, random, holder, leader, later, cutOff }) => {
    if (holder === leader || !setTtl(holder, LONG_TTL_S)) return null;
    const loweredMs = () => cluster.latestRecords()?.waitTtlMs ?? Infinity;
    later(SETTLES_MS, () => void setTtl(holder, SHORT_TTL_S));
    const endMs = cluster.world.now() + 2 * SETTLES_MS;
    const cutOffWhenLowered = () => {
      if (loweredMs() <= SHORT_TTL_S * 1000) {
        return later(random.between(0, ARRIVES_MS), () => cutOff(holder));
      }
      if (cluster.world.now() < endMs) later(5, cutOffWhenLowered);
    };
    later(SETTLES_MS + 10, cutOffWhenLowered);
    return 2 * SETTLES_MS + SHORT_TTL_S * 1000 + SUCCESSION_MS;
  },
  // Q expires the epoch of a P that is cut off, and no other node writes that to a disk before Q gives up
  // waiting for it. Q stands still then, so that it reads the outcome next, and a renewal by P, which is
  // back. When P writes again, the expiry gets through without its knowing.
  "expiry-forgotten": ({ cluster, random, holder, leader, ttlMs, later, cutOff, pause, atEnd }) => {
    const others = cluster.members.filter((each) => each !== leader);
    if (holder === leader || others.length > 2) return null;
    const durationMs = ttlMs + 2 * UNKNOWN_AFTER_MS + ttlMs + SUCCESSION_MS;
    const back = cutOff(holder);
    later(ttlMs / 2, () => {
      for (const { disk } of others) disk.hang(durationMs);
    });
    const resume = () => {
      for (const { disk } of others) disk.resume();
    };
    // Answers that come faster than Q looks.
    const { settings } = cluster.network;
    const { delayMeanMs } = settings;
    settings.delayMeanMs = QUICK_MS;
    atEnd(() => {
      resume();
      settings.delayMeanMs = delayMeanMs;
    });
    const watch = () => {
      if (!holder.server.canAcknowledge) return later(1, watch);
      cutOff(holder);
      later(random.between(1, ARRIVES_MS), resume);
    };
    const standStill = () => {
      pause(leader, random.between(300, 600));
      later(UNKNOWN_AFTER_MS, standStill);
    };
    const proposed = () => {
      const { lastIndex = 0, commit = 0 } = leader.raft?.status() ?? {};
      if (lastIndex === commit) return later(1, proposed);
      back();
      later(UNKNOWN_AFTER_MS - random.between(1, 50), standStill);
      later(UNKNOWN_AFTER_MS - ARRIVES_MS, watch);
    };
    later(ttlMs / 2, proposed);
    return durationMs;
  },
  // Maintenance mode ends, and P, whose guard is armed again, proposes fenced(e). Q is asked for the mode
  // once more just before that arrives, so that P learns of the mode first, and is cut off. Then the mode
  // ends for good.
  "fence-lifted-early": ({ cluster, random, holder, leader, ttlMs, later, cutOff, atEnd }) => {
    if (holder === leader || !askPause(holder, true)) return null;
    atEnd(() => resume(cluster));
    const isUnfenced = (member: SimMember) => member.dcs?.state.lock.unfenced === true;
    const isPaused = (member: SimMember) => member.dcs?.state.config?.value["pause"] === true;
    const isArmed = (unfenced: boolean) => holder.guard.view().armed?.unfenced === unfenced;
    const when = (holds: () => boolean, run: () => void) => {
      const look = () => holds() ? run() : later(0.2, look);
      look();
    };
    when(() => isUnfenced(holder) && isArmed(true), () => {
      askPause(leader, false);
      when(() => !isPaused(holder) && isArmed(false), () => {
        askPause(leader, true);
        when(() => isPaused(holder) || !isUnfenced(holder), () => {
          later(random.between(0, 1), () => cutOff(holder));
          when(() => isPaused(leader) && !isUnfenced(leader), () => askPause(leader, false));
        });
      });
    });
    return SETTLES_MS + 2 * ttlMs + SUCCESSION_MS;
  },
};

/** null: no holder or leader is at work. */
export function leaseAmbush(cluster: SimCluster, rule: LeaseRule, random: Prng): Fault | null {
  const { world, network } = cluster;
  const state = cluster.latestRecords();
  const holder = cluster.find(state?.lock.holder ?? "");
  const leader = cluster.leader();
  if (!state || !holder?.server.writesUnderLock || !leader) return null;
  const ends: (() => void)[] = [];
  let over = false;
  const durationMs = STORIES[rule]({
    cluster,
    random,
    holder,
    leader,
    ttlMs: state.waitTtlMs,
    atEnd: (run) => ends.push(run),
    later: (delayMs, run) => void world.after(delayMs, () => over || run()),
    cutOff: (member) => {
      if (over) return () => {};
      let healed = false;
      const cut = cutFault(network, directionsOf(member.id, cluster.ids()), 0);
      const heal = () => {
        if (!healed) cut.end();
        healed = true;
      };
      ends.push(heal);
      return heal;
    },
    pause: (member, ms) => {
      if (over || !member.agent.alive) return;
      member.agent.pause(ms);
      ends.push(() => member.agent.isPaused && member.agent.resume());
    },
  });
  if (durationMs === null) return null;
  return {
    durationMs,
    text: `${holder.name} holds the lock, ${leader.name} leads`,
    end: () => {
      over = true;
      for (const end of ends) end();
    },
  };
}
