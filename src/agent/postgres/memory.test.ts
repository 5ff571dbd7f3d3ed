import { expect, test } from "bun:test";
import type { GuardView, Postmaster } from "../../guard/port.ts";
import type { ServerStatus } from "../../postgres/status_query.ts";
import { PostgresMemory } from "./memory.ts";

const postmaster: Postmaster = { pid: 7, writable: false, epoch: null, phase: "running", child: true };

function guard(more: Partial<GuardView> = {}): GuardView {
  const base = { state: "ok", pid: 1, incarnation: 1, armed: null, endedEpoch: 0, postmaster: null } as const;
  return {
    ...base,
    anyProcess: false,
    allStopped: false,
    lastExit: null,
    lastAnswerMs: 1,
    lateMs: 0,
    ...more,
  } as GuardView;
}

function standby(more: Partial<ServerStatus> = {}): ServerStatus {
  return {
    inRecovery: true,
    timeline: 1,
    walLsn: null,
    receiveLsn: 100,
    replayLsn: 90,
    replayedAt: null,
    replayPaused: false,
    receiverPid: 8,
    receiverTimeline: 1,
    replicationState: "streaming",
    checkpointTimeline: 1,
    startedAt: null,
    serverVersion: 150018,
    systemId: "1",
    replication: [],
    ...more,
  };
}

function running(): PostgresMemory {
  const memory = new PostgresMemory();
  memory.surveyedMs = 0;
  memory.track(7);
  return memory;
}

test("nothing may be begun before guard and directory have been heard of", () => {
  const memory = new PostgresMemory();
  expect(memory.view(guard({ state: "none", lastAnswerMs: null, anyProcess: true })).process).toBe(
    "starting",
  );
  expect(memory.view(guard()).process).toBe("starting");
  memory.surveyedMs = 0;
  expect(memory.view(guard()).process).toBe("none");
  expect(memory.view(guard({ anyProcess: true })).process).toBe("orphans");
});

test("a server is running once it has answered, and frozen whatever it said", () => {
  const memory = running();
  expect(memory.view(guard({ postmaster, anyProcess: true })).process).toBe("starting");
  memory.seen(standby(), 5);
  expect(memory.view(guard({ postmaster, anyProcess: true }))).toMatchObject({
    process: "running",
    lastLookMs: 5,
  });
  const frozen = { ...postmaster, phase: "frozen" as const };
  expect(memory.view(guard({ postmaster: frozen, anyProcess: true }))).toMatchObject({
    process: "frozen",
    state: "running",
  });
});

test("what a server left on disk is settled before it counts as stopped", () => {
  const memory = running();
  memory.track(null);
  memory.settling = true;
  expect(memory.view(guard()).process).toBe("stopping");
});

test("received WAL never falls within a timeline, and starts anew on the next one", () => {
  const memory = running();
  const received = () => memory.view(guard({ postmaster, anyProcess: true })).receivedLsn;
  memory.seen(standby({ receiveLsn: 200 }), 1);
  memory.seen(standby({ receiveLsn: 150 }), 2);
  expect(received()).toBe(200);
  memory.seen(standby({ timeline: 2, receiveLsn: 160 }), 3);
  expect(received()).toBe(160);
});

test("WAL that was on disk before the start counts on its own timeline only", () => {
  const memory = new PostgresMemory();
  memory.surveyedMs = 0;
  memory.diskEnd = { timeline: 1, lsn: 500 };
  expect(memory.view(guard()).receivedLsn).toBe(500);
  memory.track(7);
  memory.seen(standby({ receiveLsn: null }), 1);
  expect(memory.view(guard({ postmaster, anyProcess: true })).receivedLsn).toBe(500);
  memory.seen(standby({ timeline: 2, receiveLsn: null, replayLsn: 450 }), 1);
  expect(memory.view(guard({ postmaster, anyProcess: true })).receivedLsn).toBe(450);
});

test("others can be rewound against a primary once its checkpoint is on its own timeline", () => {
  const memory = running();
  const primary = { ...postmaster, writable: true, epoch: 3 };
  const view = () => memory.view(guard({ postmaster: primary, anyProcess: true }));
  memory.seen(standby({ inRecovery: false, timeline: 2, walLsn: 300 }), 1);
  expect(view()).toMatchObject({ checkpointAfterPromote: false, walLsn: 300, receivedLsn: null, epoch: 3 });
  memory.seen(standby({ inRecovery: false, timeline: 2, walLsn: 300, checkpointTimeline: 2 }), 2);
  expect(view().checkpointAfterPromote).toBe(true);
});

test("a promotion that failed counts until another member was promoted", () => {
  const memory = running();
  const failures = () => memory.view(guard({ postmaster, anyProcess: true })).last.promote?.failures;
  memory.seen(standby(), 1);
  memory.note("promote", "it hangs", "", 2);
  memory.note("promote", "it hangs", "", 3);
  expect(failures()).toBe(2);
  // It may stream from a member whose promotion hangs, too.
  memory.seen(standby({ receiveLsn: 200 }), 4);
  memory.seen(standby({ receiverTimeline: 2, replicationState: null }), 5);
  expect(failures()).toBe(2);
  memory.seen(standby({ receiverTimeline: 2 }), 6);
  expect(failures()).toBe(undefined);
  memory.note("promote", "it hangs", "", 7);
  expect(failures()).toBe(1);
});

test("servers that end by themselves right after their start, again and again, count as starts that failed", () => {
  const memory = new PostgresMemory();
  const started = (atMs: number) =>
    void (memory.last.start = { kind: "start", ok: true, atMs, detail: "", failures: 0 });
  const failures = (startMs: number, endMs: number) => {
    started(startMs);
    memory.endedByItself(endMs);
    return memory.last.start!.ok ? 0 : memory.last.start!.failures;
  };
  expect([failures(0, 100), failures(200, 300), failures(400, 500)]).toEqual([0, 1, 2]);
  expect(memory.last.start).toMatchObject({
    atMs: 500,
    detail: expect.stringContaining("ended 0.1 s after"),
  });
  // One that lasted ends the row.
  expect([failures(1000, 9000), failures(9100, 9200), failures(9300, 9400)]).toEqual([0, 0, 1]);
  memory.endedByItself(9500);
  expect(memory.last.start).toMatchObject({ ok: false, failures: 1 });
});
