import { expect, test } from "bun:test";
import { recoveredState } from "../../dcs/recovered.ts";
import type { DcsState } from "../../model/records.ts";
import { CLUSTER_RULES, type ClusterDecision, coordinate } from "./coordinate.ts";
import type { ClusterView } from "./view.ts";
import {
  cluster,
  DYNAMIC,
  FREE,
  life,
  lock,
  primaryStatus,
  seen,
  status,
  succession,
  SWITCHOVER,
} from "../testing.ts";

function view(change: Partial<ClusterView> = {}): ClusterView {
  return {
    ...succession({
      dcs: cluster(),
      statuses: [
        seen(primaryStatus("a")),
        seen(status("b", { lockFreeSeen: false })),
        seen(status("c", { lockFreeSeen: false })),
      ],
    }),
    self: "b",
    wallMs: Date.parse("2026-01-01T00:00:00Z"),
    expiryDue: false,
    leaseOver: false,
    nextTtl: null,
    leadingForMs: 60_000,
    requestForMs: 60_000,
    givenUpIndex: 0,
    ...change,
  };
}

const request = (change = {}) => ({ ...SWITCHOVER, candidate: null, accepted: false, epoch: 0, ...change });
const ops = (change: Partial<ClusterView>) =>
  coordinate(view(change)).commands.map((command) =>
    command.op === "endFailover" ? `end ${command.ok}: ${command.text}` : command.op
  );

function pausedUntil(pauseUntil: string): Partial<ClusterView> {
  const value = { ttl: 5, pause: true, pause_until: pauseUntil };
  return {
    dcs: cluster({ config: { value, revision: 4 } }),
    dynamic: { ...DYNAMIC, pause: true, pauseUntil },
  };
}

/** The whole decision, one of each rule. */
const DECISIONS: readonly [string, Partial<ClusterView>, Omit<ClusterDecision, "reason">][] = [
  ["a lease that ran out", { expiryDue: true }, {
    rule: "expire",
    commands: [{ op: "expire", epoch: 3, reason: "a has not renewed for 5 s" }],
    transferTo: null,
  }],
  ["a step of a ttl change", { nextTtl: { grantMs: 2000, waitMs: 5000 } }, {
    rule: "change-ttl",
    commands: [{
      op: "setTtl",
      epoch: 3,
      free: false,
      expectGrantMs: 5000,
      expectWaitMs: 5000,
      grantMs: 2000,
      waitMs: 5000,
    }],
    transferTo: null,
  }],
  ["a bootstrap whose member is gone", {
    dcs: cluster({ initialize: { systemId: "", by: "d", incarnation: 7 }, lock: lock(FREE) }),
  }, {
    rule: "abandon-bootstrap",
    commands: [{ op: "clearInitialize", of: "d", incarnation: 7 }],
    transferTo: null,
  }],
  ["a pause that was to end now", pausedUntil("2026-01-01T00:00:00+00:00"), {
    rule: "end-pause",
    commands: [{ op: "setConfig", value: { ttl: 5 }, expectRevision: 4 }],
    transferTo: null,
  }],
  ["a possible switchover", { dcs: cluster({ failover: request() }) }, {
    rule: "answer-request",
    commands: [{ op: "acceptFailover", id: "x" }],
    transferTo: null,
  }],
  ["a failover from an unfenced epoch", {
    leaseOver: true,
    statuses: [],
    dcs: cluster({
      lock: lock({ unfenced: true }),
      failover: request({ kind: "failover", leader: null, candidate: "b", accepted: true, epoch: 3 }),
    }),
  }, {
    rule: "force-expiry",
    commands: [{
      op: "expire",
      epoch: 3,
      reason: "an operator asked for a failover, and a has not renewed for 5 s",
      forced: true,
    }],
    transferTo: null,
  }],
  ["a free lock", {
    dcs: cluster({ lock: lock(FREE) }),
    statuses: [seen(status("b")), seen(status("c"))],
  }, {
    rule: "grant",
    commands: [{
      op: "grant",
      epoch: 4,
      holder: "b",
      life: life("b"),
      reason: "most advanced member (timeline 1, WAL up to 0/3E8) after a's epoch 3 expired; heard: b, c",
      complete: false,
    }],
    transferTo: null,
  }],
  ["the primary's host leads raft", { self: "a" }, { rule: "place-leader", commands: [], transferTo: "b" }],
  ["a switchover from an unfenced epoch", {
    leaseOver: true,
    statuses: [],
    dcs: cluster({ lock: lock({ unfenced: true }), failover: request({ accepted: true, epoch: 3 }) }),
  }, { rule: "held", commands: [], transferTo: null }],
  ["a switchover whose leader has just lost the lock", {
    dcs: cluster({ lock: lock(FREE), failover: request() }),
    statuses: [],
  }, { rule: "grant", commands: [], transferTo: null }],
  ["a healthy cluster", {}, { rule: "held", commands: [], transferTo: null }],
];

