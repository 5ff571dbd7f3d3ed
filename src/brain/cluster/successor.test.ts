import { expect, test } from "bun:test";
import { EPOCHS_PER_CLUSTER_EPOCH, recoveredState } from "../../dcs/recovered.ts";
import type { MemberStatus } from "../../model/member_status.ts";
import type { DcsState } from "../../model/records.ts";
import { ineligible } from "./candidate.ts";
import { recordOf } from "../../sync/record.ts";
import { chooseSuccessor } from "./successor.ts";
import { type SuccessorView } from "./successor_view.ts";
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

const RELEASED = lock({ ...FREE, ended: { how: "released", lsn: 1200, timeline: 1 } });
const request = (kind: "switchover" | "failover", candidate: string | null) =>
  ({
    kind,
    leader: kind === "switchover" ? "a" : null,
    candidate,
    scheduledAt: null,
    id: "x",
    accepted: true,
    epoch: 3,
    revision: 9,
  }) as const;
const stoppedPrimary = (name: string, change = {}) =>
  status(name, {
    running: false,
    primaryDirectory: true,
    state: "stopped",
    diskLsn: 1100,
    receivedLsn: null,
    replayedLsn: null,
    ...change,
  });

/** The lease has run out: that which nobody holds, or of a grant after it. */
const expired = (dcs: DcsState, grants: number): DcsState => ({
  ...dcs,
  lock: lock({ ...dcs.lock, ...FREE, epoch: dcs.lock.epoch + grants }),
});

const PROMOTED_BY_OTHERS = { timeline: 2, walLsn: 2000, receivedLsn: null, replayedLsn: null };

const SICK = {
  ailments: [{ cause: "data-space", severity: "critical", since: "t", detail: "full" }],
} as const;
const UNWELL = { ailments: [{ ...SICK.ailments[0], cause: "checksum-failures" }] } as const;
const WARNED = { ailments: [{ ...SICK.ailments[0], severity: "warning" }] } as const;
const WELL = { ailments: [] };
const UNABLE = { leadFailure: { at: "t", why: "a full disk", times: 1, sitsOut: true } } as const;

const NEW_EPOCH = { epochSeen: EPOCHS_PER_CLUSTER_EPOCH };

/**
 * A cluster that was recovered, and as much later lost its first `grants` primaries; c is a former one that
 * is stopped.
 */
function recovered(
  { grants = 0, coldForMs = 300_000, others = [], failover = null }: {
    grants?: number;
    coldForMs?: number;
    others?: SuccessorView["statuses"];
    failover?: SuccessorView["dcs"]["failover"];
  },
): SuccessorView {
  const dcs = recoveredState(cluster(), { survivor: "b", at: "" });
  // Of those who have joined the new cluster.
  const present = ["c", ...others.map(({ status }) => status.name)];
  const members = Object.fromEntries(
    Object.entries(cluster().members).filter(([name]) => present.includes(name)),
  );
  return succession({
    dcs: { ...expired({ ...dcs, members }, grants), failover },
    statuses: [...others, seen(stoppedPrimary("c", { epochSeen: EPOCHS_PER_CLUSTER_EPOCH + grants }))],
    reachableAtFree: ["c"],
    freeForMs: 300_000,
    warm: false,
    coldForMs,
  });
}

type Other = readonly [what: string, ageMs: number, change: Partial<MemberStatus>];

const BETTER: readonly Other[] = [
  ["it starts", 100, { timeline: 4, running: false, state: "starting" }],
  ["with a later position on the same timeline", 100, { running: false, diskLsn: 1101 }],
  ["its guard is not there yet", 100, { timeline: 4, guard: "none" }],
  ["it has not looked yet", 100, { timeline: 4, epochSeen: 2 }],
  ["it lasts, and an operator has to say whose data is to go", 100, { timeline: 4, nofailover: true }],
  ["its agent is being restarted", 299_000, { timeline: 4, nofailover: true }],
  ["its system identifier is not known yet", 100, { timeline: 4, systemId: null, running: false }],
];
const NOT_BETTER: readonly Other[] = [
  ["an earlier position", 100, { receivedLsn: 1099 }],
  ["an earlier timeline", 100, { timeline: 0, receivedLsn: 5000 }],
  ["another system identifier", 100, { timeline: 4, systemId: "1" }],
  ["no usable directory", 100, { timeline: 4, directoryUsable: false }],
  ["it is gone for longer than primary_start_timeout", 300_001, { timeline: 4 }],
];

