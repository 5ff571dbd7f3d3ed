import { expect, test } from "bun:test";
import { absolutePath, isWithin, parentDirectory } from "./posix_path.ts";

test("relative paths start from the working directory, ~ from the home", () => {
  const context = { cwd: "/srv/pg", home: "/home/me" };
  expect(absolutePath("data/main", context)).toBe("/srv/pg/data/main");
  expect(absolutePath("../x/./y/", context)).toBe("/srv/x/y");
  expect(absolutePath("/a//b/../c", context)).toBe("/a/c");
  expect(absolutePath("~/pgpass", context)).toBe("/home/me/pgpass");
  expect(absolutePath("~other/x", context)).toBe("/srv/pg/~other/x");
});

test("without a working directory relative paths stay relative", () => {
  expect(absolutePath("data/main", { cwd: null, home: null })).toBe("data/main");
  expect(absolutePath("../../x", { cwd: null, home: null })).toBe("../../x");
  expect(absolutePath("/..", { cwd: null, home: null })).toBe("/");
});

test("the parent of a path", () => {
  expect(parentDirectory("/var/lib/main/")).toBe("/var/lib");
  expect(parentDirectory("/var")).toBe("/");
  expect(parentDirectory("main")).toBe(".");
});

test("one directory within another, by whole names", () => {
  expect(isWithin("/var/lib/main/raft", "/var/lib/main")).toBe(true);
  expect(isWithin("/var/lib/main", "/var/lib/main/")).toBe(true);
  expect(isWithin("/var/lib/main.raft", "/var/lib/main")).toBe(false);
  expect(isWithin("/a", "/")).toBe(true);
});
