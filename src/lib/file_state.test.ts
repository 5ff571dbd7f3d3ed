import { expect, test } from "bun:test";
import { chmodSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileState } from "./file_state.ts";

test("a file of another content, another file of that name, another mode and no file are other states", () => {
  const directory = mkdtempSync(join(tmpdir(), "file-state-"));
  try {
    const path = join(directory, "key");
    const states: string[] = [];
    const note = () => states.push(fileState([path]));
    note();
    writeFileSync(path, "old", { mode: 0o600 });
    note();
    writeFileSync(path, "longer");
    note();
    writeFileSync(`${path}.new`, "renewed", { mode: 0o600 });
    renameSync(`${path}.new`, path);
    note();
    expect(fileState([path])).toBe(states.at(-1)!);
    chmodSync(path, 0o640);
    note();
    expect(new Set(states).size).toBe(states.length);
  } finally {
    rmSync(directory, { recursive: true });
  }
});