const CASES: [string, SuccessorView, string | null][] = [
  ["equal members: by name", succession(), "b"],
  [
    "the member with more WAL wins",
    succession({ statuses: [seen(status("b")), seen(status("c", { receivedLsn: 1010 }))] }),
    "c",
  ],
  [
    "a later timeline outranks more WAL",
    succession({ statuses: [seen(status("b", { receivedLsn: 2000 })), seen(status("c", { timeline: 2 }))] }),
    "c",
  ],
  [
    "at equal WAL one that is not sick wins, whatever its priority",
    succession({ statuses: [seen(status("b", { ...SICK, failoverPriority: 9 })), seen(status("c"))] }),
    "c",
  ],
  [
    "a sick member with more WAL wins: nothing is lost for its health",
    succession({ statuses: [seen(status("b", { ...SICK, receivedLsn: 1001 })), seen(status("c"))] }),
    "b",
  ],
  [
    "an ailment that a change of the primary does not mend makes no member sick: the priority goes before",
    succession({ statuses: [seen(status("b")), seen(status("c", { ...UNWELL, failoverPriority: 2 }))] }),
    "c",
  ],
  [
    "at equal priority one without wrong checksums wins, however far it has replayed",
    succession({ statuses: [seen(status("b", UNWELL)), seen(status("c", { ...WELL, replayedLsn: 900 }))] }),
    "c",
  ],
  [
    "one that has looked and is well goes before one with a warning",
    succession({ statuses: [seen(status("b", WARNED)), seen(status("c", WELL))] }),
    "c",
  ],
  [
    "one that has looked and is well goes before one of which nothing is known",
    succession({ statuses: [seen(status("b", { ailments: undefined })), seen(status("c", WELL))] }),
    "c",
  ],
  [
    "where all are sick one of them is chosen",
    succession({ statuses: [seen(status("b", SICK)), seen(status("c", SICK))] }),
    "b",
  ],
  [
    "at equal WAL the priority decides",
    succession({ statuses: [seen(status("b")), seen(status("c", { failoverPriority: 2 }))] }),
    "c",
  ],
  [
    "at equal priority the least replay lag decides",
    succession({ statuses: [seen(status("b", { replayedLsn: 900 })), seen(status("c"))] }),
    "c",
  ],
  [
    "nofailover is never chosen",
    succession({ statuses: [seen(status("b", { nofailover: true, receivedLsn: 2000 })), seen(status("c"))] }),
    "c",
  ],
  [
    "who lags beyond the limit is not chosen",
    succession({
      primaryLsn: 3_000_000,
      statuses: [seen(status("b")), seen(status("c", { receivedLsn: 2_500_000 }))],
    }),
    "c",
  ],
  ["nobody within the lag limit: nobody is chosen", succession({ primaryLsn: 3_000_000 }), null],
  [
    "a watchdog that failed, a guard that is gone or a shutdown excludes",
    succession({
      statuses: [
        seen(status("b", { watchdogFailed: true })),
        seen(status("c", { guard: "none" })),
        seen(status("d", { shuttingDown: true })),
      ],
    }),
    null,
  ],
  [
    "a member that could not become a primary a moment ago sits out",
    succession({ statuses: [seen(status("b", UNABLE)), seen(status("c"))] }),
    "c",
  ],
  [
    "with nobody else its time is waited for",
    succession({ statuses: [seen(status("b", UNABLE))], freeForMs: 60_000 }),
    null,
  ],
  [
    "after that it may be chosen again",
    succession({
      statuses: [seen(status("b", { leadFailure: { ...UNABLE.leadFailure, sitsOut: false } }))],
      freeForMs: 300,
    }),
    "b",
  ],
  [
    "a standby that others have promoted does not come before it",
    succession({
      statuses: [seen(status("b", UNABLE)), seen(status("c", PROMOTED_BY_OTHERS))],
      freeForMs: 60_000,
    }),
    null,
  ],
  [
    "an operator may name it for a failover",
    succession({
      dcs: cluster({ lock: lock(FREE), failover: request("failover", "b") }),
      statuses: [seen(status("b", UNABLE)), seen(status("c"))],
    }),
    "b",
  ],
  [
    "once it has had its try for that request, others come first",
    succession({
      dcs: cluster({
        lock: lock({ ...FREE, lastHolder: "a" }),
        failover: { ...request("failover", "b"), epoch: 2 },
      }),
      statuses: [seen(status("b", UNABLE)), seen(status("c"))],
    }),
    "c",
  ],
  [
    "a former primary that sits out is not waited for, although it has more",
    succession({
      dcs: cluster({
        lock: lock({ ...FREE, lastHolder: "a", ended: { how: "released", lsn: 5000, timeline: 1 } }),
      }),
      statuses: [
        seen(status("a", { ...UNABLE, primaryDirectory: true, running: false, receivedLsn: 5000 })),
        seen(status("b")),
        seen(status("c")),
      ],
      freeForMs: 300,
    }),
    "b",
  ],
  [
    "a member of another system identifier is excluded",
    succession({ statuses: [seen(status("b", { systemId: "1" })), seen(status("c"))] }),
    "c",
  ],
  [
    "check_timeline excludes who is behind the last switch",
    succession({
      dynamic: { ...DYNAMIC, checkTimeline: true },
      dcs: cluster({ lock: lock(FREE), history: [[1, 500, "", "", "a"]] }),
    }),
    null,
  ],
  // Waiting for reports.
  [
    "a reachable member that has not reported yet is waited for",
    succession({ statuses: [seen(status("b")), seen(status("c", { lockFreeSeen: false }))] }),
    null,
  ],
  [
    "its report on another epoch is none",
    succession({ statuses: [seen(status("b")), seen(status("c", { epochSeen: 2 }))] }),
    null,
  ],
  [
    "but not longer than 200 ms",
    succession({ freeForMs: 201, statuses: [seen(status("b")), seen(status("c", { epochSeen: 2 }))] }),
    "b",
  ],
  [
    "a standby that others have promoted comes after all others, for all its timeline",
    succession({ statuses: [seen(status("b", PROMOTED_BY_OTHERS)), seen(status("c"))] }),
    "c",
  ],
  [
    "and is chosen when nobody else is there",
    succession({ statuses: [seen(status("b", PROMOTED_BY_OTHERS))], reachableAtFree: ["b"] }),
    "b",
  ],
  [
    "what it wrote is not what the holder wrote before it stopped",
    succession({
      dcs: cluster({ lock: RELEASED }),
      statuses: [
        seen(stoppedPrimary("a", { diskLsn: 1200 })),
        seen(status("b", PROMOTED_BY_OTHERS)),
        seen(status("c")),
      ],
    }),
    "a",
  ],
  [
    "after a lease that ran out, too, the former holder goes before it",
    succession({
      statuses: [seen(stoppedPrimary("a")), seen(status("b", PROMOTED_BY_OTHERS))],
      reachableAtFree: ["b"],
    }),
    "a",
  ],
  [
    "but not before any other standby",
    succession({
      statuses: [seen(stoppedPrimary("a")), seen(status("b", PROMOTED_BY_OTHERS)), seen(status("c"))],
    }),
    "c",
  ],
  [
    "a former holder that is heard, and has not reported yet, is waited for",
    succession({
      statuses: [seen(stoppedPrimary("a", { epochSeen: 2 })), seen(status("b", PROMOTED_BY_OTHERS))],
      reachableAtFree: ["b"],
      freeForMs: 4999,
    }),
    null,
  ],
  ...[4999, 5000].map((freeForMs): [string, SuccessorView, string | null] => [
    `so is any other standby (${freeForMs} ms)`,
    succession({
      statuses: [seen(status("b", PROMOTED_BY_OTHERS)), seen(status("c", { lockFreeSeen: false }))],
      freeForMs,
    }),
    freeForMs < 5000 ? null : "b",
  ]),
  [
    "one that cannot be chosen is not waited for",
    succession({
      statuses: [
        seen(status("b", PROMOTED_BY_OTHERS)),
        seen(status("c", { lockFreeSeen: false, nofailover: true })),
      ],
      freeForMs: 201,
    }),
    "b",
  ],
  [
    "one that lacks the end of a clean stop goes before it",
    succession({
      dcs: cluster({ lock: RELEASED }),
      statuses: [seen(status("b", PROMOTED_BY_OTHERS)), seen(status("c"))],
    }),
    "c",
  ],
  [
    "in a cold start it comes last, too",
    succession({
      warm: false,
      coldForMs: 300_000,
      statuses: [seen(status("b", PROMOTED_BY_OTHERS)), seen(status("c"))],
    }),
    "c",
  ],
  ...(["failover", "switchover"] as const).map((kind): [string, SuccessorView, string | null] => [
    `an operator gets it by naming it for a failover, not for a switchover (${kind})`,
    succession({
      dcs: cluster({ lock: lock(FREE), failover: request(kind, "b") }),
      statuses: [seen(status("b", PROMOTED_BY_OTHERS)), seen(status("c"))],
    }),
    kind === "failover" ? "b" : "c",
  ]),
  [
    "nor after a clean stop: what it lacks is known to be lost then",
    succession({
      dcs: cluster({ lock: RELEASED, failover: request("failover", "b") }),
      statuses: [seen(status("b", PROMOTED_BY_OTHERS)), seen(status("c", { receivedLsn: 1200 }))],
    }),
    "c",
  ],
  ...([
    ["it is not heard any more", {}, 1200],
    [
      "it has no more than the others, whatever its priority",
      { receivedLsn: 1000, failoverPriority: 9 },
      100,
    ],
    ["an earlier timeline", { timeline: 0 }, 100],
    ["it may not be promoted", { nofailover: true }, 100],
    ["it sits out", UNABLE, 100],
    ["others have promoted it", { ...PROMOTED_BY_OTHERS }, 100],
  ] as const).map(([what, change, ageMs]): [string, SuccessorView, string | null] => [
    `nobody is waited for longer than that otherwise: ${what}`,
    succession({
      freeForMs: 201,
      statuses: [
        seen(status("b")),
        seen(status("c", { lockFreeSeen: false, receivedLsn: 2000, ...change }), ageMs),
      ],
    }),
    "b",
  ]),
  [
    "nor is the last holder, that lost its lease",
    succession({
      freeForMs: 201,
      statuses: [seen(primaryStatus("a", { walLsn: 2000 })), seen(status("b")), seen(status("c"))],
    }),
    "b",
  ],
  [
    "nor anybody, after a clean stop, once one has everything",
    succession({
      dcs: cluster({ lock: RELEASED }),
      freeForMs: 201,
      statuses: [
        seen(status("b", { receivedLsn: 1200 })),
        seen(status("c", { lockFreeSeen: false, receivedLsn: 1300 })),
      ],
    }),
    "b",
  ],
  [
    "a member whose WAL still grows is waited for",
    succession({ statuses: [seen(status("b")), seen(status("c", { walSettled: false }))] }),
    null,
  ],
  [
    "one that has the released position needs not settle",
    succession({
      dcs: cluster({ lock: RELEASED }),
      statuses: [seen(status("b", { receivedLsn: 1200, walSettled: false }))],
      reachableAtFree: ["b"],
    }),
    "b",
  ],
  [
    "a silent host is not waited for when it was silent before",
    succession({ statuses: [seen(status("b")), seen(status("c"), 5000)], reachableAtFree: ["b"] }),
    "b",
  ],
  // The former holder.
  [
    "the former holder is passed over for a standby",
    succession({ statuses: [seen(stoppedPrimary("a")), seen(status("b"))], reachableAtFree: ["b"] }),
    "b",
  ],
  [
    "alone, it gets the lock back after a while",
    succession({ statuses: [seen(stoppedPrimary("a"))], reachableAtFree: ["a"], freeForMs: 2000 }),
    "a",
  ],
  [
    "alone, it does not get it back at once",
    succession({ statuses: [seen(stoppedPrimary("a"))], reachableAtFree: ["a"], freeForMs: 500 }),
    null,
  ],
  [
    "a stopped primary that was not the last holder is never chosen",
    succession({
      statuses: [seen(stoppedPrimary("c", { diskLsn: 9000 }))],
      reachableAtFree: ["c"],
      freeForMs: 9000,
    }),
    null,
  ],
  // In a cluster that was recovered nobody knows who was the last.
  ...[0, 1].map((grants): [string, SuccessorView, string | null] => [
    `but it is in a cluster that was recovered, until somebody is granted the lock (${grants} grants)`,
    recovered({ grants }),
    grants === 0 ? "c" : null,
  ]),
  ["and there not before primary_start_timeout", recovered({ coldForMs: 299_000 }), null],
  ...BETTER.map(([what, ageMs, change]): [string, SuccessorView, string | null] => [
    `nor while somebody has more, whatever keeps it away: ${what}`,
    recovered({ others: [seen(status("b", { ...NEW_EPOCH, ...change }), ageMs)] }),
    null,
  ]),
  ...NOT_BETTER.map(([what, ageMs, change]): [string, SuccessorView, string | null] => [
    `nobody is waited for that has no more: ${what}`,
    recovered({ others: [seen(status("b", { ...NEW_EPOCH, running: false, ...change }), ageMs)] }),
    "c",
  ]),
  [
    "a member that can be promoted goes before it, with less even",
    recovered({ others: [seen(status("b", { ...NEW_EPOCH, receivedLsn: 40 }))] }),
    "b",
  ],
  [
    "nor is one waited for that was removed",
    { ...recovered({ others: [seen(status("b", { ...NEW_EPOCH, nofailover: true }))] }), removed: ["b"] },
    "c",
  ],
  [
    "of several the one that has most",
    recovered({ others: [seen(stoppedPrimary("b", { ...NEW_EPOCH, diskLsn: 1101 }))] }),
    "b",
  ],
  [
    "an operator who names it gets it at once",
    recovered({
      coldForMs: 10,
      failover: request("failover", "c"),
      others: [seen(status("b", { ...NEW_EPOCH, timeline: 4, nofailover: true }))],
    }),
    "c",
  ],
  [
    "after a clean stop, a member that has everything is preferred to the candidate that lacks some",
    succession({
      dcs: cluster({ lock: RELEASED, failover: request("switchover", "c") }),
      statuses: [seen(status("b", { receivedLsn: 1200 })), seen(status("c", { receivedLsn: 1100 }))],
    }),
    "b",
  ],
  [
    "after a clean stop, the former holder gets the lock back when nobody has everything",
    succession({
      dcs: cluster({ lock: RELEASED, failover: request("switchover", "c") }),
      statuses: [seen(stoppedPrimary("a", { diskLsn: 1200 })), seen(status("b")), seen(status("c"))],
    }),
    "a",
  ],
  [
    "after a clean stop, the former holder is waited for when only it has everything and it has not reported",
    succession({
      dcs: cluster({ lock: RELEASED }),
      freeForMs: 1000,
      statuses: [
        seen(stoppedPrimary("a", { epochSeen: 2, diskLsn: 1200 })),
        seen(status("b")),
        seen(status("c")),
      ],
    }),
    null,
  ],
  [
    "after a clean stop whose member is gone, the most advanced one is taken",
    succession({
      dcs: cluster({ lock: RELEASED }),
      statuses: [seen(status("b")), seen(status("c", { receivedLsn: 1001 }))],
    }),
    "c",
  ],
  [
    "after a clean stop, WAL of another history does not count, whatever its position",
    succession({
      dcs: cluster({ lock: RELEASED }),
      statuses: [
        seen(stoppedPrimary("a", { diskLsn: 1200, streamedTo: ["b"] })),
        seen(status("b")),
        seen(status("c", { receivedLsn: 5000 })),
      ],
    }),
    "a",
  ],
  [
    "who has streamed from the lost holder goes before a stranger with more WAL",
    succession({
      statuses: [
        seen(primaryStatus("a", { streamedTo: ["b"] }), 6000),
        seen(status("b")),
        seen(status("c", { timeline: 2, receivedLsn: 5000 })),
      ],
    }),
    "b",
  ],
  [
    "a former primary's word about an earlier epoch says nothing",
    succession({
      statuses: [
        seen(primaryStatus("a", { epochSeen: 2, streamedTo: ["b"] }), 6000),
        seen(status("b")),
        seen(status("c", { receivedLsn: 5000 })),
      ],
    }),
    "c",
  ],
  [
    "who is being removed from the raft group is not chosen, and not waited for",
    succession({
      removed: ["b"],
      statuses: [seen(status("b", { receivedLsn: 2000, lockFreeSeen: false })), seen(status("c"))],
    }),
    "c",
  ],
  [
    "nor is it when an operator asked for it",
    succession({
      dcs: cluster({ lock: RELEASED, failover: request("failover", "b") }),
      removed: ["b"],
      statuses: [seen(status("b", { receivedLsn: 1200 })), seen(status("c", { receivedLsn: 1200 }))],
    }),
    "c",
  ],
  [
    "nor when it bootstraps",
    succession({
      dcs: cluster({ lock: lock(FREE), initialize: { systemId: "", by: "b", incarnation: 1 } }),
      removed: ["b"],
      statuses: [seen(status("b", { bootstrapReady: true }))],
    }),
    null,
  ],
  [
    "nor another machine of its name, which could not use the grant",
    succession({
      dcs: cluster({ lock: lock(FREE), initialize: { systemId: "", by: "b", incarnation: 1 } }),
      statuses: [seen(status("b", { bootstrapReady: true, life: life("b", { machine: "other" }) }))],
    }),
    null,
  ],
  // Requests.
  [
    "the candidate of a switchover is chosen",
    succession({
      dcs: cluster({ lock: RELEASED, failover: request("switchover", "c") }),
      statuses: [seen(status("b", { receivedLsn: 1300 })), seen(status("c", { receivedLsn: 1200 }))],
    }),
    "c",
  ],
  [
    "a candidate that has not everything yet is waited for",
    succession({
      dcs: cluster({ lock: RELEASED, failover: request("switchover", "c") }),
      freeForMs: 1000,
      statuses: [seen(status("b")), seen(status("c", { walSettled: false }))],
    }),
    null,
  ],
  [
    "a candidate that died is replaced by whoever is best",
    succession({
      dcs: cluster({ lock: RELEASED, failover: request("switchover", "c") }),
      freeForMs: 300,
      statuses: [seen(status("b")), seen(status("c"), 3000)],
    }),
    "b",
  ],
  [
    "a manual failover ignores the lag limit",
    succession({
      primaryLsn: 9_000_000,
      dcs: cluster({ lock: lock(FREE), failover: request("failover", "c") }),
    }),
    "c",
  ],
  [
    "a manual failover to nofailover is not carried out",
    succession({
      dcs: cluster({ lock: lock(FREE), failover: request("failover", "c") }),
      statuses: [seen(status("b")), seen(status("c", { nofailover: true }))],
    }),
    "b",
  ],
  // Cold start.
  [
    "cold start: the last holder gets it when it is there",
    succession({
      warm: false,
      reachableAtFree: ["a", "b"],
      statuses: [seen(stoppedPrimary("a")), seen(status("b", { receivedLsn: 5000 }))],
    }),
    "a",
  ],
  [
    "cold start: the last holder is waited for",
    succession({ warm: false, coldForMs: 60_000, freeForMs: 60_000 }),
    null,
  ],
  [
    "cold start: not beyond primary_start_timeout",
    succession({ warm: false, coldForMs: 300_001, freeForMs: 300_001 }),
    "b",
  ],
  [
    "cold start: nobody is waited for when all are present",
    succession({
      warm: false,
      statuses: [
        seen(status("a", { directoryUsable: false, running: false })),
        seen(status("b")),
        seen(status("c")),
      ],
      reachableAtFree: ["a", "b", "c"],
    }),
    "b",
  ],
  [
    "cold start: a manual failover ends the wait",
    succession({ warm: false, dcs: cluster({ lock: lock(FREE), failover: request("failover", "c") }) }),
    "c",
  ],
  // Bootstrap.
  [
    "nobody before the cluster is initialized",
    succession({ dcs: cluster({ lock: lock({ epoch: 0, holder: null }), initialize: null }) }),
    null,
  ],
  [
    "the bootstrapping member once it is ready",
    succession({
      dcs: cluster({
        lock: lock({ epoch: 0, holder: null }),
        initialize: { systemId: "", by: "c", incarnation: 1 },
      }),
      statuses: [seen(primaryStatus("c", { bootstrapReady: true }))],
    }),
    "c",
  ],
  [
    "nobody else while it is not ready",
    succession({
      dcs: cluster({
        lock: lock({ epoch: 0, holder: null }),
        initialize: { systemId: "", by: "c", incarnation: 1 },
      }),
    }),
    null,
  ],
];

