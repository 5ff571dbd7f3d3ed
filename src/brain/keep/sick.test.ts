/** A holder whose host or PostgreSQL is sick. */
import { expect, test } from "bun:test";
import fc from "fast-check";
import { type Ailment, AILMENT_CAUSES } from "../../model/ailment.ts";
import type { MemberStatus } from "../../model/member_status.ts";
import type { OwnAilment } from "../health/course.ts";
import {
  cluster,
  DYNAMIC,
  holder,
  postgres,
  PRIMARY_DIRECTORY,
  primaryStatus,
  RUNNING_PRIMARY,
  seen,
  status,
  STOPPED,
  SWITCHOVER,
} from "../testing.ts";
import { keep } from "./rules.ts";
import { SICK_HAND_OVER, SICK_LET_GO } from "./sick.ts";
import {
  type Case,
  decides,
  FAST,
  FAST_AFTER_CHECKPOINT,
  KILL,
  LET_GO,
  PAUSED,
  RELEASE,
  START_PRIMARY,
} from "./testing.ts";
import type { NodeView } from "./view.ts";

const NOW_MS = 100_000;
type Cause = Ailment["cause"];

function ailment(cause: Cause, change: Partial<OwnAilment> = {}): OwnAilment {
  return { cause, severity: "critical", since: "t", detail: "detail", sinceMs: NOW_MS - 30_000, ...change };
}

const WELL = { ailments: [] };
const ILL = (cause: Cause, severity: Ailment["severity"] = "critical") => ({
  ailments: [ailment(cause, { severity })],
});

const LED_IN_VAIN = { leadFailure: { at: "t", why: "it was sick", times: 1, sitsOut: false } };

/** b can prove to have what was acknowledged, together with the others of `voters`. */
const promised = (voters: readonly string[], quorum: number) => ({
  dcs: cluster({
    sync: {
      leader: "a",
      syncStandby: voters,
      quorum,
      data: Object.fromEntries(voters.map((name) => [name, `data of ${name}`])),
      revision: 1,
    },
  }),
});
const DATA = (name: string) => ({ dataToken: `data of ${name}` });
const PROVEN = { b: { ...DATA("b"), ...ILL("slow-disk") }, c: DATA("c") };

/** Member a, a primary with that ailment, among others that have looked at their hosts. */
function sick(
  cause: Cause,
  others: { readonly b?: Partial<MemberStatus>; readonly c?: Partial<MemberStatus> } = {},
  change: Partial<NodeView> = {},
): NodeView {
  return holder({
    ailments: [ailment(cause)],
    statuses: [
      seen(primaryStatus("a")),
      seen(status("b", { ...WELL, ...others.b })),
      seen(status("c", { ...WELL, ...others.c })),
    ],
    ...change,
  });
}

const BOTH = (change: Partial<MemberStatus>) => ({ b: change, c: change });
const SHUT_DOWN = {
  ...STOPPED,
  directory: {
    ...PRIMARY_DIRECTORY,
    control: { ...PRIMARY_DIRECTORY.control, clusterState: "shut down", checkpointLsn: 999 },
  },
};
const stopped = (
  atMs: number,
) => ({ stop: { kind: "stop", ok: true, atMs, detail: "fast", failures: 0 } } as const);
const down = (change: Partial<NodeView["postgres"]> = {}) =>
  postgres({ ...SHUT_DOWN, last: stopped(NOW_MS - 1000), ...change });

