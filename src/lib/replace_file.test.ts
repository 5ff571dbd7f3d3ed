import { afterEach, expect, test } from "bun:test";
import {
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { replaceFile } from "./replace_file.ts";

const directories: string[] = [];
afterEach(() => {
  for (const one of directories.splice(0)) rmSync(one, { recursive: true });
});

function directory(): string {
  const made = mkdtempSync(join(tmpdir(), "agent-replace-"));
  directories.push(made);
  return made;
}

test("the new text has the mode that is asked for, whatever the umask, and nothing stays beside it", () => {
  const at = directory();
  const before = process.umask(0o077);
  try {
    for (const durable of [false, true]) {
      for (const mode of [0o600, 0o644]) {
        replaceFile(join(at, "a"), `text ${mode}`, { mode, durable });
        expect([readFileSync(join(at, "a"), "utf8"), statSync(join(at, "a")).mode & 0o777]).toEqual([
          `text ${mode}`,
          mode,
        ]);
      }
    }
  } finally {
    process.umask(before);
  }
  expect(readdirSync(at)).toEqual(["a"]);
});

test("what is in the way, or fails before the step, leaves the old file and nothing else", () => {
  const at = directory();
  const path = join(at, "a");
  writeFileSync(path, "old");
  const fail = () => {
    throw new Error("no link can be made");
  };
  expect(() => replaceFile(path, "new", { mode: 0o600, beforeTheStep: fail })).toThrow("no link");
  expect([readFileSync(path, "utf8"), readdirSync(at)]).toEqual(["old", ["a"]]);
  mkdirSync(join(at, ".a.new"));
  expect(() => replaceFile(path, "new", { mode: 0o600 })).toThrow();
  expect(readFileSync(path, "utf8")).toBe("old");
});

test("a link is replaced, one at the place of the new file is not followed, a hard link keeps the old text", () => {
  const at = directory();
  const [path, other, hard] = [join(at, "a"), join(at, "other"), join(at, "hard")];
  writeFileSync(other, "other");
  symlinkSync(other, path);
  symlinkSync(other, join(at, ".a.new"));
  replaceFile(path, "one", { mode: 0o600 });
  linkSync(path, hard);
  replaceFile(path, "two", { mode: 0o600 });
  expect([other, path, hard].map((one) => readFileSync(one, "utf8"))).toEqual(["other", "two", "one"]);
});
