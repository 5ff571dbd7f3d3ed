/** Which callbacks the life of a server calls, in which order, and with which role. */
import { expect, test } from "bun:test";
import type { GuardView, Postmaster } from "../../model/guard_view.ts";
import type { Upstream } from "../../model/upstream.ts";
import { RoleCalls } from "./role_calls.ts";

const PRIMARY = { pid: 1, writable: true, epoch: 3, phase: "running" } as Postmaster;
const STANDBY = { ...PRIMARY, writable: false, epoch: null } as Postmaster;

const REMOTE: Upstream = { name: "remote/10.0.0.9:5432", connUrl: "", remote: true };
const MEMBER: Upstream = { name: "b", connUrl: "" };

function life() {
  let following: Upstream | null = null;
  const called: string[] = [];
  let server: Postmaster | null = null;
  let known: Postmaster | null = null;
  const calls = new RoleCalls({
    callbacks: { call: (event, role, { oldRole }) => void called.push(`${event} ${role} after ${oldRole}`) },
    name: "a",
    guard: () => ({ postmaster: server }) as GuardView,
    known: () => known,
    timeline: () => 1,
    following: () => following,
  });
  const runs = (which: Postmaster | null) => {
    known = which ?? server;
    server = which;
  };
  const follows = (upstream: Upstream) => {
    following = upstream;
    return calls.followed();
  };
  return { called, calls, runs, follows };
}

test("a switchover: the end of the primary, then its return as a replica", () => {
  const { called, calls, runs } = life();
  runs(PRIMARY);
  calls.started("on_start");
  runs(null);
  calls.stopped(PRIMARY);
  calls.released();
  runs(STANDBY);
  calls.started("on_start");
  calls.promoted();
  expect(called).toEqual([
    "on_start primary after null",
    "on_stop primary after primary",
    "on_role_change replica after primary",
    "on_role_change primary after replica",
  ]);
});

test("a primary whose lock was given back while its archiver still ran ends as demoted", () => {
  const { called, calls, runs } = life();
  runs(PRIMARY);
  calls.found();
  calls.released();
  calls.stopped(PRIMARY);
  runs(STANDBY);
  calls.started("on_start");
  expect(called).toEqual([
    "on_start primary after null",
    "on_stop demoted after primary",
    "on_role_change replica after demoted",
  ]);
});

test("a primary that crashed and gives its lock back is demoted, once", () => {
  const { called, calls, runs } = life();
  runs(PRIMARY);
  calls.started("on_start");
  runs(null);
  calls.released();
  calls.released();
  runs(PRIMARY);
  calls.started("on_start");
  expect(called.slice(1)).toEqual([
    "on_role_change demoted after primary",
    "on_role_change primary after demoted",
  ]);
});

test("so is one whose last processes end after that, and one that ends by itself under its lock is not", () => {
  const { called, calls, runs } = life();
  runs(PRIMARY);
  calls.started("on_start");
  calls.ended();
  expect(called).toEqual(["on_start primary after null"]);
  calls.released();
  runs(null);
  calls.ended();
  expect(called.slice(1)).toEqual(["on_role_change demoted after primary"]);
});

test("a restart and a stop of a standby keep its role, and nothing is said of what never ran", () => {
  const { called, calls, runs } = life();
  calls.stopped(STANDBY);
  calls.released();
  runs(STANDBY);
  calls.started("on_start");
  calls.started("on_restart");
  calls.reloaded();
  calls.stopped(STANDBY);
  expect(called).toEqual([
    "on_start replica after null",
    "on_restart replica after replica",
    "on_reload replica after replica",
    "on_stop replica after replica",
  ]);
});

test("a standby that follows the remote primary is the standby leader, until it follows a member again", () => {
  const { called, calls, runs, follows } = life();
  runs(STANDBY);
  follows(MEMBER);
  calls.started("on_start");
  expect([follows(REMOTE), follows(REMOTE), follows(MEMBER), follows(REMOTE)]).toEqual([
    true,
    false,
    true,
    true,
  ]);
  calls.released();
  runs(null);
  calls.stopped(STANDBY);
  expect(called).toEqual([
    "on_start replica after null",
    "on_role_change standby_leader after replica",
    "on_role_change replica after standby_leader",
    "on_role_change standby_leader after replica",
    "on_stop standby_leader after standby_leader",
  ]);
});
