/** One rule for requests: the whole answer, by case. */
import { expect, test } from "bun:test";
import { emptyState } from "../../dcs/state_machine.ts";
import { cluster, DYNAMIC, FREE, lock, primaryStatus, seen, status } from "../testing.ts";
import { type Asked, faultOf, type Judgement, judgeRequest, type JudgeView, type Obstacle } from "./judge.ts";

const NOW = "2026-01-01T00:00:00Z";
const streaming = (name: string, change = {}, ageMs = 100) => ({ ...seen(status(name, change)), ageMs });

function view(change: Partial<JudgeView> = {}): JudgeView {
  return {
    dcs: cluster(),
    dynamic: DYNAMIC,
    statuses: [seen(primaryStatus("a")), streaming("b"), streaming("c")],
    removed: [],
    primaryLsn: 1000,
    wallMs: Date.parse(NOW),
    ...change,
  };
}

const SWITCH: Asked = { kind: "switchover", leader: "a", candidate: null, scheduledAt: null };
const FAIL: Asked = { kind: "failover", leader: null, candidate: "b", scheduledAt: null };
const possible: Judgement = { kind: "possible" };
const never = (obstacle: Obstacle, patienceMs = 0): Judgement => ({
  kind: "impossible",
  obstacle,
  patienceMs,
});
const FORMER = { running: false, state: "stopped", primaryDirectory: true } as const;
const PAUSED = { ...DYNAMIC, pause: true };
const SYNC = { ...DYNAMIC, synchronousMode: "on" as const };
const synced = (...syncStandby: string[]) =>
  cluster({ sync: { leader: "a", syncStandby, quorum: 0, revision: 1 } });
const only = (...statuses: JudgeView["statuses"]) => [seen(primaryStatus("a")), ...statuses];

