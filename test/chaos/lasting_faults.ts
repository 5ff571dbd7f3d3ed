/** Faults of cables, disks and membership: they leave something behind that must be put right. */
import { closeSync, existsSync, fdatasyncSync, openSync, rmSync, statfsSync, writeSync } from "node:fs";
import { join } from "node:path";
import type { Host } from "../../src/demo/host.ts";
import { waitFor } from "../../src/demo/wait_for.ts";
import { BadCable, whyNoEffect } from "./cable.ts";
import type { CableSettings } from "./cable_process.ts";
import type { ChaosCluster } from "./chaos_cluster.ts";
import type { Effect } from "./effect.ts";
import { setClock } from "./wall_clock.ts";
import { hears } from "./wires.ts";

const EFFECT_MS = 30_000;
const CABLE_MS = 10_000;
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
  // Even a node without a process answers: its kernel does.
  const { address, raftPort } = host.addresses;
  const isCarrying = async () => {
    await hears([], address, raftPort);
    return whyNoEffect(cable.report, lossPart > 0) === null;
  };
  return {
    what: `${host.name}, ${how}`,
    end: async () => {
      const number = chaos.numberOf(host);
      try {
        await waitFor("its effect", CABLE_MS, async () => chaos.wires.isCut(number) || await isCarrying());
      } catch {
        throw new Error(`the cable of ${host.name}: ${whyNoEffect(cable.report, lossPart > 0)}`);
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

const STEPS_S = [-86_400, -600, -3, 3, 600, 86_400];

/** The node's wall clock jumps, and jumps back in the end. */
export async function clockStep(
  chaos: Pick<ChaosCluster, "cluster">,
  host: Host,
  seed: number,
  effectMs = EFFECT_MS,
): Promise<Effect | null> {
  if (host.postmasterPid() === null) return null;
  const offsetS = STEPS_S[seed % STEPS_S.length]!;
  setClock(host.directory, offsetS);
  const reached = async () => Math.abs(await aheadS(chaos, host) - offsetS) < 1;
  // A server that cannot be asked tells nothing of its clock: then it counts as none hit.
  const isAhead = await waitFor("the step", effectMs, reached).then(() => true, () => false);
  if (!isAhead && await answers(chaos, host)) {
    throw new Error(`the clock of ${host.name} did not step by ${offsetS} s`);
  }
  const end = () => setClock(host.directory, 0);
  if (!isAhead) end();
  return isAhead ? { what: `${host.name} by ${offsetS} s`, end } : null;
}

/** How far the clock of the node's PostgreSQL is ahead of this host's, in s. */
async function aheadS(chaos: Pick<ChaosCluster, "cluster">, host: Host): Promise<number> {
  const [row] = await chaos.cluster.query<{ s: string }>(
    host,
    "SELECT extract(epoch FROM clock_timestamp())::text AS s",
  );
  return Number(row!.s) - Date.now() / 1000;
}

async function answers(chaos: Pick<ChaosCluster, "cluster">, host: Host): Promise<boolean> {
  return await chaos.cluster.query(host, "SELECT 1").then(() => true, () => false);
}

/** The node loses its power and the directory of its raft log, and must become a member anew. */
export async function raftLost(chaos: ChaosCluster, host: Host): Promise<Effect | null> {
  const before = await raftIdNow(chaos, host);
  if (before === null) return null;
  const up = chaos.keepDown(host);
  chaos.unproven.add(host);
  await emptied(host, ["raft"]);
  return { what: host.name, end: up, after: () => isAnother(chaos, host, before) };
}

/**
 * A standby is removed from the cluster, and comes back with an empty raft directory. Where the answer to the
 * removal is an error it may have come about all the same: then the raft directory is lost, as above.
 */
export async function removedMember(chaos: ChaosCluster, host: Host): Promise<Effect | null> {
  const before = await raftIdNow(chaos, host);
  if (before === null || await chaos.cluster.primary() === host) return null;
  const removed = await remove(chaos, host);
  const up = chaos.keepDown(host);
  return {
    what: `${host.name}, ${removed}`,
    end: async () => {
      chaos.unproven.add(host);
      await emptied(host, ["raft"]);
      up();
    },
    after: () => isAnother(chaos, host, before),
  };
}

/** The spare node joins; the next time it is removed. */
export async function comesOrGoes(chaos: ChaosCluster): Promise<Effect | null> {
  const { spare } = chaos;
  const isMember = async () => (await chaos.raftIds()).has(spare.name);
  if (!chaos.isSpareWanted) {
    chaos.wantSpare(true);
    return {
      what: `${spare.name} comes`,
      after: async () => void await waitFor(`${spare.name} as a member`, EFFECT_MS, isMember),
    };
  }
  if (await raftIdNow(chaos, spare) === null || await chaos.cluster.primary() === spare) return null;
  const removed = await remove(chaos, spare);
  if (await isMember().catch(() => true)) return null;
  chaos.wantSpare(false);
  await emptied(spare, ["raft", "data"]);
  return {
    what: `${spare.name} goes, ${removed}`,
    after: async () => {
      if (await isMember()) throw new Error(`${spare.name} is still a member`);
    },
  };
}

/** null: it is no member, or nobody can be asked. */
async function raftIdNow(chaos: ChaosCluster, host: Host): Promise<string | null> {
  const ids = await chaos.raftIds().catch(() => null);
  return ids?.get(host.name) ?? null;
}

/** Asks the cluster to; returns what it said. */
async function remove(chaos: ChaosCluster, host: Host): Promise<string> {
  const primary = await chaos.cluster.primary() ?? chaos.cluster.hosts[0]!;
  const { code, output } = await chaos.cluster.tryCtlAt(primary, "raft", "remove", host.name, "--force");
  return code === 0 ? "removed" : `not removed for certain: ${output.trim().split("\n").at(-1)}`;
}

/** Its processes end with its power, and it forgets what it was. */
async function emptied(host: Host, names: readonly string[]): Promise<void> {
  await host.powerOff();
  for (const name of names) rmSync(join(host.directory, name), { recursive: true, force: true });
}

/** @throws where it is still the member that it was, or none */
export async function isAnother(
  chaos: Pick<ChaosCluster, "raftIds">,
  host: Pick<Host, "name">,
  before: string,
  effectMs = EFFECT_MS,
): Promise<void> {
  await waitFor(`${host.name} as another member than ${before}`, effectMs, async () => {
    const now = (await chaos.raftIds()).get(host.name);
    return now !== undefined && now !== before;
  });
}
