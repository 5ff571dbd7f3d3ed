import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { DataDirectory } from "../model/postgres_view.ts";
import { DataMark, isPutBack } from "./data_mark.ts";

const root = mkdtempSync(join(tmpdir(), "agent-mark-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));

const ONE = "1".repeat(32);
const TWO = "2".repeat(32);
const found = (dataId: string, checkpointLsn: number) => ({
  directory: { kind: "valid", dataId, control: { checkpointLsn } } as unknown as DataDirectory,
  control: null,
});

test("only an earlier checkpoint in data of the same name tells a directory that was put back", () => {
  const seen = { dataId: ONE, checkpointLsn: 1000 };
  const isBack = (dataId: string, lsn: number, of: typeof seen | null = seen) =>
    isPutBack(found(dataId, lsn), of, root);
  expect([isBack(ONE, 999), isBack(ONE, 1000), isBack(ONE, 1001)]).toEqual([true, false, false]);
  expect([isBack(TWO, 999), isBack(ONE, 999, null)]).toEqual([false, false]);
  expect(isPutBack({ directory: { kind: "absent" }, control: null }, seen, root)).toBe(false);
  // Recovery from a base backup begins before the checkpoint of its control file.
  writeFileSync(join(root, "backup_label"), "");
  expect(isBack(ONE, 999)).toBe(false);
  rmSync(join(root, "backup_label"));
});

test("what was seen outlives the agent, and goes forward only, until the data has another name", async () => {
  const own = join(root, "run");
  const mark = new DataMark(own);
  expect(mark.seen).toBeNull();
  await mark.note({ dataId: ONE, checkpointLsn: 1000 });
  await mark.note({ dataId: ONE, checkpointLsn: 999 });
  expect(mark.seen).toEqual({ dataId: ONE, checkpointLsn: 1000 });
  expect(new DataMark(own).seen).toEqual({ dataId: ONE, checkpointLsn: 1000 });
  await mark.note({ dataId: TWO, checkpointLsn: 5 });
  expect(new DataMark(own).seen).toEqual({ dataId: TWO, checkpointLsn: 5 });
  writeFileSync(join(own, "data_checkpoint"), "something else");
  expect(new DataMark(own).seen).toBeNull();
});
