import { expect, test } from "bun:test";
import { DYNAMIC } from "../brain/testing.ts";
import { unavailableFeatures } from "./unavailable.ts";

test("a plain configuration asks for nothing that is missing", () => {
  expect(unavailableFeatures(DYNAMIC)).toEqual([]);
});

test("every feature that is missing is named by its key", () => {
  const all = unavailableFeatures({
    ...DYNAMIC,
    synchronousMode: "quorum",
    standbyCluster: { host: "h" },
    slots: { s: null },
  });
  expect(all.map((text) => text.split(/[: ]/)[0])).toEqual([
    "synchronous_mode",
    "slots",
    "standby_cluster",
  ]);
});