for (const [name, view, expected] of CASES) {
  test(name, () => {
    const choice = chooseSuccessor(view);
    expect(choice.kind === "grant" ? choice.to : null).toBe(expected);
    expect(choice.reason).not.toBe("");
  });
}

test.each([{ lockFreeSeen: false }, { epochSeen: 2 }])(
  "a member with more WAL is waited for while its report is late: %j",
  (late) => {
    const statuses = [seen(status("b")), seen(status("c", { ...late, receivedLsn: 1001 }))];
    expect(chooseSuccessor(succession({ freeForMs: 4999, statuses }))).toEqual({
      kind: "wait",
      reason: "c has more than the others: waiting for its report",
    });
    expect(chooseSuccessor(succession({ freeForMs: 5000, statuses }))).toMatchObject({ to: "b" });
  },
);

test("a grant says whether anything that was acknowledged may be lost", () => {
  const complete = (view: SuccessorView) => {
    const choice = chooseSuccessor(view);
    return choice.kind === "grant" && choice.complete;
  };
  expect(
    complete(
      succession({
        dcs: cluster({ lock: RELEASED }),
        statuses: [seen(status("b", { receivedLsn: 1200 }))],
        reachableAtFree: ["b"],
      }),
    ),
  ).toBe(true);
  expect(complete(succession({ dcs: cluster({ lock: RELEASED }) }))).toBe(false);
  expect(complete(succession())).toBe(false);
});

