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
const found = (dataId: string, checkpointLsn: number, clusterState = "in production") => ({
  directory: { kind: "valid", dataId, control: { checkpointLsn, clusterState } } as unknown as DataDirectory,
  control: null,
});

test("only an earlier checkpoint in data of the same name tells a directory that was put back", () => {
  const seen = { dataId: ONE, checkpointLsn: 1000, inProduction: true };
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

test("a primary does not come back shut down at the checkpoint from which it went on", () => {
  const isBack = (inProduction: boolean, lsn: number, clusterState: string) =>
    isPutBack(found(ONE, lsn, clusterState), { dataId: ONE, checkpointLsn: 1000, inProduction }, root);
  expect(isBack(true, 1000, "shut down")).toBe(true);
  // Its shutdown wrote a new one.
  expect(isBack(true, 1001, "shut down")).toBe(false);
  // It crashed, or was started as a standby then.
  for (const state of ["in production", "in archive recovery", "shut down in recovery"]) {
    expect([state, isBack(true, 1000, state)]).toEqual([state, false]);
  }
  // Nothing has gone on from there, or a standby has.
  expect(isBack(false, 1000, "shut down")).toBe(false);
});

test("what was seen outlives the agent, and goes forward only, until the data has another name", async () => {
  const own = join(root, "run");
  const mark = new DataMark(own);
  const data = (dataId: string, checkpointLsn: number, inProduction = false) => ({
    dataId,
    checkpointLsn,
    inProduction,
  });
  expect(mark.seen).toBeNull();
  const kept = async (noted: ReturnType<typeof data>) => {
    await mark.note(noted);
    expect(new DataMark(own).seen).toEqual(mark.seen!);
    return mark.seen;
  };
  expect(await kept(data(ONE, 1000))).toEqual(data(ONE, 1000));
  expect(await kept(data(ONE, 999, true))).toEqual(data(ONE, 1000));
  expect(await kept(data(ONE, 1000, true))).toEqual(data(ONE, 1000, true));
  expect(await kept(data(ONE, 1000))).toEqual(data(ONE, 1000, true));
  expect(await kept(data(ONE, 1001))).toEqual(data(ONE, 1001));
  expect(await kept(data(TWO, 5, true))).toEqual(data(TWO, 5, true));
  writeFileSync(join(own, "data_checkpoint"), "something else");
  expect(new DataMark(own).seen).toBeNull();
});
