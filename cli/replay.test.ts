import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { duties } from "../src/brain/duties.ts";
import { keep } from "../src/brain/keep/rules.ts";
import { type DecisionPair, recordLine } from "../src/brain/replay.ts";
import { duty, node } from "../src/brain/testing.ts";
import { replayCommand } from "./replay.ts";

const directory = mkdtempSync(join(tmpdir(), "replay-"));
afterAll(() => rmSync(directory, { recursive: true }));

const view = duty(node());
const PAIR: DecisionPair = { by: "keeper", view, decision: keep(view), duties: duties(view) };
const AT = { version: "0.1.0", node: "b", at: "2026-01-01T00:00:00.000Z" };
const GOOD = recordLine({ ...AT, pair: PAIR });
const OTHER = recordLine({ ...AT, pair: { ...PAIR, decision: { ...PAIR.decision, reason: "was other" } } });

async function replay(text: string, limit = 20) {
  const file = join(directory, "decisions");
  writeFileSync(file, text);
  const out: string[] = [];
  const err: string[] = [];
  const code = await replayCommand([file], {
    limit,
    write: (line) => out.push(line.replace(file, "FILE")),
    writeError: (line) => err.push(line.replace(file, "FILE")),
  });
  return { code, out, err };
}

test("decisions as they were recorded", async () => {
  expect(await replay(`${GOOD}\n${GOOD}\n`)).toEqual({
    code: 0,
    out: ["FILE: 2 decisions, 2 as recorded"],
    err: [],
  });
});

test("the last line of a node that was killed is left out", async () => {
  const { code, out } = await replay(`${GOOD}\n${GOOD.slice(0, 100)}`);
  expect([code, ...out]).toEqual([0, "FILE: 1 decision, 1 as recorded"]);
});

test("a difference is shown with both decisions", async () => {
  const { code, out } = await replay(`${GOOD}\n${OTHER}\n`);
  expect(code).toBe(1);
  expect(out[0]).toBe("FILE: 2 decisions, 1 as recorded, 1 different");
  expect(out[1]).toBe("  line 2, 2026-01-01T00:00:00.000Z, keeper of b (agent 0.1.0):");
  expect(out[2]).toStartWith(`    recorded: ${PAIR.decision.rule}: was other [`);
  expect(out[3]).toStartWith(`    now:      ${PAIR.decision.rule}: ${PAIR.decision.reason} [`);
});

test("lines that cannot be read or decided are no silent success", async () => {
  const broken = recordLine({
    ...AT,
    pair: { ...PAIR, view: { dcs: { events: [] } } } as unknown as DecisionPair,
  });
  const { code, out } = await replay(`nonsense\n${GOOD}\n${broken}\n`);
  expect(code).toBe(1);
  expect(out[0]).toBe("FILE: 2 decisions, 1 as recorded, 1 different, 1 not readable");
  expect(out[1]).toStartWith("  line 1: ");
  expect(out.at(-1)).toStartWith("    now:      it fails: ");
});

test("a reason that a file quotes does not steer the terminal", async () => {
  const decision = { ...PAIR.decision, reason: "was\u009b2J\u001b[31m other\nline" };
  const { out } = await replay(`${recordLine({ ...AT, pair: { ...PAIR, decision } })}\n`);
  expect(out.join("")).not.toMatch(/[\u0000-\u001f\u007f-\u009f]/);
});

test("only so many differences are shown", async () => {
  const { out } = await replay(`${OTHER}\n`.repeat(5), 2);
  expect(out).toHaveLength(1 + 2 * 3 + 1);
  expect(out.at(-1)).toBe("  ... and 3 more (--limit 5 shows all)");
});

test("an empty file, and one that is not there, are errors", async () => {
  expect(await replay("")).toEqual({
    code: 1,
    out: ["FILE: 0 decisions, 0 as recorded"],
    err: ["Error: FILE: no decision is recorded there"],
  });
  const err: string[] = [];
  const options = { limit: 1, write: () => {}, writeError: (line: string) => err.push(line) };
  expect(await replayCommand([join(directory, "none")], options)).toBe(1);
  expect(err[0]).toContain("ENOENT");
});