test("in pause the lock goes to nobody but the candidate of a request", () => {
  const dynamic = { ...DYNAMIC, pause: true };
  expect(chooseSuccessor(succession({ dynamic, freeForMs: 60_000 })).kind).toBe("wait");
  const dcs = cluster({ lock: lock(FREE), failover: request("failover", "c") });
  expect(chooseSuccessor(succession({ dynamic, dcs }))).toMatchObject({ kind: "grant", to: "c" });
});

const urls = (...names: string[]) =>
  Object.fromEntries(names.map((name) => [name, cluster().members[name]!.apiUrl]));

test("only members of the failsafe set that is logged may succeed its holder", () => {
  const failsafe = { epoch: 3, holder: "a", members: urls("a", "b"), revision: 9 };
  const view = succession({
    dcs: cluster({ lock: lock(FREE), failsafe }),
    statuses: [seen(status("b", { receivedLsn: 900 })), seen(status("c"))],
  });
  expect(chooseSuccessor(view)).toMatchObject({ kind: "grant", to: "b" });
  const alone = { ...view, statuses: [seen(status("c"))], reachableAtFree: ["c"] };
  expect(chooseSuccessor(alone)).toMatchObject({
    kind: "wait",
    reason: expect.stringContaining("c: is not in the failsafe set of epoch 3"),
  });
});

