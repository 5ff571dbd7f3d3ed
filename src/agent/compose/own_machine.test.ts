/** The record of the machine in the raft directory, and where it cannot be kept. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { silentLog } from "../../lib/log.ts";
import { ownMachine } from "./own_machine.ts";

let root: string;
beforeEach(() => void (root = mkdtempSync(join(tmpdir(), "machine-"))));
afterEach(() => rmSync(root, { recursive: true }));

test("the machine is the same at the next start, and its record is whole", () => {
  const raftDir = join(root, "raft");
  const first = ownMachine(raftDir, join(root, "data"), silentLog);
  expect(ownMachine(raftDir, join(root, "data"), silentLog)).toEqual(first);
  expect(readdirSync(raftDir)).toEqual(["machine.json"]);
});

test("a raft directory that cannot be made or written is named with its setting", () => {
  const file = join(root, "file");
  writeFileSync(file, "");
  expect(() => ownMachine(join(file, "raft"), root, silentLog)).toThrow(
    `raft.data_dir: ${join(file, "raft")} cannot be written: ENOTDIR`,
  );
  const raftDir = join(root, "raft");
  // In the way of the new record, for root as well.
  mkdirSync(join(raftDir, ".machine.json.new"), { recursive: true });
  expect(() => ownMachine(raftDir, root, silentLog)).toThrow(`raft.data_dir: ${raftDir} cannot be written: `);
});
