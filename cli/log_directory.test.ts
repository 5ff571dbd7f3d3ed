import { expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { logDirectoryProblem } from "./log_directory.ts";

test("a directory for logs is there and can be written", () => {
  const directory = mkdtempSync(join(tmpdir(), "log-directory-"));
  try {
    writeFileSync(join(directory, "file"), "");
    expect(logDirectoryProblem(null)).toBeNull();
    expect(logDirectoryProblem(directory)).toBeNull();
    expect(logDirectoryProblem(join(directory, "none"))).toContain("does not exist: make it");
    expect(logDirectoryProblem(join(directory, "file"))).toContain("is not a directory");
    expect(logDirectoryProblem(join(directory, "file", "x"))).toContain("ENOTDIR");
  } finally {
    rmSync(directory, { recursive: true });
  }
});
