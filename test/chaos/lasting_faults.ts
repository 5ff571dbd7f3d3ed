/** Faults of cables, disks and membership: they leave something behind that must be put right. */
import { closeSync, existsSync, fdatasyncSync, openSync, rmSync, statfsSync, writeSync } from "node:fs";
import { join } from "node:path";
import type { Host } from "../../src/demo/host.ts";
import { waitFor } from "../../src/demo/wait_for.ts";
import { BadCable } from "./cable.ts";
import type { CableSettings } from "./cable_process.ts";
import type { ChaosCluster } from "./chaos_cluster.ts";
import type { Effect } from "./effect.ts";

const EFFECT_MS = 30_000;
/** What is freed while the disk is full is taken as well. */
const REFILL_MS = 100;
const FILLER = "filler";

export function badCable(
  chaos: ChaosCluster,
  host: Host,
  settings: Omit<CableSettings, "cards">,
): Effect | null {
  // One bad cable at a time leads to a node.
  if (chaos.badCables.has(host)) return null;
  chaos.badCables.add(host);
  const cable = new BadCable(chaos.network, chaos.numberOf(host), settings);
  const { delayMs, jitterMs, lossPart } = settings;
  const how = lossPart > 0
    ? `loses ${Math.round(100 * lossPart)} %`
    : `${delayMs} to ${delayMs + jitterMs} ms`;
  return {
    what: `${host.name}, ${how}`,
    end: async () => {
      try {
        await cable.works(lossPart > 0);
      } finally {
        await cable.remove();
        chaos.badCables.delete(host);
      }
    },
  };
}

/** Nothing more can be written to the node's disk. */
export function filledDisk(host: Host): Effect | null {
  const path = join(host.directory, FILLER);
  if (existsSync(path)) return null;
  const file = openSync(path, "w");
  const fill = () => fillDisk(file);
  fill();
  expectFull(host.directory);
  const again = setInterval(fill, REFILL_MS);
  return {
    what: host.name,
    end: () => {
      clearInterval(again);
      closeSync(file);
      rmSync(path);
    },
  };
}

/** @throws where the file system of this directory has room */
export function expectFull(directory: string): void {
  const { bavail } = statfsSync(directory);
  if (bavail > 0) throw new Error(`${bavail} blocks are left in ${directory}`);
}

/** Writes until there is no room. */
export function fillDisk(file: number): void {
  const zeros = Buffer.alloc(1 << 20);
  for (let size = zeros.length; size >= 4096;) {
    try {
      if (writeSync(file, zeros, 0, size) < size) size = Math.floor(size / 2);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOSPC") throw error;
      size = Math.floor(size / 2);
    }
  }
  fdatasyncSync(file);
}

/** The node loses its power and the directory of its raft log, and must become a member anew. */
export async function raftLost(chaos: ChaosCluster, host: Host): Promise<Effect | null> {
  const before = await chaos.raftId(host);
  if (before === null) return null;
  const up = chaos.keepDown(host);
  await host.powerOff();
  rmSync(join(host.directory, "raft"), { recursive: true });
  return { what: host.name, end: up, after: () => isAnother(chaos, host, before) };
}

/** A standby is removed from the cluster, ends itself, and comes back with an empty raft directory. */
export async function removedMember(chaos: ChaosCluster, host: Host): Promise<Effect | null> {
  const before = await chaos.raftId(host);
  if (before === null || !await remove(chaos, host)) return null;
  const up = chaos.keepDown(host);
  return {
    what: host.name,
    end: async () => {
      await emptied(host, ["raft"]);
      up();
    },
    after: () => isAnother(chaos, host, before),
  };
}

/** The spare node joins; the next time it is removed. */
export async function comesOrGoes(chaos: ChaosCluster): Promise<Effect | null> {
  const { spare } = chaos;
  if (!chaos.isSpareWanted) {
    chaos.wantSpare(true);
    return {
      what: `${spare.name} comes`,
      after: async () =>
        void await waitFor(`${spare.name} as a member`, EFFECT_MS, () => chaos.raftId(spare)),
    };
  }
  const isRemoved = await remove(chaos, spare);
  if (!isRemoved) return null;
  chaos.wantSpare(false);
  await emptied(spare, ["raft", "data"]);
  return {
    what: `${spare.name} goes`,
    after: async () => {
      if (await chaos.raftId(spare) !== null) throw new Error(`${spare.name} is still a member`);
    },
  };
}

/** False: the cluster refuses it, as of a primary, or cannot be asked now. */
async function remove(chaos: ChaosCluster, host: Host): Promise<boolean> {
  const primary = await chaos.cluster.primary();
  if (primary === null || primary === host) return false;
  const { code } = await chaos.cluster.tryCtlAt(primary, "raft", "remove", host.name, "--force");
  return code === 0;
}

/** Its processes end, by themselves or with the power, and it forgets what it was. */
async function emptied(host: Host, names: readonly string[]): Promise<void> {
  await host.powerOff();
  for (const name of names) rmSync(join(host.directory, name), { recursive: true, force: true });
}

async function isAnother(chaos: ChaosCluster, host: Host, before: string): Promise<void> {
  await waitFor(`${host.name} as another member than ${before}`, EFFECT_MS, async () => {
    const now = await chaos.raftId(host);
    return now !== null && now !== before;
  });
}
