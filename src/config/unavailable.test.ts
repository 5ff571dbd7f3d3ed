import { expect, test } from "bun:test";
import { DYNAMIC } from "../brain/testing.ts";
import { unavailableBootstrap, unavailableFeatures } from "./unavailable.ts";

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

test("an empty cluster is not made where a restore, or one that follows another, was asked for", () => {
  const custom = {
    name: "pitr",
    command: "x",
    keepExistingRecoveryConf: false,
    noParams: false,
    recoveryConf: {},
    options: {},
  };
  const standbyCluster = { host: "10.0.0.9" };
  expect(unavailableBootstrap({}, { standbyCluster: null })).toBe(null);
  expect(unavailableBootstrap({ custom }, { standbyCluster: null })).toStartWith(
    "bootstrap.method pitr is not",
  );
  expect(unavailableBootstrap({ custom: null }, { standbyCluster })).toStartWith(
    "bootstrap.dcs.standby_cluster",
  );
});
