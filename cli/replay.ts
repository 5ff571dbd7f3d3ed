/**
 * `agent replay FILE ...`: decides anew what nodes have recorded (`log.decisions`), and says where this
 * version decides differently. Starts nothing, and reads nothing but the files.
 */
import { createReadStream } from "node:fs";
import { plainLine } from "../src/model/plain_text.ts";
import {
  type DecidedAnew,
  type DecisionPair,
  differsFrom,
  readRecord,
  type RecordedDecision,
} from "../src/brain/replay.ts";

export interface ReplayOptions {
  /** Differences that are shown of a file; the others are counted. */
  readonly limit: number;
  readonly write: (line: string) => void;
  readonly writeError: (line: string) => void;
}

/** A view of the largest cluster has far less. */
const MAX_LINE_CHARS = 64 * 2 ** 20;

/** Exit code: 0 when every decision is as it was recorded, 1 otherwise. */
export async function replayCommand(files: readonly string[], options: ReplayOptions): Promise<number> {
  let code = 0;
  for (const file of files) if (!await replayFile(file, options)) code = 1;
  return code;
}

interface Tally {
  decisions: number;
  differ: number;
  unreadable: number;
}

async function replayFile(file: string, options: ReplayOptions): Promise<boolean> {
  const tally: Tally = { decisions: 0, differ: 0, unreadable: 0 };
  const told: string[] = [];
  const tell = (lines: readonly string[]) => {
    if (tally.differ + tally.unreadable <= options.limit) told.push(...lines);
  };
  let number = 0;
  try {
    for await (const { line, isWhole } of linesOf(file)) {
      number++;
      if (line !== "") replayLine(line, isWhole, `line ${number}`, tally, tell);
    }
  } catch (error) {
    options.writeError(`Error: ${file}: ${(error as Error).message}`);
    return false;
  }
  const { decisions, differ, unreadable } = tally;
  const parts = [
    `${decisions} ${decisions === 1 ? "decision" : "decisions"}`,
    `${decisions - differ} as recorded`,
    ...(differ > 0 ? [`${differ} different`] : []),
    ...(unreadable > 0 ? [`${unreadable} not readable`] : []),
  ];
  options.write(`${file}: ${parts.join(", ")}`);
  for (const line of told) options.write(plainLine(`  ${line}`));
  const more = differ + unreadable - options.limit;
  if (more > 0) options.write(`  ... and ${more} more (--limit ${differ + unreadable} shows all)`);
  if (decisions === 0) options.writeError(`Error: ${file}: no decision is recorded there`);
  return decisions > 0 && differ + unreadable === 0;
}

function replayLine(
  line: string,
  isWhole: boolean,
  where: string,
  tally: Tally,
  tell: (lines: readonly string[]) => void,
): void {
  let record: RecordedDecision;
  let anew: DecidedAnew | null;
  try {
    record = readRecord(line);
  } catch (error) {
    // The node was killed, or the disk full, in the middle of the last line.
    if (!isWhole) return;
    tally.unreadable++;
    return tell([`${where}: ${(error as Error).message}`]);
  }
  const { version, node, at, pair } = record;
  const title = `${where}, ${at}, ${pair.by} of ${node} (agent ${version}):`;
  tally.decisions++;
  try {
    anew = differsFrom(pair);
  } catch (error) {
    tally.differ++;
    return tell([title, `  recorded: ${said(pair)}`, `  now:      it fails: ${(error as Error).message}`]);
  }
  if (anew === null) return;
  tally.differ++;
  tell([title, `  recorded: ${said(pair)}`, `  now:      ${said({ ...pair, ...anew } as DecisionPair)}`]);
}

/** The rule, its reason, and what is to be done. */
function said(pair: DecisionPair): string {
  const { rule, reason } = pair.decision;
  const what = pair.by === "keeper" ? [...pair.decision.actions, ...pair.duties] : pair.decision.commands;
  return `${rule}: ${reason} ${JSON.stringify(what)}`;
}

/** `isWhole`: it ends with a line break. */
async function* linesOf(file: string): AsyncGenerator<{ readonly line: string; readonly isWhole: boolean }> {
  let rest = "";
  for await (const chunk of createReadStream(file, { encoding: "utf8" })) {
    const [first, ...more] = (chunk as string).split("\n");
    rest += first;
    for (const next of more) {
      yield { line: rest, isWhole: true };
      rest = next;
    }
    if (rest.length > MAX_LINE_CHARS) throw new Error(`a line is longer than ${MAX_LINE_CHARS} characters`);
  }
  if (rest !== "") yield { line: rest, isWhole: false };
}
