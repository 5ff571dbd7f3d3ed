/** `agent ctl watchdog` against a stub whose watchdog is fed, or is not. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import type { WatchdogStatus } from "../../src/api/port.ts";
import { STUB_WATCHDOG } from "../../src/api/testing.ts";
import { StubCluster } from "./testing.ts";

let cluster: StubCluster;

beforeEach(() => {
  cluster = new StubCluster();
});
afterEach(() => cluster.stop());

const change = (part: Partial<WatchdogStatus>) =>
  cluster.port.change({ watchdog: { ...STUB_WATCHDOG, ...part } });
const ctl = (...words: string[]) => cluster.ctl(["watchdog", ...words]);

test("status shows each member's device", async () => {
  change({ bootCause: "watchdog" });
  const { code, out } = await ctl("status");
  expect(code).toBe(0);
  expect(out.split("\n").slice(0, 4)).toEqual([
    "+ Watchdog: demo ---+--------+---------------+-------------------+---------+-----------+-----------+",
    "| Member | Mode     | State  | Device        | Identity          | Timeout | Time left | Last boot |",
    "+--------+----------+--------+---------------+-------------------+---------+-----------+-----------+",
    "| node1  | required | active | /dev/watchdog | Software Watchdog |     2 s |     1.6 s | watchdog  |",
  ]);
  change({ active: false, problem: "in use" });
  expect((await ctl("status")).out).toContain("| not usable: in use |");
});

test("test counts the feedings and says how close a reset came", async () => {
  change({ feeds: 10 });
  const running = ctl("test", "--seconds", "0.3");
  const timer = setInterval(
    () => change({ feeds: cluster.port.view().watchdog!.feeds + 1, timeLeftS: 1.25 }),
    50,
  );
  const { code, out } = await running;
  clearInterval(timer);
  expect(code).toBe(0);
  expect(out).toMatch(
    /^node1: \/dev\/watchdog \(Software Watchdog\), timeout 2 s; watching for 0\.3 s\nFed [1-9]\d* times; the reset was never nearer than 1\.25 s of 2 s$/,
  );
});

test("test fails where nothing is fed, or nothing runs", async () => {
  change({});
  expect(await ctl("test", "--seconds", "0.2")).toMatchObject({
    code: 1,
    err: "Error: Not fed in 0.2 s: node1 will be reset in 1.6 s unless its lease is renewed",
  });
  change({ active: false, mode: "off" });
  expect((await ctl("test")).err).toBe("Error: node1: watchdog.mode is off");
  change({ active: false, problem: "/dev/watchdog does not exist", advice: "modprobe softdog" });
  expect((await ctl("test")).err).toBe(
    "Error: node1: no watchdog is used: /dev/watchdog does not exist.\nmodprobe softdog",
  );
  cluster.port.change({ watchdog: null });
  expect((await ctl("test")).err).toBe("Error: node1: this member has no watchdog");
  expect((await ctl("test", "node9")).err).toBe("Error: node9 is not a member of cluster");
  expect((await ctl()).code).toBe(2);
});
