import { expect, test } from "bun:test";
import { postgres, PRIMARY_DIRECTORY } from "../../brain/testing.ts";
import type { SyncRecord } from "../../model/records.ts";
import { Actor, type ActorOptions } from "./act.ts";

/** Where the WAL of the epoch that is released ends, as the others are told. */
function endToldBy(
  dataId: string,
  clusterState: string,
  sync: SyncRecord,
  how: { readonly unclean?: true } = {},
): readonly (number | null)[] {
  const directory = PRIMARY_DIRECTORY;
  const control = { ...directory.control, clusterState, checkpointLsn: 500, timeline: 2 };
  const told: (number | null)[] = [];
  const actor = new Actor({
    name: "a",
    sync: () => sync,
    postgres: { view: () => postgres({ process: "none", directory: { ...directory, dataId, control } }) },
    tenancy: {
      release: (_epoch: number, _reason: string, ...end: readonly (number | null)[]) => told.push(...end),
    },
    leadFailures: { failed: () => {} },
  } as unknown as ActorOptions);
  actor.act({ kind: "release", epoch: 3, ...how }, { rule: "other-directory", reason: "" });
  return told;
}

test("the end of what the holder wrote is not read from a directory that was put in place of its own", () => {
  const promised = { leader: "a", syncStandby: ["b"], quorum: 0, data: { a: "machine:one", b: "other:two" } };
  expect(endToldBy("one", "shut down", promised)).toEqual([500, 2]);
  expect(endToldBy("one", "in production", promised)).toEqual([null, 2]);
  expect(endToldBy("three", "shut down", promised)).toEqual([null, null]);
  expect(endToldBy("one", "shut down", promised, { unclean: true })).toEqual([null, null]);
  // Whose data it has is not told where nothing is promised.
  expect(endToldBy("three", "shut down", { leader: null, syncStandby: [], quorum: 0 })).toEqual([500, 2]);
});
