/**
 * A data directory is more than one tree: its WAL directory and its tablespaces may lie elsewhere, on mount
 * points of their own, and are filled by the same initdb or copy. What an interrupted one has left in them
 * keeps the next from beginning ("exists but is not empty"), so that staging, setting aside and cleaning must
 * know them all.
 */
import { isDirectory, join, linkTarget, list, realPath } from "./disk.ts";

/** The name that a file system puts into its root. */
const OF_MOUNT_POINT = "lost+found";

export interface OutsidePart {
  /** The symbolic link in the data directory. */
  readonly link: string;
  /** Where that leads in the end. */
  readonly place: string;
}

/** The places outside of it that a data directory links to, as far as they are there. */
export function linksOutside(directory: string): OutsidePart[] {
  const tablespaces = join(directory, "pg_tblspc");
  const candidates = [
    join(directory, "pg_wal"),
    ...(list(tablespaces) ?? []).map((name) => join(tablespaces, name)),
  ];
  return candidates.flatMap((link) => {
    const target = linkTarget(link);
    const place = target?.startsWith("/") ? realPath(target) : null;
    return place !== null && isDirectory(place) ? [{ link, place }] : [];
  });
}

/**
 * The directories outside of the data directory that initdb or pg_basebackup fill when they are run with
 * these options ("--waldir=DIR", "--tablespace-mapping=OLD=NEW"), from a server with tablespaces in these
 * places.
 */
export function partsFilled(options: readonly string[], tablespaces: readonly string[]): string[] {
  const mapped = new Map(tablespaces.map((place) => [place, place]));
  const parts: string[] = [];
  for (const option of options) {
    const [, name, value] = /^--([a-z-]+)=(.*)$/s.exec(option) ?? [];
    if (name === "waldir" || name === "xlogdir") parts.push(value!);
    if (name !== "tablespace-mapping") continue;
    const [from, to] = value!.split(/(?<!\\)=/).map((path) => path.replaceAll("\\=", "="));
    if (from !== undefined && to !== undefined) mapped.set(from, to);
  }
  return [...parts, ...mapped.values()].filter((path) => path.startsWith("/"));
}

/** The parts that nobody has put anything into: files found in them later come from the agent. */
export function emptyParts(parts: readonly string[]): string[] {
  return parts.filter((path) => contentOf(path).length === 0);
}

/** Paths of what lies in it. */
export function contentOf(directory: string): string[] {
  return (list(directory) ?? []).filter((name) => name !== OF_MOUNT_POINT).map((name) =>
    join(directory, name)
  );
}
