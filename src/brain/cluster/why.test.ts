import { expect, test } from "bun:test";
import type { ClusterEvent } from "../../model/event.ts";
import type { MemberStatus } from "../../model/member_status.ts";
import type { DcsState, FailoverRecord } from "../../model/records.ts";
import { CLUSTER_RULES, HELD } from "./coordinate.ts";
import { RULES } from "../keep/rules.ts";
import { cluster, DYNAMIC, FREE, lock, primaryStatus, seen, status } from "../testing.ts";
import { linkEvents } from "./event_causes.ts";
import { whyLock, whyMember, type WhyView } from "./why.ts";

const EPOCH = lock().epoch;
const made = (id: number, kind: string, member: string, epoch: number): ClusterEvent => ({
  index: id,
  id,
  at: `2026-01-01T00:00:0${id}.000Z`,
  member,
  kind,
  text: `${kind} ${member}`,
  facts: { epoch },
});
/** c crashed, gave its epoch back, and a was granted the next one. */
const EVENTS = linkEvents([
  made(1, "lock-granted", "c", EPOCH - 1),
  made(2, "postgres-crashed", "c", EPOCH - 1),
  made(3, "lock-released", "c", EPOCH - 1),
  made(4, "lock-granted", "a", EPOCH),
  made(5, "promoted", "a", EPOCH),
]);

function view(part: Partial<WhyView> = {}, dcs: Partial<DcsState> = {}): WhyView {
  return {
    dcs: cluster(dcs),
    dynamic: DYNAMIC,
    statuses: [seen(primaryStatus("a")), seen(status("b")), seen(status("c"))],
    witnesses: ["w"],
    events: EVENTS,
    primaryLsn: null,
    operatorNeeded: null,
    raftLeader: "b",
    waitsFor: null,
    own: null,
    ...part,
  };
}
const of = (name: string, change: Partial<MemberStatus>, ageMs = 100): Partial<WhyView> => ({
  statuses: [seen(primaryStatus("a")), seen(status("b")), seen(status("c"))].map((one) =>
    one.status.name === name ? { status: { ...one.status, ...change }, ageMs } : one
  ),
});
const free = (change: Partial<DcsState> = {}): Partial<DcsState> => ({
  lock: lock({ ...FREE, reason: "a has not renewed for 5 s" }),
  ...change,
});
const REQUEST: FailoverRecord & { revision: number } = {
  kind: "switchover",
  leader: "a",
  candidate: "b",
  scheduledAt: "2030-01-01T00:00:00Z",
  id: "r",
  accepted: false,
  epoch: 0,
  revision: 1,
};