const CASES: readonly [string, Partial<Asked>, Partial<JudgeView>, Judgement][] = [
  ["somebody can take over", SWITCH, {}, possible],
  ["the candidate can take over", { ...SWITCH, candidate: "c" }, {}, possible],
  ["no cluster yet", SWITCH, { dcs: emptyState() }, never({ code: "not-initialized" })],
  [
    "a time that is none",
    { ...SWITCH, scheduledAt: "soon" },
    {},
    never({ code: "bad-time", at: "soon" }),
  ],
  [
    "a time that has passed",
    { ...SWITCH, scheduledAt: "2025-12-31T23:00:00Z" },
    {},
    never({ code: "too-late", at: "2025-12-31T23:00:00Z", paused: false }),
  ],
  [
    "a former primary, named where nobody holds the lock or can take over",
    FAIL,
    { dcs: cluster({ lock: lock(FREE) }), statuses: [streaming("b", FORMER)] },
    possible,
  ],
  [
    "a former primary beside a standby that can take over",
    FAIL,
    { dcs: cluster({ lock: lock(FREE) }), statuses: [streaming("b", FORMER), streaming("c")] },
    never({ code: "nobody-fit", unfit: [{ name: "b", why: { code: "former-primary" } }] }),
  ],
  [
    "a former primary, shortly after a standby was heard that can take over",
    FAIL,
    { dcs: cluster({ lock: lock(FREE) }), statuses: [streaming("b", FORMER), streaming("c", {}, 29_999)] },
    never({ code: "nobody-fit", unfit: [{ name: "b", why: { code: "former-primary" } }] }),
  ],
  [
    "a former primary, where that standby is silent for long",
    FAIL,
    { dcs: cluster({ lock: lock(FREE) }), statuses: [streaming("b", FORMER), streaming("c", {}, 30_000)] },
    possible,
  ],
  [
    "a former primary beside the lock's holder",
    FAIL,
    { statuses: only(streaming("b", FORMER)) },
    never({ code: "nobody-fit", unfit: [{ name: "b", why: { code: "former-primary" } }] }),
  ],
  ["a time to come", { ...SWITCH, scheduledAt: "2026-01-01T00:10:00Z" }, {}, {
    kind: "not-yet",
    why: "time",
  }],
  ["a time that comes in pause", { ...SWITCH, scheduledAt: NOW }, { dynamic: PAUSED }, {
    kind: "not-yet",
    why: "time",
  }],
  ["a time that has come", { ...SWITCH, scheduledAt: NOW }, {}, possible],
  ["another leader", { ...SWITCH, leader: "c" }, {}, never({ code: "other-leader", holder: "a" })],
  ["no leader at present", SWITCH, { dcs: cluster({ lock: lock(FREE) }) }, {
    kind: "not-yet",
    why: "no-leader",
  }],
  ["the leader itself", { ...FAIL, candidate: "a" }, {}, never({ code: "is-leader", candidate: "a" })],
  ["a stranger", { ...FAIL, candidate: "x" }, {}, never({ code: "no-such-candidate" })],
  ["a member that was removed", FAIL, { removed: ["b"] }, never({ code: "no-such-candidate" })],
  [
    "one not heard for a ttl",
    FAIL,
    { statuses: only(streaming("b", {}, 5001)) },
    never({
      code: "no-such-candidate",
    }),
  ],
  [
    "one not heard just now",
    FAIL,
    { statuses: only(streaming("b", {}, 1200)) },
    never({ code: "nobody-fit", unfit: [] }),
  ],
  ["a leader alone", SWITCH, { statuses: only() }, never({ code: "no-other-member" })],
  ["others that were removed", SWITCH, { removed: ["b", "c"] }, never({ code: "no-other-member" })],
  [
    "not synchronous",
    { ...SWITCH, candidate: "c" },
    { dynamic: SYNC, dcs: synced("b") },
    never({ code: "candidate-not-synchronous" }),
  ],
  ["nobody synchronous", SWITCH, { dynamic: SYNC, dcs: synced() }, never({ code: "nobody-synchronous" })],
  ["a failover past synchronous mode", FAIL, { dynamic: SYNC, dcs: synced("c") }, possible],
  [
    "one that may not be promoted",
    FAIL,
    { statuses: only(streaming("b", { nofailover: true })) },
    never({ code: "nobody-fit", unfit: [{ name: "b", why: { code: "nofailover" } }] }),
  ],
  [
    "one that does not stream, for a switchover",
    SWITCH,
    { statuses: only(streaming("b", { replicationState: null })) },
    never({ code: "nobody-fit", unfit: [{ name: "b", why: { code: "no-stream", from: "a" } }] }, 6500),
  ],
  [
    "one that lags, for a switchover",
    SWITCH,
    { statuses: only(streaming("b")), primaryLsn: 10_000_000 },
    never({ code: "nobody-fit", unfit: [{ name: "b", why: { code: "lag" } }] }, 1500),
  ],
  [
    "one that lags, for a failover",
    FAIL,
    { statuses: only(streaming("b")), primaryLsn: 10_000_000 },
    possible,
  ],
];

for (const [says, asked, change, expected] of CASES) {
  test(`a request: ${says}`, () => {
    expect(judgeRequest({ ...SWITCH, ...asked }, view(change))).toEqual(expected);
  });
}

test("the faults of a form, in Patroni's order", () => {
  const of = (asked: Partial<Asked>, scheduled = false, paused = false) =>
    faultOf({ ...SWITCH, ...asked }, scheduled, paused);
  expect(of({})).toBe(null);
  expect(of({ kind: "failover", leader: null })).toBe("failover-without-candidate");
  expect(of({ leader: null })).toBe("switchover-without-leader");
  expect(of({ ...FAIL }, true)).toBe("failover-scheduled");
  expect(of({}, true, true)).toBe("scheduled-in-pause");
  expect(of({}, false, true)).toBe("no-candidate-in-pause");
  expect(of({ candidate: "a" })).toBe("same-member");
});
