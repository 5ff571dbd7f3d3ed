/** Version of the sources, for the report of a failed seed, which replays only with them. */
import { spawnSync } from "node:child_process";

/** The commit, with a mark when files differ from it; null outside a checkout, or without git. */
export function sourceVersion(): string | null {
  const git = spawnSync("git", ["describe", "--always", "--dirty", "--exclude", "*", "--abbrev=12"], {
    cwd: import.meta.dirname,
    encoding: "utf8",
  });
  return git.status === 0 ? git.stdout.trim() : null;
}
