import { expect, test } from "bun:test";
import { MINIMAL, parsedConfig } from "./testing.ts";
import { clusterNameOf, isSameCluster, normalizeNamespace } from "../model/namespace.ts";

test("a namespace is the same with and without slashes, and that of the default is what it always was", () => {
  for (const written of ["service", "/service", "/service/", "service/", "//service//", ""]) {
    expect(normalizeNamespace(written)).toBe("/service");
    expect(parsedConfig(`${MINIMAL}namespace: "${written}"\n`.replace('namespace: ""\n', "")).namespace).toBe(
      "/service",
    );
  }
  expect(normalizeNamespace("/db/prod/")).toBe("/db/prod");
  expect(normalizeNamespace("/")).toBe("/");
});

test("a raft directory of an earlier version, which kept the namespace as written, is of the same cluster", () => {
  expect(clusterNameOf("/service", "main")).toBe("/service/main");
  expect(clusterNameOf("/", "main")).toBe("/main");
  for (const kept of ["service/main", "/service/main", "//service/main"]) {
    expect(isSameCluster(kept, clusterNameOf("/service", "main"))).toBe(true);
  }
  expect(isSameCluster("/other/main", "/service/main")).toBe(false);
});
