/**
 * A primary of a synchronous mode dies, and the member that is granted the lock after it cannot be promoted.
 * It has acknowledged nothing. Where too few others can prove to have what was acknowledged, the lock waits
 * for it: that costs time, and no transaction.
 */
import { expect, test } from "bun:test";
import { World } from "../../raft/sim/mod.ts";
import type { JsonObject } from "../model/json.ts";
import { SimCluster } from "./sim_cluster.ts";
import type { SimMember } from "./sim_member.ts";
import { contains, type Position } from "./wal.ts";

const SEEDS = [1, 2, 3];
const LIMIT_MS = 300_000;
const WAITS_MS = 20_000;

interface Scene {
  readonly cluster: SimCluster;
  readonly dead: SimMember;
  readonly chosen: SimMember;
  /** What the dead primary had acknowledged. */
  readonly promised: Position;
}

/** The first member that is granted the lock after the primary cannot leave recovery. */
function scene(seed: number, mode: JsonObject): Scene {
  const world = new World(seed);
  const cluster = new SimCluster(world, new Set(), { ttl: 3, loop_wait: 1, ...mode });
  for (const member of cluster.members) member.startAgent();
  expect(world.runUntilHolds(40_000, 50, () => cluster.unhealthy() === null)).toBe(true);
  world.runUntil(world.now() + 8000);
  const dead = cluster.find(cluster.latestRecords()!.lock.holder!)!;
  dead.killHost();
  const { branch } = dead.server.directory.position!;
  let chosen: SimMember | null = null;
  const end = cluster.watchLock(({ holder }) => {
    if (holder === null || holder === dead.name || chosen !== null) return;
    chosen = cluster.find(holder)!;
    chosen.server.hangsAt = "disk";
  });
  expect(world.runUntilHolds(world.now() + 20_000, 5, () => chosen !== null)).toBe(true);
  end();
  return { cluster, dead, chosen: chosen!, promised: { branch, lsn: branch.promisedLsn } };
}

/** Somebody becomes a primary, and has what was acknowledged. */
function next({ cluster, promised }: Scene, withinMs: number): SimMember {
  const { world } = cluster;
  const primary = () => cluster.members.find(({ server }) => server.writesUnderLock);
  expect(world.runUntilHolds(world.now() + withinMs, 5, () => primary() !== undefined)).toBe(true);
  expect(contains(primary()!.server.directory.position!, promised)).toBe(true);
  return primary()!;
}

for (
  const mode of [
    { synchronous_mode: "on", synchronous_node_count: 1 },
    { synchronous_mode: "quorum", synchronous_node_count: 1 },
  ]
) {
  test(
    `${mode.synchronous_mode}: nobody but the successor has a proof: the lock waits for it, and nothing is lost`,
    () => {
      for (const seed of SEEDS) {
        const found = scene(seed, mode);
        const { cluster, dead, chosen } = found;
        const { world } = cluster;
        const { lock: { epoch: from }, sync: { syncStandby, quorum } } = cluster.latestRecords()!;
        expect(syncStandby.length > quorum).toBe(false);
        const before = cluster.surviving.counts.acknowledged;
        // The last primary is back with all of its data: it, too, is granted nothing.
        world.after(WAITS_MS / 2, () => dead.boot());
        const holders = new Set<string>();
        const end = cluster.watchLock(({ holder, epoch }) => {
          if (holder !== null && epoch >= from) holders.add(holder);
        });
        world.runUntil(world.now() + WAITS_MS);
        end();
        expect([...holders]).toEqual([chosen.name]);
        expect(cluster.surviving.counts.acknowledged).toBe(before);
        chosen.server.hangsAt = null;
        expect(next(found, 60_000)).toBe(chosen);
      }
    },
    LIMIT_MS,
  );
}

test("another member that acknowledged everything takes over from the successor, and nothing is lost", () => {
  for (const seed of SEEDS) {
    const found = scene(seed, { synchronous_mode: "on", synchronous_node_count: 2 });
    expect([found.chosen, found.dead]).not.toContain(next(found, 60_000));
  }
}, LIMIT_MS);
