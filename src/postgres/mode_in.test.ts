import { afterAll, expect, test } from "bun:test";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { OWNER_FILE } from "../model/owner_file.ts";
import { modeIn } from "./disk.ts";
import { stagingPath, unstage } from "./staging.ts";

const root = mkdtempSync(join(tmpdir(), "agent-mode-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));

test("the group may read what is made in a data directory that it may read, and nothing else", () => {
  chmodSync(root, 0o750);
  expect([modeIn(root, 0o600), modeIn(root, 0o700)]).toEqual([0o640, 0o750]);
  // 0770 is none that PostgreSQL starts on.
  for (const mode of [0o700, 0o770, 0o755 & 0o705]) {
    chmodSync(root, mode);
    expect([modeIn(root, 0o600), modeIn(root, 0o700)]).toEqual([0o600, 0o700]);
  }
  expect(modeIn(join(root, "none"), 0o600)).toBe(0o600);
});

test("a directory takes the permissions that its maker chose, and so does the file that was there before", async () => {
  const dataDir = join(root, "data");
  mkdirSync(stagingPath(dataDir), { recursive: true });
  chmodSync(dataDir, 0o700);
  chmodSync(stagingPath(dataDir), 0o750);
  writeFileSync(join(dataDir, OWNER_FILE), "{}", { mode: 0o600 });
  await unstage(dataDir);
  const mode = (path: string) => statSync(path).mode & 0o777;
  expect([mode(dataDir), mode(join(dataDir, OWNER_FILE))]).toEqual([0o750, 0o640]);
});