test("in pause a primary that stepped down for a request which nobody can follow gets the lock back", () => {
  const released = lock({ ...FREE, ended: { how: "released", lsn: 2000, timeline: 1 } });
  const choose = (change: object) =>
    chooseSuccessor(succession({
      dynamic: { ...DYNAMIC, pause: true },
      dcs: cluster({ lock: released, failover: SWITCHOVER }),
      // b has not got the end of what a wrote.
      statuses: [
        seen(status("a", { running: false, primaryDirectory: true, diskLsn: 2000 })),
        seen(status("b")),
      ],
      freeForMs: 6000,
      ...change,
    }));
  expect(choose({})).toMatchObject({ kind: "grant", to: "a" });
  expect(choose({ freeForMs: 1000 }).kind).toBe("wait");
  expect(choose({ dcs: cluster({ lock: released }) }).kind).toBe("wait");
});

test("a former primary that runs read-only is no candidate, unless it was the last holder", () => {
  const former = status("c", { primaryDirectory: true });
  expect(ineligible(former, succession())).toEqual({ code: "former-primary" });
  expect(ineligible(status("a", { primaryDirectory: true }), succession())).toBe(null);
});

test("a former primary is named by an operator where nobody can take over, and never chosen by itself", () => {
  const former = seen(status("c", { running: false, state: "stopped", primaryDirectory: true }));
  const failover = { ...SWITCHOVER, kind: "failover" as const, leader: null, candidate: "c" };
  const choose = (change: object, statuses = [former]) =>
    chooseSuccessor(succession({
      dcs: cluster({
        lock: lock({ ...FREE, ended: { how: "expired", lsn: null, timeline: null } }),
        ...change,
      }),
      statuses,
      reachableAtFree: ["c"],
      freeForMs: 60_000,
    }));
  expect(choose({}).kind).toBe("wait");
  expect(choose({ failover })).toMatchObject({ kind: "grant", to: "c" });
  // A standby that can take over has come meanwhile.
  expect(choose({ failover }, [former, seen(status("b"))])).toMatchObject({ kind: "grant", to: "b" });
});

