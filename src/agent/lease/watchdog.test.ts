/** The life of a watchdog device, against a device made of a list, on a clock that stands still. */
import { beforeEach, expect, test } from "bun:test";
import type { Clock, Timer } from "../../../raft/mod.ts";
import type {
  DeviceFacts,
  DeviceResult,
  WatchdogDevice,
  WatchdogProblem,
} from "../../guard/watchdog_port.ts";
import { MemoryLog } from "../../lib/log.ts";
import type { WatchdogConfig } from "../../model/config.ts";
import { DeviceWatchdog, type WatchdogView } from "./watchdog.ts";

const NO_TIMER: Timer = { cancel: () => {} };
const BUSY: WatchdogProblem = { code: "busy", text: "in use", advice: "end it" };

/** Resets its host when its time is over, as a list of what was done to it. */
class ListDevice implements WatchdogDevice {
  readonly path = "/dev/list";
  readonly done: string[] = [];
  problem: WatchdogProblem | null = null;
  feedProblem: WatchdogProblem | null = null;
  nowayout = false;
  /** The only timeout that it can do; null: any. */
  onlyS: number | null = null;

  probe(): WatchdogProblem | null {
    return this.problem?.code === "missing" ? this.problem : null;
  }
  facts(): DeviceFacts {
    return { identity: "List", bootCause: "watchdog", nowayout: this.nowayout };
  }
  open(): DeviceResult<DeviceFacts> {
    if (this.problem !== null) return { ok: false, problem: this.problem };
    this.done.push("open");
    return { ok: true, value: this.facts() };
  }
  setTimeout(seconds: number): DeviceResult<number> {
    const value = this.onlyS ?? seconds;
    this.done.push(`timeout ${value}`);
    return { ok: true, value };
  }
  feed(): DeviceResult<null> {
    if (this.feedProblem !== null) return { ok: false, problem: this.feedProblem };
    this.done.push("feed");
    return { ok: true, value: null };
  }
  stop(): void {
    this.done.push("stop");
  }
  abandon(): void {
    this.done.push("abandon");
  }
  timeLeftS(): null {
    return null;
  }
}

class Site {
  nowMs = 100_000;
  config: WatchdogConfig = { mode: "automatic", device: "/dev/list", safetyMarginS: null, driver: "default" };
  device = new ListDevice();
  marked: string | null = null;
  opened = false;
  log = new MemoryLog();
  changes = 0;
  view: WatchdogView = {
    ttlMs: 5000,
    loopWaitS: 1,
    paused: false,
    leaseRuns: true,
    harmless: false,
    frozen: false,
  };

  watchdog(): DeviceWatchdog {
    const clock: Clock = { now: () => this.nowMs, after: () => NO_TIMER, soon: () => {} };
    const watchdog = new DeviceWatchdog({
      clock,
      log: this.log,
      config: () => this.config,
      device: () => this.device,
      mark: {
        read: () => this.marked,
        set: (device) => void (this.marked = device),
        clear: () => void (this.marked = null),
      },
      opened: this.opened,
      onChange: () => this.changes++,
    });
    watchdog.feedIfDue({ ...this.view, leaseRuns: false });
    return watchdog;
  }

  /** A holder with its watchdog started and fed once. */
  holder(): DeviceWatchdog {
    const watchdog = this.watchdog();
    watchdog.renewed(this.nowMs - 1, this.view.ttlMs);
    watchdog.feedIfDue(this.view);
    this.device.done.length = 0;
    return watchdog;
  }

  /** What is done to the device by a look at this time. */
  look(watchdog: DeviceWatchdog, nowMs: number, view: Partial<WatchdogView> = {}): readonly string[] {
    this.nowMs = nowMs;
    this.view = { ...this.view, ...view };
    watchdog.feedIfDue(this.view);
    return this.device.done.splice(0);
  }

  said(): readonly string[] {
    return this.log.lines;
  }
}

let site: Site;
beforeEach(() => {
  site = new Site();
});

test("nothing is opened before a renewal was acknowledged", () => {
  site.watchdog();
  expect(site.device.done).toEqual([]);
  expect(site.marked).toBeNull();
});

