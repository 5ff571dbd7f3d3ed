/**
 * Somebody puts a backup in the place of a data directory while its server is down: with its host off, or in
 * maintenance mode, which ends in the same moment. It has the name of the data that was there, and less in
 * it. A checkpoint has been seen since it was made: without one nobody can tell (src/postgres/data_mark.ts).
 * Or it is a copy of another member's directory.
 */
import type { ModelDirectory } from "../model_directory.ts";
import { askPause, resume } from "../requests.ts";
import type { SimMember } from "../sim_member.ts";
import { crash, type Scene } from "./ambush_tools.ts";

/** Looks at a server come as often: its checkpoint is seen within this time. */
const SEEN_MS = 1200;
const DOWN_TRIES_MS = 100;

export function putBack(scene: Scene): string | null {
  const { cluster: { world }, random, holder, voters } = scene;
  const target = random.chance(0.7) ? holder : random.pick(voters);
  const { server } = target;
  const from = random.chance(0.75) ? server : random.pick([holder, ...voters]).server;
  if (!server.answers || from.directory.state.kind !== "valid") return null;
  const backup = from.directory.backup();
  const checkpointMs = random.between(500, 4000);
  const downMs = checkpointMs + SEEN_MS + random.between(0, 1000);
  world.after(checkpointMs, () => server.checkpoint());
  const inPause = random.chance(0.6);
  world.after(downMs, () => inPause ? whilePaused(scene, target, backup) : whileOff(scene, target, backup));
  return `${target.name} gets a backup of ${from.name} ${
    inPause ? "in maintenance mode" : "while its host is off"
  }`;
}

function whileOff({ cluster, random }: Scene, target: SimMember, backup: ModelDirectory): void {
  const { server } = target;
  // As long as it is down nothing keeps the others from being elected, but for a short while.
  const backMs = random.chance(0.5) ? random.between(50, 1500) : random.between(1500, 12_000);
  crash(cluster, target, backMs);
  cluster.world.after(backMs / 2, () => replace(target, server, backup));
}

function whilePaused({ cluster, random }: Scene, target: SimMember, backup: ModelDirectory): void {
  const { world, members } = cluster;
  const { server } = target;
  if (!members.some((member) => askPause(member, true))) return;
  const immediate = random.chance(0.5);
  const backMs = random.between(300, 3000);
  world.after(1500, () => immediate ? server.immediate(0) : server.fast());
  const end = (leftMs: number) => {
    if (server.anyProcess && leftMs > 0) {
      return world.after(DOWN_TRIES_MS, () => end(leftMs - DOWN_TRIES_MS));
    }
    replace(target, server, backup);
    resume(cluster, 5);
  };
  world.after(1500 + backMs, () => end(5000));
}

function replace({ name, server, host: { world } }: SimMember, was: unknown, backup: ModelDirectory): void {
  const { notes: { known }, directory } = server;
  // It was restarted or replaced meanwhile.
  if (server !== was || server.anyProcess || directory.state.kind !== "valid") return;
  const seen = known.find(({ dataId }) => dataId === backup.dataId);
  if (seen !== undefined && backup.checkpointLsn >= seen.checkpointLsn) return;
  // Without notes nobody can tell.
  if (known.length === 0) return;
  world.log.add("operator", `a backup is in the place of the data directory of ${name}`);
  directory.restoredFrom(backup);
}