for (const [what, change, expected] of DECISIONS) {
  test(`${what}: ${expected.rule}`, () => {
    const { reason: _, ...decision } = coordinate(view(change));
    expect(decision).toEqual(expected);
  });
}

test("each of the rules decides some case", () => {
  const decided = DECISIONS.map(([, , { rule }]) => rule);
  expect(CLUSTER_RULES.map(({ name }) => name).filter((name) => !decided.includes(name))).toEqual([]);
});

test("a healthy cluster needs nothing", () => expect(ops({})).toEqual([]));
test("a lease that ran out is expired", () => expect(ops({ expiryDue: true })).toEqual(["expire"]));
test("a free lock is granted with the next epoch", () => {
  const decision = coordinate(
    view({ dcs: cluster({ lock: lock(FREE) }), statuses: [seen(status("b")), seen(status("c"))] }),
  );
  expect(decision.commands).toMatchObject([{ op: "grant", epoch: 4, holder: "b" }]);
});
test("a lock that is held is never granted", () => expect(ops({ statuses: [] })).toEqual([]));
test("a step of a ttl change carries the lock it was decided under", () => {
  const decision = coordinate(view({ nextTtl: { grantMs: 2000, waitMs: 5000 } }));
  expect(decision.commands).toMatchObject([{
    op: "setTtl",
    epoch: 3,
    free: false,
    grantMs: 2000,
    waitMs: 5000,
  }]);
});

test("a possible switchover is accepted", () =>
  expect(ops({ dcs: cluster({ failover: request() }) })).toEqual(["acceptFailover"]));
test("a switchover to a member that is being removed ends before anything is stopped", () =>
  expect(ops({ removed: ["c"], dcs: cluster({ failover: request({ candidate: "c" }) }) })).toEqual([
    "end false: Switchover failed: no good candidates have been found",
  ]));
test("raft leadership does not move to a member that is being removed", () => {
  const moving = (removed: string[]) => coordinate(view({ self: "a", removed })).transferTo;
  expect([moving([]), moving(["b"])]).toEqual(["b", "c"]);
});
test("a switchover from somebody who is not the leader ends", () =>
  expect(ops({ dcs: cluster({ failover: request({ leader: "c" }) }) })).toEqual([
    "end false: Switchover failed: leader name does not match, a is the leader",
  ]));
test("a switchover without a good candidate ends before anything is stopped", () =>
  expect(
    ops({
      dcs: cluster({ failover: request({ candidate: "c" }) }),
      statuses: [seen(primaryStatus("a")), seen(status("c", { nofailover: true }))],
    })[0],
  )
    .toContain("no good candidates have been found"));
test("a scheduled switchover waits for its time", () =>
  expect(ops({ dcs: cluster({ failover: request({ scheduledAt: "2026-01-01T00:10:00Z" }) }) })).toEqual([]));
test("a scheduled switchover is accepted when it is due", () =>
  expect(ops({ dcs: cluster({ failover: request({ scheduledAt: "2025-12-31T23:59:59.500Z" }) }) })).toEqual([
    "acceptFailover",
  ]));
test("a scheduled switchover that is too late is dropped", () =>
  expect(ops({ dcs: cluster({ failover: request({ scheduledAt: "2025-12-31T23:00:00Z" }) }) })[0]).toContain(
    "too late",
  ));