const LOCK: readonly (readonly [situation: string, view: WhyView, ...expected: (string | RegExp)[]])[] = [
  [
    "a primary that takes writes",
    view({}, { lock: lock({ reason: "most advanced member" }) }),
    `a holds the lock under epoch ${EPOCH} since 2026-01-01T00:00:04.000+00:00: most advanced member.`,
    "It is the primary, and takes writes.",
  ],
  [
    "a sick primary",
    view(of("a", {
      ailments: [{ cause: "data-space", severity: "critical", since: "", detail: "1 GB left" }],
    })),
    /^a holds the lock/,
    "It is the primary, and takes writes.",
    "It is not well (data-space, critical): 1 GB left.",
  ],
  [
    "a holder that is being promoted",
    view({ ...of("a", { writable: false, role: "replica", state: "running" }), events: EVENTS.slice(0, 4) }),
    /^a holds the lock/,
    "It takes no writes yet: its PostgreSQL is running.",
  ],
  [
    "a holder that has not completed a write",
    view(of("a", { wroteUnder: 0 })),
    /^a holds the lock/,
    "It is the primary, and has not completed a write under this epoch yet.",
  ],
  [
    "a holder that cannot lead",
    view(
      of("a", {
        writable: false,
        state: "start failed",
        leadFailure: { at: "", why: "no space left", times: 2, sitsOut: false },
      }),
    ),
    /^a holds the lock/,
    "It takes no writes at present: its PostgreSQL is start failed.",
    "It could not become the primary: no space left.",
  ],
  [
    "a frozen holder without a majority",
    view({ ...of("a", { writable: false, role: "primary", state: "running" }), raftLeader: null }),
    /^a holds the lock/,
    "No raft leader is known: without a majority of the voters no lease is renewed.",
    "It takes no writes at present: its PostgreSQL is held back, as its lease is not renewed.",
  ],
  [
    "a primary that crashed under its epoch, and is back",
    view({
      events: linkEvents([
        made(5, "promoted", "a", EPOCH),
        made(6, "postgres-crashed", "a", EPOCH),
        made(8, "postgres-back", "a", EPOCH),
      ]),
    }),
    /^a holds the lock/,
    "It is the primary, and takes writes.",
    "Under this epoch it was interrupted once, at 2026-01-01T00:00:06.000+00:00: postgres-crashed a (#6); " +
    "it was back after 2.0 s.",
  ],
  [
    "a primary that was frozen and killed, after another freeze",
    view({
      events: linkEvents([
        made(4, "postgres-frozen", "a", EPOCH),
        made(5, "postgres-thawed", "a", EPOCH),
        made(6, "postgres-frozen", "a", EPOCH),
        made(7, "postgres-killed", "a", EPOCH),
      ]),
    }),
    /^a holds the lock/,
    "It is the primary, and takes writes.",
    "Under this epoch it was interrupted 2 times, last at 2026-01-01T00:00:06.000+00:00: postgres-frozen a (#6).",
  ],
  ["a silent holder", view(of("a", {}, 7000)), /^a holds the lock/, "a is not heard (for 7 s)."],
  [
    "an unfenced epoch in pause",
    view({ dynamic: { ...DYNAMIC, pause: true } }, { lock: lock({ unfenced: true }) }),
    /^a holds the lock/,
    "It is the primary, and takes writes.",
    "The cluster is in maintenance mode (pause): no member is promoted by itself.",
    "Its epoch is without a fence (maintenance mode): it does not end by itself.",
  ],
  [
    "a scheduled switchover",
    view({}, { failover: REQUEST }),
    /^a holds the lock/,
    "It is the primary, and takes writes.",
    "A switchover to b is scheduled at 2030-01-01T00:00:00Z.",
  ],
  [
    "an expired lock, asked of the raft leader",
    view({ waitsFor: "nobody can be promoted (b: not allowed to promote (nofailover))" }, free()),
    `Nobody holds the lock; a's epoch ${EPOCH} expired: a has not renewed for 5 s.`,
    "b, which leads the raft group, waits: nobody can be promoted (b: not allowed to promote (nofailover)).",
  ],
  [
    "an expired lock, asked of another member",
    view({}, free()),
    /^Nobody holds the lock/,
    "b leads the raft group and decides.",
  ],
  [
    "no majority",
    view({ raftLeader: null }, free()),
    /^Nobody holds the lock/,
    "No raft leader is known: without a majority of the voters nobody can be granted the lock.",
  ],
  [
    "a wait that only an operator ends",
    view({ operatorNeeded: "nobody can be promoted: a was a primary once" }, free()),
    /^Nobody holds the lock/,
    /^b leads/,
    "An operator is needed: nobody can be promoted: a was a primary once.",
  ],
  [
    "a cluster that is not initialized",
    view({}, free({ initialize: null })),
    "Nobody holds the lock: the cluster is not initialized, and no member bootstraps it.",
  ],
  [
    "a cluster whose founders have not met",
    view({ raftLeader: null }, free({ initialize: null })),
    /^Nobody holds the lock: the cluster is not initialized/,
    "No raft leader is known: without a majority of the voters nobody can be granted the lock.",
  ],
  [
    "a bootstrap",
    view({}, free({ initialize: { systemId: "", by: "c", incarnation: 1 } })),
    "Nobody holds the lock: c bootstraps the cluster.",
  ],
];

for (const [situation, one, ...expected] of LOCK) {
  test(`why, of the lock: ${situation}`, () => {
    const { answer } = whyLock(one);
    expect(answer.length).toBe(expected.length);
    for (const [nth, sentence] of expected.entries()) {
      if (typeof sentence === "string") expect(answer[nth]).toBe(sentence);
      else expect(answer[nth]).toMatch(sentence);
    }
  });
}

