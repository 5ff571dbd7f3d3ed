import { expect, test } from "bun:test";
import { operatorNeeded } from "../../src/brain/cluster/operator_needed.ts";
import { cluster, DYNAMIC, FREE, lock, status } from "../../src/brain/testing.ts";
import { recordOf } from "../../src/sync/record.ts";
import { adviceFor } from "./advice.ts";

test("the advice for a member that cannot prove what it acknowledged alone is read", () => {
  const sync = { ...recordOf("a", "data-a", {}, 0), revision: 5 };
  const dcs = cluster({ lock: lock(FREE), sync });
  const needed = operatorNeeded(dcs, DYNAMIC, [status("a", { dataToken: "another" })]);
  expect(adviceFor(needed!)).toBe("a");
  expect(operatorNeeded(dcs, DYNAMIC, [status("a", { dataToken: "data-a" })])).toBeNull();
  expect(adviceFor("on one host: agent recover --force-new-cluster")).toBeNull();
});
