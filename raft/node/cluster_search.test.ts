import { expect, test } from "bun:test";
import { ClusterSearch } from "./cluster_search.ts";
import type { VisitAnswer } from "./visit_messages.ts";

const OWN = 7;

function search(answers: Readonly<Record<string, VisitAnswer | string>>, selfAddr: string | null = "c:1") {
  const found = new ClusterSearch({ founded: OWN, selfAddr, partners: ["a:1", "b:1"] });
  for (const [addr, answer] of Object.entries(answers)) {
    if (typeof answer === "string") found.failed(addr, answer);
    else found.answered(addr, answer);
  }
  return found.verdict();
}

const founding = (founded: number, ...addresses: string[]): VisitAnswer => ({
  kind: "founding",
  founded,
  addresses,
});
const member = (overrides: Partial<Extract<VisitAnswer, { kind: "member" }>> = {}): VisitAnswer => ({
  kind: "member",
  clusterId: OWN,
  founded: OWN,
  leaderAddr: "a:1",
  seat: "none",
  ...overrides,
});

test("alone it founds at once", () => {
  const alone = new ClusterSearch({ founded: OWN, selfAddr: "c:1", partners: [] });
  expect(alone.verdict()).toEqual({ kind: "found" });
});

test("it founds with one that means the same first members, and with no other", () => {
  expect(search({ "a:1": founding(OWN, "a:1", "b:1", "c:1") })).toEqual({ kind: "found" });
  expect(search({ "a:1": founding(8, "a:1", "b:1") })).toMatchObject({
    kind: "wait",
    reason: expect.stringContaining("will join it then"),
  });
  expect(search({ "a:1": founding(8, "a:1", "c:1") })).toMatchObject({
    kind: "wait",
    reason: expect.stringContaining("make the lists the same"),
  });
});

test("a young search waits for a word of everybody before it founds", () => {
  const young = new ClusterSearch({ founded: OWN, selfAddr: "c:1", partners: ["a:1", "b:1"] });
  young.answered("a:1", founding(OWN, "a:1", "b:1", "c:1"));
  expect(young.verdict(true)).toEqual({ kind: "wait", reason: "no answer from b:1 yet" });
  expect(young.verdict(false)).toEqual({ kind: "found" });
  young.failed("b:1", "connection refused");
  expect(young.verdict(true)).toEqual({ kind: "found" });
});

test("whoever has a log counts more than one that would found", () => {
  expect(search({ "a:1": founding(OWN, "a:1", "b:1", "c:1"), "b:1": member({ leaderAddr: "b:1" }) })).toEqual(
    {
      kind: "join",
      leaderAddr: "b:1",
    },
  );
});

test("the place of a first member that never came is taken only with the same list of first members", () => {
  expect(search({ "a:1": member({ seat: "founder" }) })).toEqual({ kind: "found" });
  expect(search({ "a:1": member({ seat: "founder", founded: 8, clusterId: 8 }) })).toMatchObject({
    kind: "wait",
    reason: expect.stringContaining("make the lists the same"),
  });
});

test("a place that was used is asked for anew, as one that was added and one that does not exist", () => {
  for (const seat of ["used", "added", "none"] as const) {
    expect(search({ "a:1": "silent", "b:1": member({ seat }) })).toEqual({ kind: "join", leaderAddr: "a:1" });
  }
});

test("one that says the place was used counts more than others that say it was not", () => {
  expect(search({ "a:1": member({ seat: "founder" }), "b:1": member({ seat: "used" }) })).toEqual({
    kind: "join",
    leaderAddr: "a:1",
  });
});

test("it waits for a leader, and where two clusters answer", () => {
  expect(search({ "a:1": member({ leaderAddr: null }) })).toMatchObject({
    kind: "wait",
    reason: expect.stringContaining("no leader"),
  });
  expect(search({ "a:1": member(), "b:1": member({ clusterId: 9 }) })).toMatchObject({
    kind: "wait",
    reason: expect.stringContaining("different clusters"),
  });
});

test("while nobody answers it says of each why", () => {
  expect(search({ "a:1": "connection refused" })).toEqual({
    kind: "wait",
    reason: "no other node of raft.partner_addrs has said yet whether the cluster exists " +
      "(a:1: connection refused; b:1: no answer yet)",
  });
});

test("a node without an address never founds", () => {
  expect(search({ "a:1": founding(OWN, "a:1", "b:1") }, null)).toMatchObject({ kind: "wait" });
});
