/** Counts the transactions in WAL, by pg_waldump: bounded in time, and in what it says. */
import { formatLsn } from "../model/lsn.ts";
import type { WalStretch } from "../model/lost_wal.ts";
import { exists, join } from "./disk.ts";
import type { Programs } from "./programs.ts";
import { describeFailure, runProgram, succeeded } from "./run_program.ts";
import { walFileName } from "./source_wal.ts";

export interface CountOptions {
  /** For all of them together. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
}

/** A text: why their number is not known. Never rejects for what is in the WAL. */
export async function countTransactions(
  programs: Programs,
  dataDir: string,
  stretches: readonly WalStretch[],
  segmentBytes: number,
  { timeoutMs, signal }: CountOptions,
): Promise<number | string> {
  const walDir = join(dataDir, "pg_wal");
  let count = 0;
  for (const { timeline, from, to } of stretches) {
    // It refuses an end that is not in the last of the files that are named.
    const [first, last] = [from, to - 1].map((lsn) => walFileName(timeline, lsn, segmentBytes));
    if (!exists(join(walDir, first!))) return `the WAL from ${formatLsn(from)} on is not there any more`;
    // By record type it prints a table of a few lines, however many records there are.
    const args = ["-p", walDir, "-r", "Transaction", "--stats=record", "-s", formatLsn(from), "-e"];
    const result = await runProgram(
      programs.path("pg_waldump"),
      [...args, formatLsn(to), first!, last!],
      { timeoutMs: timeoutMs / stretches.length, signal },
    );
    const found = commitsIn(result.stdout);
    // It prints its table as well where it meets a bad record halfway.
    if (found === null || !succeeded(result)) return describeFailure("pg_waldump", result);
    count += found;
  }
  return count;
}

/**
 * Commits in the table of pg_waldump (13 to 18); null: it has printed none. Some versions have two lines for
 * one type of record, by a flag of it.
 */
export function commitsIn(output: string): number | null {
  if (!/^Total\s/m.test(output)) return null;
  return [...output.matchAll(/^Transaction\/COMMIT(?:_PREPARED)?\s+(\d+)\s/gm)]
    .reduce((sum, [, count]) => sum + Number(count), 0);
}
