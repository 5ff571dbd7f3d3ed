/**
 * Courses of events that lose what was acknowledged if a rule of synchronous replication is missing
 * (src/sync/DESIGN.md). In some of them the holder's clock runs at a third of its speed: it writes on for
 * long after the others have gone on without it.
 */
import { cutFault, directionsOf, type Prng } from "../../../raft/sim/mod.ts";
import type { JsonObject } from "../../model/json.ts";
import type { SyncRule } from "../../dcs/broken_rules.ts";
import type { SimCluster } from "../sim_cluster.ts";
import { change, crash, cutPair, downOnceFree, type Scene, withoutRaft } from "./ambush_tools.ts";
import { firstPromise } from "./first_promise_ambush.ts";
import { putBack } from "./put_back_ambush.ts";
import { fewerVotes, lateRecord, mixedSenders, offAndOn } from "./setting_ambushes.ts";

export const SYNC_AMBUSHES = [
  "zombie",
  "stale-first",
  "stale-voter",
  "made-anew",
  "slow-replacement",
  "left-alone",
  "new-primary-dies",
  "first-second",
  "just-promised",
  "stale-sender",
  "first-promise",
  "fewer-votes",
  "mixed-senders",
  "off-and-on",
  "late-record",
  "put-back",
] as const;
export type SyncAmbush = typeof SYNC_AMBUSHES[number];

/** From its beginning until every host, link and clock is as it was. */
export const LONGEST_AMBUSH_MS = 32_000;

/** The ambush that shows soonest that the rule is missing. */
export function ambushAgainst(rule: SyncRule): SyncAmbush {
  switch (rule) {
    case "sync-uncut":
    case "sync-early-end":
    case "sync-old-vote":
      return "zombie";
    case "sync-one-vote":
      return "stale-voter";
    case "sync-grant-by-name":
      return "stale-first";
    case "sync-data-forgotten":
      return "made-anew";
    case "sync-log-first":
      return "slow-replacement";
    case "sync-degrade-alone":
      return "left-alone";
    case "sync-promote-bare":
    case "sync-checkpointer-late":
      return "just-promised";
    case "sync-stale-sender":
      return "stale-sender";
    case "sync-first-unlogged":
      return "first-promise";
    case "sync-set-first":
      return "fewer-votes";
    case "sync-mixed-senders":
      return "mixed-senders";
    case "sync-off-unlogged":
      return "off-and-on";
    case "sync-late-record":
      return "late-record";
    case "sync-put-back":
    case "sync-start-unlooked":
      return "put-back";
  }
}

/** The mode in which the ambush can be laid; empty: in any. */
export function modeFor(ambush: SyncAmbush | null): JsonObject {
  switch (ambush) {
    case "stale-first":
    case "slow-replacement":
      return { synchronous_mode: "on", synchronous_node_count: 1 };
    case "zombie":
      return { synchronous_mode: "quorum", synchronous_node_count: 1, ttl: 3, failsafe_mode: false };
    case "made-anew":
    case "stale-voter":
    case "left-alone":
    case "stale-sender":
    case "late-record":
    case "put-back":
      return { synchronous_mode: "quorum", synchronous_node_count: 1 };
    case "just-promised":
      return { synchronous_mode: "on", synchronous_node_count: 2, ttl: 3 };
    case "fewer-votes":
    case "mixed-senders":
      return { synchronous_mode: "quorum", synchronous_node_count: 2, maximum_lag_on_syncnode: -1 };
    case "off-and-on":
      return { synchronous_mode: "on", synchronous_node_count: 1, synchronous_mode_strict: false };
    case "first-promise":
      return { synchronous_mode: "on", synchronous_node_count: 1, ttl: 3 };
    default:
      return {};
  }
}

/** With two members that have data they show nothing. */
const NEED_THREE: readonly (SyncAmbush | null)[] = [
  "zombie",
  "stale-sender",
  "first-promise",
  "fewer-votes",
  "mixed-senders",
  "late-record",
];

export function needsThree(ambush: SyncAmbush | null): boolean {
  return NEED_THREE.includes(ambush);
}

/** What was begun; null: it makes no sense now. */
export function syncAmbush(cluster: SimCluster, kind: SyncAmbush, random: Prng): string | null {
  const text = kind === "first-promise" ? firstPromise(cluster, random) : ofPrimary(cluster, kind, random);
  return text === null ? null : `${kind}: ${text}`;
}

