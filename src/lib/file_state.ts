/** Tells whether files were changed or replaced, without reading them. */
import { statSync } from "node:fs";

/**
 * Another text when one of the files is another one, or has another content, owner or mode: a key that could
 * not be read may be readable from then on. A file may be missing.
 */
export function fileState(paths: readonly string[]): string {
  return paths.map((path) => {
    try {
      const { ino, size, mtimeMs, ctimeMs } = statSync(path);
      return `${path} ${ino} ${size} ${mtimeMs} ${ctimeMs}`;
    } catch (error) {
      // A directory that may not be entered any more throws here, on a timer, where no caller would catch it.
      return `${path} ${(error as NodeJS.ErrnoException).code}`;
    }
  }).join("\n");
}
