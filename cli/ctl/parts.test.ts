/** The small parts: names, times, YAML, differences, asking several. */
import { expect, test } from "bun:test";
import { setValue } from "./config_changes.ts";
import { type Answer, firstAnswer } from "./first_answer.ts";
import { nearest } from "./nearest.ts";
import { nextHour, parseScheduled, timestamp } from "./time.ts";
import { unifiedDiff } from "./unified_diff.ts";
import { parseYamlValue, yamlFlowText, yamlText } from "./yaml_text.ts";

test("a mistyped name finds its neighbour, another finds none", () => {
  const names = ["list", "restart", "reload", "reinit", "switchover", "show-config"];
  expect(
    ["lsit", "restrat", "relod", "swichover", "show-cnofig", "switch"].map((typed) => nearest(typed, names)),
  ).toEqual([
    "list",
    "restart",
    "reload",
    "switchover",
    "show-config",
    "switchover",
  ]);
  expect(["", "x", "banana"].map((typed) => nearest(typed, names))).toEqual([null, null, null]);
});

test("stamps are local, as fine as asked", () => {
  const at = new Date(2026, 0, 31, 9, 5, 7, 42);
  expect(timestamp(0, at)).toBe("2026-01-31 09:05:07");
  expect(timestamp(5, at)).toBe("2026-01-31 09:05:07.04200");
  expect(nextHour(at)).toBe("2026-01-31T10:05");
});

test("a time without a zone is local", () => {
  expect(["now", "", null].map(parseScheduled)).toEqual([null, null, null]);
  expect(parseScheduled("2030-01-31T10:00:00+02:00")).toBe("2030-01-31T10:00:00+02:00");
  expect(parseScheduled("2030-01-31T10:00:00-3")).toBe("2030-01-31T10:00:00-03:00");
  expect(parseScheduled("20300131T100000Z")).toBe("2030-01-31T10:00:00+00:00");
  expect(parseScheduled("2030-01-31")).toMatch(/^2030-01-31T00:00:00[+-]\d\d:\d\d$/);
  expect(parseScheduled("2030-01-31 10:00Z")).toBe("2030-01-31T10:00:00+00:00");
  const local = parseScheduled("2030-01-31T10:00")!;
  expect(Date.parse(local)).toBe(new Date(2030, 0, 31, 10).getTime());
  expect(() => parseScheduled("2030-13-31T10:00")).toThrow("Unable to parse scheduled timestamp");
});

test("YAML is written so that patronictl reads the same", () => {
  const value = { z: "on", a: [{ k: 1, b: ["q"] }, "x"], n: null, s: "", num: "12", e: [], m: {}, t: true };
  expect(yamlText(value)).toBe(
    "a:\n- b:\n  - q\n  k: 1\n- x\ne: []\nm: {}\n'n': null\nnum: '12'\ns: ''\nt: true\nz: 'on'\n",
  );
  expect(yamlFlowText({ b: true, a: "x" })).toBe("{a: x, b: true}");
});

test("YAML is read as version 1.1", () => {
  const read = ["on", "'on'", "16MB", "null", "010", "1:30", "2026-01-31", "{a: [1, 2]}", "- 1\n- 2", ""];
  expect(read.map((text) => parseYamlValue(text, "test"))).toEqual([
    true,
    "on",
    "16MB",
    null,
    8,
    "1:30",
    "2026-01-31",
    { a: [1, 2] },
    [1, 2],
    null,
  ]);
  expect(() => parseYamlValue("[1", "the value")).toThrow(
    "the value is not valid YAML: a bracket that was opened above, [ or {, is not closed",
  );
  expect(() => parseYamlValue("a: 1\nb: @x\n", "x.yml")).toThrow(
    "x.yml is not valid YAML (line 2, column 4): ",
  );
  expect(() => parseYamlValue("a: 1\nb: [1\n", "x.yml")).toThrow(
    "x.yml is not valid YAML (line 2): a bracket ",
  );
});

test("a value is set along its path, names of parameters may have dots", () => {
  const config = { ttl: 5, postgresql: { parameters: { a: 1 } } };
  expect(setValue(config, "ttl=6")).toEqual({ ...config, ttl: 6 });
  expect(setValue(config, "postgresql.parameters.my.guc=on")).toEqual({
    ttl: 5,
    postgresql: { parameters: { a: 1, "my.guc": true } },
  });
  expect(setValue(config, "postgresql.parameters.a=null")).toEqual({ ttl: 5 });
  expect(setValue(config, "standby_cluster.host=10.0.0.9")).toEqual({
    ...config,
    standby_cluster: { host: "10.0.0.9" },
  });
  expect(config).toEqual({ ttl: 5, postgresql: { parameters: { a: 1 } } });
  for (const pair of ["postgresql.parameters.=1", "=1", "a..b=1", ".a=1"]) {
    expect(() => setValue(config, pair)).toThrow(`Invalid parameter setting ${pair}: a name is missing`);
  }
});

test("differences are unified, with three lines around", () => {
  expect(unifiedDiff("a\nb\n", "a\nb\n")).toEqual([]);
  expect(unifiedDiff("a\n", "b\n")).toEqual(["--- ", "+++ ", "@@ -1 +1 @@", "-a", "+b"]);
});

test("whoever is slow is overtaken, and a poor answer counts only alone", async () => {
  const answers: { [base: string]: Answer<string> } = {
    dead: { kind: "none", why: "refused" },
    stale: { kind: "poor", value: "old" },
    good: { kind: "good", value: "new" },
  };
  const never = new Promise<Answer<string>>(() => {});
  const ask = (base: string) => base === "silent" ? never : Promise.resolve(answers[base]!);
  expect((await firstAnswer(["dead", "stale", "good"], ask)).answer).toEqual(answers.good!);
  expect((await firstAnswer(["silent", "good"], ask)).answer).toEqual(answers.good!);
  expect(await firstAnswer(["dead", "stale"], ask)).toEqual({
    answer: answers.stale!,
    failures: ["dead: refused"],
  });
  expect(await firstAnswer(["dead"], ask)).toEqual({ answer: null, failures: ["dead: refused"] });
  expect(await firstAnswer([], ask)).toEqual({ answer: null, failures: [] });
});
