import { expect, test } from "bun:test";
import { cpuMs } from "../../raft/testing.ts";
import { dottedPath, formatIssue, pathKey } from "./issues.ts";
import { MINIMAL, parse } from "./testing.ts";
import { parseYaml } from "./yaml.ts";

const read = (text: string) => parseYaml("a.yml", text);
/** Without columns, but for the test of these. */
const problems = (text: string) =>
  read(text).issues.list.map((issue) => formatIssue({ ...issue, column: undefined }));

test("values are read as YAML 1.1: on and yes are booleans, 0644 is octal, y and times are text", () => {
  expect(
    read("a: on\nb: Off\nc: yes\nd: n\ne: 0644\nf: 12:30\ng: 2026-01-02\nh: 1.5\ni: ~\nj: 'on'\nk: 5").value,
  ).toEqual({
    a: true,
    b: false,
    c: true,
    d: "n",
    e: 420,
    f: "12:30",
    g: "2026-01-02",
    h: 1.5,
    i: null,
    j: "on",
    k: 5,
  });
});

test("a text of more parts than any configuration has is refused before it is read", () => {
  expect(problems(`list: [${"a,".repeat(30_000)}]`)).toEqual([
    "a.yml: error: the file has more than 50000 parts: this is no configuration",
  ]);
});

test("JSON with tabs is a configuration too", () => {
  expect(read('{\n\t"scope": "main",\n\t"list": [1,\n\t\t2]\n}').value).toEqual({
    scope: "main",
    list: [1, 2],
  });
});

test("every value has its line", () => {
  const { locations } = read("a:\n  b: 1\n  c:\n    - x\n    - y\n");
  expect(locations.get(pathKey(["a", "b"]))?.line).toBe(2);
  expect(locations.get(pathKey(["a", "c", 1]))?.line).toBe(5);
});

test("anchors, aliases and merged maps", () => {
  const text =
    "base: &base {x: 1, y: 1}\nother: &other {y: 2, z: 2}\na:\n  <<: [*base, *other]\n  x: 3\nb: *base\n";
  expect(read(text).value).toMatchObject({ a: { x: 3, y: 1, z: 2 }, b: { x: 1, y: 1 } });
});

test("passwords and names are the text that is written", () => {
  const { value, issues } = read("password: 0123\nname: on\nusername: 5\nother: 0123\n");
  expect(value).toEqual({ password: "0123", name: "on", username: 5, other: 83 });
  expect(issues.list.map((issue) => issue.path)).toEqual(["password", "name"]);
});

test("an empty text is an empty configuration", () => {
  expect(read("").value).toEqual({});
  expect(read("# nothing\n").value).toEqual({});
});

test("a key that is there twice is reported, the last one counts", () => {
  expect(read("a: 1\nb: 2\na: 3\n").value).toEqual({ a: 3, b: 2 });
  expect(problems("a: 1\nb: 2\na: 3\n")[0]).toBe(
    "a.yml:3: warning: a: the key is there twice in this section: the last one counts",
  );
});

test("a problem has line and column: of the key, or of the place where the text breaks", () => {
  const places = (text: string) => read(text).issues.list.map(({ line, column }) => [line, column]);
  expect(places("x:\n  aa: 1\n  b: 2\n  aa: 3\n")).toEqual([[4, 3]]);
  expect(places("x:\n  b: @x")).toEqual([[2, 6]]);
  expect(places("x: 1\n  b: 2")[0]).toEqual([1, 4]);
  expect(formatIssue(read("x:\n  b: *y").issues.list[0]!)).toStartWith("a.yml:2:6: error: an alias (*name) ");
});

const BROKEN: readonly [text: string, start: string][] = [
  ["a: 1\n\tb: 2", "a.yml:2: error: a tab at the beginning of a line"],
  ["a: b: c", "a.yml:1: error: a second ': ' in one value"],
  ["a: 1\nb: 'x", "a.yml:2: error: something that was opened is not closed"],
  ["a:\n  b: [1\nc: 2", "a.yml:3: error: a bracket that was opened above, [ or {, is not closed"],
  ["a: @x", "a.yml:1: error: a value begins with a character that YAML reserves"],
  ["a: 1\n---\nb: 2", "a.yml:2: error: more than one document"],
  ["a: 1\nb: *x", "a.yml:2: error: an alias (*name) names an anchor"],
  ["a: &a [*a]", "a.yml:1: error: too many or too deeply nested values"],
  ["- a\n- b", "a.yml:1: error: expected a map of keys"],
  ["just text", "a.yml:1: error: expected a map of keys"],
  ["? [a, b]\n: c", "a.yml:1: error: a key must be plain text"],
  ["__proto__: {a: 1}", "a.yml:1: error: a key must be plain text"],
];