type PrimaryAmbush = Exclude<SyncAmbush, "first-promise">;

/** What happens to a primary whose standbys are promised. */
function ofPrimary(cluster: SimCluster, kind: PrimaryAmbush, random: Prng): string | null {
  const records = cluster.latestRecords();
  const holder = cluster.find(records?.lock.holder ?? "");
  if (!records || !holder?.server.writesUnderLock) return null;
  const named = records.sync.syncStandby;
  const rest = cluster.members.filter((member) => member !== holder && !member.isWitness);
  const voters = rest.filter(({ name }) => named.includes(name));
  const scene = { cluster, random, holder, voters, others: rest.filter((one) => !voters.includes(one)) };
  return voters.length === 0 ? null : AMBUSHES[kind](scene);
}

/** Raft forgets a slow holder while its standbys still stream from it, and are slow to let go of it. */
function zombie({ cluster, random, holder }: Scene): string {
  const { rate } = holder.host;
  const others = cluster.members.filter((one) => one !== holder);
  for (const { server } of others) server.repointMs = random.between(500, 3000);
  holder.host.setRate(0.3);
  const back = withoutRaft(cluster, holder);
  cluster.world.after(random.between(9000, 14_000), () => {
    back();
    holder.host.setRate(rate);
    for (const { server } of others) server.repointMs = 0;
  });
  return `${holder.name} is slow, and without raft`;
}

/** A standby that is behind is up when the lock becomes free, and the synchronous one is not for a moment. */
function staleFirst({ cluster, random, holder, voters, others }: Scene): string | null {
  const [synced, staleVoter] = voters;
  const stale = others[0] ?? staleVoter;
  if (stale === undefined || synced === undefined) return null;
  cutPair(cluster, holder, stale, 3000);
  cluster.world.after(random.between(500, 2500), () => crash(cluster, holder, random.between(9000, 14_000)));
  downOnceFree(cluster, synced);
  return `${holder.name} dies, ${stale.name} lags, ${synced.name} is not up`;
}

/** The only standby that has acknowledged the last commits gets the data of one that lags. */
function madeAnew({ cluster, random, holder, voters }: Scene): string | null {
  const [anew, lags] = voters;
  if (anew === undefined || lags === undefined) return null;
  cutPair(cluster, holder, lags, 3000);
  cluster.world.after(random.between(300, 1500), () => {
    crash(cluster, holder, random.between(9000, 14_000));
    anew.server.killed();
    if (lags.server.directory.state.kind === "valid") anew.server.directory.copyFrom(lags.server.directory);
  });
  return `${holder.name} dies, and ${anew.name} gets the data of ${lags.name}`;
}

/** A standby takes the place of one that has ended, and is far behind it when the holder dies. */
function slowReplacement({ cluster, random, holder, voters, others }: Scene): string | null {
  const [slow] = others;
  const [synced] = voters;
  if (slow === undefined || synced === undefined) return null;
  const { world } = cluster;
  slow.server.receivesNothing = true;
  const endsMs = random.between(300, 1500);
  for (let ms = 0; ms < 3000; ms += 100) world.after(endsMs + ms, () => synced.server.immediate(0));
  world.after(endsMs + random.between(300, 2500), () => crash(cluster, holder, random.between(9000, 14_000)));
  world.after(14_000, () => slow.server.receivesNothing = false);
  return `${holder.name} dies, ${slow.name} takes the place of ${synced.name} and lags`;
}

/** A slow holder hears nobody, and nobody hears it. */
function leftAlone({ cluster, random, holder }: Scene): string {
  const { rate } = holder.host;
  holder.host.setRate(0.3);
  const { end } = cutFault(cluster.network, directionsOf(holder.id, cluster.ids()), 0);
  cluster.world.after(random.between(9000, 14_000), () => {
    end();
    holder.host.setRate(rate);
  });
  return `${holder.name} is slow, and alone`;
}

