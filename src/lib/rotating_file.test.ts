import { expect, test } from "bun:test";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { RotatingFile } from "./rotating_file.ts";

function inDirectory(run: (dir: string) => void): void {
  const dir = mkdtempSync(join(tmpdir(), "rotate-"));
  try {
    run(dir);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

test("a full file is renamed and the oldest one is dropped", () => {
  inDirectory((dir) => {
    const file = new RotatingFile({ dir, fileNum: 2, fileSizeBytes: 10 });
    for (const line of ["one", "two", "three", "four", "five", "six", "seven"]) file.write(line);
    file.close();
    expect(readdirSync(dir).sort()).toEqual(["patroni.log", "patroni.log.1", "patroni.log.2"]);
    expect(readFileSync(join(dir, "patroni.log"), "utf8")).toBe("six\nseven\n");
    expect(readFileSync(join(dir, "patroni.log.1"), "utf8")).toBe("four\nfive\n");
  });
});

test("the mode is set whatever the umask is, and an existing file is continued", () => {
  inDirectory((dir) => {
    new RotatingFile({ dir, mode: 0o640 }).write("first");
    new RotatingFile({ dir, mode: 0o640 }).write("second");
    expect(statSync(join(dir, "patroni.log")).mode & 0o777).toBe(0o640);
    expect(readFileSync(join(dir, "patroni.log"), "utf8")).toBe("first\nsecond\n");
  });
});

test("a directory that is missing loses lines, and logging goes on when it is back", () => {
  const file = new RotatingFile({ dir: "/nonexistent-directory" });
  expect(() => file.write("lost")).not.toThrow();
  expect(file.lost).toBe(1);
});
