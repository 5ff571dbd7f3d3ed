import { expect, test } from "bun:test";
import { cluster, FREE, lock, primaryStatus, status } from "../../brain/testing.ts";
import type { MemberStatus } from "../../model/member_status.ts";
import type { FailoverRecord, LockRecord } from "../../model/records.ts";
import { RaceLines, type RaceLook } from "./race_lines.ts";

const NOT_ALLOWED = "following a different leader because I am not allowed to promote";

/** A look of `b`, a standby, at its lock and at `b` and `c`. */
function look(
  change: Partial<LockRecord>,
  b: Partial<MemberStatus> = {},
  c: Partial<MemberStatus> = {},
  more: Partial<RaceLook> = {},
): RaceLook {
  const statuses = [status("b", b), status("c", c)];
  return { name: "b", dcs: cluster({ lock: lock(change) }), paused: false, heard: () => statuses, ...more };
}

/** What is said at the grant to `c`, after looks at the lock of `a` and at the free lock. */
function said(b: Partial<MemberStatus>, c: Partial<MemberStatus>, more: Partial<RaceLook> = {}): unknown[] {
  const lines = new RaceLines();
  return [{}, FREE, { epoch: 4, holder: "c" }, { epoch: 4, holder: "c" }]
    .map((change) => {
      const asked = look(change, b, c, more);
      const dcs = { ...asked.dcs, ...more.dcs, lock: asked.dcs.lock };
      return lines.look({ ...asked, dcs });
    })
    .filter((line) => line !== null);
}

test("a member that may not be promoted says so while the lock is free, once", () => {
  expect(said({ nofailover: true }, {})).toEqual([NOT_ALLOWED]);
  const lines = new RaceLines();
  expect(lines.look(look({}, { nofailover: true }))).toBe(null);
  // The grant came before the free lock was seen.
  expect(lines.look(look({ epoch: 4, holder: "c" }, { nofailover: true }))).toBe(NOT_ALLOWED);
  expect(lines.look(look({ ...FREE, epoch: 4 }, { nofailover: true }))).toBe(NOT_ALLOWED);
  expect(lines.look(look({ ...FREE, epoch: 4 }, { nofailover: true }))).toBe(null);
});

test("the others say what the chosen member has before them", () => {
  expect(said({}, { receivedLsn: 2000 })).toEqual(["Wal position of c is ahead of my wal position"]);
  expect(said({}, { timeline: 2 })).toEqual(["Wal position of c is ahead of my wal position"]);
  expect(said({}, { failoverPriority: 2 })).toEqual([
    "c has equally tolerable WAL position and priority 2, while this node has priority 1",
  ]);
  expect(said({}, {})).toEqual([]);
  expect(said({ receivedLsn: 2000 }, { failoverPriority: 2 })).toEqual([]);
});

test("what the chosen member writes after its promotion is not compared", () => {
  const lines = new RaceLines();
  lines.look(look({}));
  lines.look(look(FREE));
  const statuses = [status("b"), primaryStatus("c", { walLsn: 5000, timeline: 2 })];
  expect(lines.look(look({ epoch: 4, holder: "c" }, {}, {}, { heard: () => statuses }))).toBe(null);
});

test("nothing is said by the chosen one, in pause, by a server that is down, and of a named candidate", () => {
  const own = new RaceLines();
  own.look(look(FREE, { failoverPriority: 2 }));
  expect(own.look(look({ epoch: 4, holder: "b" }, { failoverPriority: 2 }))).toBe(null);
  expect(said({ nofailover: true }, {}, { paused: true })).toEqual([]);
  expect(said({ nofailover: true, running: false }, {})).toEqual([]);
  const failover: FailoverRecord = {
    kind: "switchover",
    leader: "a",
    candidate: "c",
    scheduledAt: null,
    id: "1",
    accepted: true,
    epoch: 3,
  };
  expect(said({}, { failoverPriority: 2 }, { dcs: { ...cluster(), failover: { ...failover, revision: 1 } } }))
    .toEqual([]);
});

test("the first look of an agent at a held lock is no choice", () => {
  expect(new RaceLines().look(look({ holder: "c" }, { nofailover: true }))).toBe(null);
});
