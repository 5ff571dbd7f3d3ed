import { expect, test } from "bun:test";
import { EXTENSION_MS, SystemdNotices } from "./sd_notify.ts";

const PID = 4711;

interface Site {
  readonly notices: SystemdNotices;
  readonly environment: { [name: string]: string | undefined };
  readonly sent: string[];
  readonly problems: string[];
  /** The messages since the last call, each in one line. */
  readonly news: () => string[];
  refuse: boolean;
}

function site(environment: { [name: string]: string }): Site {
  const made: Omit<Site, "notices"> = {
    environment: { HOME: "/x", ...environment },
    sent: [],
    problems: [],
    news: () => made.sent.splice(0).map((message) => message.trimEnd().replaceAll("\n", " ")),
    refuse: false,
  };
  const notices = new SystemdNotices({
    environment: made.environment,
    pid: PID,
    send: (socket, message) => {
      if (made.refuse) return { ok: false, errno: 11, name: "EAGAIN" };
      expect(socket).toBe("/run/systemd/notify");
      made.sent.push(message);
      return { ok: true, value: message.length };
    },
    problem: (text) => made.problems.push(text),
  });
  return Object.assign(made, { notices });
}

const SOCKET = { NOTIFY_SOCKET: "/run/systemd/notify" };
const WATCHDOG = { ...SOCKET, WATCHDOG_USEC: "20000000", WATCHDOG_PID: String(PID) };

test("without systemd nothing is sent and nothing fails", () => {
  const { notices, sent, problems } = site({});
  notices.looked(0);
  notices.reloading();
  notices.reloaded();
  notices.stopping(1, 1000);
  notices.looked(EXTENSION_MS);
  expect(sent).toEqual([]);
  expect(problems).toEqual([]);
});

test("no child gets the variables of systemd", () => {
  expect(site(WATCHDOG).environment).toEqual({ HOME: "/x" });
});

test("it is ready with the first look, once", () => {
  const { notices, sent } = site(SOCKET);
  expect(sent).toEqual([]);
  notices.looked(0);
  notices.looked(60_000);
  expect(sent).toEqual(["READY=1\n"]);
});

test("the watchdog is fed by looks, four times in its time, and not while there are none", () => {
  const { notices, news } = site(WATCHDOG);
  notices.looked(0);
  expect(news()).toEqual(["READY=1", "WATCHDOG=1"]);
  for (let nowMs = 500; nowMs <= 20_000; nowMs += 500) notices.looked(nowMs);
  expect(news()).toEqual(["WATCHDOG=1", "WATCHDOG=1", "WATCHDOG=1", "WATCHDOG=1"]);
  notices.reloading();
  notices.reloaded();
  expect(news().join()).not.toContain("WATCHDOG");
});

test("a watchdog that is meant for another process, or has no time, is not fed", () => {
  const wrong = [{ WATCHDOG_PID: "1" }, { WATCHDOG_USEC: "0" }, { WATCHDOG_USEC: "-5" }, {
    WATCHDOG_USEC: "x",
  }];
  for (const variable of wrong) {
    const { notices, sent } = site({ ...WATCHDOG, ...variable });
    notices.looked(0);
    expect(sent).toEqual(["READY=1\n"]);
  }
});

test("a reload begins with its time in the same message, and ends with READY", () => {
  const { notices, news } = site(SOCKET);
  notices.looked(0);
  news();
  notices.reloading();
  expect(news()).toEqual([expect.stringMatching(/^RELOADING=1 MONOTONIC_USEC=[1-9]\d+$/)]);
  notices.reloaded();
  expect(news()).toEqual(["READY=1"]);
});

test("a stop asks for more time as long as the loop looks, up to its limit", () => {
  const { notices, news } = site(SOCKET);
  const extend = `EXTEND_TIMEOUT_USEC=${EXTENSION_MS}000`;
  notices.looked(0);
  news();
  notices.stopping(1000, 60_000);
  expect(news()).toEqual(["STOPPING=1", extend]);
  for (let nowMs = 1000; nowMs < 31_000; nowMs += 500) notices.looked(nowMs);
  expect(news()).toEqual([extend, extend, extend]);
  for (let nowMs = 61_000; nowMs < 200_000; nowMs += 500) notices.looked(nowMs);
  expect(news()).toEqual([]);
});

test("a service that stops is never ready again, even if it was told to stop before its first look", () => {
  for (const looks of [0, 1]) {
    const { notices, news } = site(SOCKET);
    for (let look = 0; look < looks; look++) notices.looked(look);
    news();
    notices.stopping(10, 1000);
    notices.stopping(20, 1000);
    news();
    notices.looked(30);
    notices.reloading();
    notices.reloaded();
    expect(news()).toEqual([]);
  }
});

test("what does not get through is sent with a later look, in order, and said once", () => {
  const at = site(WATCHDOG);
  at.refuse = true;
  at.notices.looked(0);
  at.notices.reloading();
  at.notices.reloaded();
  at.notices.looked(500);
  expect(at.problems).toEqual([expect.stringContaining("systemd cannot be told READY=1 (EAGAIN)")]);
  at.refuse = false;
  at.notices.looked(1000);
  expect(at.news()).toEqual([
    "READY=1",
    expect.stringContaining("RELOADING=1"),
    "READY=1",
    "WATCHDOG=1",
  ]);
  at.refuse = true;
  at.notices.looked(7000);
  expect(at.problems).toHaveLength(2);
});

test("a systemd that never reads costs no memory", () => {
  const at = site(SOCKET);
  at.refuse = true;
  at.notices.looked(0);
  for (let reload = 0; reload < 1000; reload++) at.notices.reloaded();
  at.refuse = false;
  at.notices.looked(1);
  expect(at.sent.length).toBeLessThan(10);
});
