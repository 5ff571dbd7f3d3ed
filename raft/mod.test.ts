/** Each part of the public API has a docstring. */
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";

const DECLARATION = /^export (?:class|interface|type|const|function|async function) (\w+)/;

/** Files that mod.ts exports from, with the exported names; null: all. */
function exportsOf(mod: string): { file: string; names: string[] | null }[] {
  const found = mod.matchAll(/^export (?:type )?(\*|\{[^}]*\}) from "\.\/([^"]+)";/gm);
  return [...found].map(([, what, file]) => ({
    file: file!,
    names: what === "*" ? null : what!.match(/\w+/g)!.filter((name) => name !== "type"),
  }));
}

/** Names declared in a text, each with whether a docstring precedes it. */
function declarationsOf(text: string): Map<string, boolean> {
  const lines = text.split("\n");
  return new Map(lines.flatMap((line, i) => {
    const name = DECLARATION.exec(line)?.[1];
    return name === undefined ? [] : [[name, lines[i - 1]?.endsWith("*/") === true] as const];
  }));
}

test("everything that mod.ts exports has a docstring", () => {
  const exported = exportsOf(readFileSync(join(import.meta.dir, "mod.ts"), "utf8"));
  expect(exported.length).toBeGreaterThan(20);
  const bare = exported.flatMap(({ file, names }) => {
    const declared = declarationsOf(readFileSync(join(import.meta.dir, file), "utf8"));
    return (names ?? [...declared.keys()]).filter((name) => declared.get(name) !== true)
      .map((name) => `${file}: ${name}`);
  });
  expect(bare).toEqual([]);
});