test("nothing that is scheduled takes place in pause: it waits, and is dropped when its time is over", () => {
  const paused = (scheduledAt: string | null) =>
    ops({ dynamic: { ...DYNAMIC, pause: true }, dcs: cluster({ failover: request({ scheduledAt }) }) });
  expect(paused("2025-12-31T23:59:59.500Z")).toEqual([]);
  expect(paused("2025-12-31T23:00:00Z")[0]).toContain("nothing that is scheduled takes place in pause");
  expect(paused(null)).toEqual(["acceptFailover"]);
});
test("an accepted switchover is not answered while the leader steps down", () =>
  expect(ops({ dcs: cluster({ failover: request({ accepted: true, epoch: 3 }) }) })).toEqual([]));
test("an accepted switchover ends well with the new primary", () => {
  const dcs = cluster({
    lock: lock({ epoch: 4, holder: "b" }),
    failover: request({ accepted: true, epoch: 3 }),
  });
  const statuses = [seen(primaryStatus("b", { epochSeen: 4 }))];
  expect(ops({ dcs, statuses })).toEqual(['end true: Successfully switched over to "b"']);
});
test("a request is answered when the new primary has completed a write", () => {
  const after = (wroteUnder: number, requestForMs = 1000) => {
    const dcs = cluster({ lock: lock({ epoch: 4, holder: "b", cleanStart: true }), failover: SWITCHOVER });
    const statuses = [seen(primaryStatus("b", { epochSeen: 4, wroteUnder }))];
    return coordinate(view({ dcs, statuses, requestForMs })).commands;
  };
  for (const under of [0, 3]) expect(after(under)).toEqual([]);
  expect(after(4)).toMatchObject([{ op: "endFailover", ok: true }]);
  expect(after(0, 60_000)).toMatchObject([
    { op: "endFailover", ok: false, text: "Switchover failed: b was promoted, and has completed no write" },
  ]);
});

test("another winner than the candidate is said", () => {
  const dcs = cluster({
    lock: lock({ epoch: 4, holder: "b" }),
    failover: request({ accepted: true, epoch: 3, candidate: "c" }),
  });
  expect(ops({ dcs, statuses: [seen(primaryStatus("b", { epochSeen: 4 }))] })).toEqual([
    'end true: Switched over to "b" instead of "c"',
  ]);
});
test("the old leader winning again is a failure", () => {
  const dcs = cluster({ lock: lock({ epoch: 4 }), failover: request({ accepted: true, epoch: 3 }) });
  expect(ops({ dcs, statuses: [seen(primaryStatus("a", { epochSeen: 4 }))] })).toEqual([
    "end false: Switchover failed: a is the leader again",
  ]);
});
test("a failover with a living primary is accepted and not answered before it steps down", () => {
  const failover = request({ kind: "failover", leader: null, candidate: "c" });
  expect(ops({ dcs: cluster({ failover }) })).toEqual(["acceptFailover"]);
  expect(ops({ dcs: cluster({ failover: { ...failover, accepted: true, epoch: 3 } }) })).toEqual([]);
});

test("a bootstrap whose member is gone or was restarted is given up", () => {
  const dcs = cluster({
    initialize: { systemId: "", by: "c", incarnation: 1 },
    lock: lock({ epoch: 0, holder: null, lastHolder: null }),
  });
  expect(ops({ dcs, statuses: [seen(status("c"), 500)] })).toEqual([]);
  expect(ops({ dcs, statuses: [seen(status("c"), 11_000)] })).toEqual(["clearInitialize"]);
  expect(ops({ dcs, statuses: [seen(status("c", { incarnation: 2 }))] })).toEqual(["clearInitialize"]);
  expect(ops({ dcs, statuses: [], leadingForMs: 11_000 })).toEqual(["clearInitialize"]);
});

test("raft leadership leaves the primary's host when another member is there, and only then", () => {
  expect(coordinate(view({ self: "a" })).transferTo).toBe("b");
  expect(coordinate(view({ self: "b" })).transferTo).toBeNull();
  expect(
    coordinate(view({ self: "a", statuses: [seen(primaryStatus("a")), seen(status("b"), 9000)] })).transferTo,
  ).toBeNull();
});

test("a switchover whose leader died on the way is no success: writes may be lost", () => {
  const dcs = cluster({
    lock: lock({ epoch: 4, holder: "b", cleanStart: false }),
    failover: request({ accepted: true, epoch: 3 }),
  });
  expect(ops({ dcs, statuses: [seen(primaryStatus("b", { epochSeen: 4 }))] })).toEqual([
    "end false: Switchover failed: a ended before it had stopped cleanly, b took over",
  ]);
});

