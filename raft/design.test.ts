/** Checks DESIGN.md: each class of known bugs has the tests that are named there, and none is left out. */
import { expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";

const CLASSES = 45;
/** Matches the name that follows "test(" or "test.skipIf(...)(". */
const TITLE = /\btest(?:\.\w+\([^)]*\))?\(\s*(?:"((?:[^"\\]|\\.)*)"|`((?:[^`\\]|\\.)*)`)/g;

interface Claim {
  readonly bugClass: string;
  /** Path from this folder. */
  readonly file: string;
  /** Name of the test; null: a story, which has the name of its file. */
  readonly name: string | null;
}

interface Title {
  readonly text: string;
  /** Whether the name has places for values, which stand in the same file as strings. */
  readonly template: boolean;
}

function read(file: string): string {
  return readFileSync(join(import.meta.dir, file), "utf8");
}

function claimsOf(design: string): Claim[] {
  // Indented lines continue an item.
  const text = design.slice(design.indexOf("## Known bugs")).replaceAll(/\n {2,}(?=\S)/g, " ");
  const sections = text.split(/^\*\*(B\d+)\*\* /m).slice(1);
  return sections.flatMap((section, i) => {
    if (i % 2 === 0) return [];
    return [...section.matchAll(/^- `([^`]+)`(?:: (.+))?$/gm)].map(([, file, name]) => ({
      bugClass: sections[i - 1]!,
      file: file!,
      name: name ?? null,
    }));
  });
}

function titlesOf(source: string): Title[] {
  return [...source.matchAll(TITLE)].map(([, plain, template]) => ({
    text: (plain ?? template)!,
    template: plain === undefined,
  }));
}

function isTitle(name: string, { text, template }: Title, source: string): boolean {
  if (!template) return text === name;
  const [before, after] = text.split(/\$\{\w+\}/);
  if (after === undefined || !name.startsWith(before!) || !name.endsWith(after)) return false;
  return source.includes(`"${name.slice(before!.length, name.length - after.length)}"`);
}

/** Classes of a story, from its first words: "# B7, B40: all servers stop". */
function classesOfStory(story: string): string[] {
  return /^# ((?:B\d+, )*B\d+)[:,]/.exec(story)?.[1]?.split(", ") ?? [];
}

function holds({ bugClass, file, name }: Claim): boolean {
  if (!existsSync(join(import.meta.dir, file))) return false;
  const source = read(file);
  if (name === null) return classesOfStory(source).includes(bugClass);
  const titles = titlesOf(source);
  return [`${bugClass}: ${name}`, name].some((full) => titles.some((title) => isTitle(full, title, source)));
}

const show = ({ bugClass, file, name }: Claim) => `${bugClass} ${file}: ${name ?? "the story"}`;
const claims = claimsOf(read("DESIGN.md"));

test("every class of known bugs is found by tests that exist under their names", () => {
  const classes = [...new Set(claims.map(({ bugClass }) => bugClass))];
  expect(classes).toEqual(Array.from({ length: CLASSES }, (_, i) => `B${i + 1}`));
  expect(claims.filter((claim) => !holds(claim)).map(show)).toEqual([]);
});

test("no test that carries a class is missing there", () => {
  const files = ["raft", "src"].flatMap((folder) =>
    [...new Bun.Glob("**/*.{test.ts,txt}").scanSync(join(import.meta.dir, "..", folder))]
      .map((path) => relative("raft", join(folder, path)))
  );
  const listed = (bugClass: string, file: string, isIt: (name: string | null) => boolean) =>
    claims.some((claim) => claim.bugClass === bugClass && claim.file === file && isIt(claim.name));
  let carried = 0;
  const missing: string[] = [];
  for (const file of files) {
    const source = read(file);
    const stories = file.endsWith(".txt") ? classesOfStory(source) : [];
    const tests = file.endsWith(".txt") ? [] : titlesOf(source).filter(({ text }) => /^B\d+: /.test(text));
    carried += stories.length + tests.length;
    for (const bugClass of stories) {
      if (!listed(bugClass, file, (name) => name === null)) missing.push(`${bugClass} ${file}`);
    }
    for (const title of tests) {
      const bugClass = title.text.split(":")[0]!;
      const isIt = (name: string | null) => name !== null && isTitle(`${bugClass}: ${name}`, title, source);
      if (!listed(bugClass, file, isIt)) missing.push(`${file}: ${title.text}`);
    }
  }
  expect(carried).toBeGreaterThan(CLASSES);
  expect(missing).toEqual([]);
});

test("a name that differs in a letter, another class's, and a file that is not there hold nothing", () => {
  const [claim] = claims.filter(({ name }) => name !== null) as [Claim];
  expect(holds(claim)).toBe(true);
  expect(holds({ ...claim, name: `${claim.name}s` })).toBe(false);
  expect(holds({ ...claim, bugClass: "B44" })).toBe(false);
  expect(holds({ ...claim, file: "core/nothing.test.ts" })).toBe(false);
  expect(holds({ bugClass: "B44", file: "core/story/stories/election_learner_votes.txt", name: null })).toBe(
    false,
  );
});