const CASES: readonly Case[] = [
  [
    "a primary whose disk is nearly full hands over in order",
    sick("data-space"),
    "sick-hand-over",
    FAST_AFTER_CHECKPOINT,
  ],
  ["the same for the disk of pg_wal", sick("wal-space"), "sick-hand-over", FAST_AFTER_CHECKPOINT],
  ["the same for a tablespace's", sick("tablespace-space"), "sick-hand-over", FAST_AFTER_CHECKPOINT],
  ["on a read-only disk no checkpoint is tried", sick("read-only"), "sick-hand-over", FAST],
  ["neither on one that fails", sick("write-error"), "sick-hand-over", FAST],
  ["on a disk that hangs PostgreSQL is killed", sick("hung-disk"), "sick-hand-over", KILL],
  ["a hung postmaster is told to end", sick("postmaster-hung"), "sick-hand-over", FAST],
  ["a slow disk is an alarm only", sick("slow-disk"), "idle"],
  ["so is the want of connections", sick("connections-exhausted"), "idle"],
  ["so are wrong checksums", sick("checksum-failures"), "idle"],
  [
    "a warning is an alarm only",
    sick("data-space", {}, { ailments: [ailment("data-space", { severity: "warning" })] }),
    "idle",
  ],
  [
    "what has lasted for a moment only is waited for",
    sick("data-space", {}, { ailments: [ailment("data-space", { sinceMs: NOW_MS - 19_999 })] }),
    "idle",
  ],
  [
    "a storage that all may share: the others have not looked again",
    sick("hung-disk", {}, { ailments: [ailment("hung-disk", { sinceMs: NOW_MS - 15_999 })] }),
    "idle",
  ],
  [
    "they have by now",
    sick("hung-disk", {}, { ailments: [ailment("hung-disk", { sinceMs: NOW_MS - 16_000 })] }),
    "sick-hand-over",
    KILL,
  ],
  [
    "members that look rarely are waited for longer",
    sick("data-space", {}, { dynamic: { ...DYNAMIC, healthIntervalS: 30 } }),
    "idle",
  ],
  [
    "the latest look has not found it: it may be over, at the others as well",
    sick("data-space", {}, { ailments: [ailment("data-space", { doubted: true })] }),
    "idle",
  ],
  ["the others could not lead lately: the primary stays", sick("postmaster-hung", BOTH(LED_IN_VAIN)), "idle"],
  ["one of them could", sick("postmaster-hung", { b: LED_IN_VAIN }), "sick-hand-over", FAST],
  [
    "they could not, but the holder does not get well",
    sick("postmaster-hung", BOTH(LED_IN_VAIN), {
      ailments: [ailment("postmaster-hung", { sinceMs: NOW_MS - 300_000 })],
    }),
    "sick-hand-over",
    FAST,
  ],
  [
    "without an orderly end only a member that can prove to have all may follow: the primary stays",
    sick("hung-disk", PROVEN, promised(["b"], 0)),
    "idle",
  ],
  ["it is better off: it follows", sick("hung-disk", PROVEN, promised(["c"], 0)), "sick-hand-over", KILL],
  [
    "two have to prove it, and both are there",
    sick("hung-disk", PROVEN, promised(["b", "c"], 1)),
    "sick-hand-over",
    KILL,
  ],
  ["one of them is not", sick("hung-disk", { ...PROVEN, b: {} }, promised(["b", "c"], 1)), "idle"],
  ["its data is another", sick("hung-disk", { ...PROVEN, c: DATA("d") }, promised(["c"], 0)), "idle"],
  [
    "after an orderly end any member may follow that has all",
    sick("data-space", { b: ILL("slow-disk"), c: {} }, promised(["b"], 0)),
    "sick-hand-over",
    FAST_AFTER_CHECKPOINT,
  ],
  [
    "stopped in order, any member may follow",
    sick("read-only", PROVEN, { ...promised(["b"], 0), postgres: down() }),
    "sick-let-go",
    LET_GO,
  ],
  [
    "ended as by a crash, and nobody could be granted the lock: it goes on here",
    sick("read-only", PROVEN, {
      ...promised(["b"], 0),
      postgres: postgres({ ...STOPPED, directory: PRIMARY_DIRECTORY, receivedLsn: 1000 }),
    }),
    "start-primary",
  ],
  ["the disks of all are full: the primary stays", sick("data-space", BOTH(ILL("data-space"))), "idle"],
  ["those of all begin to be full", sick("data-space", BOTH(ILL("data-space", "warning"))), "idle"],
  ["WAL fills other places there", sick("wal-space", BOTH(ILL("data-space", "warning"))), "idle"],
  ["a storage that all share", sick("hung-disk", BOTH(ILL("slow-disk", "warning"))), "idle"],
  [
    "the others have something else that is critical",
    sick("data-space", BOTH(ILL("checksum-failures"))),
    "idle",
  ],
  ["an unknown cause of a later version", sick("data-space", BOTH(ILL("haunted" as Cause))), "idle"],
  ["the others have not looked", sick("data-space", BOTH({ ailments: undefined })), "idle"],
  [
    "one of them is better off",
    sick("data-space", { b: ILL("data-space"), c: ILL("slow-disk", "warning") }),
    "sick-hand-over",
    FAST_AFTER_CHECKPOINT,
  ],
  ["no other member streams", sick("data-space", BOTH({ replicationState: null })), "idle"],
  ["the others stream from elsewhere", sick("data-space", BOTH({ following: "d" })), "idle"],
  [
    "all the others lag",
    sick("data-space", {}, { postgres: postgres({ ...RUNNING_PRIMARY, walLsn: 1001 + 2 ** 20 }) }),
    "idle",
  ],
  ["no other member may be promoted", sick("data-space", BOTH({ nofailover: true })), "idle"],
  [
    "the others are not heard",
    sick("data-space", {}, { statuses: [seen(status("b", WELL), 2000), seen(status("c", WELL), 2000)] }),
    "idle",
  ],
  [
    "an operator wants the alarm only",
    sick("data-space", {}, { dynamic: { ...DYNAMIC, sickHandOver: false } }),
    "idle",
  ],
  ["in pause the primary stays", sick("data-space", {}, PAUSED), "pause-holder"],
  ["without a lease it stays", sick("data-space", {}, { leaseUsable: false }), "idle"],
  ["it has just become the primary", sick("data-space", {}, { heldSinceMs: NOW_MS - 59_999 }), "idle"],
  [
    "it has just been stopped for that in vain",
    sick("data-space", {}, { postgres: postgres({ ...RUNNING_PRIMARY, last: stopped(NOW_MS - 59_999) }) }),
    "idle",
  ],
  [
    "a switchover that was asked for goes first",
    sick("data-space", {}, { dcs: cluster({ failover: SWITCHOVER }) }),
    "step-down",
    FAST_AFTER_CHECKPOINT,
  ],
  [
    "stopped, and another has all of its WAL",
    sick("data-space", {}, { postgres: down() }),
    "sick-let-go",
    LET_GO,
  ],
  [
    "stopped, and the others have not said yet how far they are",
    sick("data-space", BOTH({ receivedLsn: 999, replayedLsn: 999 }), { postgres: down() }),
    "sick-let-go",
  ],
  [
    "no other has all of its WAL: it goes on here",
    sick("data-space", BOTH({ receivedLsn: 999, replayedLsn: 999 }), {
      postgres: down({ last: stopped(NOW_MS - 3000) }),
    }),
    "start-primary",
    START_PRIMARY,
  ],
  [
    "stopped, and the others share the cause by now",
    sick("data-space", BOTH(ILL("wal-space", "warning")), { postgres: down() }),
    "start-primary",
    START_PRIMARY,
  ],
  [
    "after a crash the end of valid WAL on its disk counts",
    sick("data-space", BOTH({ receivedLsn: 999, replayedLsn: 999 }), {
      postgres: postgres({ ...STOPPED, directory: PRIMARY_DIRECTORY, receivedLsn: 1000 }),
    }),
    "start-primary",
    START_PRIMARY,
  ],
  [
    "where that is not known, it goes on here",
    sick("postmaster-hung", {}, {
      postgres: postgres({ ...STOPPED, directory: PRIMARY_DIRECTORY, receivedLsn: null }),
    }),
    "start-primary",
    START_PRIMARY,
  ],
  [
    "on a disk that takes no writes, it does not count",
    sick("read-only", BOTH({ receivedLsn: 999, replayedLsn: 999 }), {
      postgres: postgres({ ...STOPPED, directory: PRIMARY_DIRECTORY, receivedLsn: 1000 }),
    }),
    "sick-let-go",
    LET_GO,
  ],
  [
    "unless it has shut down in order there",
    sick("read-only", BOTH({ receivedLsn: 999, replayedLsn: 999 }), {
      postgres: down({ last: stopped(NOW_MS - 3000) }),
    }),
    "start-primary",
    START_PRIMARY,
  ],
  [
    "on a disk that hangs, it does not count",
    sick("hung-disk", BOTH({ receivedLsn: 999, replayedLsn: 999 }), {
      postgres: postgres({ ...STOPPED, directory: PRIMARY_DIRECTORY, receivedLsn: null }),
    }),
    "sick-let-go",
    LET_GO,
  ],
  [
    "a lock that it was granted just now is used",
    sick("data-space", {}, {
      heldSinceMs: NOW_MS - 1000,
      postgres: postgres({ ...SHUT_DOWN, last: stopped(NOW_MS - 2000) }),
    }),
    "start-primary",
    START_PRIMARY,
  ],
  [
    "its WAL senders are left, and another member has the shutdown checkpoint: the lock does not wait for them",
    sick("data-space", {}, {
      postgres: postgres({
        ...RUNNING_PRIMARY,
        directory: SHUT_DOWN.directory,
        process: "stopping",
        action: { kind: "stop", sinceMs: NOW_MS - 1000, detail: "fast" },
        shutdown: { stage: "closed", beganMs: NOW_MS - 1000, stageMs: NOW_MS - 500 },
      }),
    }),
    "past-checkpoint",
    RELEASE,
  ],
  [
    "stopped in pause it is left alone",
    sick("data-space", {}, { ...PAUSED, postgres: down() }),
    "pause-holder",
  ],
];
decides([SICK_HAND_OVER, SICK_LET_GO], CASES);

