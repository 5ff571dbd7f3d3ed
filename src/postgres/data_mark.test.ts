import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { DataDirectory } from "../model/postgres_view.ts";
import { DataMark, type KnownData, otherDataIn, withData } from "./data_mark.ts";

const root = mkdtempSync(join(tmpdir(), "agent-mark-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));

const ONE = "1".repeat(32);
const TWO = "2".repeat(32);
const found = (dataId: string, checkpointLsn: number, clusterState = "in production") =>
  ({ kind: "valid", dataId, control: { checkpointLsn, clusterState } }) as unknown as DataDirectory;

const seen = (dataId: string, checkpointLsn: number, inProduction = true) => ({
  dataId,
  checkpointLsn,
  inProduction,
});
const kindOf = (of: ReturnType<typeof found>, known: KnownData) => otherDataIn(of, known, root)?.kind ?? null;

test("an earlier checkpoint in data of the same name tells a directory that was put back", () => {
  const known = [seen(TWO, 5), seen(ONE, 1000)];
  expect([999, 1000, 1001].map((lsn) => kindOf(found(ONE, lsn), known))).toEqual(["earlier", null, null]);
  expect(kindOf(found(TWO, 6), known)).toBeNull();
  expect(otherDataIn({ kind: "absent" }, known, root)).toBeNull();
});

test("so does a name that this host's data never had, unless nothing is known of it", () => {
  expect(kindOf(found(TWO, 2000), [seen(ONE, 1000)])).toBe("elsewhere");
  expect(kindOf(found(TWO, 2000), [])).toBeNull();
});

test("and a base backup of data from which a server has run", () => {
  const label = (method: string) =>
    writeFileSync(
      join(root, "backup_label"),
      `CHECKPOINT LOCATION: 0/1\nBACKUP METHOD: ${method}\nLABEL: x\n`,
    );
  label("streamed");
  expect(kindOf(found(ONE, 1001), [seen(ONE, 1000)])).toBe("backup");
  expect(kindOf(found(ONE, 999), [seen(ONE, 1000)])).toBe("earlier");
  // A copy that the agent has made, and has not started yet.
  expect(kindOf(found(ONE, 1001), [seen(ONE, 0, false)])).toBeNull();
  // An exclusive backup of this very directory is being made, or was when its server crashed.
  label("pg_start_backup");
  expect(kindOf(found(ONE, 1001), [seen(ONE, 1000)])).toBeNull();
  rmSync(join(root, "backup_label"));
  expect(kindOf(found(ONE, 1001), [seen(ONE, 1000)])).toBeNull();
});

test("a primary does not come back shut down at the checkpoint from which it went on", () => {
  const kind = (inProduction: boolean, lsn: number, clusterState: string) =>
    kindOf(found(ONE, lsn, clusterState), [seen(ONE, 1000, inProduction)]);
  expect(kind(true, 1000, "shut down")).toBe("shut-down");
  // Its shutdown wrote a new one.
  expect(kind(true, 1001, "shut down")).toBeNull();
  // It crashed, or was started as a standby then.
  for (const state of ["in production", "in archive recovery", "shut down in recovery"]) {
    expect([state, kind(true, 1000, state)]).toEqual([state, null]);
  }
  // Nothing has gone on from there, or a standby has.
  expect(kind(false, 1000, "shut down")).toBeNull();
});

test("what was seen outlives the agent, and goes forward only, under each of its names", async () => {
  const own = join(root, "run");
  const mark = new DataMark(own);
  expect(mark.known).toEqual([]);
  const noted = async (data: ReturnType<typeof seen>) => {
    await mark.note(data);
    expect(new DataMark(own).known).toEqual(mark.known);
    return mark.known;
  };
  expect(await noted(seen(ONE, 1000, false))).toEqual([seen(ONE, 1000, false)]);
  expect(await noted(seen(ONE, 999))).toEqual([seen(ONE, 1000, false)]);
  expect(await noted(seen(ONE, 1000))).toEqual([seen(ONE, 1000)]);
  expect(await noted(seen(ONE, 1000, false))).toEqual([seen(ONE, 1000)]);
  expect(await noted(seen(ONE, 1001, false))).toEqual([seen(ONE, 1001, false)]);
  expect(await noted(seen(TWO, 5))).toEqual([seen(ONE, 1001, false), seen(TWO, 5)]);
  expect(await noted(seen(ONE, 1002))).toEqual([seen(TWO, 5), seen(ONE, 1002)]);
  // Two at a time.
  await Promise.all([mark.note(seen(TWO, 6)), mark.note(seen(ONE, 1003))]);
  expect(new DataMark(own).known).toEqual([seen(TWO, 6), seen(ONE, 1003)]);
  writeFileSync(join(own, "data_checkpoint"), "something else");
  expect(new DataMark(own).known).toEqual([]);
});

test("a note that cannot be written is told of, and made with the next one", async () => {
  const own = join(root, "blocked");
  writeFileSync(own, "a file in its way");
  const mark = new DataMark(own);
  await expect(mark.note(seen(ONE, 1000))).rejects.toThrow();
  expect(mark.known).toEqual([]);
  rmSync(own);
  await mark.note(seen(ONE, 1000));
  expect(new DataMark(own).known).toEqual([seen(ONE, 1000)]);
});

test("the names of long ago are forgotten", () => {
  const names = Array.from({ length: 20 }, (_, at) => seen(String(at).padStart(32, "0"), at));
  const known = names.reduce<KnownData>((sofar, data) => withData(sofar, data) ?? sofar, []);
  expect(known).toEqual(names.slice(-16));
});