for (const pause of [false, true]) {
  test(`a request whose winner gives the lock back is followed by another one${pause ? " in pause" : ""}`, () => {
    const failover = request({ accepted: true, epoch: 3, candidate: "b" });
    const dcs = cluster({ lock: lock({ ...FREE, epoch: 4, lastHolder: "b", reason: "hung" }), failover });
    const dynamic = { ...DYNAMIC, pause };
    const reported = ["b", "c"].map((name) => seen(status(name, { epochSeen: 4 })));
    expect(coordinate(view({ dcs, dynamic, statuses: reported, freeForMs: 300 })).commands).toMatchObject([
      { op: "grant", epoch: 5, holder: "c" },
    ]);
    // Waited for, and then answered: somebody may take over by hand.
    expect(ops({ dcs, dynamic, statuses: [], freeForMs: 14_000 })).toEqual([]);
    expect(ops({ dcs, dynamic, statuses: [], freeForMs: 15_000 })).toEqual([
      "end false: Switchover failed: b could not take over (hung)",
    ]);
    const next = cluster({ lock: lock({ epoch: 5, holder: "c", cleanStart: false }), failover });
    expect(ops({ dcs: next, dynamic, statuses: [seen(primaryStatus("c", { epochSeen: 5 }))] })).toEqual([
      "end false: Switchover failed: b could not take over, c did",
    ]);
    const anyone = { ...next, failover: { ...failover, candidate: null } };
    const took = [seen(primaryStatus("c", { epochSeen: 5 }))];
    expect(ops({ dcs: anyone, dynamic, statuses: took })).toEqual([
      "end false: Switchover failed: the first successor could not take over, c did, and may lack the last writes of a",
    ]);
    const complete = { ...anyone, lock: { ...anyone.lock, cleanStart: true } };
    expect(ops({ dcs: complete, dynamic, statuses: took })).toEqual([
      'end true: Successfully switched over to "c"',
    ]);
  });
}

for (const cleanStart of [false, true]) {
  test(`a second grant for a request is ${cleanStart ? "" : "in"}complete if the first was`, () => {
    const failover = request({ accepted: true, epoch: 3 });
    // b never wrote under epoch 4, and gets the lock again.
    const freed = lock({ ...FREE, epoch: 4, lastHolder: "b", cleanStart });
    const statuses = [seen(status("b", { epochSeen: 4 }))];
    const granted = (dcs: DcsState) => coordinate(view({ dcs, statuses, freeForMs: 3000 })).commands;
    expect(granted(cluster({ lock: freed, failover }))).toMatchObject([
      { op: "grant", epoch: 5, holder: "b", complete: cleanStart },
    ]);
    // What an earlier change of primaries has lost is no matter of this request.
    expect(granted(cluster({ lock: freed, failover: { ...failover, epoch: 4 } }))).toMatchObject([
      { op: "grant", epoch: 5, holder: "b", complete: true },
    ]);
  });
}

test("an unfenced epoch is ended by an operator's failover only, and only when its lease has run out", () => {
  const lockNow = lock({ unfenced: true });
  const failover = request({ kind: "failover", leader: null, candidate: "b", accepted: true, epoch: 3 });
  expect(ops({ dcs: cluster({ lock: lockNow }), leaseOver: true })).toEqual([]);
  expect(ops({ dcs: cluster({ lock: lockNow, failover }), leaseOver: false })).toEqual([]);
  expect(ops({ dcs: cluster({ lock: lockNow, failover }), leaseOver: true })).toEqual(["expire"]);
});

test("a candidate that merely lags is refused only when the lag lasts", () => {
  const dcs = cluster({ failover: request({ candidate: "b" }) });
  const change = { dcs, primaryLsn: 9_000_000 };
  expect(ops({ ...change, requestForMs: 100 })).toEqual([]);
  expect(ops({ ...change, requestForMs: 2000 })[0]).toContain("lags too far behind");
  expect(ops({ dcs, primaryLsn: 1000, requestForMs: 600 })).toEqual(["acceptFailover"]);
});

