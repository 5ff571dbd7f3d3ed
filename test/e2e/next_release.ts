/**
 * The program as it would be in the next release: the same sources, with another version, compiled as always.
 */
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

const ROOT = resolve(import.meta.dir, "../..");
const SOURCES = ["raft", "src", "cli", "package.json", "package-lock.json", "tsconfig.json", "compile.sh"];
const VERSION_FILE = "src/model/version.ts";

/** Writes the executable of `version` to `outFile`. */
export function compileRelease(version: string, outFile: string): void {
  const tree = mkdtempSync(join(tmpdir(), "agent-release-"));
  try {
    for (const name of SOURCES) cpSync(join(ROOT, name), join(tree, name), { recursive: true });
    symlinkSync(join(ROOT, "node_modules"), join(tree, "node_modules"));
    const before = readFileSync(join(tree, VERSION_FILE), "utf8");
    const after = before.replace(/^export const VERSION = ".*";$/m, `export const VERSION = "${version}";`);
    if (after === before) throw new Error(`${VERSION_FILE} names no version`);
    writeFileSync(join(tree, VERSION_FILE), after);
    const compiled = Bun.spawnSync(["./compile.sh", outFile], { cwd: tree });
    if (compiled.exitCode !== 0) throw new Error(`compile.sh: ${compiled.stderr.toString()}`);
  } finally {
    rmSync(tree, { recursive: true, force: true });
  }
}
