import { expect, test } from "bun:test";
import type { Row } from "./connection.ts";
import { parsePostmasterPid } from "./postmaster_pid.ts";
import { parseVersion } from "./programs.ts";
import { parseStatus } from "./status_query.ts";

const standby: Row = {
  in_recovery: "t",
  receive_lsn: "0/3000000",
  replay_lsn: "0/3000148",
  replayed_at: "2026-11-20 23:37:56.7+00",
  replay_paused: "f",
  receiver_pid: "77",
  receiver_status: "streaming",
  received_timeline: "2",
  checkpoint_timeline: "1",
  recovery_timeline: "0",
  restore_command: "",
  started_at: "2026-11-20 23:37:56+02",
  server_version: "150018",
  system_id: "77",
  replication: null,
};

test("a standby is on the timeline that it receives", () => {
  expect(parseStatus(standby)).toMatchObject({
    inRecovery: true,
    timeline: 2,
    walLsn: null,
    receiveLsn: 0x3000000,
    replayLsn: 0x3000148,
    replicationState: "streaming",
    receiverPid: 77,
    replayedAt: "2026-11-20 23:37:56.700000+00:00",
    startedAt: "2026-11-20 23:37:56+02:00",
  });
  const archive = {
    ...standby,
    receiver_pid: null,
    receiver_status: null,
    received_timeline: null,
    restore_command: "cp",
  };
  expect(parseStatus(archive)).toMatchObject({
    replicationState: "in archive recovery",
    timeline: 1,
    receiverPid: null,
  });
});

test("a primary shows its own position and none of its former life", () => {
  const primary = {
    ...standby,
    in_recovery: "f",
    wal_lsn: "0/4000000",
    wal_timeline: "0000000A",
    replay_paused: null,
  };
  expect(parseStatus(primary)).toMatchObject({
    timeline: 10,
    walLsn: 0x4000000,
    receiveLsn: null,
    replicationState: null,
  });
});

test("postmaster.pid says where and whether connections are accepted", () => {
  const file = parsePostmasterPid("123\n/d\n1763\n5433\n/tmp/s\n*\n  5433001 4\nready   \n")!;
  expect(file).toMatchObject({ pid: 123, status: "ready", socketDir: "/tmp/s" });
  expect(parsePostmasterPid("123\n/d\n1763\n5433\n")?.status).toBeNull();
  expect(parsePostmasterPid("-123\n/d\n")).toBeNull();
});

test("versions are numbers as the server gives them", () => {
  expect(parseVersion("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)")?.number).toBe(150018);
  expect(parseVersion("postgres (PostgreSQL) 19devel")?.number).toBe(190000);
  expect(parseVersion("bash")).toBeNull();
});

test("the oldest transaction that waits for standbys is named", () => {
  const since = "2026-11-20 23:37:56.7+00";
  expect(parseStatus({ ...standby, waiting_since: since }).waitingSince).toBe(since);
  expect(parseStatus(standby).waitingSince).toBeNull();
});

test("how far the standbys have flushed is read by name", () => {
  const sender = (name: string, flushedLsn: number) => ({
    name,
    flushedLsn,
    slot: null,
    user: "r",
    address: null,
  });
  const senders = [sender("node2", 50331976), sender("node 3", 7)];
  expect(parseStatus({ ...standby, senders: JSON.stringify(senders) })).toMatchObject({
    flushed: { node2: 0x3000148, "node 3": 7 },
    senders,
  });
  expect(parseStatus(standby)).toMatchObject({ flushed: {}, senders: [] });
  const twice = [sender("node2", 9), sender("NODE2", 8), sender("node2", 10)];
  expect(parseStatus({ ...standby, senders: JSON.stringify(twice) }).flushed).toEqual({ node2: 8, NODE2: 8 });
});
