import { expect, test } from "bun:test";
import { dateText, flawOfDate, flawOfFormat, layoutOf, placesOf } from "./log_layout.ts";

const facts = {
  asctime: "2026-01-31 09:05:07,012",
  levelname: "INFO",
  levelno: 20,
  message: "no action. I am (a)",
  name: "decision.keeper",
  atMs: 1_769_850_307_012,
};

test.each([
  ["%(asctime)s %(levelname)s: %(message)s", "2026-01-31 09:05:07,012 INFO: no action. I am (a)"],
  ["[%(levelname)-8s|%(levelname)8s|%(levelname).1s]", "[INFO    |    INFO|I]"],
  [
    "%(levelno)03d %(msecs)03d %(created).3f %(name)s %(module)s",
    "020 012 1769850307.012 decision.keeper decision",
  ],
  ["100%% %(message)s", "100% no action. I am (a)"],
  ["%(process)d", String(process.pid)],
  ["%(lineno)d: %(toString)s", "%(lineno)d: %(toString)s"],
])("the format %s", (format, text) => {
  expect(layoutOf(format)(facts)).toBe(text);
});

test("what cannot be honoured is named", () => {
  expect(flawOfFormat("%(asctime)s %% %(message)s")).toBeNull();
  expect(flawOfFormat("%(message)s %(lineno)d %(funcName)s %(lineno)d")).toBe(
    "%(lineno), %(funcName): not known here",
  );
  expect(flawOfFormat("%(message)s %(message)")).toContain("a % that begins no place");
  expect(flawOfFormat("%(message)s 5%")).toContain("a % that begins no place");
  expect(flawOfFormat("x")).toBe("it has no %(message)s");
  expect(flawOfFormat("%(message)s\n")).toBe("it has signs that are not printed");
  expect(placesOf("%(asctime)s %% %(message)s")).toEqual(["asctime", "message"]);
});

test("dates as strftime writes them, in local time", () => {
  const atMs = new Date(2026, 0, 5, 9, 5, 7, 12).getTime();
  expect(dateText("%Y-%m-%d %H:%M:%S", atMs)).toBe("2026-01-05 09:05:07");
  expect(dateText("%a %b %e %T %y, %j %I%p %D %F %R %A %B 100%%", atMs)).toBe(
    "Mon Jan  5 09:05:07 26, 005 09AM 01/05/26 2026-01-05 09:05 Monday January 100%",
  );
  expect(dateText("%s", atMs)).toBe(String(Math.floor(atMs / 1000)));
  expect(dateText("%z", atMs)).toMatch(/^[+-]\d{4}$/);
  expect(dateText("%Q", atMs)).toBe("%Q");
  expect([flawOfDate("%Y %%"), flawOfDate("%Q %Y %Q"), flawOfDate("%")]).toEqual([
    null,
    "%Q: not known here",
    "%: not known here",
  ]);
});
