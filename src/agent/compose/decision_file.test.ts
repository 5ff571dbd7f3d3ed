import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { duties } from "../../brain/duties.ts";
import { keep } from "../../brain/keep/rules.ts";
import { type DecisionPair, readRecord } from "../../brain/replay.ts";
import { duty, node } from "../../brain/testing.ts";
import { MemorySink } from "../../lib/line_sink.ts";
import { Logger } from "../../lib/log.ts";
import { DecisionFile } from "./decision_file.ts";

const directory = mkdtempSync(join(tmpdir(), "decisions-"));
afterAll(() => rmSync(directory, { recursive: true }));

const view = duty(node());
const PAIR: DecisionPair = { by: "keeper", view, decision: keep(view), duties: duties(view) };

function opened(decisions: string | null) {
  const said = new MemorySink();
  const log = new Logger({ sink: said, now: () => 0, level: "info", type: "plain", staticFields: {} });
  const settings = (path: string | null) => ({
    name: "a",
    log: { decisions: path, fileNum: 1, fileSizeBytes: 1e6 },
  });
  let config = settings(decisions);
  const file = new DecisionFile({ config: () => config, wallMs: () => 0, log });
  return { file, said: said.lines, use: (path: string | null) => config = settings(path) };
}

const linesOf = (path: string) => readFileSync(path, "utf8").trim().split("\n");

test("decisions go to the file in force, which only its owner may read", () => {
  const [first, second] = [join(directory, "first"), join(directory, "second")];
  const { file, use } = opened(first);
  file.record(PAIR);
  use(second);
  file.record(PAIR);
  file.record(PAIR);
  use(null);
  file.record(PAIR);
  expect([linesOf(first).length, linesOf(second).length]).toEqual([1, 2]);
  expect(readRecord(linesOf(first)[0]!)).toMatchObject({
    node: "a",
    at: "1970-01-01T00:00:00.000Z",
    pair: PAIR,
  });
  expect(statSync(first).mode & 0o777).toBe(0o600);
});

test("a file that cannot be written is told of once, and again after it could be", () => {
  const missing = join(directory, "missing", "file");
  const { file, said, use } = opened(missing);
  file.record(PAIR);
  file.record(PAIR);
  expect(said).toHaveLength(1);
  expect(said[0]).toContain(`${missing} cannot be written: decisions are not recorded`);
  use(join(directory, "third"));
  file.record(PAIR);
  use(missing);
  file.record(PAIR);
  expect(said).toHaveLength(2);
});

test("a view that is no plain value is told of, and harms nothing", () => {
  const { file, said } = opened(join(directory, "fourth"));
  file.record({ ...PAIR, view: { ...view, now: () => 0 } } as DecisionPair);
  expect(said[0]).toContain("now: a function is no plain value");
});
