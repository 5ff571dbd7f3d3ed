import { expect, test } from "bun:test";
import { coordinate } from "./cluster/coordinate.ts";
import type { ClusterView } from "./cluster/view.ts";
import { duties } from "./duties.ts";
import { keep } from "./keep/rules.ts";
import { type DecisionPair, differsFrom, readRecord, recordLine } from "./replay.ts";
import {
  cluster,
  duty,
  FREE,
  holder,
  lock,
  node,
  primaryStatus,
  seen,
  status,
  succession,
} from "./testing.ts";

const AT = { version: "0.1.0", node: "a", at: "2026-01-01T00:00:00.000Z" };

function ofNode(view = duty(holder({ heldSinceMs: -Infinity }))): DecisionPair {
  return { by: "keeper", view, decision: keep(view), duties: duties(view) };
}

function ofCluster(): DecisionPair {
  const view: ClusterView = {
    ...succession({
      dcs: cluster({ lock: lock(FREE) }),
      statuses: [seen(primaryStatus("a")), seen(status("b"))],
    }),
    self: "b",
    wallMs: 0,
    expiryDue: false,
    leaseOver: false,
    nextTtl: null,
    leadingForMs: 60_000,
    requestForMs: 0,
    givenUpIndex: 0,
  };
  return { by: "coordinator", view, decision: coordinate(view) };
}

function written(pair: DecisionPair): DecisionPair {
  return readRecord(recordLine({ ...AT, pair })).pair;
}

test("a record comes back as it was, with infinite times and maps", () => {
  const pair = ofNode({ ...duty(node({ heldSinceMs: -Infinity })), heardMs: new Map([["b", 7]]) });
  expect(readRecord(recordLine({ ...AT, pair }))).toEqual({ ...AT, pair });
});

test("what was decided is decided again, by a node and by the raft leader", () => {
  for (const pair of [ofNode(), ofNode(duty(node())), ofCluster()]) {
    expect(differsFrom(written(pair))).toBeNull();
  }
});

test("another rule, reason, action, duty or command is a difference", () => {
  const pair = ofNode() as DecisionPair & { by: "keeper" };
  const { decision } = pair;
  const others: DecisionPair[] = [
    { ...pair, decision: { ...decision, rule: "other" } },
    { ...pair, decision: { ...decision, reason: "other" } },
    { ...pair, decision: { ...decision, actions: [{ kind: "restart" }] } },
    { ...pair, decision: { ...decision, mayLeave: !decision.mayLeave } },
    { ...pair, duties: [{ kind: "declare-standby" }] },
  ];
  for (const other of others) {
    expect(differsFrom(written(other))).toEqual({ decision, duties: pair.duties });
  }
  const led = ofCluster() as DecisionPair & { by: "coordinator" };
  const changed = { ...led, decision: { ...led.decision, commands: [], transferTo: "c" } };
  expect(differsFrom(written(changed))).toEqual({ decision: led.decision, duties: [] });
});

test("the order of keys is none", () => {
  const pair = ofCluster() as DecisionPair & { by: "coordinator" };
  const reversed = Object.fromEntries(Object.entries(pair.decision).reverse()) as typeof pair.decision;
  expect(differsFrom({ ...pair, decision: reversed })).toBeNull();
});

test("a line that is no record is refused, with the reason", () => {
  const whole = recordLine({ ...AT, pair: ofNode() });
  const cases: [string, RegExp][] = [
    [whole.slice(0, -10), /JSON/],
    ["1", /no record/],
    ["{}", /format undefined, and this version reads 1/],
    [whole.replace('"format":1', '"format":2'), /format 2/],
    [whole.replace('"by":"keeper"', '"by":"other"'), /no record/],
    ['{"format":1,"by":"keeper","view":{},"decision":{}}', /no record/],
    ['{"format":1,"by":"coordinator","view":{}}', /no record/],
  ];
  for (const [line, why] of cases) expect(() => readRecord(line)).toThrow(why);
});
