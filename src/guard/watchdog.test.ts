/** The drivers, on files and FIFOs; a real device is tested in test/watchdog. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import {
  closeSync,
  constants,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { WatchdogConfig } from "../model/config.ts";
import { LinuxWatchdog } from "./linux_watchdog.ts";
import { openBeforeDroppingPrivileges } from "./open_watchdog.ts";
import { watchdogDevice } from "./watchdog.ts";
import { bootCauseOf } from "./watchdog_facts.ts";
import { WatchdogMark } from "./watchdog_mark.ts";
import type { WatchdogDevice } from "./watchdog_port.ts";
import { openProblem } from "./watchdog_problem.ts";

let directory: string;
let path: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "watchdog-"));
  path = join(directory, "device");
});
afterEach(() => rmSync(directory, { recursive: true }));

function device(driver: string): WatchdogDevice {
  const config: WatchdogConfig = { mode: "required", device: path, safetyMarginS: null, driver };
  return watchdogDevice(config, null);
}

test("testing: a file gets what a driver would do", () => {
  writeFileSync(path, "");
  const watchdog = device("testing");
  expect(watchdog.probe()).toBeNull();
  expect(watchdog.open().ok).toBe(true);
  expect(watchdog.setTimeout(15)).toEqual({ ok: true, value: 15 });
  watchdog.feed();
  watchdog.feed();
  watchdog.stop();
  watchdog.open();
  watchdog.abandon();
  expect(readFileSync(path, "utf8")).toBe("Ctimeout=15\n11V");
});

test("testing: a FIFO without a reader is not there, a full one is not waited for, a left one is an error", () => {
  expect(spawnSync("mkfifo", [path]).status).toBe(0);
  const watchdog = device("testing");
  expect(watchdog.open()).toMatchObject({ ok: false, problem: { code: "missing" } });
  const reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  expect(watchdog.open().ok).toBe(true);
  expect(watchdog.setTimeout(5).ok).toBe(true);
  const bytes = new Uint8Array(100);
  expect(new TextDecoder().decode(bytes.subarray(0, readSync(reader, bytes)))).toBe("Ctimeout=5\n");
  closeSync(reader);
  expect(watchdog.feed()).toMatchObject({ ok: false, problem: { code: "failed" } });
  watchdog.stop();
});

test("testing: a path where nothing is", () => {
  expect(device("testing").probe()?.code).toBe("missing");
  expect(device("testing").open()).toMatchObject({ ok: false, problem: { code: "missing" } });
});

test("default: what is no device is not written to", () => {
  expect(device("default").open()).toMatchObject({ ok: false, problem: { code: "missing" } });
  writeFileSync(path, "precious");
  expect(device("default").open()).toMatchObject({ ok: false, problem: { code: "not-a-watchdog" } });
  rmSync(path);
  spawnSync("mkfifo", [path]);
  expect(device("default").probe()?.code).toBe("not-a-watchdog");
  rmSync(path);
  mkdirSync(path);
  expect(device("default").open()).toMatchObject({ ok: false, problem: { code: "not-a-watchdog" } });
});

test("default: a character device that knows no watchdog call is none", () => {
  path = "/dev/null";
  const watchdog = device("default");
  expect(watchdog.probe()).toBeNull();
  expect(watchdog.open()).toMatchObject({ ok: false, problem: { code: "not-a-watchdog" } });
  expect(watchdog.timeLeftS()).toBeNull();
});

test("default: what root could not open stays the reason after privileges were dropped", () => {
  const kept = openBeforeDroppingPrivileges(path, "postgres", false);
  expect(kept).toMatchObject({ path, fd: null, problem: { code: "missing" } });
  expect(new LinuxWatchdog(path, "postgres", kept).probe()).toEqual(kept.problem);
});

test("each failure comes with the commands that put it right", () => {
  const advice = (code: string) => openProblem("/dev/watchdog", code, "postgres").advice;
  expect(advice("ENOENT")).toContain("modprobe softdog");
  expect(advice("EACCES")).toContain('KERNEL=="watchdog*", OWNER="postgres"');
  expect(advice("EACCES")).toContain("--user postgres");
  expect(advice("EACCES")).toContain("DeviceAllow=/dev/watchdog rw");
  expect(advice("EBUSY")).toContain("RuntimeWatchdogSec=off");
  expect(openProblem("/dev/watchdog", "EIO", "postgres").text).toBe("/dev/watchdog cannot be opened (EIO)");
});

test("the cause of the last boot", () => {
  expect(bootCauseOf(0)).toBeNull();
  expect(bootCauseOf(0x20)).toBe("watchdog");
  expect(bootCauseOf(0x8000)).toBeNull();
  expect(bootCauseOf(0x01)).toBe("overheat");
});

test("the mark of a running device is good for this boot", () => {
  const mark = new WatchdogMark(directory);
  expect(mark.read()).toBeNull();
  mark.set("/dev/watchdog");
  expect(mark.read()).toBe("/dev/watchdog");
  writeFileSync(join(directory, "run", "watchdog"), "another-boot\n/dev/watchdog\n");
  expect(mark.read()).toBeNull();
  mark.clear();
  mark.clear();
  expect(mark.read()).toBeNull();
});