test("the first acknowledged renewal starts and feeds it, each further one feeds it", () => {
  const watchdog = site.watchdog();
  watchdog.renewed(site.nowMs - 3, 5000);
  watchdog.renewed(site.nowMs - 1, 5000);
  expect(site.device.done).toEqual(["open", "timeout 2", "feed", "feed"]);
  expect(site.marked).toBe("/dev/list");
  expect(site.said()).toEqual([
    "INFO: Watchdog /dev/list (List) activated with 2 second timeout, timing slack 1 seconds",
  ]);
});

test("an acknowledgement that took too long neither starts nor feeds it", () => {
  const watchdog = site.watchdog();
  watchdog.renewed(site.nowMs - 2946, 5000);
  expect(site.device.done).toEqual([]);
  watchdog.renewed(site.nowMs - 2945, 5000);
  expect(site.device.done).toEqual(["open", "timeout 2", "feed"]);
  watchdog.renewed(site.nowMs - 2950, 5000);
  expect(site.device.done.length).toBe(3);
});

test("without acknowledgements it is fed to the end of the window of the last one, and no more", () => {
  const watchdog = site.watchdog();
  const sentMs = site.nowMs;
  watchdog.renewed(sentMs, 5000);
  const fedAt: number[] = [];
  let nextMs = site.nowMs;
  while (nextMs < sentMs + 5000) {
    site.device.done.length = 0;
    site.nowMs = nextMs;
    const wantedMs = watchdog.feedIfDue(site.view);
    if (site.device.done.includes("feed")) fedAt.push(nextMs - sentMs);
    nextMs = Math.max(nextMs + 1, Math.min(wantedMs, nextMs + 500));
  }
  // W = 2 s, so the reset comes at 4.895 s, after the guard's freeze at 4.5 s and before a grant at 5 s.
  expect(fedAt).toEqual([1000, 2000, 2895]);
});

test("a loop that comes too late does not feed any more", () => {
  const watchdog = site.holder();
  expect(site.look(watchdog, site.nowMs + 2950)).toEqual([]);
});

test("when the lease has run out, it is fed only while every process is stopped", () => {
  const watchdog = site.holder();
  const begin = site.nowMs;
  expect(site.look(watchdog, begin + 4500, { leaseRuns: false })).toEqual([]);
  expect(site.look(watchdog, begin + 4600, { frozen: true })).toEqual(["feed"]);
  expect(site.look(watchdog, begin + 5600)).toEqual(["feed"]);
  expect(site.look(watchdog, begin + 6700, { frozen: false })).toEqual([]);
});

test("it is stopped once nothing of PostgreSQL can be a primary, and started anew in the next tenure", () => {
  const watchdog = site.holder();
  expect(site.look(watchdog, site.nowMs + 100, { leaseRuns: false })).toEqual([]);
  expect(site.look(watchdog, site.nowMs + 100, { harmless: true })).toEqual(["stop"]);
  expect(site.marked).toBeNull();
  expect(watchdog.status().active).toBe(false);
  watchdog.renewed(site.nowMs, 5000);
  expect(site.device.done).toEqual(["open", "timeout 2", "feed"]);
});

test("a holder whose PostgreSQL is being restarted keeps it", () => {
  const watchdog = site.holder();
  expect(site.look(watchdog, site.nowMs + 100, { harmless: true })).toEqual([]);
  expect(watchdog.status().active).toBe(true);
});

test("a ttl changed at run time is applied at the next keepalive", () => {
  const watchdog = site.holder();
  watchdog.renewed(site.nowMs, 30_000);
  expect(site.device.done).toEqual(["timeout 25", "feed"]);
  expect(site.said()).toContain("INFO: Watchdog /dev/list (List): timeout changed to 25 s");
});

test("paused: stopped, not started, and a required one is not missed", () => {
  const watchdog = site.holder();
  site.config = { ...site.config, mode: "required" };
  expect(site.look(watchdog, site.nowMs + 100, { paused: true })).toEqual(["stop"]);
  watchdog.renewed(site.nowMs, 5000);
  expect(site.device.done).toEqual([]);
  expect({ permits: watchdog.permits, failed: watchdog.failed }).toEqual({ permits: true, failed: false });
});

