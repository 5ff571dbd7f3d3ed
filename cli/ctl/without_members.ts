/** What a show does when no member answers: it falls back on the raft log of this host. */
import { NobodyAnswers } from "./access.ts";
import type { Context } from "./command.ts";
import { CtlError } from "./errors.ts";
import type { LocalRecords } from "./local_records.ts";

/**
 * Shows what members answer, and returns 0; else what the raft log of this host says, and returns 1. Whom it
 * asked, and that the answer is stale, is told on standard error. Throws where there is no such log either,
 * and for a cluster of another name: the log of this host has nothing of that one.
 */
export async function orLocalRecords(
  { io, cluster }: Pick<Context, "io" | "cluster">,
  name: string | null,
  show: () => Promise<void>,
  showLocal: (records: LocalRecords) => void | Promise<void>,
): Promise<number> {
  try {
    await show();
    return 0;
  } catch (error) {
    if (!(error instanceof NobodyAnswers) || cluster.raftDirectory === null) throw error;
    if (name !== null && cluster.scope !== null && name !== cluster.scope) throw error;
    const { origin } = await shownLocally(cluster.raftDirectory, error, showLocal);
    io.err(`Error: ${error.message}`);
    io.err(`Shown instead, and stale: ${origin}`);
    return 1;
  }
}

async function shownLocally(
  directory: string,
  nobody: NobodyAnswers,
  showLocal: (records: LocalRecords) => void | Promise<void>,
): Promise<LocalRecords> {
  const { readLocalRecords } = await import("./local_records.ts");
  try {
    const records = readLocalRecords(directory);
    await showLocal(records);
    return records;
  } catch (error) {
    if (!(error instanceof CtlError)) throw error;
    throw new CtlError(`${nobody.message}\nand ${error.message}`, { cause: error });
  }
}
