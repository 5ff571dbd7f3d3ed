import { expect, test } from "bun:test";
import { clusterIdOf, nodeIdOf } from "./ids.ts";

const ADDRESSES = ["10.0.0.1:2222", "10.0.0.2:2222", "10.0.0.3:2222"];

test("the cluster's id depends on namespace, scope and addresses, but not on their order", () => {
  const id = clusterIdOf("/service/", "main", ADDRESSES);
  expect(clusterIdOf("/service/", "main", [...ADDRESSES].reverse())).toBe(id);
  const others = [
    clusterIdOf("/service/", "other", ADDRESSES),
    clusterIdOf("/db/", "main", ADDRESSES),
    clusterIdOf("/service/", "main", ADDRESSES.slice(1)),
    clusterIdOf("/service/m", "ain", ADDRESSES),
  ];
  expect(new Set([id, ...others]).size).toBe(5);
});

test("ids are positive and at most 48 bits", () => {
  const cluster = clusterIdOf("/service/", "main", ADDRESSES);
  const ids = ADDRESSES.map((address) => nodeIdOf(cluster, address));
  expect(new Set(ids).size).toBe(3);
  for (const id of [cluster, ...ids]) {
    expect(id).toBeGreaterThan(0);
    expect(id).toBeLessThan(2 ** 48);
  }
});