test("switched off by a reload, or another device named: stopped", () => {
  const watchdog = site.holder();
  site.config = { ...site.config, mode: "off" };
  expect(site.look(watchdog, site.nowMs + 100)).toEqual(["stop"]);
  site.config = { ...site.config, mode: "automatic" };
  const other = site.holder();
  site.config = { ...site.config, device: "/dev/other" };
  expect(site.look(other, site.nowMs + 100)).toEqual(["stop"]);
});

test("automatic and no device: said once, and nothing is refused", () => {
  site.device.problem = { code: "missing", text: "/dev/list does not exist", advice: "modprobe softdog" };
  const watchdog = site.watchdog();
  for (let second = 0; second < 100; second++) {
    site.nowMs += 1000;
    watchdog.renewed(site.nowMs, 5000);
    site.look(watchdog, site.nowMs);
  }
  expect({ permits: watchdog.permits, failed: watchdog.failed }).toEqual({ permits: true, failed: false });
  expect(site.said()).toEqual([
    "INFO: no watchdog is used: /dev/list does not exist. modprobe softdog",
  ]);
  expect(watchdog.status()).toMatchObject({ active: false, healthy: false, advice: "modprobe softdog" });
});

test("required and no device: known before any lock is granted, forgotten when it appears", () => {
  site.config = { ...site.config, mode: "required" };
  site.device.problem = { code: "missing", text: "/dev/list does not exist", advice: "modprobe softdog" };
  const watchdog = site.watchdog();
  expect({ permits: watchdog.permits, failed: watchdog.failed }).toEqual({ permits: false, failed: true });
  expect(site.said()).toEqual([
    "ERROR: watchdog.mode is required, so this member cannot become primary: /dev/list does not exist. modprobe softdog",
  ]);
  site.device.problem = null;
  site.look(watchdog, site.nowMs + 2000, { leaseRuns: false });
  expect(watchdog.failed).toBe(false);
  watchdog.renewed(site.nowMs, 5000);
  expect(watchdog.permits).toBe(true);
});

test("required and in use by another: known at the first renewal, tried again less and less often", () => {
  site.config = { ...site.config, mode: "required" };
  site.device.problem = BUSY;
  const watchdog = site.watchdog();
  expect(watchdog.failed).toBe(false);
  watchdog.renewed(site.nowMs, 5000);
  expect(watchdog.failed).toBe(true);
  const triedAfterS: number[] = [];
  const begin = site.nowMs;
  for (let second = 1; second < 120; second++) {
    site.look(watchdog, begin + 1000 * second, { leaseRuns: false });
    if (watchdog.failed) continue;
    triedAfterS.push(second);
    watchdog.renewed(site.nowMs, 5000);
  }
  expect(triedAfterS).toEqual([5, 15, 35, 75]);
});

test("required, and the times leave no timeout", () => {
  site.config = { ...site.config, mode: "required", safetyMarginS: 5 };
  const watchdog = site.watchdog();
  expect(watchdog.failed).toBe(true);
  expect(watchdog.status().problem).toBe(
    "ttl 5 s with a margin of 5 leaves the watchdog 0 s, which must be at least loop_wait (1 s)",
  );
});

test("a margin that makes the reset come late: used, and said at each start", () => {
  for (const mode of ["automatic", "required"] as const) {
    for (const [safetyMarginS, warned] of [[0, true], [1, false], [-1, false]] as const) {
      site = new Site();
      site.config = { ...site.config, mode, safetyMarginS };
      const watchdog = site.watchdog();
      watchdog.renewed(site.nowMs, 5000);
      watchdog.renewed(site.nowMs, 5000);
      expect(watchdog.permits).toBe(true);
      expect({ mode, safetyMarginS, said: site.said().filter((line) => line.startsWith("WARNING")) }).toEqual(
        {
          mode,
          safetyMarginS,
          said: !warned ? [] : [
            "WARNING: with watchdog.safety_margin: 0 the reset of a stalled host may come after another member was granted " +
            "the lock; -1 (half the ttl) makes it come in time",
          ],
        },
      );
    }
  }
});

test("a device that cannot be as fast: used with a warning when automatic, not when required", () => {
  site.device.onlyS = 60;
  const watchdog = site.watchdog();
  watchdog.renewed(site.nowMs, 5000);
  expect(site.device.done).toEqual(["open", "timeout 60", "feed"]);
  expect(watchdog.permits).toBe(true);
  site = new Site();
  site.device.onlyS = 60;
  site.config = { ...site.config, mode: "required" };
  const strict = site.watchdog();
  strict.renewed(site.nowMs, 5000);
  expect(site.device.done).toEqual(["open", "timeout 60", "stop"]);
  expect(strict.failed).toBe(true);
});

