/**
 * The majority of a simulated group is lost for good: chooses the node that goes on alone, and checks what
 * its new cluster inherits.
 */
import { type Heritage, heritageOf } from "./heritage.ts";
import type { Lives, SimNode, Surroundings } from "./lives.ts";
import type { Prng } from "./prng.ts";
import { Sum } from "./sum_machine.ts";
import { Violation, type World } from "./world.ts";

/**
 * Ends every node, and returns the survivor. Null when the drawn node has nothing to begin with; then nothing
 * has ended.
 */
export function loseMajority(world: World, lives: Lives, random: Prng, backWithinMs: number): SimNode | null {
  const { nodes } = lives;
  const survivor = random.pick(nodes);
  const { gone, emptied, disk, process } = survivor;
  if (gone || emptied || disk.durable.lastIndex === 0 || disk.isRotten) return null;
  for (const node of nodes) {
    lives.kill(node, random.chance(0.5));
    // The others are gone, or come back later and know nothing of what happened.
    node.lost = node === survivor || node.gone || random.chance(0.5);
    if (!node.lost) world.after(random.between(0, backWithinMs), () => lives.start(node));
  }
  world.log.add("operator", `the majority is lost: ${process.name} goes on alone`);
  return survivor;
}

/**
 * Makes the heritage; throws a Violation when it lacks acknowledged commands that the survivor's log holds.
 */
export function inheritFrom(
  { id, process, disk }: SimNode,
  { world, network, checks, broken }: Surroundings,
  random: Prng,
  acknowledged: readonly Uint8Array[],
): Heritage {
  const stored = disk.read();
  const has = new Map<number, Uint8Array>();
  const sum = new Sum((index, _, command) => has.set(index, command));
  const around = { world, network, seed: String(random.bits()) };
  const heritage = heritageOf({ id, process, stored }, sum, around, broken);
  for (const command of acknowledged) {
    const index = checks.indexOf(command);
    if (index === null) continue;
    const entry = stored.entries.find((one) => one.index === index);
    if (entry === undefined || entry.term !== checks.appliedTerm(index)) continue;
    const kept = has.get(index);
    if (kept !== undefined && Buffer.compare(kept, command) === 0) continue;
    throw new Violation("acknowledged commands of the survivor's log remain", `at ${index}`);
  }
  return heritage;
}