/** The holder dies, and so does its successor right after its first commits, which reach nobody else. */
function newPrimaryDies({ cluster, random, holder }: Scene): string {
  crash(cluster, holder, random.between(5500, 7000));
  let done = false;
  const watch = (leftMs: number) => {
    const next = cluster.members.find((one) => one !== holder && one.server.writesUnderLock);
    if (next !== undefined && !done) {
      done = true;
      for (const one of cluster.members) if (one !== next) cutPair(cluster, next, one, 2000);
      cluster.world.after(random.between(20, 150), () => crash(cluster, next, random.between(9000, 14_000)));
    } else if (leftMs > 0) cluster.world.after(20, () => watch(leftMs - 20));
  };
  watch(12_000);
  return `${holder.name} dies, and its successor after it`;
}

/**
 * The holder dies, and its successor at some moment of its first second as a primary: alone, while standbys
 * attach, or after that; its host, its PostgreSQL, or its agent. Either of the two may be back first.
 */
function firstSecond({ cluster, random, holder }: Scene): string {
  crash(cluster, holder, random.between(1000, 9000));
  const alone = random.chance(0.5);
  const afterMs = random.between(0, 1000);
  const backMs = random.between(500, 9000);
  const death = random.weighted({ host: 3, postgres: 1, agent: 1 });
  const watch = (leftMs: number) => {
    const next = cluster.members.find((one) =>
      one !== holder && one.server.epoch !== null && one.server.answers
    );
    if (next === undefined) {
      if (leftMs > 0) cluster.world.after(5, () => watch(leftMs - 5));
      return;
    }
    if (alone) {
      for (const one of cluster.members) if (one !== next) cutPair(cluster, next, one, afterMs + 500);
    }
    cluster.world.after(afterMs, () => {
      if (death === "host") crash(cluster, next, backMs);
      else if (death === "postgres") next.server.killed();
      else {
        next.killAgent(false);
        cluster.world.after(backMs, () => next.boot());
      }
    });
  };
  watch(12_000);
  return `${holder.name} dies, and its successor ${
    afterMs.toFixed(0)
  } ms after the beginning of its promotion`;
}

/** Standbys begin to have commits wait, and their checkpointers do not come to it before one is promoted. */
function justPromised(scene: Scene): string | null {
  const { cluster, random, holder } = scene;
  if (!change(cluster, { synchronous_mode: "off" })) return null;
  const onMs = random.between(1500, 2500);
  cluster.world.after(onMs, () => {
    for (const one of cluster.members) if (one !== holder) one.server.sync.holdCheckpointer(15_000);
    change(cluster, { synchronous_mode: "on", synchronous_node_count: 2 });
  });
  cluster.world.after(onMs + random.between(1000, 2500), () => newPrimaryDies(scene));
  return `${holder.name} begins to promise, and dies, and its successor after it`;
}

/**
 * More standbys are to acknowledge than before, and a WAL sender stands still before it has read that. One
 * standby then gets nothing any more, and the others are not up when the lock becomes free.
 */
function staleSender({ cluster, random, holder, voters }: Scene): string | null {
  const [behind, ...ahead] = voters;
  if (behind === undefined || ahead.length === 0) return null;
  const { world } = cluster;
  const standsMs = random.between(1500, 2500);
  holder.server.sync.holdSenders(standsMs);
  if (!change(cluster, { synchronous_node_count: voters.length })) return null;
  world.after(standsMs * 0.7, () => behind.server.receivesNothing = true);
  world.after(standsMs + random.between(500, 1500), () => {
    crash(cluster, holder, random.between(9000, 14_000));
    for (const one of ahead) downOnceFree(cluster, one);
    behind.server.receivesNothing = false;
  });
  return `${holder.name} is to wait for ${voters.length}, and dies when ${behind.name} is behind`;
}

const AMBUSHES: Readonly<Record<PrimaryAmbush, (scene: Scene) => string | null>> = {
  zombie,
  "stale-first": staleFirst,
  "stale-voter": staleFirst,
  "made-anew": madeAnew,
  "slow-replacement": slowReplacement,
  "left-alone": leftAlone,
  "new-primary-dies": newPrimaryDies,
  "first-second": firstSecond,
  "just-promised": justPromised,
  "stale-sender": staleSender,
  "fewer-votes": fewerVotes,
  "mixed-senders": mixedSenders,
  "off-and-on": offAndOn,
  "late-record": lateRecord,
  "put-back": putBack,
};
