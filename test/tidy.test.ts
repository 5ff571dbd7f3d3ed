/**
 * Holds the layout: directions of imports, purity, the crash handler first, nothing protocol-like written
 * twice.
 */
import { expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { circles } from "./tidy/circles.ts";
import { readCompatibility, sectionsNamed } from "./tidy/compatibility.ts";
import { LARGE, MOST_LINES } from "./tidy/large.ts";
import { PAGES } from "./tidy/pages.ts";
import { placesNamed, proofsNamed } from "./tidy/places.ts";
import {
  DIRECTIONS,
  HARMLESS_MODULES,
  IMPURE_CODE,
  PURE,
  PURE_PACKAGES,
  RUNTIME_CODE,
  RUNTIME_MODULES,
} from "./tidy/rules.ts";
import { RUNTIME_FILES } from "./tidy/runtime_files.ts";
import { fileSize, functionSizes } from "./tidy/sizes.ts";
import { parseSource, readSources, type SourceFile } from "./tidy/source.ts";

const root = join(import.meta.dir, "..");
const MOST_COLUMNS = 110;
const all = readSources(root, ["raft", "src", "cli", "test"]);
const isTest = (file: SourceFile) =>
  /(?:\.test|\/testing)\.ts$/.test(file.path) || file.path.startsWith("test/");
const product = all.filter((file) => !isTest(file));
const byPath = new Map(all.map((file) => [file.path, file]));
const inAny = (path: string, prefixes: readonly string[]) =>
  prefixes.some((prefix) => path.startsWith(prefix));

test("imports follow the directions of the layout", () => {
  const wrong: string[] = [];
  for (const file of all) {
    const direction = DIRECTIONS.find((one) => file.path.startsWith(one.from));
    // A unit test may set up more than its subject may import, but never crosses from raft into src.
    const may = isTest(file)
      ? (file.path.startsWith("raft/") ? ["raft/"] : ["src/", "cli/", "raft/", "test/"])
      : direction?.may ?? [];
    for (const one of file.imports) {
      if (!one.local || inAny(one.target, may)) continue;
      if (one.typeOnly && inAny(one.target, direction?.types ?? [])) continue;
      wrong.push(`${file.path} imports ${one.target}`);
    }
  }
  expect(wrong).toEqual([]);
});

test("the pages that are printed from tables are as the tables say: npm run pages writes them", () => {
  const stale = PAGES.filter(({ path, text }) => {
    const present = existsSync(join(root, path)) ? readFileSync(join(root, path), "utf8") : "";
    return present !== text(present);
  });
  expect(stale.map(({ path }) => path)).toEqual([]);
});

test("docs/compatibility.md counts its rows as they are, and has the tests and sections that are named", () => {
  const page = readCompatibility(readFileSync(join(root, "docs/compatibility.md"), "utf8"));
  expect(page.unclear).toEqual([]);
  expect(page.summary).toEqual(page.counted);
  expect(page.tests.filter((path) => !existsSync(join(root, path)))).toEqual([]);
  const named = all.flatMap(({ path }) =>
    sectionsNamed(readFileSync(join(root, path), "utf8")).map((section) => `${section} in ${path}`)
  );
  expect(named.length).toBeGreaterThan(20);
  expect(named.filter((one) => !page.sections.includes(one.split(" ")[0]!))).toEqual([]);
});

test("every file that a comment names exists, from the top, from its own folder, or by its last part", () => {
  const names = files(root).map((path) => `/${path}`);
  const exists = (name: string, folder: string) =>
    names.some((path) => path.endsWith(`/${name}`)) || existsSync(join(root, folder, name));
  const missing = all.flatMap(({ path, comments }) =>
    comments.flatMap((comment) => [...comment.matchAll(NAMED_FILE)].map(([name]) => name))
      .filter((name) => !exists(name, dirname(path)))
      .map((name) => `${path} names ${name}`)
  );
  expect([...new Set(missing)]).toEqual([]);
  expect("see `src/a.ts` and docs/b.md, not any.test.tsx or *.ts".match(NAMED_FILE)).toEqual([
    "src/a.ts",
    "docs/b.md",
  ]);
});

test("docs/architecture.md names files and folders that exist, and what is in them", () => {
  const page = readFileSync(join(root, "docs/architecture.md"), "utf8");
  const { paths, names } = placesNamed(page);
  expect(paths.length).toBeGreaterThan(60);
  expect(paths.filter((path) => !existsSync(join(root, path)))).toEqual([]);
  const absent = names.filter(({ path, name }) => !readFileSync(join(root, path), "utf8").includes(name));
  expect(absent).toEqual([]);
  expect(placesNamed("`src/a.ts` (`x`,\n`Y.z` of `src/b/`), `src/c.ts` and `d`")).toEqual({
    paths: ["src/a.ts", "src/c.ts", "src/b/"],
    names: [{ path: "src/a.ts", name: "x" }, { path: "src/a.ts", name: "z" }],
  });
});

test("docs/guarantees.md names tests, titles of tests and rules of the simulator that exist", () => {
  const text = readFileSync(join(root, "docs/guarantees.md"), "utf8");
  const contentOf = (path: string) => readFileSync(join(root, path), "utf8");
  const { paths, names } = placesNamed(text);
  const { titles, rules } = proofsNamed(text);
  expect([paths.length > 40, titles.length > 20, rules.length > 20]).toEqual([true, true, true]);
  expect(paths.filter((path) => !existsSync(join(root, path)))).toEqual([]);
  expect(names.filter(({ path, name }) => !contentOf(path).includes(name))).toEqual([]);
  expect(titles.filter(({ path, title }) => !contentOf(path).includes(title))).toEqual([]);
  const known = contentOf("src/dcs/broken_rules.ts");
  expect(rules.filter((rule) => !known.includes(`"${rule}"`))).toEqual([]);
  expect(proofsNamed('`src/a.test.ts` "it does" and `--break some-rule`, `src/b.ts`')).toEqual({
    titles: [{ path: "src/a.test.ts", title: "it does" }],
    rules: ["some-rule"],
  });
});

test("test/regressions.md names tests that exist, and each fault once; the changelog has each bullet once", () => {
  const rows = readFileSync(join(root, "test/regressions.md"), "utf8").match(/^\| .*\|$/gm)!.slice(1);
  expect(rows.length).toBeGreaterThan(40);
  expect(rows.length).toBeLessThanOrEqual(80);
  const named = rows.map((row) => /\| `([^`]+)`: (.*) \|$/.exec(row)?.slice(1) ?? [row, ""]);
  const isGone = ([path, title]: readonly string[]) =>
    !existsSync(join(root, path!)) || !readFileSync(join(root, path!), "utf8").includes(title!);
  expect(named.filter(isGone)).toEqual([]);
  expect(isGone(["test/tidy.test.ts", ["a title", "of no test"].join(" ")])).toBe(true);
  const bullets = readFileSync(join(root, "CHANGELOG.md"), "utf8").match(/^- .*$/gm)!;
  const twice = (texts: readonly string[]) => texts.filter((text, index) => texts.indexOf(text) < index);
  expect([...twice(rows.map((row) => row.split("|")[1]!)), ...twice(bullets)]).toEqual([]);
});

test(`lines of comments and of Markdown have at most ${MOST_COLUMNS} columns, but for tables and what is drawn`, () => {
  const isLong = (line: string) => line.length > MOST_COLUMNS;
  const comments = all.flatMap(({ path, comments: found }) =>
    found.flatMap((comment) => comment.split("\n")).filter((line) =>
      isLong(line) && !/^\s*\* {3,}/.test(line)
    )
      .map((line) => `${path}: ${line.trim()}`)
  );
  const pages = files(root).filter((path) => path.endsWith(".md")).flatMap((path) =>
    proseOf(readFileSync(join(root, path), "utf8")).filter(isLong).map((line) => `${path}: ${line}`)
  );
  expect([...comments, ...pages]).toEqual([]);
  const text = ["a".repeat(111), "| b |", "```", "c".repeat(111), "```", "d"];
  expect(proseOf(text.join("\n"))).toEqual([text[0]!, "d"]);
});

test("comments, pages and messages name their subject: none says `we` or `whoever`, no doc comment begins with `Of`", () => {
  const comments = all.flatMap(({ path, comments: found }) =>
    found.filter(isWithoutSubject).map((comment) => `${path}: ${comment}`)
  );
  const messages = product.flatMap(({ path, texts }) =>
    texts.filter((text) => /\s/.test(text) && WITHOUT_SUBJECT.test(text)).map((text) => `${path}: ${text}`)
  );
  const pages = files(root).filter((path) => path.endsWith(".md")).flatMap((path) =>
    wordsOf(readFileSync(join(root, path), "utf8")).filter((line) => WITHOUT_SUBJECT.test(line))
      .map((line) => `${path}: ${line}`)
  );
  expect([...comments, ...messages, ...pages]).toEqual([]);
  const text = [
    "/** Of one. */",
    "/**\n * Of one. */",
    "// Whoever may.",
    "/** Not ours. */",
    "// so that we may",
  ];
  expect(text.filter(isWithoutSubject)).toEqual(text);
  const good = ["/** Kind of one. */", "// hours", "// Of a colon:", "/** ms, 0.001 of them */"];
  expect(good.filter(isWithoutSubject)).toEqual([]);
  expect(wordsOf("a `we`\n```\nwe\n```\n| 0.4 us |\nwe")).toEqual(["a ", "| 0.4 us |", "we"]);
  expect(WITHOUT_SUBJECT.test("takes 0.4 us, or 2 us")).toBe(false);
  expect(parseSource("a.ts", 'f("one", `two ${three} four`);').texts).toEqual(["one", "two ", " four"]);
});

test("no two classes of the product have one name", () => {
  const classes = product.flatMap(({ path, code }) =>
    [...code.matchAll(/\bclass\s+(\w+)/g)].map(([, name]) => ({ name: name!, path }))
  );
  expect(classes.length).toBeGreaterThan(100);
  const names = classes.map(({ name }) => name);
  expect(classes.filter(({ name }, index) => names.indexOf(name) < index)).toEqual([]);
});

test("no files import each other in a circle, types neither", () => {
  expect(circles(product)).toEqual([]);
  const file = (path: string, ...targets: string[]) => ({
    path,
    imports: targets.map((target) => ({ target, local: true, typeOnly: true })),
  });
  expect(circles([file("a", "b"), file("b", "c", "d"), file("c", "b"), file("d")])).toEqual(["b > c > b"]);
});

test("files and functions are short, but for those of tidy/large.ts, which may only shrink", () => {
  const long = [
    ...product.map(fileSize).filter(({ lines }) => lines > MOST_LINES.file),
    ...product.flatMap(functionSizes).filter(({ lines }) => lines > MOST_LINES.function),
  ];
  const wrong = long.filter(({ name, lines }) => lines > (LARGE[name]?.[0] ?? 0))
    .map(({ name, lines }) => `${name} has ${lines} lines: break it up`);
  const gone = Object.entries(LARGE).filter(([name, [lines]]) =>
    lines > (long.find((one) => one.name === name)?.lines ?? 0)
  ).map(([name]) => `${name} has become shorter: lower its number, or take it from the list`);
  expect([...wrong, ...gone]).toEqual([]);
});

test("the length of a function is found by its braces", () => {
  const code = [
    "function one({ a }: A): { b: number } {",
    "  if (a) {",
    "  }",
    "}",
    "class C {",
    "  #two(): void {",
    "    each((x) => {",
    "    });",
    "  }",
    "}",
    "const three = async (x: X) => {",
    "};",
  ].join("\n");
  expect(functionSizes(parseSource("f.ts", code))).toEqual([
    { name: "f.ts one", lines: 4 },
    { name: "f.ts #two", lines: 4 },
    { name: "f.ts three", lines: 2 },
  ]);
});

test("local imports name a file that exists", () => {
  const wrong: string[] = [];
  for (const file of all) {
    for (const one of file.imports) {
      if (one.local && one.target.endsWith(".ts") && !byPath.has(one.target)) {
        wrong.push(`${file.path} imports ${one.target}`);
      }
    }
  }
  expect(wrong).toEqual([]);
});

test("pure folders have no input, output, time, chance or asynchrony", () => {
  const wrong: string[] = [];
  for (const file of product.filter((one) => inAny(one.path, PURE))) {
    for (const rule of IMPURE_CODE) {
      const match = rule.pattern.exec(file.code);
      if (match) wrong.push(`${file.path}:${lineOf(file.code, match.index)} uses ${rule.name}`);
    }
    for (const one of file.imports) {
      if (!one.local && !PURE_PACKAGES.includes(one.target)) wrong.push(`${file.path} imports ${one.target}`);
    }
  }
  expect(wrong).toEqual([]);
});

test("files that touch the runtime are the ones listed in tidy/runtime_files.ts", () => {
  const touching = product.filter((file) =>
    RUNTIME_CODE.test(file.code) ||
    file.imports.some((one) =>
      !one.typeOnly && RUNTIME_MODULES.test(one.target) && !HARMLESS_MODULES.includes(one.target)
    )
  ).map((file) => file.path);
  expect(touching).toEqual([...RUNTIME_FILES].sort());
});

test("the first import of cli/main.ts is the crash handler", () => {
  const main = byPath.get("cli/main.ts");
  if (main) expect(main.imports[0]?.target ?? "").toMatch(/crash/);
});

test("nothing the program loads has a top-level await or knows where it was built", () => {
  const wrong: string[] = [];
  for (
    const file of reachable(["cli/main.ts", "raft/storage/wal_worker.ts", "src/api/thread/api_worker.ts"])
  ) {
    const at = topLevelAwait(file.code);
    if (at >= 0) wrong.push(`${file.path}:${lineOf(file.code, at)} awaits at the top level`);
    // These are replaced by absolute paths when the program is built.
    const match = /\bimport\.meta\.(?:url|dir|path|file|filename|dirname)\b|\b__(?:dirname|filename)\b/.exec(
      file.code,
    );
    if (match) wrong.push(`${file.path}:${lineOf(file.code, match.index)} uses ${match[0]}`);
  }
  expect(wrong).toEqual([]);
});

test("the simulators run the production code and declare nothing that it declares", () => {
  const wrong: string[] = [];
  const sims = product.filter((file) => inAny(file.path, ["raft/sim/", "src/sim/"]));
  const made = new Map<string, string>();
  for (const file of product) {
    if (!inAny(file.path, ["raft/core/", "raft/node/", "src/dcs/", "src/brain/", "src/guard/fence"])) {
      continue;
    }
    for (const match of file.code.matchAll(/^export\s+(?:abstract\s+)?(?:class|function)\s+(\w+)/gm)) {
      made.set(match[1]!, file.path);
    }
  }
  for (const file of sims) {
    for (const match of file.code.matchAll(/\b(?:class|function)\s+(\w+)/g)) {
      const original = made.get(match[1]!);
      if (original) wrong.push(`${file.path} declares ${match[1]}, which ${original} has`);
    }
  }
  for (const [sim, needs] of SIM_NEEDS) {
    const loads = [...reachable(sims.filter((file) => file.path.startsWith(sim)).map((file) => file.path))]
      .map((file) => file.path);
    for (const need of needs) if (!loads.includes(need)) wrong.push(`${sim} does not load ${need}`);
  }
  expect(wrong).toEqual([]);
});

test("the reader of sources is not fooled by strings, comments and templates", () => {
  const file = parseSource(
    "src/a/b.ts",
    [
      'import { one } from "../c.ts";',
      'import type { Two } from "./two.ts";',
      'export { three } from "node:three";',
      '// import { no } from "no";',
      'const text = `import { no } from "no" ${one("await")} await`; const slash = /"await/;',
      'const lazy = () => import("./late.ts");',
    ].join("\n"),
  );
  expect(file.imports).toEqual([
    { target: "src/c.ts", local: true, typeOnly: false },
    { target: "src/a/two.ts", local: true, typeOnly: true },
    { target: "node:three", local: false, typeOnly: false },
    { target: "src/a/late.ts", local: true, typeOnly: false },
  ]);
  expect(file.code).not.toContain("await");
  expect(topLevelAwait("async function f() { await g(); }\nconst x = 1;")).toBe(-1);
  expect(topLevelAwait("const x = await f();")).toBeGreaterThan(0);
});

/** What each simulator must run rather than imitate. */
const SIM_NEEDS: readonly (readonly [string, readonly string[]])[] = [
  ["raft/sim/", ["raft/core/raft.ts", "raft/node/raft_node.ts"]],
  ["src/sim/", [
    "raft/core/raft.ts",
    "raft/node/raft_node.ts",
    "src/dcs/state_machine.ts",
    "src/lease/grantor.ts",
    "src/lease/holder.ts",
    "src/brain/cluster/coordinate.ts",
    "src/brain/keep/rules.ts",
    "src/guard/fence.ts",
  ]],
];

/** Lines of a page that are neither of a table nor of a block of code. */
function proseOf(page: string): string[] {
  return page.replaceAll(/^```[^]*?^```$/gm, "").split("\n").filter((line) =>
    line !== "" && !/^\s*\|/.test(line)
  );
}

function isWithoutSubject(comment: string): boolean {
  return /^\/\*\*[\s*]*Of\b/.test(comment) || WITHOUT_SUBJECT.test(comment);
}

/** Words that hide the subject; the one of two letters is a unit after a number. */
const WITHOUT_SUBJECT = /\b(?:we|(?<!\d )us|ours?|ourselves|who(?:m)?ever)\b/i;

/** The lines of a page, tables too, without code. */
function wordsOf(page: string): string[] {
  return page.replaceAll(/^```[^]*?^```$/gm, "").replaceAll(/`[^`]*`/g, "").split("\n").filter((line) =>
    line !== ""
  );
}

/** A name of a source, a page or a script; not a pattern such as *.ts. */
const NAMED_FILE = /(?<![\w./*<-])[\w-][\w./-]*\.(?:ts|md|sh)\b/g;

/** Every file of the project. */
function files(top: string): string[] {
  return readdirSync(top, { withFileTypes: true }).flatMap((entry) => {
    if (["node_modules", ".git", "dist"].includes(entry.name)) return [];
    if (!entry.isDirectory()) return [entry.name];
    return files(join(top, entry.name)).map((inner) => `${entry.name}/${inner}`);
  });
}

function lineOf(code: string, at: number): number {
  return code.slice(0, at).split("\n").length;
}

/** Files loaded at run time from the given ones, themselves included. */
function reachable(entries: readonly string[]): Set<SourceFile> {
  const found = new Set<SourceFile>();
  const queue = [...entries];
  for (let path = queue.pop(); path !== undefined; path = queue.pop()) {
    const file = byPath.get(path);
    if (!file || found.has(file)) continue;
    found.add(file);
    for (const one of file.imports) if (one.local && !one.typeOnly) queue.push(one.target);
  }
  return found;
}

/** Index of the first `await` outside of any braces or parentheses; the build refuses the remaining ones. */
function topLevelAwait(code: string): number {
  let depth = 0;
  for (const match of code.matchAll(/[{}()]|\bawait\b/g)) {
    if (match[0] === "await") {
      if (depth === 0) return match.index;
    } else depth += match[0] === "{" || match[0] === "(" ? 1 : -1;
  }
  return -1;
}