test("the reason names the cause, its numbers, and the member that is better off", () => {
  expect(keep(sick("data-space")).reason).toBe(
    "this host is sick (data-space: detail), and b is better off: demoting self",
  );
});

const anyAilment = fc.record({
  cause: fc.constantFrom(...AILMENT_CAUSES),
  severity: fc.constantFrom("warning" as const, "critical" as const),
  since: fc.constant("t"),
  detail: fc.constant("detail"),
  sinceMs: fc.integer({ min: 0, max: NOW_MS }),
});
const anyAilments = fc.array(anyAilment, { maxLength: 4 });
const anyOther = fc.option(anyAilments, { nil: undefined });
const anyPostgres = fc.constantFrom(
  postgres(RUNNING_PRIMARY),
  down(),
  postgres({ ...STOPPED, directory: PRIMARY_DIRECTORY }),
);
const SICK_RULES = [SICK_HAND_OVER.name, SICK_LET_GO.name];

test("a standby leader, which writes nothing, does not hand over", () => {
  const dynamic = { ...DYNAMIC, standbyCluster: { host: "10.0.0.9" } };
  fc.assert(fc.property(anyAilments, anyPostgres, (own, server) => {
    expect(SICK_RULES).not.toContain(
      keep(sick("data-space", {}, { dynamic, ailments: own, postgres: server })).rule,
    );
  }));
});

test("in pause nothing is handed over, for any ailment", () => {
  fc.assert(
    fc.property(anyAilments, anyOther, anyOther, anyPostgres, fc.boolean(), (own, b, c, server, accepted) => {
      const view = sick("data-space", { b: { ailments: b }, c: { ailments: c } }, {
        ...PAUSED,
        ailments: own,
        postgres: server,
        // One that was accepted in an earlier epoch.
        ...(accepted ? { dcs: cluster({ failover: { ...SWITCHOVER, epoch: 2 } }) } : {}),
      });
      expect(SICK_RULES).not.toContain(keep(view).rule);
    }),
  );
});

test("nothing is handed over where every other member has something critical, or has not looked", () => {
  const bad = fc.option(
    fc.tuple(anyAilments, anyAilment).map((
      [some, one],
    ) => [...some, { ...one, severity: "critical" as const }]),
    {
      nil: undefined,
    },
  );
  fc.assert(fc.property(anyAilments, bad, bad, anyPostgres, (own, b, c, server) => {
    const view = sick("data-space", { b: { ailments: b }, c: { ailments: c } }, {
      ailments: own,
      postgres: server,
    });
    expect(SICK_RULES).not.toContain(keep(view).rule);
  }));
});
