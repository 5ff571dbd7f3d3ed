/**
 * Moves a data directory out of the way instead of deleting it: `<dir>.failed-<time>`, with the places outside of it that
 * it links to (tablespaces, a WAL directory of its own). The two newest are kept.
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
  removeFile,
} from "./disk.ts";
import { errorText } from "./error_text.ts";
import { removeTree } from "./staging.ts";

const KEPT = 2;
const STAMP_DIGITS = 14;

export interface SetAsideOptions {
  readonly dataDir: string;
  readonly now: Date;
  /** The user agreed to lose the directory (remove_data_directory_on_...) should it be impossible to move it. */
  readonly mayRemove: boolean;
  readonly info: (text: string) => void;
}

/** "20260131120000" in local time. */
export function stamp(now: Date): string {
  const two = (value: number) => String(value).padStart(2, "0");
  return `${now.getFullYear()}${two(now.getMonth() + 1)}${two(now.getDate())}` +
    `${two(now.getHours())}${two(now.getMinutes())}${two(now.getSeconds())}`;
}

/**
 * The time, or the second after the newest copy there is: two moves within a second, or a clock that went back, must
 * neither meet the same name, which would look like a directory that cannot be moved, nor make the newest copy the first
 * one to be pruned.
 */
function nextStamp(now: Date, places: readonly string[]): string {
  const newest = places.flatMap((path) => listAside(path).map((aside) => aside.slice(-STAMP_DIGITS))).sort()
    .at(-1);
  if (newest === undefined || stamp(now) > newest) return stamp(now);
  const [year, month, day, hours, minutes, seconds] = newest.match(/^\d{4}|\d\d/g)!.map(Number);
  return stamp(new Date(year!, month! - 1, day, hours, minutes, seconds! + 1));
}

/** Rejects, with the directory as it was, when it can neither be moved nor may be removed. */
export async function setAside(options: SetAsideOptions): Promise<void> {
  const { dataDir } = options;
  const directory = realDirectory(dataDir);
  const moved: { readonly from: string; readonly to: string }[] = [];
  try {
    const links = linksOutside(directory);
    const places = [directory, ...links.map((path) => linkTarget(path)!)];
    const suffix = `.failed-${nextStamp(options.now, places)}`;
    for (const path of links) {
      const target = linkTarget(path)!;
      move(target, target + suffix);
      moved.push({ from: target, to: target + suffix });
      removeFile(path);
      link(target + suffix, path);
    }
    move(directory, directory + suffix);
    makeDirectory(directory, 0o700);
    options.info(`moved the data directory aside: ${directory}${suffix}`);
  } catch (error) {
    undo(moved, directory);
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
    await removeContent(directory);
  }
  await prune(directory, KEPT, options.info);
}

/** A data directory may itself be a link: what it links to moves, and the link stays. */
function realDirectory(dataDir: string): string {
  const target = linkTarget(dataDir);
  if (target === null) return dataDir;
  return target.startsWith("/") ? target : join(dirname(dataDir), target);
}

function undo(moved: readonly { readonly from: string; readonly to: string }[], directory: string): void {
  for (const { from, to } of moved) {
    move(to, from);
    for (const path of linksOutside(directory)) {
      if (linkTarget(path) !== to) continue;
      removeFile(path);
      link(from, path);
    }
  }
}

/** Symbolic links of tablespaces and of pg_wal, where their targets exist. */
function linksOutside(directory: string): string[] {
  const tablespaces = join(directory, "pg_tblspc");
  const candidates = [
    join(directory, "pg_wal"),
    ...(list(tablespaces) ?? []).map((name) => join(tablespaces, name)),
  ];
  return candidates.filter((path) => {
    const target = linkTarget(path);
    return target !== null && target.startsWith("/") && isDirectory(target);
  });
}

async function removeContent(directory: string): Promise<void> {
  for (const path of linksOutside(directory)) {
    const target = linkTarget(path)!;
    for (const name of list(target) ?? []) await removeTree(join(target, name));
  }
  for (const name of list(directory) ?? []) {
    if (name !== "lost+found") await removeTree(join(directory, name));
  }
}

/** Copies of a directory that were set aside earlier, oldest first. */
export function listAside(directory: string): string[] {
  const prefix = `${basename(directory)}.failed-`;
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
    for (const path of linksOutside(old)) {
      const target = linkTarget(path)!;
      if (target.endsWith(suffix)) await removeTree(target);
    }
    await removeTree(old);
  }
}