test("after a recovery a former primary is accepted as the candidate of a failover, and not as anybody's", () => {
  const dcs = { ...recoveredState(cluster(), { survivor: "b", at: "" }), members: cluster().members };
  const former = seen(status("c", { running: false, primaryDirectory: true, state: "stopped" }));
  const asked = (candidate: string | null) =>
    ops({
      dcs: { ...dcs, failover: request({ kind: "failover", leader: null, candidate }) },
      statuses: [former],
    });
  expect(asked("c")).toEqual(["acceptFailover"]);
  expect(asked(null)[0]).toContain("was a primary once and has not rejoined yet");
});

test("a switchover is for a candidate that streams from the primary, and waits for it as long as it may come back", () => {
  const with_ = (change: object, requestForMs: number) =>
    ops({
      dcs: cluster({ failover: request({ candidate: "b" }) }),
      statuses: [seen(primaryStatus("a")), seen(status("b", change)), seen(status("c"))],
      requestForMs,
    })[0];
  expect(with_({}, 0)).toBe("acceptFailover");
  for (
    const gone of [{ replicationState: null }, { following: "d" }, {
      replicationState: "in archive recovery",
    }]
  ) {
    expect(with_(gone, 6000)).toBe(undefined);
    expect(with_(gone, 7000)).toContain("no good candidates have been found (b does not stream from a)");
  }
});

test("a candidate may stream through another standby, as long as that one streams from the primary", () => {
  const through = (ofC: object) =>
    ops({
      dcs: cluster({ failover: request({ candidate: "b" }) }),
      statuses: [seen(primaryStatus("a")), seen(status("b", { following: "c" })), seen(status("c", ofC))],
      requestForMs: 0,
    })[0];
  expect(through({})).toBe("acceptFailover");
  for (
    const ofC of [{ following: "b" }, { following: null }, { replicationState: null }, { running: false }]
  ) {
    expect(through(ofC)).toBe(undefined);
  }
});

test("a failover to a member that does not stream is the operator's choice", () => {
  const failover = request({ kind: "failover" as const, leader: null, candidate: "b" });
  const statuses = [seen(primaryStatus("a")), seen(status("b", { replicationState: null }))];
  expect(ops({ dcs: cluster({ failover }), statuses })).toEqual(["acceptFailover"]);
});

test("an accepted switchover for which nobody streams any more is ended, and the primary goes on", () => {
  const dcs = cluster({ failover: request({ candidate: "b", accepted: true, epoch: 3 }) });
  const statuses = (replicationState: string | null) => [
    seen(primaryStatus("a")),
    seen(status("b", { replicationState })),
    seen(status("c")),
  ];
  expect(ops({ dcs, statuses: statuses("streaming"), requestForMs: 99_000 })).toEqual([]);
  expect(ops({ dcs, statuses: statuses(null), requestForMs: 14_000 })).toEqual([]);
  expect(ops({ dcs, statuses: statuses(null), requestForMs: 15_000 })[0]).toContain(
    "end false: Switchover failed: b does not stream from a any more",
  );
});

test("a pause ends at its time, while the lock is free as well, and not before", () => {
  expect(coordinate(view(pausedUntil("2026-01-01T00:00:01+00:00"))).rule).not.toBe("end-pause");
  const over = pausedUntil("2025-12-31T23:59:59+00:00");
  expect(coordinate(view({ ...over, dcs: { ...over.dcs!, lock: lock(FREE) } })).rule).toBe("end-pause");
  expect(coordinate(view({ ...over, dynamic: { ...DYNAMIC, pause: false } })).rule).not.toBe("end-pause");
});

test("a request that its asker has given up is over, unless it was accepted or waits for its time", () => {
  const scheduledAt = "2030-01-01T00:00:00+00:00";
  const logged = (change = {}, givenUpIndex = 9) =>
    ops({ dcs: cluster({ failover: request({ revision: 9, ...change }) }), givenUpIndex });
  expect(logged()).toEqual([
    "end false: Switchover failed: there was no majority for too long, ask again",
  ]);
  expect(logged({}, 8)).toEqual(["acceptFailover"]);
  expect(logged({ scheduledAt })).toEqual([]);
  expect(logged({ accepted: true, epoch: 3 })).toEqual([]);
});
