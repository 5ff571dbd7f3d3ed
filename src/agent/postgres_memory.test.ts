import { expect, test } from "bun:test";
import type { GuardView } from "../guard/port.ts";
import type { ServerStatus } from "../postgres/status_query.ts";
import { PostgresMemory } from "./postgres_memory.ts";

const STATUS: ServerStatus = {
  inRecovery: true,
  timeline: 2,
  walLsn: null,
  receiveLsn: 1000,
  replayLsn: 900,
  replayedAt: null,
  replayPaused: false,
  receiverPid: 7,
  receiverTimeline: 2,
  replicationState: "streaming",
  checkpointTimeline: 1,
  startedAt: null,
  serverVersion: 150000,
  systemId: "1",
  replication: [],
};

const GUARD: GuardView = {
  state: "ok",
  pid: 1,
  incarnation: 1,
  armed: null,
  endedEpoch: 0,
  postmaster: { pid: 42, writable: false, epoch: null, phase: "running", child: true },
  anyProcess: true,
  lastExit: null,
  lastAnswerMs: 0,
  lateMs: 0,
};

test("a standby whose WAL receiver has ended keeps its timeline and what it received", () => {
  const memory = new PostgresMemory();
  memory.track(42);
  memory.seen(STATUS, 0);
  memory.seen({ ...STATUS, timeline: 1, receiverPid: null, receiverTimeline: null, receiveLsn: null }, 100);
  expect(memory.view(GUARD)).toMatchObject({ timeline: 2, receivedLsn: 1000, replayedLsn: 900 });
});
