/**
 * The common part of the tables of the keeper's rules: a case is a view, and the whole decision that it must
 * bring.
 */
import { expect, test } from "bun:test";
import type { PostgresView } from "../../model/postgres_view.ts";
import type { Action } from "../actions.ts";
import type { Upstream } from "../../model/upstream.ts";
import {
  cluster,
  DYNAMIC,
  lock,
  postgres,
  RUNNING_PRIMARY,
  STANDBY_DIRECTORY,
  SYSTEM_ID,
} from "../testing.ts";
import type { NodeRule } from "./outcome.ts";
import { keep } from "./rules.ts";
import type { NodeView } from "./view.ts";

export const MAY_LEAVE = "the agent may leave";
/** Name, view, the rule that decides, and its actions with all their fields. */
export type Case = readonly [string, NodeView, string, ...(Action | typeof MAY_LEAVE)[]];

/** A test for each case, and one that shows that each of `rules` decides some case. */
export function decides(rules: readonly NodeRule[], cases: readonly Case[]): void {
  for (const [name, view, rule, ...expected] of cases) {
    test(name, () => {
      const decision = keep(view);
      const may = decision.mayLeave ? [MAY_LEAVE] : [];
      expect([decision.rule, ...decision.actions, ...may]).toEqual([rule, ...expected]);
    });
  }
  test("each of the rules decides some case", () => {
    const decided = new Set(cases.map(([, view]) => keep(view).rule));
    expect(rules.map(({ name }) => name).filter((name) => !decided.has(name))).toEqual([]);
  });
}

export const KILL: Action = { kind: "stop", how: "kill", checkpoint: false };
export const IMMEDIATE: Action = { kind: "stop", how: "immediate", checkpoint: false };
export const FAST: Action = { kind: "stop", how: "fast", checkpoint: false };
export const FAST_AFTER_CHECKPOINT: Action = { kind: "stop", how: "fast", checkpoint: true };
/** Actions with the epoch that the builders' lock has. */
export const RELEASE: Action = { kind: "release", epoch: 3 };
/** The same, and this member sits out for a while. */
export const LET_GO: Action = { ...RELEASE, unable: true };
export const START_PRIMARY: Action = { kind: "start-primary", epoch: 3 };
export const PROMOTE: Action = { kind: "promote", epoch: 3 };

export function from(name: string): Upstream {
  return { name, connUrl: `postgres://${name}:5432/postgres` };
}

/** A copy of the data of a's cluster, from `name`. */
export function clone(name: string): Action {
  return { kind: "clone", from: from(name), leader: from("a"), of: { systemId: SYSTEM_ID, timeline: 1 } };
}

export const PAUSED = { dynamic: { ...DYNAMIC, pause: true } };
export const UNFENCED = cluster({ lock: lock({ unfenced: true }) });
export const HALF_BOOTSTRAPPED = { kind: "half-written", what: "bootstrap" } as const;
/** Started read-only after it was a primary. */
export const FORMER = postgres({ directory: { ...STANDBY_DIRECTORY, formerPrimary: true } });
/** Raft has been away for longer than a lease lasts. */
export const LOST = { leaseUsable: false, raftLostForMs: 5000 };

export function displaced(removed: boolean): PostgresView {
  return postgres({ ...RUNNING_PRIMARY, displaced: { why: "the data directory was moved", removed } });
}

type Failing = "start" | "promote" | "clone" | "rewind" | "bootstrap" | "set-aside" | "stop";
/** As `last` of a view. */
export function failed(kind: Failing, failures = 1, atMs = 0) {
  return { [kind]: { kind, ok: false, atMs, detail: "broken", failures } } as const;
}

/** The verdict on the history of this server against a's. */
export function verdict(verdict: "same" | "diverged" | "unknown", atMs = 0) {
  return { from: "a", timelineOfOther: 1, verdict, detail: "", atMs };
}
