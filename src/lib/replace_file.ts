/**
 * Replaces a small file in one step: a reader sees the old text or the new one, whole. What cannot be
 * written leaves the old file as it was, and nothing beside it.
 */
import { closeSync, fchmodSync, fsyncSync, openSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";

export interface ReplaceOptions {
  /** Whatever the umask is. */
  readonly mode: number;
  /**
   * On the disk, the name included, before this returns: it may take as long as the disk takes.
   * @default false
   */
  readonly durable?: boolean;
  /** Called when the new text is written and the old file is still in its place. */
  readonly beforeTheStep?: () => void;
}

/** Throws the failure of the file system. */
export function replaceFile(path: string, text: string, options: ReplaceOptions): void {
  const { mode, durable = false } = options;
  const fresh = join(dirname(path), `.${basename(path)}.new`);
  rmSync(fresh, { force: true });
  // A link that somebody puts there meanwhile is not followed.
  const fd = openSync(fresh, "wx", mode);
  try {
    try {
      writeFileSync(fd, text);
      fchmodSync(fd, mode);
      if (durable) fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    options.beforeTheStep?.();
    renameSync(fresh, path);
  } catch (error) {
    rmSync(fresh, { force: true });
    throw error;
  }
  if (durable) syncDirectory(dirname(path));
}

function syncDirectory(path: string): void {
  const fd = openSync(path, "r");
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
