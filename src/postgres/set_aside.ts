/**
 * Moves a data directory out of the way instead of deleting it: `<dir>.failed-<time>`, with the places
 * outside of it that it links to (tablespaces, a WAL directory of its own). The two newest are kept.
 */
import {
  basename,
  dirname,
  isDirectory,
  join,
  link,
  linkTarget,
  list,
  makeDirectory,
  move,
  removeEmptyDirectory,
  removeFile,
} from "./disk.ts";
import { errorText } from "./error_text.ts";
import { contentOf, foreignParts, linksOutside } from "./outside_parts.ts";
import { emptyInPlace, removeTree } from "./staging.ts";

const KEPT = 2;
const STAMP_DIGITS = 14;

export interface SetAsideOptions {
  readonly dataDir: string;
  readonly now: Date;
  /**
   * When the command of the user's own began that has left the directory; null: none has. What its links lead
   * to and was there before is somebody else's, and stays.
   */
  readonly commandBeganMs: number | null;
  /**
   * The user agreed to lose the directory (remove_data_directory_on_...) should it be impossible to move it.
   */
  readonly mayRemove: boolean;
  /** The rest is worthless from now on: after an interrupted removal PostgreSQL must not be started on it. */
  readonly beforeRemoval: (parts: readonly string[]) => Promise<void>;
  /**
   * Parts outside are about to move before the directory does: should the moves be interrupted, nobody must
   * start PostgreSQL without them. The mark must count only while the directory is in its place.
   */
  readonly beforeMoves: () => Promise<void>;
  /** Every part is back in its place. */
  readonly movedBack: () => void;
  readonly info: (text: string) => void;
}

/** "20260131120000" in local time. */
export function stamp(now: Date): string {
  const two = (value: number) => String(value).padStart(2, "0");
  return `${now.getFullYear()}${two(now.getMonth() + 1)}${two(now.getDate())}` +
    `${two(now.getHours())}${two(now.getMinutes())}${two(now.getSeconds())}`;
}

/**
 * The time, or the second after the newest copy there is: two moves within a second, or a clock that went
 * back, must neither meet the same name, which would look like a directory that cannot be moved, nor make the
 * newest copy the first one to be pruned.
 */
export function nextStamp(now: Date, aside: readonly string[]): string {
  const newest = aside.map((path) => path.slice(-STAMP_DIGITS)).sort().at(-1);
  if (newest === undefined || stamp(now) > newest) return stamp(now);
  const [year, month, day, hours, minutes, seconds] = newest.match(/^\d{4}|\d\d/g)!.map(Number);
  return stamp(new Date(year!, month! - 1, day, hours, minutes, seconds! + 1));
}

/** Rejects, with the directory as it was, when it can neither be moved nor may be removed. */
export async function setAside(options: SetAsideOptions): Promise<void> {
  const { dataDir } = options;
  const directory = placeOf(dataDir);
  const foreign = options.commandBeganMs === null ? [] : foreignParts(directory, options.commandBeganMs);
  for (const { link: path, place } of foreign) {
    options.info(`${place} stays where it is: ${path} leads there, and it was there before the command`);
  }
  const own = () =>
    linksOutside(directory).filter(({ place }) => foreign.every((each) => each.place !== place));
  const moved: { readonly from: string; readonly to: string }[] = [];
  try {
    const parts = own();
    if (parts.length > 0) await options.beforeMoves();
    const aside = [directory, ...parts.map(({ place }) => place)].flatMap((place) => listAside(place));
    const suffix = `.failed-${nextStamp(options.now, aside)}`;
    for (const { link: path, place } of parts) {
      const direct = linkTarget(path) === place;
      move(place, place + suffix);
      moved.push({ from: place, to: place + suffix });
      removeFile(path);
      link(place + suffix, path);
      // A user's own link to it leads to an empty directory afterwards.
      if (!direct) makeDirectory(place, 0o700);
    }
    move(directory, directory + suffix);
    makeDirectory(directory, 0o700);
    options.info(`moved the data directory aside: ${directory}${suffix}`);
  } catch (error) {
    undo(moved, directory);
    options.movedBack();
    if (!options.mayRemove) {
      throw new Error(
        `cannot move ${directory} aside (${
          errorText(error)
        }): move or empty it by hand, or let data_dir be a directory ` +
          "inside of the mount point",
        { cause: error },
      );
    }
    options.info(`removing the content of ${directory}, which cannot be moved aside: ${errorText(error)}`);
    const parts = own().map(({ place }) => place);
    await options.beforeRemoval(parts);
    for (const path of parts.flatMap(contentOf)) await removeTree(path);
    await emptyInPlace(directory);
  }
  await prune(directory, KEPT, options.info);
}

/** A data directory may itself be a link: what it links to moves, and the link stays. */
export function placeOf(dataDir: string): string {
  const target = linkTarget(dataDir);
  if (target === null) return dataDir;
  return target.startsWith("/") ? target : join(dirname(dataDir), target);
}

function undo(moved: readonly { readonly from: string; readonly to: string }[], directory: string): void {
  for (const { from, to } of moved) {
    const links = linksOutside(directory).filter(({ place }) => place === to);
    // Empty, made in its place for a link that leads there.
    if (isDirectory(from)) removeEmptyDirectory(from);
    move(to, from);
    for (const { link: path } of links) {
      removeFile(path);
      link(from, path);
    }
  }
}

/** What was put beside a directory earlier, under a name with a stamp; oldest first. */
export function listAside(directory: string, kind: "failed" | "lost-wal" = "failed"): string[] {
  const prefix = `${basename(directory)}.${kind}-`;
  return (list(dirname(directory)) ?? [])
    .filter((name) => name.startsWith(prefix) && /^\d{14}$/.test(name.slice(prefix.length)))
    .map((name) => join(dirname(directory), name));
}

/** Removes all but the newest `keep`, with what they link to. */
export async function prune(directory: string, keep: number, info: (text: string) => void): Promise<void> {
  const aside = listAside(directory);
  for (const old of aside.slice(0, Math.max(0, aside.length - keep))) {
    info(`removing an old data directory that was set aside: ${old}`);
    const suffix = old.slice(directory.length);
    for (const { place } of linksOutside(old)) {
      if (place.endsWith(suffix)) await removeTree(place);
    }
    await removeTree(old);
  }
}
