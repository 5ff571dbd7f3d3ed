/** Holds DESIGN.md to what it says: every class of known bugs has tests, which carry its number or are named. */
import { expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

const CLASSES = 45;

/** Whether `place` of the table ("core/log", "membership_remove", or a path with a quoted text) holds the class. */
function holds(place: string, bugClass: string): boolean {
  const [, path, , title] = /^(\S+?)(?:\.test\.ts)?(?:$|:.*|( "(.*)"))$/.exec(place) ?? [];
  if (path === undefined) return false;
  const story = join(import.meta.dir, "core", "stories", `${path}.txt`);
  const file = path.includes("/") ? join(import.meta.dir, `${path}.test.ts`) : story;
  if (!existsSync(file)) return false;
  const text = readFileSync(file, "utf8");
  return title === undefined ? new RegExp(`\\b${bugClass}\\b`).test(text) : text.includes(title);
}

test("every class of known bugs is found by a test that exists", () => {
  const design = readFileSync(join(import.meta.dir, "DESIGN.md"), "utf8");
  const rows = [...design.matchAll(/^\| (B\d+) +\|([^|]*)\|([^|]*)\|$/gm)];
  expect(rows.map((row) => row[1])).toEqual(Array.from({ length: CLASSES }, (_, i) => `B${i + 1}`));
  const missing = rows.flatMap(([, bugClass, , places]) => {
    const each = places!.trim().split(/[,;] (?=[\w./]+\/|\w+_)/);
    return each.filter((place) => !holds(place.trim(), bugClass!)).map((place) => `${bugClass}: ${place}`);
  });
  expect(missing).toEqual([]);
});
