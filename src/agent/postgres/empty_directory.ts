/** The data directory before something new is made in it. */
import type { UselessAfter } from "../../model/config.ts";
import { setAside } from "../../postgres/set_aside.ts";
import { endLeftover, prepareDataDir } from "../../postgres/staging.ts";
import type { PostgresContext } from "./context.ts";

/** null: the directory is there and holds nothing worth keeping, and this agent has its lock. */
export async function whyNotMine(context: PostgresContext): Promise<string | null> {
  const unusable = context.whyBusy() ?? await whyNotEmpty(context);
  if (unusable !== null) return unusable;
  prepareDataDir(context.dataDir);
  return await context.takeDirectory();
}

async function whyNotEmpty(context: PostgresContext): Promise<string | null> {
  await context.survey();
  const { directory } = context.parts.memory.found;
  if (directory.kind === "absent" || directory.kind === "empty") return null;
  if (directory.kind === "half-written" && directory.what !== "rewind") return null;
  return `the data directory is not empty (${directory.kind})`;
}

/**
 * Data that a command of the user's own has left, or was to go on from, is moved away before anything else
 * begins in the directory: it may be worth keeping.
 */
export async function moveCommandsDataAway(context: PostgresContext): Promise<string | null> {
  const { marker, postgresql } = context.parts;
  const content = marker.read()?.content ?? "own";
  if (content === "own") return null;
  const why = "a command of the configuration has left it, or was to go on from it";
  await moveAside(context, why, mayRemoveDirectory(context));
  prepareDataDir(postgresql.dataDir);
  return await context.takeDirectory();
}

/** `mayRemove`: where it cannot be moved. */
export async function moveAside(context: PostgresContext, why: string, mayRemove: boolean): Promise<void> {
  const { postgresql, marker } = context.parts;
  const mark = marker.read();
  const isMarked = mark !== null;
  context.warn(`the data directory is set aside: ${why}`);
  // A program that an earlier agent left would go on in what comes next: it knows the place by its path.
  endLeftover(marker);
  await setAside({
    dataDir: postgresql.dataDir,
    now: new Date(),
    // What a command is to go on from is the member's own former data. When a command began may be unknown
    // (an older version has marked it): nothing that its links lead to is taken for its own then.
    commandBeganMs: mark?.content === "command" ? mark.beganMs ?? Infinity : null,
    mayRemove,
    beforeRemoval: (parts) => marker.write("clone", null, parts),
    // What began before is marked already. A mark of a rewind says that the content may be wanted back.
    beforeMoves: () => isMarked ? Promise.resolve() : marker.writeOutside("rewind"),
    movedBack: () => {
      if (!isMarked) marker.forget();
    },
    info: context.info,
  });
  await marker.remove();
}

/**
 * Whether the user's keys allow to remove a directory that cannot be moved. `after` left out: neither key is
 * about it by name, and either allows it.
 */
export function mayRemoveDirectory(
  { parts: { postgresql } }: PostgresContext,
  after?: UselessAfter,
): boolean {
  const afterFailure = postgresql.removeDataDirectoryOnRewindFailure;
  const whereDiverged = postgresql.removeDataDirectoryOnDivergedTimelines;
  if (after === undefined) return afterFailure || whereDiverged;
  return after === "rewind-failure" ? afterFailure : whereDiverged;
}

export function forgetHistory({ parts: { memory } }: PostgresContext): void {
  memory.divergence = memory.rewoundInVain = null;
  memory.loss.other = memory.loss.taken = null;
  // It was about the directory as it was.
  delete memory.last.rewind;
  memory.crashedAtMs = null;
}
