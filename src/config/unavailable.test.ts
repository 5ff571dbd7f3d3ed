import { expect, test } from "bun:test";
import { unavailableBootstrap } from "./unavailable.ts";

test("an empty cluster is not made where one that follows another was asked for", () => {
  expect(unavailableBootstrap({ standbyCluster: null })).toBe(null);
  expect(unavailableBootstrap({ standbyCluster: { host: "10.0.0.9" } })).toStartWith(
    "standby_cluster is set",
  );
});
