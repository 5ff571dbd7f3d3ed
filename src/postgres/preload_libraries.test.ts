import { afterAll, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { librariesIn, missingLibraries } from "./preload_libraries.ts";

const root = mkdtempSync(join(tmpdir(), "agent-libraries-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));
const libDir = join(root, "lib");
mkdirSync(join(libDir, "plugins"), { recursive: true });
mkdirSync(join(root, "more"));
for (const path of ["lib/a.so", "lib/plugins/p.so", "more/b.so"]) writeFileSync(join(root, path), "");

test("a list of libraries is read as PostgreSQL reads it", () => {
  expect(librariesIn("")).toEqual([]);
  expect(librariesIn(" a ,b,  $libdir/c ")).toEqual(["a", "b", "$libdir/c"]);
  expect(librariesIn('"/odd, path/x.so", b')).toEqual(["/odd, path/x.so", "b"]);
});

const missing = (settings: { [name: string]: string }) =>
  missingLibraries(settings, libDir, join(root, "data")).map(({ parameter, library }) =>
    `${parameter} ${library}`
  );

test("a library is looked for where PostgreSQL looks for it, with and without its suffix", () => {
  const there = ["a", "a.so", "$libdir/a", `${libDir}/a`, `${libDir}/a.so`, "$libdir/plugins/p"];
  expect(missing({ Shared_Preload_Libraries: there.join(", ") })).toEqual([]);
  expect(missing({ shared_preload_libraries: "a, none, $libdir/none, /none.so" })).toEqual([
    "shared_preload_libraries none",
    "shared_preload_libraries $libdir/none",
    "shared_preload_libraries /none.so",
  ]);
  expect(missing({ session_preload_libraries: "none" })).toEqual(["session_preload_libraries none"]);
  expect(missing({ local_preload_libraries: "p, a" })).toEqual(["local_preload_libraries a"]);
  expect(missing({ work_mem: "none" })).toEqual([]);
});

test("a relative path begins in the data directory, where PostgreSQL works", () => {
  expect(missing({ shared_preload_libraries: "../more/b, ../lib/a.so" })).toEqual([]);
  expect(missing({ shared_preload_libraries: "./more/b" })).toEqual(["shared_preload_libraries ./more/b"]);
});

test("dynamic_library_path is followed", () => {
  const path = `${root}/more:$libdir`;
  expect(missing({ dynamic_library_path: path, shared_preload_libraries: "a, b" })).toEqual([]);
  expect(missing({ dynamic_library_path: `${root}/more`, shared_preload_libraries: "a, b" })).toEqual([
    "shared_preload_libraries a",
  ]);
});
