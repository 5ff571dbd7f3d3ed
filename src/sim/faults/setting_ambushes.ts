/**
 * Ambushes against a change of `synchronous_standby_names` that the record does not cover: the primary dies,
 * and the standby that alone has its last commits is not up when the lock becomes free.
 */
import type { Json, JsonObject } from "../../model/json.ts";
import type { SimMember } from "../sim_member.ts";
import { change, crash, downOnceFree, type Scene, withoutRaft } from "./ambush_tools.ts";

const LOOK_MS = 2;
/** So far a slow disk is behind. */
const LAG_BYTES = 20_000;

/** Fewer standbys are to acknowledge, and the holder hears of that as the last thing. */
export function fewerVotes(scene: Scene): string | null {
  const { cluster, holder, voters: [behind, ahead] } = scene;
  if (behind === undefined || ahead === undefined) return null;
  if (!change(cluster, { synchronous_mode: "quorum", synchronous_node_count: 1 })) return null;
  onceKnown(scene, "synchronous_node_count", 1, () => {
    const back = withoutRaft(cluster, holder);
    behind.server.lagBytes = LAG_BYTES;
    dies(scene, 1500, back);
  });
  return `${holder.name} is to wait for one, is alone, and dies; ${ahead.name} has the rest`;
}

/** A standby is to be synchronous no more, and its WAL sender alone has not read that. */
export function mixedSenders(scene: Scene): string | null {
  const { random, holder, voters: [behind, ahead] } = scene;
  if (behind === undefined || ahead === undefined) return null;
  holder.server.sync.holdSenders(random.between(2000, 3000), ahead.name);
  behind.server.lagBytes = LAG_BYTES;
  const { tags } = ahead;
  retag(ahead, { ...tags, nosync: true });
  dies(scene, 800, () => retag(ahead, tags));
  return `${holder.name} is to wait for ${behind.name} alone, and dies; ${ahead.name} has the rest`;
}

/** Its file is read anew. */
function retag(member: SimMember, tags: JsonObject): void {
  member.tags = tags;
  member.member?.factsChanged();
}

/**
 * A standby is to be synchronous no more, which is proposed while no disk answers; then it is one again, and
 * alone has what is acknowledged from then on.
 */
export function lateRecord(scene: Scene): string | null {
  const { cluster, random, holder, voters: [behind, ahead] } = scene;
  if (behind === undefined || ahead === undefined) return null;
  const { tags } = ahead;
  const { sync } = holder.server;
  retag(ahead, { ...tags, nosync: true });
  once(scene, () => !sync.setting.names.includes(ahead.name), () => {
    const hangMs = random.between(1500, 2500);
    for (const { disk } of cluster.members) disk.hang(hangMs);
    cluster.world.after(hangMs * 0.4, () => {
      retag(ahead, tags);
      behind.server.receivesNothing = true;
    });
    cluster.world.after(hangMs, () => {
      crash(cluster, holder, random.between(9000, 14_000));
      downOnceFree(cluster, ahead);
      behind.server.receivesNothing = false;
    });
  });
  return `${holder.name} is to wait for ${behind.name} alone, and not; ${ahead.name} has the rest`;
}

/** The mode is switched off, which the holder hears of as the last thing, and on again. */
export function offAndOn(scene: Scene): string | null {
  const { cluster, holder } = scene;
  const mode = cluster.latestRecords()!.config!.value["synchronous_mode"]!;
  if (!change(cluster, { synchronous_mode: "off" })) return null;
  onceKnown(scene, "synchronous_mode", "off", () => {
    const back = withoutRaft(cluster, holder);
    for (const one of cluster.members) if (one !== holder) one.server.receivesNothing = true;
    switchedOn(scene, mode, 20);
    cluster.world.after(scene.random.between(300, 1500), () => {
      crash(cluster, holder, scene.random.between(9000, 14_000));
      back();
      for (const one of cluster.members) one.server.receivesNothing = false;
    });
  });
  return `${holder.name} hears that the mode is off, is alone, and dies`;
}

/** Until a member takes it: raft may have lost its leader. */
function switchedOn(scene: Scene, mode: Json, tries: number): void {
  const { cluster } = scene;
  if (cluster.latestRecords()?.config?.value["synchronous_mode"] === mode || tries === 0) return;
  change(cluster, { synchronous_mode: mode });
  cluster.world.after(100, () => switchedOn(scene, mode, tries - 1));
}

/** The holder ends, and the standby with more WAL than the other one is not up when the lock becomes free. */
function dies(
  { cluster, random, holder, voters: [behind, ahead] }: Scene,
  withinMs: number,
  back: () => void,
): void {
  cluster.world.after(random.between(100, withinMs), () => {
    crash(cluster, holder, random.between(9000, 14_000));
    back();
    downOnceFree(cluster, ahead!);
    behind!.server.lagBytes = 0;
  });
}

function onceKnown(scene: Scene, key: string, value: Json, run: () => void): void {
  once(scene, () => scene.holder.dcs?.state.config?.value[key] === value, run);
}

function once({ cluster }: Scene, holds: () => boolean, run: () => void): void {
  const look = (leftMs: number) => {
    if (holds()) return run();
    if (leftMs > 0) cluster.world.after(LOOK_MS, () => look(leftMs - LOOK_MS));
  };
  look(2000);
}
