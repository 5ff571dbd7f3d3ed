import { expect, test } from "bun:test";
import type { GuardView, Postmaster } from "../../model/guard_view.ts";
import type { ServerStatus } from "../../postgres/status_query.ts";
import { readingOf } from "./disk_end.ts";
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

test("a rewind that failed for the lack of room is remembered as such until one fails otherwise", () => {
  const memory = running();
  memory.rewindLacksRoom = true;
  memory.note("rewind", "the disk is full", "", 1);
  memory.note("clone", "broken", "", 2);
  expect([memory.last.rewind!.lacksRoom, memory.last.clone!.lacksRoom]).toEqual([true, undefined]);
  memory.rewindLacksRoom = false;
  memory.note("rewind", "broken", "", 3);
  expect(memory.last.rewind).toEqual({ kind: "rewind", ok: false, atMs: 3, detail: "broken", failures: 2 });
});

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

test("that a history is the same is forgotten with the server: it may have written since", () => {
  const memory = running();
  const found = { from: "a", timelineOfOther: 1, detail: "", atMs: 1 };
  const after = (verdict: "same" | "diverged"): string | null => {
    memory.divergence = { ...found, verdict };
    memory.track(null);
    memory.track(7);
    return memory.view(guard()).divergence?.verdict ?? null;
  };
  expect([after("same"), after("diverged")]).toEqual([null, "diverged"]);
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

test("the end of a lease is no failure of a restored cluster's recovery, an end of its own is", () => {
  const memory = new PostgresMemory();
  const failures = () => {
    memory.note("start", "it ended", "", 0);
    return memory.last.start!.failures;
  };
  memory.restored = { recovery: {}, limits: {}, closed: { hba: [], ident: [] }, hba: null, ident: null };
  expect([failures(), failures()]).toEqual([1, 2]);
  memory.endedWithLease();
  expect(failures()).toBe(1);
  memory.restored = null;
  memory.endedWithLease();
  expect(failures()).toBe(2);
});

test("the end of WAL counts what was received before the last start, and is not known without it", () => {
  const memory = new PostgresMemory();
  const endAfter = (timeline: number, lsn: number | null) => {
    memory.track(null);
    memory.diskEnd = lsn === null ? null : { timeline, lsn };
    memory.track(7);
    memory.seen(standby({ ...REPLAYS, replayLsn: 90 }), 1);
    return memory.view(guard({ postmaster })).walEnd;
  };
  expect(endAfter(1, 400)).toEqual({ timeline: 1, lsn: 400 });
  expect(endAfter(2, 80)).toEqual({ timeline: 2, lsn: 80 });
  expect(endAfter(1, 80)).toEqual({ timeline: 1, lsn: 90 });
  expect(endAfter(1, null)).toBe(null);
});

/** It has WAL of its own to replay still, and has asked nobody for more. */
const REPLAYS: Partial<ServerStatus> = {
  receiveLsn: null,
  receiverTimeline: null,
  receiverPid: null,
  replicationState: null,
};

test("a part of the WAL that a server has on its disk is no end, before its start and after", () => {
  const memory = new PostgresMemory();
  memory.surveyedMs = 0;
  memory.diskEnd = { timeline: 1, lsn: 400, isPart: true };
  // For the choice of a successor in asynchronous mode it is better than nothing.
  expect(memory.view(guard())).toMatchObject({ walEnd: null, receivedLsn: 400 });
  memory.track(7);
  memory.seen(standby({ ...REPLAYS, replayLsn: 90 }), 1);
  expect(memory.view(guard({ postmaster }))).toMatchObject({ walEnd: null, receivedLsn: 400 });
});

test("a server that streams has replayed all that its disk had: from then on its end is known", () => {
  const memory = new PostgresMemory();
  memory.track(7);
  const end = () => memory.view(guard({ postmaster })).walEnd;
  memory.seen(standby({ ...REPLAYS, replayLsn: 450 }), 1);
  expect(end()).toBe(null);
  // The receiver begins with the segment.
  memory.seen(standby({ receiveLsn: 100, replayLsn: 500 }), 2);
  memory.seen(standby({ ...REPLAYS, receiveLsn: 100, replayLsn: 500 }), 3);
  expect(end()).toEqual({ timeline: 1, lsn: 500 });
});

test("an end of WAL that is read while a server starts is the one that this had at its start", () => {
  const memory = new PostgresMemory();
  const end = () => memory.view(guard({ postmaster })).walEnd;
  const take = readingOf(memory);
  memory.track(7);
  memory.seen(standby({ ...REPLAYS, replayLsn: 90 }), 1);
  expect(take({ timeline: 1, lsn: 300, isPart: true })).toBe(true);
  expect(end()).toBe(null);
  expect(take({ timeline: 1, lsn: 400 })).toBe(true);
  expect(end()).toEqual({ timeline: 1, lsn: 400 });
  // What that server may have received is in no reading which began before its start.
  memory.track(null);
  expect(take({ timeline: 1, lsn: 400 })).toBe(false);
  memory.track(8);
  expect(take({ timeline: 1, lsn: 400 })).toBe(false);
  const ofThis = readingOf(memory);
  memory.track(null);
  memory.track(9);
  expect(ofThis({ timeline: 1, lsn: 400 })).toBe(false);
});

test("a standby is cut off when it has no upstream, none is on its way, and no receiver lives", () => {
  const memory = new PostgresMemory();
  memory.track(7);
  memory.following = null;
  const cutOff = (receiverPid: number | null) => {
    memory.seen(standby({ receiverPid }), 1);
    return memory.view(guard({ postmaster })).cutOff;
  };
  expect([cutOff(8), cutOff(null)]).toEqual([false, true]);
  memory.repointing++;
  expect(cutOff(null)).toBe(false);
  memory.repointing--;
  memory.following = { name: "a", connUrl: "" };
  expect(cutOff(null)).toBe(false);
});

test("a standby whose upstream was taken away follows nobody, also while its receiver is not proven gone", () => {
  const memory = new PostgresMemory();
  memory.track(7);
  memory.following = { name: "a", connUrl: "" };
  memory.followsNobodyYet();
  const view = () => {
    memory.seen(standby({ receiverPid: null }), 1);
    return memory.view(guard({ postmaster }));
  };
  // No receiver is seen: one may be about to begin.
  expect(view()).toMatchObject({ following: null, cutOff: false });
  memory.following = null;
  expect(view()).toMatchObject({ following: null, cutOff: true });
});

test("another setting of synchronous standbys holds for none of the processes at first", () => {
  const memory = new PostgresMemory();
  memory.track(7);
  Object.assign(memory.server!, { syncLoaded: true, settledLsn: 5 });
  const before = memory.sync;
  memory.sync = { ...before };
  expect(memory.view(guard({ postmaster })).sync).toMatchObject({ loaded: true, settledLsn: 5 });
  expect(memory.standbys.text()).toBe(null);
  memory.sync = { method: "ANY", count: 1, names: ["b"] };
  expect(memory.view(guard({ postmaster })).sync).toMatchObject({ loaded: false, settledLsn: null });
  expect(memory.standbys.text()).toBe('ANY 1 ("b")');
  memory.sync = before;
  expect(memory.standbys.text()).toBe(null);
  memory.standbys.keeps = true;
  expect(memory.standbys.text()).toBe("");
});

test("standbys that others have set hold for nobody, wherever the agent decides on them", () => {
  const memory = running();
  const settled = { syncLoaded: true, settledLsn: 5, commitsWait: true };
  const seen = (syncNames: string) => {
    Object.assign(memory.server!, settled);
    memory.seen(standby({ syncNames }), 1);
    const { loaded, settledLsn, commitsWait } = memory.view(guard({ postmaster })).sync;
    return { syncLoaded: loaded, settledLsn, commitsWait };
  };
  expect(seen("somebody")).toEqual(settled);
  memory.sync = { method: "ANY", count: 1, names: ["b"] };
  expect(seen('ANY 1 ("b")')).toEqual(settled);
  expect(memory.server!.othersSync).toBeNull();
  expect(seen("")).toEqual({ syncLoaded: false, settledLsn: null, commitsWait: false });
  expect(memory.server!.othersSync).toBe("");
  // Until it is told, also when the agent's own are there again.
  memory.seen(standby({ syncNames: 'ANY 1 ("b")' }), 2);
  expect(memory.server!.othersSync).toBe("");
});

test("an answer to a question of before the server went by a setting says nothing of others", () => {
  const memory = running();
  memory.sync = { method: "ANY", count: 1, names: ["b"] };
  const asked = memory.standbys.turn;
  memory.standbys.isLoaded(memory.server!);
  memory.seen(standby({ syncNames: "" }), 1, asked);
  expect([memory.server!.syncLoaded, memory.server!.othersSync]).toEqual([true, null]);
  memory.seen(standby({ syncNames: "" }), 2, memory.standbys.turn);
  expect([memory.server!.syncLoaded, memory.server!.othersSync]).toEqual([false, ""]);
});

test("only a server that was started with synchronous standbys has commits wait from its start on", () => {
  const memory = new PostgresMemory();
  const waits = (pid: number) => {
    memory.track(pid);
    return memory.server!.commitsWait;
  };
  memory.startsWaiting = true;
  expect(waits(7)).toBe(false);
  memory.action = { kind: "start", sinceMs: 0, detail: "" };
  expect(waits(8)).toBe(true);
  memory.startsWaiting = false;
  memory.sync = { method: "ANY", count: 1, names: ["b"] };
  expect(waits(9)).toBe(false);
});

test("a standby that was found running is not cut off before its files have said what it follows", () => {
  const memory = running();
  memory.seen(standby({ receiverPid: null, replicationState: null }), 1);
  const isCutOff = () => memory.view(guard({ postmaster })).cutOff;
  expect(isCutOff()).toBe(false);
  memory.following = { name: "a", connUrl: "postgres://a" };
  expect(isCutOff()).toBe(false);
  memory.following = null;
  expect(isCutOff()).toBe(true);
  memory.seen(standby({ receiverPid: 8, replicationState: null }), 2);
  expect(isCutOff()).toBe(false);
});
