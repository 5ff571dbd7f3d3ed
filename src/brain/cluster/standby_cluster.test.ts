/** The raft leader of a standby cluster: its holder is a standby, and does its work. */
import { expect, test } from "bun:test";
import type { MemberStatus } from "../../model/member_status.ts";
import {
  cluster,
  DYNAMIC,
  FREE,
  lock,
  primaryStatus,
  seen,
  status,
  succession,
  SWITCHOVER,
} from "../testing.ts";
import { coordinate } from "./coordinate.ts";
import { chooseSuccessor } from "./successor.ts";
import type { ClusterView } from "./view.ts";

const dynamic = { ...DYNAMIC, standbyCluster: { host: "10.0.0.9" } };
const LEADER = { role: "standby_leader", following: "remote/10.0.0.9:5432", lockFreeSeen: false } as const;

function view(change: Partial<ClusterView> = {}): ClusterView {
  const followers = ["b", "c"].map((name) => seen(status(name, { lockFreeSeen: false })));
  return {
    ...succession({ dcs: cluster(), dynamic, statuses: [seen(status("a", LEADER)), ...followers] }),
    self: "b",
    wallMs: 0,
    expiryDue: false,
    leaseOver: false,
    nextTtl: null,
    leadingForMs: 60_000,
    requestForMs: 1000,
    givenUpIndex: 0,
    ...change,
  };
}

test("a holder that is a standby is left alone, and raft is led from another host", () => {
  expect(coordinate(view())).toMatchObject({ rule: "held", commands: [] });
  expect(coordinate(view({ self: "a" }))).toMatchObject({ rule: "place-leader", transferTo: "b" });
});

const DONE = [{ op: "endFailover", id: "x", ok: true, text: 'Successfully switched over to "b"' }];

/** b has been granted the lock for the switchover, though a's WAL may have gone further. */
function moved(change: Partial<MemberStatus>, others: Partial<ClusterView> = {}) {
  const dcs = cluster({ lock: lock({ epoch: 4, holder: "b", cleanStart: false }), failover: SWITCHOVER });
  const statuses = [seen(status("b", { ...LEADER, epochSeen: 4, ...change })), seen(status("a"))];
  return coordinate(view({ dcs, statuses, ...others })).commands;
}

test("a switchover is done when the candidate is the standby leader: nothing can be lost by it", () => {
  expect<unknown>(moved({})).toEqual(DONE);
  expect(moved({ role: "replica" })).toEqual([]);
  expect(moved({ epochSeen: 3 })).toEqual([]);
  expect(moved({ running: false })).toEqual([]);
  // Somebody has promoted it by hand.
  expect(moved({ walLsn: 2000 })).toEqual([]);
  // After promote-cluster a standby is none that serves.
  expect(moved({}, { dynamic: DYNAMIC })).toEqual([]);
});

test("outside of a standby cluster the same switchover has failed: the last writes may be lost", () => {
  const statuses = [seen(primaryStatus("b", { epochSeen: 4 })), seen(status("a"))];
  const dcs = cluster({ lock: lock({ epoch: 4, holder: "b", cleanStart: false }), failover: SWITCHOVER });
  const [command] = coordinate(view({ dcs, statuses, dynamic: DYNAMIC })).commands;
  expect(command).toMatchObject({ op: "endFailover", ok: false });
});

test("a lag keeps nobody from leading a standby cluster: the remote primary has what is missing", () => {
  const behind = { dcs: cluster({ lock: lock(FREE) }), primaryLsn: 2 ** 40 };
  expect(chooseSuccessor(succession({ ...behind, dynamic }))).toMatchObject({ kind: "grant", to: "b" });
  expect(chooseSuccessor(succession(behind))).toMatchObject({ kind: "wait" });
});

test("a former standby leader that somebody has promoted comes after all others", () => {
  const promoted = status("b", { role: "standby_leader", walLsn: 5000, timeline: 2, receivedLsn: null });
  const statuses = [seen(promoted), seen(status("c"))];
  expect(chooseSuccessor(succession({ dynamic, statuses }))).toMatchObject({ kind: "grant", to: "c" });
});

test("with check_timeline, timelines from before demote-cluster keep nobody from leading", () => {
  const dcs = cluster({ lock: lock(FREE), history: [[7, 500, "", "", "a"]] });
  const checked = (change: object) =>
    succession({ dcs, dynamic: { ...DYNAMIC, checkTimeline: true, ...change } });
  expect(chooseSuccessor(checked({})).kind).toBe("wait");
  expect(chooseSuccessor(checked({ standbyCluster: dynamic.standbyCluster })).kind).toBe("grant");
});