test("a device faster than the loop is stopped again", () => {
  site.device.onlyS = 1;
  site.view = { ...site.view, ttlMs: 30_000, loopWaitS: 10 };
  const watchdog = site.watchdog();
  watchdog.renewed(site.nowMs, 30_000);
  expect(site.device.done).toEqual(["open", "timeout 1", "stop"]);
});

test("a keepalive that fails: not stopped, opened again at the next renewal", () => {
  const watchdog = site.holder();
  site.device.feedProblem = { code: "failed", text: "no keepalives", advice: "dmesg" };
  watchdog.renewed(site.nowMs, 5000);
  expect(site.device.done).toEqual(["abandon"]);
  site.device.feedProblem = null;
  watchdog.renewed(site.nowMs + 1, 5000);
  expect(site.device.done).toEqual(["abandon", "open", "timeout 2", "feed"]);
});

test("left running by an agent that was killed: stopped as soon as nothing can be a primary", () => {
  site.marked = "/dev/list";
  const watchdog = site.watchdog();
  expect(site.device.done).toEqual([]);
  expect(site.look(watchdog, site.nowMs, { leaseRuns: false, harmless: true })).toEqual(["open", "stop"]);
  expect(site.marked).toBeNull();
});

test("left running by an agent that was killed: taken over by the first renewal of the next", () => {
  site.marked = "/dev/list";
  const watchdog = site.watchdog();
  watchdog.renewed(site.nowMs, 5000);
  expect(site.device.done).toEqual(["open", "timeout 2", "feed"]);
});

test("opened as root at the start: the same", () => {
  site.opened = true;
  const watchdog = site.watchdog();
  expect(site.look(watchdog, site.nowMs, { leaseRuns: false, harmless: true })).toEqual(["open", "stop"]);
});

test("nowayout: said loudly, fed while nothing can be a primary, starved while something may", () => {
  site.device.nowayout = true;
  const watchdog = site.holder();
  expect(site.said().some((line) => line.startsWith("WARNING: /dev/list cannot be stopped (nowayout)"))).toBe(
    true,
  );
  const begin = site.nowMs;
  expect(site.look(watchdog, begin + 4600, { leaseRuns: false })).toEqual([]);
  expect(site.look(watchdog, begin + 4700, { harmless: true })).toEqual(["feed"]);
  expect(site.look(watchdog, begin + 5800)).toEqual(["feed"]);
  watchdog.close();
  expect(site.device.done).toEqual(["stop"]);
  expect(site.marked).toBe("/dev/list");
});

test("nowayout left running: fed from the start", () => {
  site.device.nowayout = true;
  site.marked = "/dev/list";
  const watchdog = site.watchdog();
  expect(site.look(watchdog, site.nowMs, { leaseRuns: false, harmless: true })).toEqual([
    "open",
    "timeout 2",
  ]);
  expect(site.look(watchdog, site.nowMs + 1001)).toEqual(["feed"]);
});

test("status: what it is, and how close it came", () => {
  const watchdog = site.holder();
  site.nowMs += 600;
  watchdog.renewed(site.nowMs, 5000);
  site.nowMs += 200;
  expect(watchdog.status()).toEqual({
    mode: "automatic",
    driver: "default",
    device: "/dev/list",
    active: true,
    healthy: true,
    identity: "List",
    bootCause: "watchdog",
    nowayout: false,
    timeoutS: 2,
    timeLeftS: 1.8,
    lastFeedAgeS: 0.2,
    feeds: 2,
    closestS: 1.4,
    problem: null,
    advice: null,
  });
});

test("a device that an acknowledgement has started asks for a look: it has to be fed from then on", () => {
  const site = new Site();
  const watchdog = site.watchdog();
  expect(site.changes).toBe(0);
  watchdog.renewed(site.nowMs - 1, site.view.ttlMs);
  expect(site.device.done).toContain("open");
  expect(site.changes).toBe(1);
  watchdog.renewed(site.nowMs, site.view.ttlMs);
  expect(site.changes).toBe(1);
});
