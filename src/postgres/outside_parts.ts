/**
 * A data directory is more than one tree: its WAL directory and its tablespaces may lie elsewhere, on mount
 * points of their own, and are filled by the same initdb or copy. The remains of an interrupted one keep the
 * next from beginning ("exists but is not empty"), so staging, setting aside and cleaning must know all of
 * them.
 */
import { birthMs, isDirectory, join, linkTarget, list, realPath } from "./disk.ts";

/** The name that a file system puts into its root. */
const OF_MOUNT_POINT = "lost+found";

export interface OutsidePart {
  /** The symbolic link in the data directory. */
  readonly link: string;
  /** Its final target. */
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

/**
 * Times of files come from a clock that is a few ms behind, and on some file systems in whole seconds. What a
 * file system does not tell is 0: older than everything.
 */
const BIRTH_SLACK_MS = 1000;

/**
 * The places that a data directory links to in which something was before `beganMs`: the command that has
 * made the directory then has not made what is there. A backup names the tablespaces of the server that it
 * was taken from, and on the same host that server may use them.
 */
export function foreignParts(directory: string, beganMs: number): OutsidePart[] {
  return linksOutside(directory).filter(({ place }) =>
    contentOf(place).some((path) => birthMs(path) < beganMs - BIRTH_SLACK_MS)
  );
}

/** The parts that are empty: files found in them later come from the agent. */
export function emptyParts(parts: readonly string[]): string[] {
  return parts.filter((path) => contentOf(path).length === 0);
}

/** Paths of what lies in it. */
export function contentOf(directory: string): string[] {
  return (list(directory) ?? []).filter((name) => name !== OF_MOUNT_POINT).map((name) =>
    join(directory, name)
  );
}