const MEMBER: readonly (readonly [situation: string, view: WhyView, name: string, ...expected: string[]])[] =
  [
    [
      "a healthy replica",
      view(of("b", { following: "a", replicationState: "streaming", receivedLsn: 83886408 })),
      "b",
      "b is a replica: its PostgreSQL is running, and streams from a.",
      "It could take over the lock, with the WAL up to 0/5000148.",
    ],
    [
      "a replica that does not stream",
      view(of("b", { following: "a", replicationState: null, nofailover: true })),
      "b",
      "b is a replica: its PostgreSQL is running, follows a and does not stream.",
      "It could not take over the lock: not allowed to promote (nofailover).",
    ],
    [
      "a member that needs a reinit, asked itself",
      view({
        ...of("b", {
          running: false,
          state: "stopped",
          following: null,
          needsReinit: "its history has diverged",
        }),
        own: { name: "b", reason: "waiting for a reinit", rule: "needs-reinit" },
      }),
      "b",
      "b is a replica: its PostgreSQL is stopped.",
      "It comes back by a reinit only: its history has diverged.",
      "Its agent says: waiting for a reinit (rule needs-reinit).",
      "It could not take over the lock: PostgreSQL is stopped.",
    ],
    [
      "a sick member",
      view(of("b", {
        following: null,
        ailments: [{ cause: "data-space", severity: "critical", since: "", detail: "1 GB left" }],
      })),
      "b",
      "b is a replica: its PostgreSQL is running.",
      "It is not well (data-space, critical): 1 GB left.",
      "It could take over the lock, with the WAL up to 0/3E8.",
    ],
    ["a silent member", view(of("b", {}, 61_000)), "b", "b is not heard (for 61 s)."],
    ["a witness", view(), "w", "w is a witness: it votes, and has no PostgreSQL."],
  ];

for (const [situation, one, name, ...expected] of MEMBER) {
  test(`why, of a member: ${situation}`, () => expect(whyMember(one, name)?.answer).toEqual(expected));
}

test("of the holder the answer is that of the lock, of a stranger there is none", () => {
  expect(whyMember(view(), "a")).toEqual({ ...whyLock(view()), member: "a" });
  expect(whyMember(view(), "z")).toBeNull();
  expect(whyMember(view(), "constructor")).toBeNull();
});

test("the chain goes back from the holder's first write to the first cause", () => {
  expect(whyLock(view()).chain.map(({ kind }) => kind)).toEqual([
    "postgres-crashed",
    "lock-released",
    "lock-granted",
    "promoted",
  ]);
  // While nobody holds the lock: how the last epoch ended.
  expect(whyLock(view({}, free())).chain.map(({ kind }) => kind)).toEqual([
    "postgres-crashed",
    "lock-released",
  ]);
  expect(whyMember(view(), "c")!.chain.map(({ kind }) => kind)).toEqual([
    "postgres-crashed",
    "lock-released",
  ]);
});

test("before the holder's first write the chain ends with its grant, not with an earlier primary's write", () => {
  const events = linkEvents([
    made(1, "lock-granted", "c", EPOCH - 1),
    made(2, "promoted", "c", EPOCH - 1),
    made(3, "lock-expired", "c", EPOCH - 1),
    made(4, "lock-granted", "a", EPOCH),
  ]);
  expect(whyLock(view({ events })).chain.map(({ id }) => id)).toEqual([3, 4]);
});

test("members that could not take over are named with the code and the words of the decision", () => {
  const statuses = [
    seen(primaryStatus("a")),
    seen(status("b", { shuttingDown: true })),
    seen(status("c"), 9000),
  ];
  expect(whyLock(view({ statuses })).unfit).toEqual([
    { member: "b", code: "shutting-down", why: "is shutting down" },
    { member: "c", code: "not-heard", why: "not heard (for 9 s)" },
  ]);
});

test("no rule of a member has the name of a rule of the raft leader: decisions are told apart by them", () => {
  const ofCluster = [...CLUSTER_RULES.map(({ name }) => name), HELD];
  expect(RULES.map(({ name }) => name).filter((name) => ofCluster.includes(name))).toEqual([]);
});

test("a member's chain ends with what happened last, not with what was told last", () => {
  const events = linkEvents([
    made(1, "postgres-crashed", "b", EPOCH),
    { ...made(2, "postgres-back", "b", EPOCH), at: "2026-01-01T00:00:09.000Z" },
    made(3, "postgres-crashed", "b", EPOCH),
  ]);
  expect(whyMember(view({ events }), "b")!.chain.map(({ id }) => id)).toEqual([1, 2]);
});
