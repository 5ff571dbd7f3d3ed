import { expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Issues } from "./issues.ts";
import { buildLog } from "./log.ts";
import { EVENT_ROOTS, PATRONI_LOGGERS } from "./loggers.ts";
import type { LogSection } from "./keys/log.ts";

function built(section: LogSection) {
  const issues = new Issues();
  const config = buildLog(section, issues);
  return {
    config,
    said: issues.list.map(({ severity, path, message }) => `${severity} ${path}: ${message}`),
  };
}

test("levels of loggers, by events and by Patroni's names", () => {
  const loggers = { raft: "debug", "decision.keeper": "WARNING", "patroni.api": "ERROR", patroni: "INFO" };
  const { config, said } = built({ loggers });
  expect(said).toEqual([]);
  expect(config.loggers).toEqual({
    raft: "DEBUG",
    "decision.keeper": "WARNING",
    restapi: "ERROR",
    "": "INFO",
  });
});

test("loggers that nothing here has, and levels that are none", () => {
  const { config, said } = built({ loggers: { urllib3: "DEBUG", raft: "loud", __proto__: "x" } });
  expect(config.loggers).toEqual({});
  expect(said).toEqual([
    expect.stringMatching(/^warning log.loggers.urllib3: no line comes from it here/),
    expect.stringMatching(/^error log.loggers.raft: expected one of DEBUG/),
  ]);
});

test("formats of JSON lines: a list with new names, or a text whose places count", () => {
  const list = built({ type: "json", format: ["asctime", { levelname: "level", message: "text" }] });
  expect(list.config.jsonFields).toEqual([
    { field: "asctime", name: "asctime" },
    { field: "levelname", name: "level" },
    { field: "message", name: "text" },
  ]);
  const text = built({ type: "json", format: "%(created)f %(message)s" });
  expect(text.config.jsonFields?.map(({ field }) => field)).toEqual(["created", "message"]);
  expect([...list.said, ...text.said]).toEqual([]);
});

test.each<[LogSection, string]>([
  [{ format: "%(lineno)d %(message)s" }, "log.format: the format is not used: %(lineno): not known here"],
  [{ format: ["message"] }, "log.format: the format is not used: expected text like"],
  [{ type: "json", format: ["lineno"] }, "log.format: the format is not used: lineno is not known here"],
  [{ type: "json", format: [3] }, "log.format: the format is not used: expected names of fields"],
  [
    { type: "json", format: [{ message: 3 }] },
    "log.format: the format is not used: the name for message must",
  ],
  [{ type: "json", format: [] }, "log.format: the format is not used: it names no field"],
  [{ dateformat: "%Q" }, "log.dateformat: the format of dates is not used: %Q: not known here"],
])("a format that cannot be honoured is not used: %j", (section, text) => {
  const { config, said } = built(section);
  expect(said).toEqual([expect.stringContaining(`warning ${text}`)]);
  expect([config.format, config.jsonFields, config.dateFormat]).toEqual([null, null, null]);
});

/** Events that lines of the program carry, by their first word. */
function rootsInSources(): Set<string> {
  const roots = new Set<string>();
  for (const folder of ["src/agent", "src/api", "src/guard", "src/lib", "src/postgres", "cli"]) {
    for (const path of readdirSync(folder, { recursive: true, encoding: "utf8" })) {
      if (!path.endsWith(".ts") || /(?:^|\/)testing|\.test\.ts$/.test(path)) continue;
      const text = readFileSync(join(folder, path), "utf8");
      const calls = /\blog\.(?:debug|info|warning|error|critical)\(\s*["`]([a-z_]+)/g;
      for (const [, root] of text.matchAll(calls)) roots.add(root!);
      for (const [, root] of text.matchAll(/\bcompose\("\w+", "([a-z_]+)/g)) roots.add(root!);
    }
  }
  return roots;
}

test("every event of the log can be named, and no other", () => {
  const roots = rootsInSources();
  expect([...roots].filter((root) => !(EVENT_ROOTS as readonly string[]).includes(root))).toEqual([]);
  const named = Object.values(PATRONI_LOGGERS).flat().filter((root) => root !== "");
  expect(named.filter((root) => !(EVENT_ROOTS as readonly string[]).includes(root))).toEqual([]);
});
