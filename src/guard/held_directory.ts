/** A data directory that is open, and who is who among the agents that may want it. */
import { constants, fstatSync, openSync, statSync } from "node:fs";
import { join } from "node:path";

/** An open directory, and which one it is ("dev:ino"). A guard hands it to its next program. */
export interface HeldDirectory {
  readonly fd: number;
  readonly inode: string;
}

/** null: there is none. */
export function openDirectory(path: string): HeldDirectory | { readonly error: string } | null {
  try {
    const fd = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY);
    const { dev, ino } = fstatSync(fd);
    return { fd, inode: `${dev}:${ino}` };
  } catch (error) {
    const { code } = error as { code?: string };
    if (code === undefined) throw error;
    return code === "ENOENT" ? null : { error: code };
  }
}

/** Which raft directory it is, by its directory `run`: the same path may lead elsewhere. */
export function identityOf(raftDir: string): string | null {
  try {
    const { dev, ino } = statSync(join(raftDir, "run"));
    return `${dev}:${ino}`;
  } catch {
    return null; // no agent has run on it yet
  }
}
