/** The commit that the sources are at, for reports. Nothing depends on it: without git, or outside of a repository, it is not known. */

export function sourceCommit(): string | null {
  try {
    const asked = Bun.spawnSync(["git", "describe", "--always", "--dirty", "--exclude", "*"], {
      cwd: import.meta.dir,
      stderr: "ignore",
    });
    return asked.success ? asked.stdout.toString().trim() || null : null;
  } catch {
    // There is no such program.
    return null;
  }
}
