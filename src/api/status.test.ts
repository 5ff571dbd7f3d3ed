import { expect, test } from "bun:test";
import type { GuardView } from "../model/guard_view.ts";
import { jsonText } from "./json_text.ts";
import { shownRestart, StatusCache, statusJson } from "./status.ts";
import { STUB_WATCHDOG, StubPort } from "./testing.ts";

const AGENT = { version: "0.1.0", epoch: null, guard: null, raft_leader: "node1" };
const PATRONI = { version: "4.1.4", scope: "demo", name: "node1" };

test("a primary shows its position and its standbys", () => {
  expect(statusJson(new StubPort().view())).toEqual({
    state: "running",
    postmaster_start_time: "2026-01-31 11:00:00.123456+00:00",
    role: "primary",
    server_version: 150018,
    xlog: { location: 83886080 },
    timeline: 3,
    replication: [{
      usename: "replicator",
      application_name: "node2",
      client_addr: "10.0.0.2",
      state: "streaming",
      sync_state: "async",
      sync_priority: 0,
    }],
    dcs_last_seen: 1769860800,
    database_system_identifier: "7277694203142172922",
    patroni: PATRONI,
    agent: { ...AGENT, epoch: 1 },
  });
});

test("a standby shows what it has received and replayed", () => {
  const port = new StubPort();
  port.becomeStandby();
  expect(statusJson(port.view())).toEqual({
    state: "running",
    postmaster_start_time: "2026-01-31 11:00:00.123456+00:00",
    role: "replica",
    server_version: 150018,
    xlog: {
      received_location: 83886080,
      replayed_location: 83886080,
      replayed_timestamp: "2026-01-31 12:00:00.123456+00:00",
      paused: false,
    },
    timeline: 3,
    replication_state: "streaming",
    dcs_last_seen: 1769860800,
    database_system_identifier: "7277694203142172922",
    patroni: PATRONI,
    agent: AGENT,
  });
});

test("a server that does not answer shows only what is known without it", () => {
  const port = new StubPort();
  port.change({ sqlAnswers: false });
  expect(statusJson(port.view())).toEqual({
    state: "unknown",
    role: "primary",
    dcs_last_seen: 1769860800,
    database_system_identifier: "7277694203142172922",
    patroni: PATRONI,
    agent: { ...AGENT, epoch: 1 },
  });
});

test("conditions that need attention appear only while they last", () => {
  const port = new StubPort();
  port.changeDynamic({ pause: true });
  port.changeDcs({ lock: { ...port.view().dcs!.lock, holder: null } });
  port.changeStatus({ watchdogFailed: true, tags: { nofailover: true } });
  port.changePostgres({ pendingRestart: { max_connections: { old_value: "100", new_value: "200" } } });
  port.change({
    failsafeActive: true,
  });
  port.changeDcs({ restarts: { node1: { schedule: "2026-02-01T00:00:00+00:00", id: "r" } } });
  expect(statusJson(port.view())).toMatchObject({
    pause: true,
    cluster_unlocked: true,
    failsafe_mode_is_active: true,
    watchdog_failed: true,
    tags: { nofailover: true },
    pending_restart: true,
    pending_restart_reason: { max_connections: { old_value: "100", new_value: "200" } },
    scheduled_restart: { schedule: "2026-02-01T00:00:00+00:00" },
  });
});

test("the lock's holder says that it is paused when its guard has lifted the fence, others when they know of it", () => {
  const port = new StubPort();
  port.changeDynamic({ pause: true });
  const { epoch } = port.view().dcs!.lock;
  const armed = (unfenced: boolean, of = epoch) =>
    port.change({ guard: { armed: { epoch: of, deadlineMs: 1, unfenced } } as GuardView });
  armed(false);
  expect(statusJson(port.view()).pause).toBeUndefined();
  armed(true);
  expect(statusJson(port.view()).pause).toBe(true);
  armed(false, epoch - 1);
  expect(statusJson(port.view()).pause).toBe(true);
  armed(false);
  port.becomeStandby();
  expect(statusJson(port.view()).pause).toBe(true);
});

test("the watchdog is described in what is ours of the status", () => {
  const port = new StubPort();
  port.change({ watchdog: { ...STUB_WATCHDOG, bootCause: "watchdog" } });
  expect(statusJson(port.view()).agent.watchdog).toEqual({
    mode: "required",
    active: true,
    device: "/dev/watchdog",
    identity: "Software Watchdog",
    timeout: 2,
    boot_cause: "watchdog",
  });
});

test("synchronous standbys are named by the mode in force", () => {
  const port = new StubPort();
  port.becomeStandby();
  port.changeDcs({ sync: { leader: "node2", syncStandby: ["node1"], quorum: 0, revision: 1 } });
  const shown = () => {
    const { sync_standby, quorum_standby } = statusJson(port.view());
    return { sync_standby, quorum_standby };
  };
  expect(shown()).toEqual({ sync_standby: undefined, quorum_standby: undefined });
  port.changeDynamic({ synchronousMode: "on" });
  expect(shown()).toEqual({ sync_standby: true, quorum_standby: undefined });
  port.changeDynamic({ synchronousMode: "quorum" });
  expect(shown()).toEqual({ sync_standby: undefined, quorum_standby: true });
  port.changeDynamic({ standbyCluster: { host: "192.0.2.1" } });
  expect(shown()).toEqual({ sync_standby: undefined, quorum_standby: undefined });
});

test("the cluster counts as unlocked while our view of it is not current", () => {
  const port = new StubPort();
  port.change({ dcsAgeMs: 60_000 });
  expect(statusJson(port.view()).cluster_unlocked).toBe(true);
});

test("a rendering is kept until something changes", () => {
  const port = new StubPort();
  const cache = new StatusCache(port);
  const first = cache.get();
  expect(cache.get()).toBe(first);
  port.changeDynamic({ pause: true });
  expect(cache.get()).not.toBe(first);
  expect(cache.get().status.pause).toBe(true);
});

test("JSON is spelled as Python spells it", () => {
  expect(jsonText({ a: [1, "x", null, true], b: { c: undefined, d: 1.5 }, e: "ü\n" })).toBe(
    '{"a": [1, "x", null, true], "b": {"d": 1.5}, "e": "\\u00fc\\n"}',
  );
  expect(jsonText([])).toBe("[]");
  expect(jsonText({})).toBe("{}");
});

test("a member that is called as a property of every map has no restart that nobody scheduled", () => {
  const view = new StubPort().view();
  for (const name of ["constructor", "toString"]) {
    const named = { ...view, config: { ...view.config, name } };
    expect(statusJson(named).scheduled_restart).toBeUndefined();
    expect(shownRestart(named, name)).toBeNull();
  }
});