/** a was the leader of b and c, either of which may have acknowledged. */
const SYNC = { ...recordOf("a", "data-a", { b: "data-b", c: "data-c" }, 1), revision: 5 };
const cut = (name: string, lsn: number | null, change: Partial<MemberStatus> = {}) =>
  status(name, {
    dataToken: `data-${name}`,
    receivedLsn: lsn,
    replayedLsn: lsn,
    following: null,
    ...(lsn === null ? {} : { cut: { epoch: 3, timeline: 1, lsn } }),
    ...change,
  });
const promised = (statuses: readonly MemberStatus[], change: Partial<DcsState> = {}) =>
  succession({
    dcs: cluster({ lock: lock(FREE), sync: SYNC, ...change }),
    statuses: statuses.map((one) => seen(one)),
    freeForMs: 60_000,
  });

test.each<[string, SuccessorView, string | RegExp]>([
  ["both have reported: the most advanced", promised([cut("b", 1000), cut("c", 1100)]), "c"],
  ["one is not cut off", promised([cut("b", 1000), cut("c", null)]), /2 of b, c/],
  ["one is not heard", promised([cut("b", 1000)]), /2 of b, c/],
  [
    "nobody is waited for, since whoever is chosen has all of them",
    {
      ...promised([cut("b", 1000), status("c", { lockFreeSeen: false, receivedLsn: 2000 })], {
        sync: { ...recordOf("a", "data-a", { b: "data-b" }, 0), revision: 5 },
      }),
      freeForMs: 201,
    },
    "b",
  ],
  ["one has other data", promised([cut("b", 1000), cut("c", 10, { dataToken: "anew" })]), /2 of b, c/],
  [
    "the most advanced may not be promoted",
    promised([cut("b", 1000), cut("c", 1100, { nofailover: true })]),
    /nofailover/,
  ],
  [
    "as advanced as the other, which may not",
    promised([cut("b", 1100), cut("c", 1100, { nofailover: true })]),
    "b",
  ],
  ["a lag does not count", { ...promised([cut("b", 1000), cut("c", 1000)]), primaryLsn: 1e12 }, "b"],
  [
    "only the leader may be chosen",
    promised([cut("b", 1000), cut("c", 1000)], {
      sync: { ...recordOf("a", "data-a", {}, 0), revision: 5 },
    }),
    /nobody else or it alone/,
  ],
  ["it was the last holder", promised([stoppedPrimary("a", { dataToken: "data-a" })]), "a"],
  ["it was, and has other data", promised([stoppedPrimary("a", { dataToken: "anew" })]), /2 of b, c/],
  [
    "a clean end: one that has all",
    promised([cut("b", null, { receivedLsn: 1200 })], { lock: RELEASED }),
    "b",
  ],
  [
    "a clean end: one that lacks some",
    promised([cut("b", null, { receivedLsn: 1199 })], { lock: RELEASED }),
    /2 of b, c/,
  ],
  [
    "a clean end: a later timeline is another history",
    promised([
      cut("b", null, { receivedLsn: 1300, timeline: 2 }),
    ], { lock: RELEASED }),
    /2 of b, c/,
  ],
  ["a failover to a named member", promised([cut("b", 1000)], { failover: request("failover", "b") }), "b"],
  [
    "a switchover to a named member",
    promised([cut("b", 1000)], { failover: request("switchover", "b") }),
    /2 of b, c/,
  ],
  [
    "after a recovery",
    promised([cut("b", 1000), cut("c", 1000)], {
      sync: { leader: null, syncStandby: [], quorum: 0, revision: 5, unknown: true },
    }),
    /is not known/,
  ],
])("acknowledged transactions are promised: %s", (_, view, to) => {
  const choice = chooseSuccessor(view);
  if (typeof to === "string") expect(choice).toMatchObject({ kind: "grant", to });
  else expect(choice).toMatchObject({ kind: "wait", reason: expect.stringMatching(to) });
});
