import { expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { MemorySink } from "./line_sink.ts";
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

test("a directory that is missing costs lines, which go elsewhere, are counted, and told of when it is back", () => {
  inDirectory((parent) => {
    const dir = join(parent, "logs");
    const fallback = new MemorySink();
    const file = new RotatingFile({ dir, fallback });
    file.compose = (level, event, text) => `${level} ${event}: ${text}`;
    for (const line of ["one", "two"]) expect(() => file.write(line)).not.toThrow();
    expect(file.lost).toBe(2);
    expect(fallback.lines).toEqual([
      expect.stringMatching(/^error log.file: .*patroni.log cannot be written \(.*ENOENT.*\): the lines/),
      "one",
      "two",
    ]);
    mkdirSync(dir);
    for (const line of ["three", "four"]) file.write(line);
    expect(readFileSync(join(dir, "patroni.log"), "utf8").split("\n")).toEqual([
      expect.stringMatching(/^warning log.lost: 2 log lines went to standard error: .*\(.*ENOENT.*\)$/),
      "three",
      "four",
      "",
    ]);
    expect(file.lost).toBe(2);
  });
});

test("what is left of a line whose writer was killed is no part of the next one", () => {
  inDirectory((dir) => {
    const path = join(dir, "patroni.log");
    for (const torn of ["half", "x".repeat(200_000)]) {
      writeFileSync(path, `first\n${torn}`);
      new RotatingFile({ dir }).write("second");
      expect(readFileSync(path, "utf8")).toBe("first\nsecond\n");
      writeFileSync(path, torn);
      new RotatingFile({ dir }).write("only");
      expect(readFileSync(path, "utf8")).toBe("only\n");
    }
  });
});

test.skipIf(process.getuid?.() !== 0)("a line for which a disk has room in part is lost as a whole", () => {
  inDirectory((dir) => {
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=64k", "none", dir]);
    try {
      const file = new RotatingFile({ dir });
      file.write("first");
      file.write("x".repeat(200_000));
      expect(file.lost).toBe(1);
      file.write("second");
      expect(readFileSync(join(dir, "patroni.log"), "utf8")).toBe("first\nsecond\n");
    } finally {
      execFileSync("umount", ["--lazy", dir]);
    }
  });
});