for (const [text, start] of BROKEN) {
  test(`broken: ${JSON.stringify(text)}`, () => {
    expect(read(text).value).toBeNull();
    expect(problems(text)[0]).toStartWith(start);
  });
}

test("aliases that multiply are stopped", () => {
  const text = "a: &a [1,1,1,1,1,1,1,1,1,1]\n" +
    "bcdefg".split("").map((name, i) => `${name}: &${name} [${Array(10).fill(`*${"abcdef"[i]}`).join(",")}]`)
      .join("\n");
  expect(read(text).value).toBeNull();
});

const HOSTILE: readonly [name: string, text: string][] = [
  [
    "aliases in merged maps",
    "a: &a {k: 1}\n" + Array.from({ length: 16 }, (_, i) => {
      const before = i === 0 ? "a" : `b${i - 1}`;
      return `b${i}: &b${i} {<<: *${before}, x: *${before}, y: *${before}}`;
    }).join("\n"),
  ],
  ["4 MB of quotes", '"'.repeat(4_000_000)],
  ["as many quotes as are read", '"'.repeat(250_000)],
  ["brackets", "[".repeat(250_000)],
  ["braces", "{a: ".repeat(20_000)],
  ["lists in one line", "- ".repeat(40_000)],
  ["complex keys", "? ".repeat(40_000)],
  ["colons", ": ".repeat(40_000)],
  ["anchors", "a: " + "&a ".repeat(40_000)],
  ["tags", "a: " + "!a ".repeat(40_000)],
  ["documents", "---\n".repeat(40_000)],
  ["one key again and again", "k: 1\n".repeat(9000)],
  ["keys without end", Array.from({ length: 20_000 }, (_, i) => `k${i}:`).join("\n")],
  ["unknown escapes", `a: "${"\\x".repeat(100_000)}"`],
  ["deeper and deeper", Array.from({ length: 600 }, (_, i) => `${" ".repeat(i)}a:`).join("\n")],
];

for (const [name, text] of HOSTILE) {
  test(`bounded time and few messages: ${name}`, () => {
    const beganMs = cpuMs();
    const { issues } = parseYaml("a.yml", text);
    // 5 to 150 ms on an idle host; the guard is there for seconds and minutes.
    expect(cpuMs() - beganMs).toBeLessThan(3000);
    expect(issues.hasErrors || issues.list.length > 0).toBe(true);
    expect(issues.list.length).toBeLessThanOrEqual(202);
  }, 20_000);
}

test("an anchor that is set again counts from there on, also where an alias repeats the earlier one", () => {
  expect(read("a: &x {k: &y 1}\nb: &y 2\nc: *x\nd: *y\n").value).toMatchObject({ c: { k: 1 }, d: 2 });
});

test("a NUL is refused wherever it stands", () => {
  expect(problems('a: "x\\0y"')[0]).toBe(
    "a.yml:1: error: a: holds a NUL character, which no text of PostgreSQL can",
  );
});

test("a key is named without what would steer a terminal", () => {
  expect(dottedPath(["a\u009b31m\u202eb", "c\u001b[2J"])).toBe("a\\u009b31m\\u202eb.c\\u001b[2J");
});

test("a message quotes a value without what would steer a terminal", () => {
  const { issues } = parse(`${MINIMAL}ttl: "\\u202e\\e[2J"\nbootstrap: {method: "\\e[2J"}\n`);
  const errors = issues.filter(({ severity }) => severity === "error");
  expect(errors.map(formatIssue).sort()).toEqual([
    'a.yml:15:1: error: ttl: expected seconds (30, or 30s, 5min), got text "\\u202e\\u001b[2J"',
    "a.yml:16:13: error: bootstrap.method: bootstrap.\\u001b[2J.command is required when bootstrap.method is \\u001b[2J",
  ]);
});
