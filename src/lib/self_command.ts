/** How to start this program once more: as the compiled executable, or by the interpreter from its source. */
import { existsSync, statSync } from "node:fs";

const SELF = "/proc/self/exe";

export function isCompiled(): boolean {
  return Bun.main.startsWith("/$bunfs/");
}

/**
 * First words of a command line that starts this very release again, also when the file on disk has meanwhile
 * been replaced or removed. By its path where that still is the same file, so that process lists show its
 * name.
 */
export function selfCommand(): readonly string[] {
  if (!isCompiled()) return [process.execPath, Bun.main];
  return [isSameFile(process.execPath) ? process.execPath : SELF];
}

/**
 * The compiled executable by the name under which it was called, so that process lists go on showing that one
 * (a link `patroni`). `program`: its first word.
 */
export function calledPath(program: string): string {
  const path = program.includes("/") ? program : Bun.which(program);
  return path !== null && isSameFile(path) ? path : selfCommand()[0]!;
}

/**
 * This release by a name that cannot be replaced or removed. Process lists show that name, so it is for
 * short-lived processes.
 */
export function pinnedSelfCommand(): readonly string[] {
  return isCompiled() ? [SELF] : [process.execPath, Bun.main];
}

function isSameFile(path: string): boolean {
  if (!existsSync(path)) return false;
  const [there, here] = [statSync(path), statSync(SELF)];
  return there.dev === here.dev && there.ino === here.ino;
}
